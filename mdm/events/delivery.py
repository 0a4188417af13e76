"""Sending what webhooks are due. Rows say what is due; a claim is a lease, so a lost worker delays messages and loses none.

1. One worker at a time is at a webhook: it takes the oldest of its messages and sends them one after the other, so that they
   come in the order in which things happened. Webhooks do not wait for each other.
2. A receiver that cannot be reached, or that says it is overloaded, gets a rest, longer each time; its messages keep
   their order.
3. A message that a receiver refuses waits by itself, longer each time, and those behind it go on.
4. What could not be sent within three days is given up, and the log says so.
"""

import hashlib
import hmac
import logging
import random
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from mdm.common.http import OutboundClient, OutboundError
from mdm.events.models import DeliveryState, Level, Webhook, WebhookDelivery
from mdm.events.services import emit

RECEIVERS_AT_ONCE = 16
MESSAGES_IN_A_TURN = 20
TURN_SECONDS = 20
TIMEOUT_SECONDS = 10.0
# Longer than a turn with its last message and a slow lookup of the name.
LEASE = timedelta(minutes=2)
# In the cache while a worker is at it; if that one dies, another goes on soon. (The leases are what keeps things right.)
UNDER_WAY = "webhooks-under-way"
UNDER_WAY_SECONDS = 60
# A task ends before its time limit; what is left is due for the next one.
RUN_SECONDS = 300
FIRST_RETRY_SECONDS = 30
LONGEST_RETRY_SECONDS = 6 * 3600
LONGEST_REST_SECONDS = 3600
GIVE_UP_AFTER = timedelta(days=3)
KEPT_FOR = timedelta(days=30)
# "Come back later", rather than "I do not want this".
OVERLOADED = (429, 502, 503, 504)

logger = logging.getLogger("pomona.webhooks")


@dataclass(frozen=True)
class Turn:
    """Messages for one webhook, oldest first, to be sent until the lease ends."""

    webhook: Webhook
    deliveries: Sequence[WebhookDelivery]
    lease: datetime


@dataclass(frozen=True)
class Outcome:
    """status: the receiver's answer; None if there was none. error: "" when it was delivered."""

    delivery: WebhookDelivery
    status: int | None
    error: str = ""
    is_down: bool = False
    retry_after_seconds: float = 0


def deliver_due() -> int:
    """Send every message that is due, to many receivers at once. Returns how many were tried.

    One worker does it for all: slow receivers shall not take up those that devices wait for.
    """
    if not cache.add(UNDER_WAY, True, timeout=UNDER_WAY_SECONDS):
        return 0
    try:
        return _deliver_due()
    finally:
        cache.delete(UNDER_WAY)


def _deliver_due() -> int:
    tried = 0
    ends_at = time.monotonic() + RUN_SECONDS
    running: dict[Future[list[Outcome]], Turn] = {}
    with ThreadPoolExecutor(RECEIVERS_AT_ONCE) as pool:
        while True:
            if time.monotonic() < ends_at:
                for turn in claim_turns(RECEIVERS_AT_ONCE - len(running)):
                    running[pool.submit(take_turn, turn)] = turn
            if not running:
                return tried
            # Not for ever: what became due meanwhile, for others, shall not wait for the slowest.
            done, _ = wait(running, timeout=1, return_when=FIRST_COMPLETED)
            cache.touch(UNDER_WAY, UNDER_WAY_SECONDS)
            for future in done:
                turn = running.pop(future)
                try:
                    outcomes = future.result()
                except Exception:  # one webhook's trouble delays no other; its lease ends and it is tried again
                    logger.exception("webhook %s could not be served", turn.webhook.pk)
                else:
                    record(turn, outcomes)
                    tried += len(outcomes)


def claim_turns(limit: int) -> list[Turn]:
    """Take webhooks with due messages for this worker; others pass them over while the lease lasts."""
    if limit <= 0:
        return []
    now = timezone.now()
    lease = now + LEASE
    due = WebhookDelivery.objects.filter(state=DeliveryState.PENDING, due_at__lte=now)
    with transaction.atomic():
        webhooks = list(
            Webhook.objects.filter(Exists(due.filter(webhook=OuterRef("pk"))), is_enabled=True)
            .filter(Q(rests_until=None) | Q(rests_until__lte=now))
            # Whoever had its turn last comes last.
            .order_by(F("rests_until").asc(nulls_first=True), "pk")
            .select_for_update(skip_locked=True, of=("self",))[:limit]
        )
        if webhooks:
            Webhook.objects.filter(pk__in=[webhook.pk for webhook in webhooks]).update(rests_until=lease)
    return [
        Turn(
            webhook,
            list(due.filter(webhook=webhook).select_related("event").order_by("pk")[:MESSAGES_IN_A_TURN]),
            lease,
        )
        for webhook in webhooks
    ]


def take_turn(turn: Turn) -> list[Outcome]:
    """Send until all are sent, the receiver is down or the turn is over. Runs beside others: touches no database."""
    outcomes: list[Outcome] = []
    ends_at = time.monotonic() + TURN_SECONDS
    with OutboundClient(allows_private=settings.WEBHOOK_ALLOW_PRIVATE, timeout_seconds=TIMEOUT_SECONDS) as client:
        for delivery in turn.deliveries:
            outcomes.append(_send(client, turn.webhook, delivery))
            if outcomes[-1].is_down or time.monotonic() > ends_at:
                break
    return outcomes


def _send(client: OutboundClient, webhook: Webhook, delivery: WebhookDelivery) -> Outcome:
    body = delivery.body.encode()
    try:
        answer = client.send("POST", webhook.url, headers=headers(webhook, delivery, body), content=body)
    except OutboundError as error:
        return Outcome(delivery, None, str(error), is_down=True)
    if 200 <= answer.status < 300:
        return Outcome(delivery, answer.status)
    error = f"The receiver answered {answer.status}."
    if 300 <= answer.status < 400:
        error = f"The receiver answered {answer.status}; redirects are not followed."
    asked = answer.headers.get("retry-after", "")
    return Outcome(
        delivery,
        answer.status,
        error,
        is_down=answer.status in OVERLOADED,
        retry_after_seconds=float(asked) if asked.isascii() and asked.isdecimal() else 0,
    )


def headers(webhook: Webhook, delivery: WebhookDelivery, body: bytes) -> dict[str, str]:
    """The signature covers the time, so that nobody can send the same again later."""
    timestamp = str(int(time.time()))
    signature = hmac.new(webhook.secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {
        "Content-Type": "application/json",
        "User-Agent": "Pomona",
        "Pomona-Event-Id": delivery.event.log_id if delivery.event else str(delivery.pk),
        "Pomona-Timestamp": timestamp,
        "Pomona-Signature": f"sha256={signature}",
    }


def record(turn: Turn, outcomes: Sequence[Outcome]) -> None:
    """Keep what became of the messages, and say when the webhook has its next turn."""
    now = timezone.now()
    with transaction.atomic():
        for outcome in outcomes:
            if outcome.error:
                _put_off(outcome, now)
            else:
                _note(
                    outcome,
                    WebhookDelivery.objects.all(),
                    state=DeliveryState.DELIVERED,
                    delivered_at=now,
                    due_at=None,
                )
        rest: dict[str, Any] = {"rests_until": now, "failures": 0}
        if outcomes and outcomes[-1].is_down:
            failures = turn.webhook.failures + 1
            seconds = max(
                retry_seconds(failures, LONGEST_REST_SECONDS),
                min(outcomes[-1].retry_after_seconds, LONGEST_REST_SECONDS),
            )
            rest = {"rests_until": now + timedelta(seconds=seconds), "failures": min(failures, 1000)}
        # Only while the lease is ours: somebody may have given it another address, which has no rest to take.
        Webhook.objects.filter(pk=turn.webhook.pk, rests_until=turn.lease).update(**rest)
        if any(outcome.error for outcome in outcomes):
            _give_up(turn.webhook, [outcome for outcome in outcomes if outcome.error][-1], now)


def _put_off(outcome: Outcome, now: datetime) -> None:
    """To be tried again: with the whole webhook if the receiver is down, else after a time of its own."""
    due_at = now
    if not outcome.is_down:
        seconds = retry_seconds(outcome.delivery.attempts + 1, LONGEST_RETRY_SECONDS)
        due_at = now + timedelta(seconds=seconds)
    last = outcome.delivery.created_at + GIVE_UP_AFTER
    # One that was given up meanwhile, as its webhook was disabled, stays so.
    pending = WebhookDelivery.objects.filter(state=DeliveryState.PENDING)
    _note(outcome, pending, due_at=min(due_at, last) if last > now else due_at, error=outcome.error[:500])


def _note(outcome: Outcome, rows: Any, **changes: Any) -> None:
    changes = {"error": ""} | changes
    rows.filter(pk=outcome.delivery.pk).update(attempts=F("attempts") + 1, status_code=outcome.status, **changes)


def _give_up(webhook: Webhook, last: Outcome, now: datetime) -> None:
    """Of a receiver that is down, everything that is too old; else what was tried and refused."""
    old = webhook.deliveries.filter(state=DeliveryState.PENDING, created_at__lte=now - GIVE_UP_AFTER)
    if last.is_down:
        count = old.update(state=DeliveryState.FAILED, due_at=None, error=last.error[:500])
    else:
        count = old.filter(attempts__gt=0).update(state=DeliveryState.FAILED, due_at=None)
    if count:
        emit(
            "webhook.failed",
            account_id=webhook.account_id,
            level=Level.WARNING,
            webhook_id=webhook.pk,
            name=webhook.name,
            count=count,
            error=last.error,
        )


def retry_seconds(failures: int, longest: float) -> float:
    """Doubling from half a minute, a fifth more or less, so that what failed together does not come back together."""
    seconds = min(FIRST_RETRY_SECONDS * 2 ** min(failures - 1, 20), longest)
    return seconds * random.uniform(0.8, 1.2)  # noqa: S311  (nothing secret)


def forget_old() -> int:
    """Delete messages that were delivered or given up long ago."""
    done = WebhookDelivery.objects.exclude(state=DeliveryState.PENDING).filter(
        created_at__lte=timezone.now() - KEPT_FOR
    )
    count, _ = done.delete()
    return count
