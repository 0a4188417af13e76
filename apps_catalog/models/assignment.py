"""Which apps an assignment group brings, and how far they have come on each device."""

from django.db import models
from django.db.models import Q

from apps_catalog.models.app import App, AppVersion
from devices.models import AssignmentGroup, Device, Followed, GroupType, InstallType
from mdm.accounts.scoping import AccountScoped


class AppAssignment(AccountScoped):
    group = models.ForeignKey(AssignmentGroup, on_delete=models.CASCADE, related_name="app_assignments")
    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="assignments")
    deployment_type = models.CharField(max_length=20, choices=GroupType, default=GroupType.STANDARD)
    install_type = models.CharField(max_length=20, choices=InstallType, default=InstallType.MANAGED)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["group", "app"], name="one_assignment_per_app")]

    def __str__(self) -> str:
        return f"{self.app} in {self.group}"


class AppInstall(AccountScoped, Followed):
    """An app of the catalogue that we sent to one device, and what came of it. The reconciler's memory."""

    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="installs", db_index=False)
    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="app_installs", db_index=False)
    version = models.ForeignKey(AppVersion, null=True, on_delete=models.SET_NULL, related_name="+")
    is_on_device = models.BooleanField(default=False, help_text="The device was seen to have it, in whatever version.")
    is_by_hand = models.BooleanField(
        default=False, help_text="An operator sent it to this device by itself: it stays there without any group."
    )
    configuration = models.PositiveIntegerField(
        default=0, help_text="Which edition of the app's configuration was sent: see App.configuration."
    )
    awaits_licence = models.BooleanField(
        default=False, help_text="It is sent as soon as the device has a licence of Apps and Books."
    )
    feedback = models.JSONField(null=True, help_text="What the app told its management, as it last did.")
    feedback_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["device", "app"], name="one_app_install_per_device")]
        indexes = [
            # The totals of an app.
            models.Index(fields=["app", "state"], name="app_install_totals"),
            # Those whose licence may have come.
            models.Index(fields=["app"], condition=Q(awaits_licence=True), name="app_install_awaits_licence"),
        ]

    def __str__(self) -> str:
        return f"{self.app_id} on {self.device_id}: {self.state}"
