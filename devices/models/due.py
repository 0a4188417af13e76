"""Which devices are to be compared with what they should have, and the operations that many of them belong to."""

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy

from devices.models.device import Device
from mdm.accounts.scoping import AccountScoped
from mdm.commands.models import Command
from mdm.common.fields import EncryptedJSONField, SecretHolder


class OperationKind(models.TextChoices):
    """What is done with each device before it is compared with what it should have."""

    RECONCILE = "reconcile", gettext_lazy("Bring to what is assigned")
    PUSH_APPS = "push_apps", gettext_lazy("Push assigned apps")
    UPDATE_APPS = "update_apps", gettext_lazy("Update apps")
    DEPLOY_APP = "deploy_app", gettext_lazy("Deploy a version")
    SYNC_PROFILES = "sync_profiles", gettext_lazy("Send profiles again")
    # These are done once with each device, by themselves (`OperationDevice`); the reconciler has no part in them.
    SEND_COMMAND = "send_command", gettext_lazy("Send a command")
    REFRESH = "refresh", gettext_lazy("Refresh inventory")
    MOVE = "move", gettext_lazy("Move to another device group")
    SET_ATTRIBUTE = "set_attribute", gettext_lazy("Set a custom attribute")
    JOIN_GROUP = "join_group", gettext_lazy("Add to an assignment group")


class OperationState(models.TextChoices):
    RUNNING = "running", gettext_lazy("Running")
    CANCELLED = "cancelled", gettext_lazy("Cancelled")  # what is left of it waits until it is resumed
    DONE = "done", gettext_lazy("Done")


class BulkOperation(AccountScoped):
    """A change that concerns many devices. Those still to be reached are its rows of `DueDevice`, or of `OperationDevice`."""

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
    # Of the form that ordered it: sent twice, it is still one operation.
    order_token = models.UUIDField(null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "order_token"],
                condition=Q(order_token__isnull=False),
                name="one_operation_for_an_order",
            )
        ]
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


class OperationOrder(AccountScoped, SecretHolder):
    """What an operation does with each of its devices, when that needs more than its parameters: a command, a value."""

    operation = models.OneToOneField(BulkOperation, on_delete=models.CASCADE, related_name="order")
    request_type = models.CharField(max_length=64, blank=True)
    parameters = models.JSONField(default=dict, help_text="Apple's keys; secret ones are kept apart.")
    secrets = EncryptedJSONField(help_text="Secret parameters at their place, or a secret value.")
    forgotten_at = models.DateTimeField(null=True, help_text="When its secrets were deleted: it cannot be given again.")

    def __str__(self) -> str:
        return f"{self.request_type or 'order'} of {self.operation_id}"


class StepState(models.TextChoices):
    """How far an operation has come with one device."""

    WAITING = "waiting", gettext_lazy("Waiting")
    DONE = "done", gettext_lazy("Done")  # also: what it queued is on its way
    REFUSED = "refused", gettext_lazy("Not possible")


class OperationDevice(AccountScoped):
    """One device of an operation that is done with each device once. Narrow, as there are many."""

    operation = models.ForeignKey(BulkOperation, on_delete=models.CASCADE, related_name="steps", db_index=False)
    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="+")
    state = models.CharField(max_length=10, choices=StepState, default=StepState.WAITING)
    fault = models.CharField(max_length=300, blank=True, help_text="Why it was not possible.")
    # No constraint and no index: commands are deleted in thousands, and what became of this one is asked by its key.
    command = models.ForeignKey(
        Command, null=True, on_delete=models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["operation", "device"], name="one_step_per_device")]
        indexes = [
            models.Index(fields=["operation", "id"], condition=Q(state="waiting"), name="step_waiting"),
            models.Index(fields=["operation", "state", "id"], name="step_states"),
        ]

    def __str__(self) -> str:
        return f"{self.device_id} of {self.operation_id}: {self.state}"
