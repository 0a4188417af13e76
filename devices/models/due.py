"""Which devices are to be compared with what they should have, and the operations that many of them belong to."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from devices.models.device import Device
from mdm.accounts.scoping import AccountScoped


class OperationKind(models.TextChoices):
    """What is done with each device before it is compared with what it should have."""

    RECONCILE = "reconcile", "Bring to what is assigned"
    PUSH_APPS = "push_apps", "Push assigned apps"
    UPDATE_APPS = "update_apps", "Update apps"
    DEPLOY_APP = "deploy_app", "Deploy a version"
    SYNC_PROFILES = "sync_profiles", "Send profiles again"


class OperationState(models.TextChoices):
    RUNNING = "running", "Running"
    CANCELLED = "cancelled", "Cancelled"  # what is left of it waits until it is resumed
    DONE = "done", "Done"


class BulkOperation(AccountScoped):
    """A change that concerns many devices. Those that it has still to reach are its rows of `DueDevice`."""

    kind = models.CharField(max_length=20, choices=OperationKind, default=OperationKind.RECONCILE)
    title = models.CharField(max_length=255, help_text="What was changed, in a few words.")
    parameters = models.JSONField(default=dict, help_text="What the kind needs: keys of an app, of a group.")
    state = models.CharField(max_length=20, choices=OperationState, default=OperationState.RUNNING)
    total = models.PositiveIntegerField(default=0, help_text="Devices.")
    commands = models.PositiveIntegerField(default=0, help_text="Queued by it so far.")
    pushes_per_second = models.PositiveIntegerField(help_text="How fast its devices are woken; 0: at once.")
    next_push_at = models.DateTimeField(default=timezone.now, editable=False)
    actor_label = models.CharField("started by", max_length=200, blank=True)
    source = models.CharField(max_length=20, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["account", "-id"], name="operation_newest_first"),
            models.Index(fields=["id"], condition=Q(state="running"), name="operation_running"),
        ]

    def __str__(self) -> str:
        return self.title


class DueDevice(AccountScoped):
    """A mark: this device may differ from what it should have, by itself (one mark a device), or as a part of an operation (one
    for each). The reconciler takes it away. Narrow, as there are many.
    """

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="due_marks", db_index=False)
    operation = models.ForeignKey(
        BulkOperation, null=True, on_delete=models.CASCADE, related_name="due_devices", db_index=False
    )
    due_at = models.DateTimeField(default=timezone.now, help_text="Not before; a retry waits until then.")
    attempts = models.PositiveSmallIntegerField(default=0, help_text="How often comparing it broke off with an error.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["device"], condition=Q(operation=None), name="one_mark_of_its_own"),
            models.UniqueConstraint(
                fields=["device", "operation"],
                condition=Q(operation__isnull=False),
                name="one_mark_for_each_operation",
            ),
        ]
        indexes = [
            # What the reconciler takes next: single devices before those of operations.
            models.Index(fields=["due_at"], condition=Q(operation=None), name="due_by_itself"),
            models.Index(
                fields=["operation", "due_at"], condition=Q(operation__isnull=False), name="due_in_an_operation"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.device_id} at {self.due_at}"
