"""Old lines of the log go, a few at a time, so that nobody waits for it."""

import time
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from mdm.events.log_settings import LEAST_DAYS
from mdm.events.models import Event, WebhookDelivery

BATCH = 1000
# A task ends before its time limit; what is left goes with the next run.
RUN_SECONDS = 300
# Between two batches others get to write, which on SQLite they can only then.
PAUSE_SECONDS = 0.005


def prune(*, seconds: float = RUN_SECONDS) -> int:
    """Delete lines that are older than LOG_RETENTION_DAYS. Returns how many; 0 days keep all of them."""
    if not settings.LOG_RETENTION_DAYS:
        return 0
    before = timezone.now() - timedelta(days=max(settings.LOG_RETENTION_DAYS, LEAST_DAYS))
    ends_at = time.monotonic() + seconds
    count, last = 0, 0
    while time.monotonic() < ends_at:
        # Keys follow times, so that the old ones are found without a look at the others.
        oldest = list(Event.objects.filter(pk__gt=last).order_by("pk").values_list("pk", "at")[:BATCH])
        old = [key for key, at in oldest if at < before]
        if not old:
            break
        count += _delete(old, before)
        last = oldest[-1][0]
        time.sleep(PAUSE_SECONDS)
    return count


def _delete(keys: list[int], before: datetime) -> int:
    """Messages to webhooks stay, and know of no line any more. Django's own way would load each row for that."""
    with transaction.atomic():
        WebhookDelivery.objects.filter(event_id__in=keys).update(event=None)
        rows = Event.objects.filter(pk__in=keys, at__lt=before)
        return rows._raw_delete(rows.db)
