"""The states of a command: ours, never Apple's `Status`."""

from django.db import models
from django.utils.translation import gettext_lazy


class State(models.TextChoices):
    QUEUED = "queued", gettext_lazy("Queued")
    SENT = (
        "sent",
        gettext_lazy("Sent"),
    )  # handed to the device, no final answer yet; handed out again until there is one
    ACKNOWLEDGED = "acknowledged", gettext_lazy("Acknowledged")
    FAILED = "failed", gettext_lazy("Failed")  # the device answered Error or CommandFormatError
    CANCELLED = "cancelled", gettext_lazy("Cancelled")
    EXPIRED = "expired", gettext_lazy("Expired")


WAITING = (State.QUEUED, State.SENT)
FINAL = (State.ACKNOWLEDGED, State.FAILED, State.CANCELLED, State.EXPIRED)

# What a final Status from the device makes of a waiting command.
STATE_AFTER = {"Acknowledged": State.ACKNOWLEDGED, "Error": State.FAILED, "CommandFormatError": State.FAILED}


class ApplyState(models.TextChoices):
    """What the worker has done with a stored answer."""

    NONE = "", gettext_lazy("No answer")
    PENDING = "pending", gettext_lazy("To be read")
    APPLIED = "applied", gettext_lazy("Read")
    FAILED = "failed", gettext_lazy("Could not be read")
