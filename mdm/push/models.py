from datetime import timedelta

from django.db import models
from django.utils import timezone

from mdm.accounts.scoping import AccountScoped
from mdm.common.fields import EncryptedTextField, SecretHolder


class PushCertificate(AccountScoped, SecretHolder):
    """The account's APNs certificate for device management; its topic ties every enrolled device to it."""

    account = models.OneToOneField(
        "mdm_accounts.Account", on_delete=models.CASCADE, related_name="push_certificate", editable=False
    )
    topic = models.CharField(max_length=255)
    certificate_pem = models.TextField("certificate")
    key_pem = EncryptedTextField("private key")
    apple_id = models.EmailField(
        "Apple Account", blank=True, help_text="The account it was made with: renew it with the same one."
    )
    not_before = models.DateTimeField("valid from")
    not_after = models.DateTimeField("expires")
    rejected_at = models.DateTimeField(null=True, help_text="When APNs last refused this certificate.")
    rejected_reason = models.CharField(max_length=200, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return self.topic

    @property
    def days_left(self) -> int:
        return (self.not_after - timezone.now()) // timedelta(days=1)

    @property
    def is_expired(self) -> bool:
        return self.not_after <= timezone.now()


class PushRequest(AccountScoped, SecretHolder):
    """A push certificate that was asked for: its key waits here until Apple's certificate is uploaded."""

    account = models.OneToOneField(
        "mdm_accounts.Account", on_delete=models.CASCADE, related_name="push_request", editable=False
    )
    key_pem = EncryptedTextField()
    csr_der = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)
