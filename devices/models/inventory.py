"""What is on a device, as it last reported. Rows are replaced by each report; unknown keys stay in `details`.

The unique constraints begin with the device: they are its index.
"""

from django.db import models
from django.utils import timezone

from devices.models.device import Device
from mdm.accounts.scoping import AccountScoped


class InstalledApp(AccountScoped):
    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="installed_apps", db_index=False)
    identifier = models.CharField(max_length=255)
    name = models.CharField(max_length=255, blank=True)
    version = models.CharField(max_length=100, blank=True)
    short_version = models.CharField(max_length=100, blank=True)
    bundle_size = models.BigIntegerField(null=True)
    dynamic_size = models.BigIntegerField(null=True)
    is_managed = models.BooleanField(default=False)
    details = models.JSONField(default=dict)
    discovered_at = models.DateTimeField(default=timezone.now)
    last_seen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            # A Mac may have several copies of one app in different versions.
            models.UniqueConstraint(
                fields=["device", "identifier", "version", "name"], name="one_row_per_installed_app"
            ),
        ]
        indexes = [models.Index(fields=["account", "identifier"], name="installed_app_by_identifier")]

    def __str__(self) -> str:
        return f"{self.name or self.identifier} {self.short_version}".strip()


class InstalledProfile(AccountScoped):
    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="installed_profiles", db_index=False)
    identifier = models.CharField(max_length=255)
    uuid = models.CharField("UUID", max_length=64, blank=True)
    name = models.CharField(max_length=255, blank=True)
    organization = models.CharField(max_length=255, blank=True)
    is_managed = models.BooleanField(null=True)
    is_encrypted = models.BooleanField(null=True)
    user_key = models.CharField(
        max_length=128, blank=True, help_text="Whose user channel it is on; empty: the device's."
    )
    payloads = models.JSONField(default=list)
    details = models.JSONField(default=dict)
    last_seen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["device", "user_key", "identifier"], name="one_row_per_installed_profile")
        ]

    def __str__(self) -> str:
        return self.name or self.identifier


class InstalledCertificate(AccountScoped):
    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="installed_certificates", db_index=False)
    common_name = models.CharField(max_length=255, blank=True)
    fingerprint = models.CharField("SHA-256", max_length=64)
    is_identity = models.BooleanField(default=False)
    not_after = models.DateTimeField("expires", null=True)
    user_key = models.CharField(max_length=128, blank=True)
    last_seen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["device", "user_key", "fingerprint"], name="one_row_per_certificate")
        ]

    def __str__(self) -> str:
        return self.common_name or self.fingerprint[:16]


class DeviceUser(AccountScoped):
    """A user account on a Mac or Shared iPad."""

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="users", db_index=False)
    username = models.CharField(max_length=255)
    full_name = models.CharField(max_length=255, blank=True)
    uid = models.BigIntegerField("UID", null=True)
    user_guid = models.CharField("GUID", max_length=64, blank=True)
    data_quota = models.BigIntegerField(null=True)
    data_used = models.BigIntegerField(null=True)
    data_to_sync = models.BooleanField(default=False)
    secure_token = models.BooleanField(null=True)
    logged_in = models.BooleanField(default=False)
    mobile_account = models.BooleanField(default=False)
    details = models.JSONField(default=dict)
    last_seen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["device", "username"], name="one_row_per_device_user")]

    def __str__(self) -> str:
        return self.full_name or self.username
