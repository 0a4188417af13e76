from django.db import models
from django.utils import timezone

from devices.models import Device
from enrollment.models.enrollment import Enrollment
from mdm.accounts.scoping import AccountScoped
from mdm.common.fields import EncryptedTextField, SecretHolder


class CertificateAuthority(AccountScoped, SecretHolder):
    """The account's own CA: it issues the certificates by which devices are known, and signs enrollment profiles."""

    account = models.OneToOneField(
        "mdm_accounts.Account", on_delete=models.CASCADE, related_name="certificate_authority", editable=False
    )
    scep_id = models.CharField(max_length=64, unique=True, editable=False, help_text="Names this CA in the SCEP URL.")
    certificate_der = models.BinaryField()
    key_pem = EncryptedTextField("private key")
    not_after = models.DateTimeField("expires")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "certificate authorities"

    def __str__(self) -> str:
        return f"Device CA of {self.account}"


class TrustedAuthority(AccountScoped):
    """An external CA whose device certificates the account accepts."""

    name = models.CharField(max_length=200, blank=True)
    certificate_der = models.BinaryField()
    fingerprint = models.CharField("SHA-256", max_length=64)
    subject_der = models.BinaryField(help_text="Found by the issuer of a device's certificate.")
    not_after = models.DateTimeField("expires")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "trusted authorities"
        constraints = [models.UniqueConstraint(fields=["account", "fingerprint"], name="trusted_once_per_account")]

    def __str__(self) -> str:
        return self.name or self.fingerprint[:16]


class IdentityCertificate(AccountScoped):
    """A certificate issued to a device by the account's CA."""

    enrollment = models.ForeignKey(Enrollment, null=True, on_delete=models.SET_NULL, related_name="identities")
    device = models.ForeignKey(Device, null=True, on_delete=models.CASCADE, related_name="identities")
    serial_number = models.CharField(max_length=64, help_text="Hexadecimal.")
    fingerprint = models.CharField("SHA-256", max_length=64)
    public_key_fingerprint = models.CharField(max_length=64)
    common_name = models.CharField(max_length=255, blank=True)
    certificate_der = models.BinaryField()
    not_before = models.DateTimeField("valid from")
    not_after = models.DateTimeField("expires")
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True)
    revoked_reason = models.CharField(max_length=200, blank=True)
    renewal_asked_at = models.DateTimeField(null=True, help_text="When the device was last asked to renew it.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "serial_number"], name="serial_unique_per_account"),
            # A constraint, as `unique=True` would add a second index for LIKE.
            models.UniqueConstraint(fields=["fingerprint"], name="identity_by_fingerprint"),
        ]
        indexes = [models.Index(fields=["not_after"], name="identity_by_expiry")]

    def __str__(self) -> str:
        return self.common_name or self.fingerprint[:16]

    @property
    def is_expired(self) -> bool:
        return self.not_after <= timezone.now()


class ScepChallenge(AccountScoped):
    """A password for exactly one certificate: bound to an enrollment, or to an enrolled device that renews."""

    digest = models.CharField(max_length=64, unique=True)
    enrollment = models.ForeignKey(Enrollment, null=True, on_delete=models.CASCADE, related_name="challenges")
    device = models.ForeignKey(Device, null=True, on_delete=models.CASCADE, related_name="challenges")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    # A client whose answer got lost asks again with the same key: it gets the same certificate.
    certificate = models.ForeignKey(IdentityCertificate, null=True, on_delete=models.CASCADE, related_name="+")
