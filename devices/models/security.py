"""What devices entrusted to us, and the keys to open it: encrypted, and shown only where it was asked for by name."""

from django.db import models

from devices.models.device import Device
from mdm.accounts.scoping import AccountScoped
from mdm.common.fields import EncryptedTextField, SecretHolder


class DeviceSecrets(AccountScoped, SecretHolder):
    """Passwords of one Mac. A new one waits as `pending_…` until the Mac says that it took it.

    `pending_…_command`: CommandUUID of the command that sets it; with an empty password beside it, the command that
    takes the present one off.
    """

    device = models.OneToOneField(Device, on_delete=models.CASCADE, related_name="secrets")
    filevault_recovery_key = EncryptedTextField()
    escrow_digest = models.CharField(
        max_length=64, blank=True, editable=False, help_text="SHA-256 of the last escrowed key, as it came encrypted."
    )
    firmware_password = EncryptedTextField()
    pending_firmware_password = EncryptedTextField()
    pending_firmware_command = models.CharField(max_length=64, blank=True, editable=False)
    recovery_lock_password = EncryptedTextField()
    pending_recovery_lock_password = EncryptedTextField()
    pending_recovery_lock_command = models.CharField(max_length=64, blank=True, editable=False)
    admin_password = EncryptedTextField()
    pending_admin_password = EncryptedTextField()
    pending_admin_command = models.CharField(max_length=64, blank=True, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "device secrets"

    def __str__(self) -> str:
        return f"Secrets of {self.device_id}"


class EscrowKey(AccountScoped, SecretHolder):
    """The account's key to FileVault recovery keys: Macs encrypt theirs to its certificate."""

    certificate_der = models.BinaryField()
    key_pem = EncryptedTextField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account"], name="one_escrow_key")]

    def __str__(self) -> str:
        return f"Escrow key of {self.account_id}"
