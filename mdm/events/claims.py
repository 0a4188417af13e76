"""Which worker sends the messages of which webhook. A claim is a lease: a lost worker delays messages and loses none."""

import time
from collections.abc import Collection
from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from mdm.events.lanes import Threads, Turn
from mdm.events.models import DeliveryState, Webhook, WebhookDelivery, WebhookFormat
from mdm.events.sending import TIMEOUT_SECONDS

LEASE = timedelta(seconds=45)
RENEWED_AFTER_SECONDS = 10.0
# No message is begun so shortly before the lease ends that another worker could send it as well.
SPARE_SECONDS = TIMEOUT_SECONDS + 5
# Webhooks at a time, of one worker: those that answer, those that have not answered yet, those that were down lately.
QUICK_WEBHOOKS = 32
SILENT_WEBHOOKS = 64
FAILING_WEBHOOKS = 8
WEBHOOKS = 128
# Messages of one webhook in memory. Those of MicroMDM's format hold whole messages of devices.
MESSAGES = 600
RAW_MESSAGES = 60


def due() -> QuerySet[WebhookDelivery]:
    return WebhookDelivery.objects.filter(state=DeliveryState.PENDING, due_at__lte=timezone.now())


def claim(turns: Collection[Turn], threads: Threads) -> list[Turn]:
    """Webhooks with due messages, beside those that this worker has: no more failing ones than do no harm to the others."""
    room = WEBHOOKS - len(turns)
    failing = FAILING_WEBHOOKS - sum(turn.webhook.failures > 0 for turn in turns)
    quick = QUICK_WEBHOOKS - sum(not turn.is_trouble for turn in turns)
    silent = SILENT_WEBHOOKS - sum(not turn.is_open for turn in turns)
    found = _claim(Q(failures=0), min(quick, silent, room), threads)
    return found + _claim(Q(failures__gt=0), min(failing, silent, room - len(found)), threads)


def _claim(which: Q, limit: int, threads: Threads) -> list[Turn]:
    if limit <= 0:
        return []
    now = timezone.now()
    lease = now + LEASE
    with transaction.atomic():
        webhooks = list(
            Webhook.objects.filter(which, Exists(due().filter(webhook=OuterRef("pk"))))
            .filter(Q(rests_until=None) | Q(rests_until__lte=now), is_enabled=True, paused_at=None)
            .filter(Q(claimed_until=None) | Q(claimed_until__lte=now))
            # Whoever had its turn last comes last.
            .order_by(F("claimed_until").asc(nulls_first=True), "pk")
            .select_for_update(skip_locked=True, of=("self",), no_key=True)[:limit]
        )
        if webhooks:
            Webhook.objects.filter(pk__in=[webhook.pk for webhook in webhooks]).update(claimed_until=lease)
    return [Turn(webhook, lease, _begins_until(), threads) for webhook in webhooks]


def load(turn: Turn) -> None:
    """Give it the next messages; those that are on their way already are passed over."""
    room = _most(turn) - turn.waiting
    found = list(due().filter(webhook=turn.webhook).exclude(pk__in=turn.on_the_way).order_by("pk")[:room])
    turn.has_more = len(found) == room
    turn.add(found)


def is_low(turn: Turn) -> bool:
    """Time to load more, before its lanes run dry."""
    return turn.has_more and not turn.is_stopped and turn.waiting <= _most(turn) // 2


def keep(turns: Collection[Turn], *, renews: bool) -> None:
    """Stop the turns whose webhooks were changed, disabled or taken over; make the leases of the others last longer."""
    held = Webhook.objects.filter(pk__in=[turn.webhook.pk for turn in turns])
    lease, begins_until = timezone.now() + LEASE, _begins_until()
    if renews:
        held.filter(claimed_until__in={turn.lease for turn in turns}).update(claimed_until=lease)
    rows = held.in_bulk()
    for turn in turns:
        row = rows.get(turn.webhook.pk)
        if renews and row is not None and row.claimed_until == lease:
            turn.lease, turn.begins_until = lease, begins_until
        # What workers write leaves `updated_at` as it is.
        if row is None or row.claimed_until != turn.lease or row.updated_at != turn.webhook.updated_at:
            turn.stop()


def release(turns: Collection[Turn]) -> None:
    """When they are idle and recorded."""
    keys, leases = [turn.webhook.pk for turn in turns], {turn.lease for turn in turns}
    Webhook.objects.filter(pk__in=keys, claimed_until__in=leases).update(claimed_until=timezone.now())


def _most(turn: Turn) -> int:
    return RAW_MESSAGES if turn.webhook.format == WebhookFormat.MICROMDM else MESSAGES


def _begins_until() -> float:
    return time.monotonic() + LEASE.total_seconds() - SPARE_SECONDS
