import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone

from mdm.accounts.scoping import AccountScoped


class Level(models.IntegerChoices):
    INFO = 0, "info"
    WARNING = 1, "warning"
    ERROR = 2, "error"


def new_log_id() -> str:
    return uuid.uuid4().hex


class Event(AccountScoped):
    """One thing that happened: a line of the log. Written only by `mdm.events.services`, never changed."""

    log_id = models.CharField(max_length=32, default=new_log_id)
    namespace = models.CharField(max_length=30)
    event_type = models.CharField(max_length=80)
    level = models.SmallIntegerField(choices=Level, default=Level.INFO)
    source = models.CharField(max_length=20)
    actor_label = models.CharField(max_length=200, blank=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    api_key = models.ForeignKey(
        "mdm_accounts.ApiKey", null=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    device = models.ForeignKey(
        "devices.Device", null=True, on_delete=models.SET_NULL, related_name="events", db_index=False
    )
    # Kept beside the device, so that the log can still be searched when the device row is gone.
    serial_number = models.CharField(max_length=64, blank=True)
    udid = models.CharField(max_length=128, blank=True)
    at = models.DateTimeField(default=timezone.now)
    metadata = models.JSONField(default=dict)

    class Meta:
        verbose_name = "log entry"
        verbose_name_plural = "log"
        # A constraint, as `unique=True` would add a second index for LIKE.
        constraints = [models.UniqueConstraint(fields=["log_id"], name="event_by_log_id")]
        indexes = [
            models.Index(fields=["account", "-id"], name="event_newest_first"),
            models.Index(fields=["account", "serial_number", "-id"], name="event_of_a_serial_number"),
            models.Index(fields=["device", "-id"], name="event_of_a_device"),
        ]

    def __str__(self) -> str:
        return f"{self.event_type} {self.log_id[:8]}"
