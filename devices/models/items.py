"""How far something that a device should have has come there: what profiles and apps have in common."""

from django.db import models
from django.utils.translation import gettext_lazy


class ItemState(models.TextChoices):
    NOT_APPLICABLE = "not_applicable", gettext_lazy("Not applicable")  # not for this kind of device; `error` says why
    PENDING = "pending", gettext_lazy("Pending")  # wanted, and nothing is queued for it yet
    PUSHED = "pushed", gettext_lazy("Pushed")  # a command for it is queued or on its way
    INSTALLED = "installed", gettext_lazy("Installed")
    FAILED = "failed", gettext_lazy("Failed")  # the device refused; `error` says why
    REMOVING = (
        "removing",
        gettext_lazy("Removing"),
    )  # no longer wanted; `error` is why the device has refused to let it go


class Followed(models.Model):
    """What the reconciler remembers of an item on a device, whatever it is."""

    state = models.CharField(max_length=20, choices=ItemState, default=ItemState.PENDING)
    command_uuid = models.CharField("CommandUUID", max_length=64, blank=True, help_text="Of the command sent last.")
    error = models.TextField(blank=True, help_text="In the device's own words.")
    attempts = models.PositiveSmallIntegerField(default=0, help_text="How often it failed in a row.")
    retry_at = models.DateTimeField(null=True, help_text="When it is tried again; empty: not by itself.")
    is_stopped = models.BooleanField(
        "stopped", default=False, help_text="An operator wants no further attempts on this device."
    )
    answered_at = models.DateTimeField(null=True, help_text="When the device last said something about it.")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        abstract = True
