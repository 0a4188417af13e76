"""Which worker has a content token: one at a time, by a lease that is renewed with whatever is stored (mdm/common/leases.py)."""

from collections.abc import Collection
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

from django.db import models, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from apps_catalog.models import ContentToken, LicenceAssignment, LicenceRequest, LicenceState
from mdm.common.leases import Lease, is_free

STARTED = "started_at"


def claim(but: Collection[int] = ()) -> ContentToken | None:
    """Take a token for which something is due. but: keys of those that have had their turn."""
    now = timezone.now()
    is_rested = Q(paused_until=None) | Q(paused_until__lte=now)
    waiting = LicenceAssignment.objects.filter(
        asset__token=OuterRef("pk"), state__in=(LicenceState.WANTED, LicenceState.LEAVING), due_at__lte=now
    )
    asked = LicenceRequest.objects.filter(token=OuterRef("pk"), due_at__lte=now)
    is_due = Q(sync_due_at__lte=now) | (Q(other_mdm="") & (Exists(waiting) | Exists(asked)))
    with transaction.atomic():
        due = ContentToken.objects.filter(is_free(STARTED, now), is_rested, is_due).exclude(pk__in=but)
        token = due.order_by("sync_due_at", "pk").select_for_update(skip_locked=True, of=("self",)).first()
        if token is not None:
            token.started_at = now
            ContentToken.objects.filter(pk=token.pk).update(started_at=now)
    return token


def hold(token: ContentToken, **changes: Any) -> None:
    """Write to the token and renew our lease. Raises TakenOver when it is ours no more."""
    _lease(token).hold(**changes)


def holding(token: ContentToken, **changes: Any) -> AbstractContextManager[None]:
    """The same together with other writes, all or nothing. Our copy changes only when all of it is stored."""
    return _lease(token).holding(**changes)


def release(token: ContentToken, **changes: Any) -> None:
    """End our lease. Raises TakenOver when it is ours no more."""
    _lease(token).release(**changes)


def next_due(now: datetime) -> datetime | None:
    """When the soonest request is to be looked after; None where none is open."""
    found = LicenceRequest.objects.filter(Q(token__paused_until=None) | Q(token__paused_until__lte=now))
    return found.aggregate(models.Min("due_at"))["due_at__min"]


def _lease(token: ContentToken) -> Lease[ContentToken]:
    """The token's row comes last: licences are locked before it, as the reconciler locks them."""
    return Lease(token, started=STARTED, comes_last=True)
