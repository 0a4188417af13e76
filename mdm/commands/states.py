"""The states of a command: ours, never Apple's `Status`."""

from django.db import models


class State(models.TextChoices):
    QUEUED = "queued", "Queued"
    SENT = "sent", "Sent"  # handed to the device, no final answer yet; handed out again until there is one
    ACKNOWLEDGED = "acknowledged", "Acknowledged"
    FAILED = "failed", "Failed"  # the device answered Error or CommandFormatError
    CANCELLED = "cancelled", "Cancelled"
    EXPIRED = "expired", "Expired"


WAITING = (State.QUEUED, State.SENT)
FINAL = (State.ACKNOWLEDGED, State.FAILED, State.CANCELLED, State.EXPIRED)

# What a final Status from the device makes of a waiting command.
STATE_AFTER = {"Acknowledged": State.ACKNOWLEDGED, "Error": State.FAILED, "CommandFormatError": State.FAILED}


class ApplyState(models.TextChoices):
    """What the worker has done with a stored answer."""

    NONE = "", "No answer"
    PENDING = "pending", "To be read"
    APPLIED = "applied", "Read"
    FAILED = "failed", "Could not be read"
