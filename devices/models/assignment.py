"""Assignment groups: what their devices should have. The apps of a group stand in `apps_catalog`."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy

from devices.models.device import Device
from devices.models.group import DeviceGroup
from mdm.accounts.scoping import AccountScoped


class GroupType(models.TextChoices):
    STANDARD = "standard", gettext_lazy("Standard")
    MUNKI = "munki", gettext_lazy("Munki")


class InstallType(models.TextChoices):
    """How Munki offers an app; without meaning in standard groups."""

    MANAGED = "managed", gettext_lazy("Managed install")
    SELF_SERVE = "self_serve", gettext_lazy("Self-service")
    DEFAULT_INSTALLS = "default_installs", gettext_lazy("Default install")
    MANAGED_UPDATES = "managed_updates", gettext_lazy("Managed update")


class AssignmentGroup(AccountScoped):
    """Pairs apps and profiles with devices and device groups."""

    name = models.CharField(max_length=200)
    auto_deploy = models.BooleanField(
        default=True, help_text="Apps are installed by themselves as soon as a device belongs to the group."
    )
    group_type = models.CharField(max_length=20, choices=GroupType, default=GroupType.STANDARD)
    install_type = models.CharField(max_length=20, choices=InstallType, default=InstallType.MANAGED)
    priority = models.PositiveSmallIntegerField(default=0)
    app_track_location = models.BooleanField(default=True)
    profiles_synced_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        indexes = [models.Index(fields=["account", "id"], name="assignment_group_pages")]

    def __str__(self) -> str:
        return self.name


class AssignmentMember(AccountScoped):
    """A device, or a whole device group, that belongs to an assignment group."""

    group = models.ForeignKey(AssignmentGroup, on_delete=models.CASCADE, related_name="members")
    device = models.ForeignKey(Device, null=True, on_delete=models.CASCADE, related_name="assignment_memberships")
    device_group = models.ForeignKey(
        DeviceGroup, null=True, on_delete=models.CASCADE, related_name="assignment_memberships"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["group", "device"], condition=Q(device__isnull=False), name="one_membership_per_device"
            ),
            models.UniqueConstraint(
                fields=["group", "device_group"],
                condition=Q(device_group__isnull=False),
                name="one_membership_per_device_group",
            ),
            models.CheckConstraint(
                condition=Q(device__isnull=False, device_group=None) | Q(device=None, device_group__isnull=False),
                name="member_is_device_or_device_group",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.device or self.device_group} in {self.group}"
