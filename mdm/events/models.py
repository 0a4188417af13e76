import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy

from mdm.accounts.scoping import AccountScoped
from mdm.common.fields import EncryptedTextField, SecretHolder


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
    is_forward_due = models.BooleanField(default=False, help_text="Yet to be sent to the collector of logs.")

    class Meta:
        verbose_name = "log entry"
        verbose_name_plural = "log"
        # A constraint, as `unique=True` would add a second index for LIKE.
        constraints = [models.UniqueConstraint(fields=["log_id"], name="event_by_log_id")]
        indexes = [
            models.Index(fields=["account", "-id"], name="event_newest_first"),
            models.Index(fields=["account", "serial_number", "-id"], name="event_of_a_serial_number"),
            models.Index(fields=["device", "-id"], name="event_of_a_device"),
            models.Index(fields=["account", "event_type", "-id"], name="event_of_a_type"),
            models.Index(fields=["account", "at"], name="event_by_time"),
            # Few lines are about these, so that their indexes cost little.
            models.Index(fields=["account", "level", "-id"], condition=Q(level__gt=0), name="event_of_a_level"),
            models.Index(fields=["account", "user", "-id"], condition=Q(user__isnull=False), name="event_of_a_person"),
            models.Index(
                fields=["account", "api_key", "-id"], condition=Q(api_key__isnull=False), name="event_of_a_key"
            ),
            models.Index(
                fields=["account", "source", "-id"],
                condition=Q(source__in=["admin ui", "api"]),
                name="event_of_people_and_keys",
            ),
            models.Index(fields=["id"], condition=Q(is_forward_due=True), name="event_to_forward"),
        ]

    def __str__(self) -> str:
        return f"{self.event_type} {self.log_id[:8]}"


class LogForwarder(models.Model):
    """Who sends the log to the collector, and how that goes: the one row of the installation, for all accounts."""

    started_at = models.DateTimeField(null=True, help_text="A worker is at it since then: its lease.")
    rests_until = models.DateTimeField(default=timezone.now, help_text="The collector is down and gets a rest.")
    failures = models.PositiveSmallIntegerField(default=0, help_text="In a row.")
    failing_since = models.DateTimeField(null=True)
    error = models.CharField(max_length=500, blank=True)

    def __str__(self) -> str:
        return self.error or "log forwarder"


class WebhookFormat(models.TextChoices):
    NATIVE = "native", gettext_lazy("Native")
    MICROMDM = "micromdm", gettext_lazy("MicroMDM")


class Webhook(AccountScoped, SecretHolder):
    """An operator's address that is told of events."""

    url = models.CharField("URL", max_length=2000)
    name = models.CharField(max_length=200, blank=True)
    # Names of `mdm.events.outbox.WEBHOOK_EVENTS`; empty: all of the reference's.
    events = models.JSONField(default=list)
    format = models.CharField(max_length=20, choices=WebhookFormat, default=WebhookFormat.NATIVE)
    secret = EncryptedTextField(help_text="Signs what is sent, so that the receiver knows whom it comes from.")
    is_enabled = models.BooleanField("enabled", default=True)
    rests_until = models.DateTimeField(null=True, editable=False, help_text="The receiver is down and gets a rest.")
    # A worker's lease while it is at it; in the past, when the last one was: who waits longest has the next turn.
    claimed_until = models.DateTimeField(null=True, editable=False)
    failures = models.PositiveSmallIntegerField(
        default=0, editable=False, help_text="In a row, of a receiver that is down."
    )
    failing_since = models.DateTimeField(null=True, editable=False, help_text="Of a receiver that took nothing since.")
    paused_at = models.DateTimeField(
        null=True, editable=False, help_text="After long failure: messages wait until somebody lets it go on."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        indexes = [
            models.Index(fields=["account", "id"], name="webhook_pages"),
            # Asked for each message of a device; of most accounts there is none.
            models.Index(
                fields=["account"],
                condition=Q(format=WebhookFormat.MICROMDM, is_enabled=True),
                name="webhook_of_raw_messages",
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.url


class DeliveryState(models.TextChoices):
    PENDING = "pending", gettext_lazy("Pending")
    DELIVERED = "delivered", gettext_lazy("Delivered")
    FAILED = "failed", gettext_lazy("Failed")  # given up; it can be sent again


# As `order_key`: no device has it.
SEVERAL_DEVICES = 0


class WebhookDelivery(AccountScoped, SecretHolder):
    """One event on its way to one address: written with the event, sent by a worker."""

    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries", db_index=False)
    event = models.ForeignKey(Event, null=True, on_delete=models.SET_NULL, related_name="deliveries")
    event_type = models.CharField(max_length=80)
    message_id = models.CharField(max_length=64, default=new_log_id, help_text="What the receiver knows it by.")
    order_key = models.BigIntegerField(null=True, help_text="The device: its messages are sent one after the other.")
    # Text, as PostgreSQL would put the keys of JSON in another order.
    body = models.TextField(blank=True, help_text="What is sent, word for word.")
    sealed_body = EncryptedTextField(help_text="The same, where it holds what a device sent, secrets and all.")
    state = models.CharField(max_length=20, choices=DeliveryState, default=DeliveryState.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(default=timezone.now, null=True)
    delivered_at = models.DateTimeField(null=True)
    status_code = models.PositiveSmallIntegerField(null=True, help_text="The receiver's last answer.")
    error = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    renewed_at = models.DateTimeField(
        null=True, help_text="Somebody had it sent again: from here it is tried as if new."
    )

    class Meta:
        verbose_name_plural = "webhook deliveries"
        indexes = [
            models.Index(fields=["webhook", "id"], condition=Q(state=DeliveryState.PENDING), name="delivery_to_send"),
            # Has this webhook anything to send now? Asked each second, also where many wait for their next try.
            models.Index(fields=["webhook", "due_at"], condition=Q(state=DeliveryState.PENDING), name="delivery_due"),
            models.Index(fields=["webhook", "-id"], name="delivery_newest_first"),
        ]

    def __str__(self) -> str:
        return f"{self.event_type} to {self.webhook_id}: {self.state}"


class WebhookAttempt(AccountScoped):
    """One try to deliver a message, and what came of it."""

    delivery = models.ForeignKey(WebhookDelivery, on_delete=models.CASCADE, related_name="tries", db_index=False)
    at = models.DateTimeField(default=timezone.now)
    status_code = models.PositiveSmallIntegerField(null=True, help_text="None: there was no answer.")
    latency_ms = models.PositiveIntegerField(default=0, help_text="From connecting to the last byte of the answer.")
    error = models.CharField(max_length=500, blank=True)
    excerpt = models.CharField(max_length=1000, blank=True, help_text="How the receiver's answer begins.")

    class Meta:
        indexes = [models.Index(fields=["delivery", "id"], name="attempt_of_a_delivery")]

    def __str__(self) -> str:
        return f"{self.delivery_id}: {self.status_code or self.error}"
