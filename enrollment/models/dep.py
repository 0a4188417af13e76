"""Automated Device Enrollment: the account's servers at Apple, and the devices that Apple lists for them."""

from typing import Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy

from devices.models import Device
from mdm.accounts.scoping import AccountQuerySet, AccountScoped
from mdm.common.fields import EncryptedTextField, SecretHolder


class DepKey(AccountScoped, SecretHolder):
    """A key pair whose certificate is uploaded to Apple: the server token comes back encrypted to it."""

    certificate_pem = models.TextField()
    key_pem = EncryptedTextField()
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"Key {self.pk} of {self.account_id}"


class DepServerQuerySet(AccountQuerySet):
    def for_account(self, account: models.Model | int) -> Self:
        """Servers that an operator sees: a removed one stays until a worker has tidied up behind it."""
        return super().for_account(account).filter(removed_at=None)


class DepServer(AccountScoped, SecretHolder):
    """A server token of Apple Business or School Manager, and how far its device list is known."""

    name = models.CharField(max_length=200)
    key = models.ForeignKey(DepKey, on_delete=models.PROTECT, related_name="servers")
    consumer_key = models.CharField(max_length=200)
    consumer_secret = EncryptedTextField()
    access_token = EncryptedTextField()
    access_secret = EncryptedTextField()
    token_expires_at = models.DateTimeField()

    # What Apple's /account says.
    server_name = models.CharField(max_length=255, blank=True)
    server_uuid = models.CharField("server UUID", max_length=64, blank=True)
    admin_id = models.CharField("Apple Account", max_length=255, blank=True)
    organization_name = models.CharField(max_length=255, blank=True)
    organization = models.JSONField(default=dict)

    cursor = models.CharField(max_length=1000, blank=True, editable=False)
    full_sync_started_at = models.DateTimeField(
        null=True, editable=False, help_text="While the whole list is read; the cursor is one of that list then."
    )
    last_synced_at = models.DateTimeField(null=True)
    sync_due_at = models.DateTimeField(null=True, editable=False)
    sync_started_at = models.DateTimeField(null=True, editable=False)
    sync_attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    sync_error = models.CharField(max_length=500, blank=True)
    removed_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = DepServerQuerySet.as_manager()

    class Meta:
        verbose_name = "DEP server"
        constraints = [models.UniqueConstraint(fields=["account", "consumer_key"], name="one_dep_server_per_token")]
        indexes = [
            models.Index(fields=["sync_due_at"], condition=Q(sync_due_at__isnull=False), name="dep_server_to_sync")
        ]

    def __str__(self) -> str:
        return self.name


class AssignState(models.TextChoices):
    """How far the server's enrollment settings have come to a device, as Apple says."""

    NONE = "", gettext_lazy("No settings")
    WAITING = "waiting", gettext_lazy("Waiting to be assigned")
    ASSIGNED = "assigned", gettext_lazy("Assigned")
    REFUSED = "refused", gettext_lazy("Apple refused it")


class DepDevice(AccountScoped):
    """A device as Apple lists it; it need not have enrolled here."""

    # Columns that hold what Apple says, under Apple's names.
    TEXTS = (
        "model",
        "description",
        "color",
        "asset_tag",
        "os",
        "device_family",
        "profile_status",
        "profile_uuid",
        "device_assigned_by",
    )
    TIMES = ("profile_assign_time", "profile_push_time", "device_assigned_date")

    server = models.ForeignKey(DepServer, on_delete=models.CASCADE, related_name="dep_devices")
    serial_number = models.CharField(max_length=64)
    device = models.ForeignKey(Device, null=True, on_delete=models.SET_NULL, related_name="dep_devices")
    model = models.CharField(max_length=255, blank=True)
    description = models.CharField(max_length=255, blank=True)
    color = models.CharField(max_length=100, blank=True)
    asset_tag = models.CharField(max_length=255, blank=True)
    os = models.CharField("OS", max_length=32, blank=True)
    device_family = models.CharField(max_length=32, blank=True)
    profile_status = models.CharField(max_length=32, blank=True)
    profile_uuid = models.CharField("profile UUID", max_length=64, blank=True)
    profile_assign_time = models.DateTimeField(null=True)
    profile_push_time = models.DateTimeField(null=True)
    device_assigned_date = models.DateTimeField(null=True)
    device_assigned_by = models.CharField(max_length=255, blank=True)
    seen_at = models.DateTimeField(null=True, editable=False, help_text="When Apple last listed it.")
    # Ours: whether it has what its server's settings say (`profile_uuid` is Apple's word on it).
    assign_state = models.CharField(max_length=10, choices=AssignState, default=AssignState.NONE, blank=True)
    assign_error = models.CharField(max_length=200, blank=True)
    assign_attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    assign_due_at = models.DateTimeField(null=True, editable=False, help_text="When to assign it (again).")
    made_device = models.BooleanField(
        default=False, editable=False, help_text="Its row among the devices was made of this one, and goes with it."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "DEP device"
        constraints = [models.UniqueConstraint(fields=["server", "serial_number"], name="one_dep_device_per_serial")]
        indexes = [
            models.Index(fields=["account", "serial_number"], name="dep_device_by_serial_number"),
            models.Index(
                fields=["server", "assign_due_at"],
                condition=Q(assign_due_at__isnull=False),
                name="dep_device_to_assign",
            ),
        ]

    def __str__(self) -> str:
        return self.serial_number
