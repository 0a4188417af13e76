from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy

from mdm.accounts.scoping import AccountScoped
from mdm.common.fields import EncryptedTextField, SecretHolder


def days_until(at: datetime) -> int:
    """Whole days; 0 on the last one, negative afterwards."""
    return (at - timezone.now()) // timedelta(days=1)


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
    request_email = models.EmailField("e-mail in the request", blank=True, help_text="For the next request.")
    not_before = models.DateTimeField("valid from")
    not_after = models.DateTimeField("expires")
    rejected_at = models.DateTimeField(null=True, help_text="When APNs last refused this certificate.")
    rejected_reason = models.CharField(max_length=200, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return self.topic

    @property
    def days_left(self) -> int:
        return days_until(self.not_after)

    @property
    def is_expired(self) -> bool:
        return self.not_after <= timezone.now()


class PushRequest(AccountScoped, SecretHolder):
    """A push certificate that was asked for: its key waits here until Apple's certificate is uploaded.

    The last few are kept, as a person may upload an earlier one of them to Apple's portal.
    """

    key_pem = EncryptedTextField()
    csr_der = models.BinaryField()
    email = models.EmailField(blank=True, help_text="The one in the request.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["account", "-id"], name="push_request_newest_first")]


class VendorCertificate(AccountScoped, SecretHolder):
    """The account's own MDM vendor certificate, which signs its requests instead of the installation's."""

    account = models.OneToOneField(
        "mdm_accounts.Account", on_delete=models.CASCADE, related_name="vendor_certificate", editable=False
    )
    subject = models.CharField(max_length=255)
    bundle_pem = EncryptedTextField(help_text="Certificate, chain up to the root, and key: one PEM text.")
    not_after = models.DateTimeField("expires", help_text="Of the certificate or of its chain, whichever ends first.")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.subject

    @property
    def is_expired(self) -> bool:
        return self.not_after <= timezone.now()


class SigningAccess(AccountScoped, SecretHolder):
    """By what the account is known to the service that signs requests (mdmcert.download)."""

    account = models.OneToOneField(
        "mdm_accounts.Account", on_delete=models.CASCADE, related_name="signing_access", editable=False
    )
    email = models.EmailField(blank=True, help_text="The address that is registered there.")
    api_key = EncryptedTextField("API key", help_text="Empty: the installation's (MDMCERT_API_KEY).")

    def __str__(self) -> str:
        return self.email


class OrderState(models.TextChoices):
    WAITING = "waiting", gettext_lazy("Waiting to be sent")
    SENT = "sent", gettext_lazy("Sent, the answer comes by e-mail")
    FAILED = "failed", gettext_lazy("Failed")
    ANSWERED = "answered", gettext_lazy("Signed")


class SigningOrder(AccountScoped, SecretHolder):
    """A request on its way through mdmcert.download, which e-mails the signed one, encrypted to this row's certificate.

    The last few are kept: the mail may answer an earlier one.
    """

    request = models.ForeignKey(PushRequest, on_delete=models.CASCADE, related_name="orders")
    email = models.EmailField()
    certificate_pem = models.TextField()
    key_pem = EncryptedTextField()
    state = models.CharField(max_length=10, choices=OrderState, default=OrderState.WAITING)
    error = models.CharField(max_length=400, blank=True, help_text="Why it failed, or why it has to be tried again.")
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(
        null=True, help_text="When to send it; while one is being sent, the end of the lease."
    )
    signed_request = models.TextField(blank=True, help_text="What Apple's portal takes: base64 of a plist.")
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account"], condition=Q(state="waiting"), name="one_waiting_signing_order")
        ]
        indexes = [
            models.Index(fields=["account", "-id"], name="signing_order_newest_first"),
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="signing_order_to_send"),
        ]
