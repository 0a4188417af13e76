"""Profiles and where they should be. One id space for every kind."""

from typing import Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy

from devices.models.assignment import AssignmentGroup
from devices.models.device import Device
from devices.models.group import DeviceGroup
from devices.models.items import Followed
from mdm.accounts.scoping import AccountQuerySet, AccountScoped
from mdm.common.fields import EncryptedBinaryField, SecretHolder


class ProfileQuerySet(AccountQuerySet):
    def for_account(self, account: models.Model | int) -> Self:
        """Deleted ones stay until they are off the last device; operators no longer see them."""
        return super().for_account(account).filter(removed_at=None)


class ProfileKind(models.TextChoices):
    """As `type` in the API."""

    CUSTOM = "custom_configuration_profile", gettext_lazy("Custom configuration profile")
    DECLARATION = "custom_declaration", gettext_lazy("Custom declaration")


class Profile(AccountScoped):
    """What operators uploaded to be installed; its content stands in its versions, the newest one counts."""

    kind = models.CharField(max_length=40, choices=ProfileKind, default=ProfileKind.CUSTOM)
    name = models.CharField(max_length=255)
    profile_identifier = models.CharField("PayloadIdentifier", max_length=255)
    user_scope = models.BooleanField(default=True, help_text="On Macs: for the user instead of the whole Mac.")
    attribute_support = models.BooleanField(default=False, help_text="Fill in custom attributes at delivery.")
    escape_attributes = models.BooleanField(default=False, help_text="Escape what is filled in for XML.")
    reinstall_after_os_update = models.BooleanField(default=False)
    version = models.PositiveIntegerField(default=1, help_text="Number of the newest version.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    removed_at = models.DateTimeField(null=True, editable=False)

    objects = ProfileQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["account", "id"], name="profile_pages")]

    def __str__(self) -> str:
        return self.name


class ProfileVersion(AccountScoped, SecretHolder):
    """One uploaded file, byte for byte. Encrypted: profiles carry passwords of Wi-Fi, mail and VPN."""

    profile = models.ForeignKey(Profile, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    content = EncryptedBinaryField()
    digest = models.CharField("SHA-256", max_length=64)
    size = models.PositiveIntegerField(help_text="Bytes.")
    payload_uuid = models.CharField("PayloadUUID", max_length=64, blank=True)
    payload_types = models.JSONField(default=list)
    is_signed = models.BooleanField(default=False)
    uploaded_by = models.CharField(max_length=200, blank=True)
    variables = models.JSONField(null=True, help_text="Names that are filled in; empty: not looked for yet.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["profile", "number"], name="one_profile_version_per_number")]

    def __str__(self) -> str:
        return f"{self.profile_id} v{self.number}"


class ProfileAssignment(AccountScoped):
    """A profile should be on a device, on the devices of a device group, or on those of an assignment group."""

    profile = models.ForeignKey(Profile, on_delete=models.CASCADE, related_name="assignments")
    device = models.ForeignKey(Device, null=True, on_delete=models.CASCADE, related_name="profile_assignments")
    device_group = models.ForeignKey(
        DeviceGroup, null=True, on_delete=models.CASCADE, related_name="profile_assignments"
    )
    assignment_group = models.ForeignKey(
        AssignmentGroup, null=True, on_delete=models.CASCADE, related_name="profile_assignments"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["profile", "device"],
                condition=Q(device__isnull=False),
                name="one_profile_assignment_per_device",
            ),
            models.UniqueConstraint(
                fields=["profile", "device_group"],
                condition=Q(device_group__isnull=False),
                name="one_profile_assignment_per_device_group",
            ),
            models.UniqueConstraint(
                fields=["profile", "assignment_group"],
                condition=Q(assignment_group__isnull=False),
                name="one_profile_assignment_per_assignment_group",
            ),
            models.CheckConstraint(
                condition=(
                    Q(device__isnull=False, device_group=None, assignment_group=None)
                    | Q(device=None, device_group__isnull=False, assignment_group=None)
                    | Q(device=None, device_group=None, assignment_group__isnull=False)
                ),
                name="profile_assignment_has_one_owner",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.profile_id} on {self.device or self.device_group or self.assignment_group}"


class ProfileInstall(AccountScoped, Followed):
    """A profile of ours on one device: what was sent and what came of it. The reconciler's memory."""

    profile = models.ForeignKey(Profile, on_delete=models.CASCADE, related_name="installs", db_index=False)
    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="profile_installs", db_index=False)
    user_key = models.CharField(max_length=128, blank=True, help_text="Whose user channel; empty: the device's own.")
    version = models.PositiveIntegerField(help_text="The version that was sent last.")
    installed_version = models.PositiveIntegerField(null=True, help_text="What the device is known to have.")
    rendered = models.CharField(
        max_length=64, blank=True, help_text="Fingerprint of the values that were filled in when it was delivered."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["device", "profile", "user_key"], name="one_profile_install_per_device")
        ]
        # The totals of a profile.
        indexes = [models.Index(fields=["profile", "state", "device"], name="profile_install_totals")]

    def __str__(self) -> str:
        return f"{self.profile_id} on {self.device_id}: {self.state}"
