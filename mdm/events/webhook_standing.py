"""How a webhook stands: whether its receiver takes what it is sent, how much waits for it, and what an operator is to do."""

from datetime import datetime, timedelta
from enum import StrEnum

from django.db.models import BooleanField, ExpressionWrapper, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext as _
from httpx import URL

from mdm.common.counts import BoundedCount, Number
from mdm.common.words import ago, duration
from mdm.events.models import DeliveryState, Event, Webhook, WebhookDelivery

# More are not counted: a receiver that was away for days has left a million, and each page would count them again.
COUNTED_AT_MOST = 1000
# A receiver that is started anew is away for minutes; nobody has to look at that.
NOTED_AFTER = timedelta(hours=1)


class Standing(StrEnum):
    UNTRIED = "untried"  # nothing was sent to it yet
    WORKING = "working"
    FAILING = "failing"  # its receiver answers, and refuses everything
    RESTING = "resting"  # its receiver is down, and gets a rest between tries
    PAUSED = "paused"
    DISABLED = "disabled"


def with_pending(webhooks: QuerySet[Webhook]) -> QuerySet[Webhook]:
    """Each with `pending`: how many messages wait for it; COUNTED_AT_MOST + 1 stands for more."""
    waiting = WebhookDelivery.objects.filter(webhook=OuterRef("pk"), state=DeliveryState.PENDING)
    return webhooks.annotate(pending=BoundedCount(waiting.order_by("pk").values("pk")[: COUNTED_AT_MOST + 1]))


def without_bodies(deliveries: QuerySet[WebhookDelivery]) -> QuerySet[WebhookDelivery]:
    """For lists: what was sent is not loaded.

    Each has `is_sealed` (whether it holds what a device sent, secrets and all), the `log_id`, `kind` and `request_type` of its
    line in the log, and the `serial_number` that it is about; None where there is none.
    """
    devices = Event._meta.get_field("device").related_model.objects.filter(pk=OuterRef("order_key"))
    return deliveries.defer("body", "sealed_body").annotate(
        is_sealed=ExpressionWrapper(Q(sealed_body__isnull=False), output_field=BooleanField()),
        log_id=F("event__log_id"),
        kind=F("event__event_type"),
        request_type=KeyTextTransform("request_type", "event__metadata"),
        serial_number=Coalesce(F("event__serial_number"), Subquery(devices.values("serial_number"))),
    )


def troubled(webhooks: QuerySet[Webhook]) -> list[Webhook]:
    """Those of them that somebody should look at, the paused ones first."""
    found = webhooks.filter(Q(failing_since__isnull=False) | Q(paused_at__isnull=False), is_enabled=True)
    found = [webhook for webhook in found.defer("secret").order_by("pk") if needs_attention(webhook)]
    return sorted(found, key=lambda webhook: webhook.paused_at is None)


def pending_of(webhook: Webhook) -> Number:
    """Of a webhook with what `with_pending` annotates: "12", "1,000+"."""
    return Number.up_to(webhook.pending, COUNTED_AT_MOST)


def standing(webhook: Webhook) -> tuple[Standing, str]:
    """Its state and a sentence: what it means, and what to do."""
    if not webhook.is_enabled:
        return Standing.DISABLED, _("It is disabled: nothing is sent, and nothing is kept for later.")
    if webhook.paused_at:
        return Standing.PAUSED, _paused(webhook.failing_since, webhook.paused_at)
    if webhook.failing_since:
        now = timezone.now()
        length, rests_until = duration(now - webhook.failing_since), webhook.rests_until
        if not webhook.failures:
            return Standing.FAILING, _(
                "The receiver has refused everything for %(length)s. Each message is tried again by itself, later and later; "
                "its tries below say what the receiver answers."
            ) % {"length": length}
        is_later = rests_until is not None and rests_until > now + timedelta(minutes=1)
        return Standing.RESTING, _(
            "The receiver has taken nothing for %(length)s. It is tried again %(when)s; the longer it is away, the longer "
            "it is left alone. Messages wait in their order."
        ) % {"length": length, "when": ago(rests_until, now) if is_later else _("in a moment")}
    if webhook.claimed_until is None:  # no worker has had anything to send to it
        return Standing.UNTRIED, _("Nothing was sent yet: send a test.")
    return Standing.WORKING, _("The receiver takes what it is sent.")


def _paused(began: datetime | None, at: datetime) -> str:
    if began is None:
        return _(
            "The receiver took nothing, so Pomona stopped sending %(when)s. Messages wait. Look at the receiver, then let "
            "the webhook go on."
        ) % {"when": ago(at)}
    return _(
        "The receiver took nothing for %(length)s, so Pomona stopped sending %(when)s. Messages wait. Look at the receiver, "
        "then let the webhook go on."
    ) % {"length": duration(at - began), "when": ago(at)}


def needs_attention(webhook: Webhook) -> bool:
    """Paused, or failing for longer than a receiver is away by chance."""
    if not webhook.is_enabled:
        return False
    return bool(webhook.paused_at or (webhook.failing_since and webhook.failing_since <= timezone.now() - NOTED_AFTER))


def host_of(webhook: Webhook) -> str:
    """What may be shown to everybody: paths and queries often hold what the receiver takes for a password."""
    return URL(webhook.url).host


def title_of(webhook: Webhook) -> str:
    return webhook.name or host_of(webhook)
