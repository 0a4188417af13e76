"""Every line of the log to a collector as well, where LOG_FORWARD_URL names one.

1. A line is marked as it is written (`services.build`), in the transaction of what it tells; so none is lost.
2. One worker at a time, which holds the forwarder's row, sends marked lines in the order of their keys, and takes the marks off
   once the collector has taken them. A worker that dies in between sends them again: at least once, not exactly once.
3. A collector that is down gets a rest, longer each time; its lines wait until `retention` deletes them.

Nothing of it is written into the log, which would feed itself. The server's own log, /metrics and the home page tell.
"""

import logging
import time
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone

from mdm.common.leases import Lease, TakenOver
from mdm.common.pauses import pause_seconds
from mdm.events.collectors import Collector, CollectorError, collector
from mdm.events.models import Event, LogForwarder
from mdm.events.records import loaded, record

BATCH = 500
RUN_SECONDS = 240
# Longer than a batch takes: each renews it. A worker that dies delays the others no longer than this.
LEASE = timedelta(minutes=2)
FIRST_REST_SECONDS = 5
LONGEST_REST_SECONDS = 5 * 60
# A collector that is started anew is away for minutes; nobody has to look at that.
NOTED_AFTER = timedelta(minutes=15)
ONLY = 1  # the key of the forwarder's row

logger = logging.getLogger("pomona.forwarding")


def waiting() -> QuerySet[Event]:
    """Lines that the collector has not taken yet, of all accounts."""
    return Event.objects.filter(is_forward_due=True)


def forward_due() -> int:
    """Send what is due, if the collector does not rest and no other worker is at it. Returns how many it took."""
    if not settings.LOG_FORWARD_URL or not waiting().exists():
        return 0
    lease = _claim()
    if lease is None:
        return 0
    try:
        with collector() as there:
            sent, changes = _send_all(there, lease), {}
    except TakenOver:
        return 0
    except CollectorError as error:
        sent, changes = 0, _rest(lease.row, error)
    try:
        lease.release(**(changes or {"failures": 0, "failing_since": None, "error": ""}))
    except TakenOver:
        logger.info("another worker goes on with forwarding the log")
    return sent


def trouble() -> str:
    """Since when and why the collector has taken nothing, once somebody should look at it; else ""."""
    if not settings.LOG_FORWARD_URL:
        return ""
    row = LogForwarder.objects.filter(pk=ONLY, failing_since__lt=timezone.now() - NOTED_AFTER).first()
    return row.error if row else ""


def _claim() -> Lease[LogForwarder] | None:
    LogForwarder.objects.get_or_create(pk=ONLY)
    now = timezone.now()
    is_free = Q(started_at=None) | Q(started_at__lt=now - LEASE)
    if not LogForwarder.objects.filter(is_free, pk=ONLY, rests_until__lte=now).update(started_at=now):
        return None
    return Lease(LogForwarder.objects.get(pk=ONLY), started="started_at")


def _send_all(there: Collector, lease: Lease[LogForwarder]) -> int:
    """In batches, each of which renews the lease. What was taken before the collector failed stays taken."""
    ends_at = time.monotonic() + RUN_SECONDS
    sent, size = 0, BATCH
    while time.monotonic() < ends_at:
        events = list(loaded(waiting()).order_by("pk")[:size])
        if not events:
            break
        try:
            there.send([_told(event) for event in events])
        except CollectorError as error:
            if not error.is_too_large:
                raise
            if len(events) > 1:
                size = len(events) // 2
                continue
            logger.warning("log=%s is too large for the collector of logs and was left out", events[0].log_id)
        with lease.holding():
            Event.objects.filter(pk__in=[event.pk for event in events]).update(is_forward_due=False)
        if lease.row.failing_since is not None:
            logger.info("the collector of logs takes lines again")
            lease.hold(failures=0, failing_since=None, error="")
        sent += len(events)
    return sent


def _told(event: Event) -> dict[str, Any]:
    return record(event) | {"account_id": event.account_id}


def _rest(row: LogForwarder, error: CollectorError) -> dict[str, Any]:
    now = timezone.now()
    seconds = pause_seconds(
        row.failures,
        first=FIRST_REST_SECONDS,
        longest=LONGEST_REST_SECONDS,
        asked_for=min(error.retry_after_seconds, LONGEST_REST_SECONDS),
    )
    failing_since = row.failing_since or now
    logger.warning("the log could not be forwarded (since %s): %s", failing_since.isoformat(timespec="seconds"), error)
    return {
        "failures": min(row.failures + 1, 1000),
        "failing_since": failing_since,
        "rests_until": now + timedelta(seconds=seconds),
        "error": str(error)[:500],
    }
