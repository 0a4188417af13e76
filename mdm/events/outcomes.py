"""Writing down what became of messages, in few statements for many: each try, when the next one is, what is given up.

1. A receiver that cannot be reached, or that says it is overloaded, gets a rest, longer each time; its messages keep
   their order.
2. A message that a receiver refuses waits by itself, longer each time, and those behind it go on.
3. What could not be sent within three days is given up, and the log says so.
4. A webhook whose receiver took nothing for as long is paused, and the log says so: its messages wait.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q, QuerySet, Window
from django.db.models.functions import Coalesce, RowNumber
from django.utils import timezone

from mdm.common.many_rows import insert_many, update_many
from mdm.common.pauses import pause_seconds
from mdm.events.lanes import Turn
from mdm.events.models import DeliveryState, Level, Webhook, WebhookAttempt, WebhookDelivery
from mdm.events.sending import Outcome
from mdm.events.services import emit
from mdm.events.webhooks import facts_of

# Most that are down are back in a moment: they restart.
FIRST_REST_SECONDS = 5
FIRST_RETRY_SECONDS = 30
LONGEST_RETRY_SECONDS = 6 * 3600
LONGEST_REST_SECONDS = 3600
GIVE_UP_AFTER = timedelta(days=3)
# Without a message that was taken, be the receiver down or refuse all. An hour less than a message is tried, so that it
# comes with the last try of the first one, and not days later with the first failure of another.
PAUSE_AFTER = GIVE_UP_AFTER - timedelta(hours=1)
ATTEMPTS_KEPT = 20
KEPT_FOR = timedelta(days=30)
FORGOTTEN_AT_ONCE = 1000
_STATE = ("rests_until", "failures", "failing_since", "paused_at")

Outcomes = Mapping[Turn, Sequence[Outcome]]


@transaction.atomic
def record(outcomes: Outcomes) -> None:
    """Of many webhooks at once. What was deleted meanwhile is passed over."""
    now = timezone.now()
    # Who deletes a webhook waits for this, or this for whoever does; then there are no messages to write about.
    rows = _locked(outcomes)
    known = {turn: some for turn, some in outcomes.items() if turn.webhook.pk in rows}
    tried = [outcome for some in known.values() for outcome in some]
    _note_delivered([outcome for outcome in tried if not outcome.error], now)
    changed = []
    for turn, some in known.items():
        webhook = rows[turn.webhook.pk]
        before = [getattr(webhook, name) for name in _STATE]
        _judge(turn, webhook, some, now)
        if [getattr(webhook, name) for name in _STATE] != before:
            changed.append(webhook)
    update_many(changed, _STATE)
    _put_off(
        [(rows[turn.webhook.pk], outcome) for turn, some in known.items() for outcome in some if outcome.error], now
    )
    _keep_attempts(tried)
    for turn, some in known.items():
        failed = [outcome for outcome in some if outcome.error]
        if failed:
            _give_up(rows[turn.webhook.pk], failed, now)


def _locked(outcomes: Outcomes) -> dict[int, Webhook]:
    keys = [turn.webhook.pk for turn in outcomes]
    return {row.pk: row for row in Webhook.objects.filter(pk__in=keys).order_by("pk").select_for_update(no_key=True)}


def _note_delivered(outcomes: Iterable[Outcome], now: datetime) -> None:
    by_status: dict[int | None, list[int]] = defaultdict(list)
    for outcome in outcomes:
        by_status[outcome.status].append(outcome.delivery.pk)
    for status, keys in by_status.items():
        WebhookDelivery.objects.filter(pk__in=keys).update(
            state=DeliveryState.DELIVERED,
            attempts=F("attempts") + 1,
            status_code=status,
            delivered_at=now,
            due_at=None,
            error="",
        )


def _judge(turn: Turn, webhook: Webhook, outcomes: Sequence[Outcome], now: datetime) -> None:
    """How the receiver is, as far as these tell; written into webhook, which is as the database has it now."""
    if webhook.url != turn.webhook.url:
        return  # the new address is not the one that was down
    is_taking = any(not outcome.error for outcome in outcomes)
    if is_taking:
        webhook.failing_since = None
    elif webhook.failing_since is None:
        webhook.failing_since = now
    if any(not outcome.is_down for outcome in outcomes) and not turn.is_down:
        webhook.failures = 0
    down = [outcome for outcome in outcomes if outcome.is_down]
    if down and not turn.is_down:  # several lanes find out about it, each for itself
        turn.is_down = True
        asked = min(max(outcome.retry_after_seconds for outcome in down), LONGEST_REST_SECONDS)
        seconds = pause_seconds(
            webhook.failures, first=FIRST_REST_SECONDS, longest=LONGEST_REST_SECONDS, asked_for=asked
        )
        webhook.failures = min(webhook.failures + 1, 1000)
        webhook.rests_until = now + timedelta(seconds=seconds)
    if webhook.failing_since and webhook.failing_since <= now - PAUSE_AFTER and webhook.paused_at is None:
        webhook.paused_at = now
        turn.stop()
        emit(
            "webhook.paused",
            account_id=webhook.account_id,
            level=Level.ERROR,
            **facts_of(webhook),
            failing_since=webhook.failing_since.isoformat(),
            error=outcomes[-1].error,
        )


def _put_off(failed: Sequence[tuple[Webhook, Outcome]], now: datetime) -> None:
    """To be tried again: with the whole webhook if the receiver is down, else after a time of its own."""
    keys = [outcome.delivery.pk for _, outcome in failed]
    # One that was given up meanwhile, as its webhook was disabled, stays so.
    pending = WebhookDelivery.objects.filter(pk__in=keys, state=DeliveryState.PENDING).order_by("pk")
    rows = pending.only("attempts", "created_at", "renewed_at").select_for_update(no_key=True).in_bulk() if keys else {}
    changed = []
    for _, outcome in failed:
        row = rows.get(outcome.delivery.pk)
        if row is None:
            continue
        row.due_at = now
        if not outcome.is_down:
            last = _is_new_since(row) + GIVE_UP_AFTER
            wait = pause_seconds(row.attempts, first=FIRST_RETRY_SECONDS, longest=LONGEST_RETRY_SECONDS)
            row.due_at += timedelta(seconds=wait)
            if last > now:
                row.due_at = min(row.due_at, last)
        row.attempts = min(row.attempts + 1, 1000)
        row.status_code, row.error = outcome.status, outcome.error[:500]
        changed.append(row)
    update_many(changed, ("due_at", "attempts", "status_code", "error"))


def _keep_attempts(outcomes: Sequence[Outcome]) -> None:
    insert_many(
        [
            WebhookAttempt(
                account_id=outcome.delivery.account_id,
                delivery_id=outcome.delivery.pk,
                at=outcome.at,
                status_code=outcome.status,
                latency_ms=outcome.latency_ms,
                error=outcome.error[:500],
                excerpt=outcome.excerpt,
            )
            for outcome in outcomes
        ]
    )
    # One that was sent again by hand has tries of before.
    many = [
        outcome.delivery.pk
        for outcome in outcomes
        if outcome.delivery.attempts >= ATTEMPTS_KEPT or outcome.delivery.renewed_at
    ]
    if many:
        newest_first = Window(RowNumber(), partition_by="delivery_id", order_by=F("pk").desc())
        numbered = WebhookAttempt.objects.filter(delivery__in=many).annotate(number=newest_first)
        surplus = list(numbered.filter(number__gt=ATTEMPTS_KEPT).values_list("pk", flat=True))
        WebhookAttempt.objects.filter(pk__in=surplus).delete()


def _give_up(webhook: Webhook, failed: Sequence[Outcome], now: datetime) -> None:
    """Of a receiver that is down, everything that is too old; else what was tried and refused."""
    old = _too_old(webhook.deliveries.all(), now)
    if failed[-1].is_down:
        count = old.update(state=DeliveryState.FAILED, due_at=None, error=failed[-1].error[:500])
    else:
        tried = [outcome.delivery for outcome in failed]
        keys = [delivery.pk for delivery in tried if _is_new_since(delivery) <= now - GIVE_UP_AFTER]
        count = old.filter(pk__in=keys).update(state=DeliveryState.FAILED, due_at=None) if keys else 0
    if count:
        _tell_of_failure(webhook, count, failed[-1].error)


def give_up_unsent() -> int:
    """What waits too long for a webhook that sends nothing. Returns how many."""
    now = timezone.now()
    total = 0
    for webhook in Webhook.objects.filter(Q(paused_at__isnull=False) | Q(is_enabled=False)).order_by("pk"):
        with transaction.atomic():
            # The error of its last try, if there was any, says more than that it was paused.
            count = _too_old(webhook.deliveries.all(), now).update(state=DeliveryState.FAILED, due_at=None)
            if count:
                _tell_of_failure(webhook, count, "The webhook is paused." if webhook.is_enabled else "It is disabled.")
        total += count
    return total


def _tell_of_failure(webhook: Webhook, count: int, error: str) -> None:
    facts = facts_of(webhook) | {"count": count, "error": error}
    emit("webhook.failed", account_id=webhook.account_id, level=Level.WARNING, **facts)


def _too_old(deliveries: QuerySet[WebhookDelivery], now: datetime) -> QuerySet[WebhookDelivery]:
    new_since = Coalesce("renewed_at", "created_at")
    return deliveries.filter(state=DeliveryState.PENDING).alias(since=new_since).filter(since__lte=now - GIVE_UP_AFTER)


def _is_new_since(delivery: WebhookDelivery) -> datetime:
    return delivery.renewed_at or delivery.created_at


def forget_old() -> int:
    """Delete messages that were delivered or given up long ago, with their attempts. Returns how many messages."""
    done = WebhookDelivery.objects.exclude(state=DeliveryState.PENDING).filter(
        created_at__lte=timezone.now() - KEPT_FOR
    )
    total = 0
    while keys := list(done.order_by("pk").values_list("pk", flat=True)[:FORGOTTEN_AT_ONCE]):
        with transaction.atomic():
            WebhookAttempt.objects.filter(delivery__in=keys).delete()
            done.filter(pk__in=keys).delete()
        total += len(keys)
    return total
