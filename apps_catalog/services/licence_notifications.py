"""What Apple tells by itself: nothing of it is believed, it only makes a worker ask sooner than the schedule would.

Source: Apple, "Subscribing to Notifications".
"""

import hmac
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone

from apps_catalog.models import ContentToken, LicenceRequest
from apps_catalog.services.licence_needs import WORKER
from mdm.common.nudge import nudge_named

BETWEEN_SYNCS = timedelta(minutes=1)  # a thousand notifications about one change are one sync


def token_of(key: str, auth_token: str) -> ContentToken | None:
    """The location that the address is of, where the bearer token is the one that we gave to Apple."""
    token = ContentToken.objects.filter(notification_key=key).first()
    if token is None or not token.notification_token:
        return None
    return token if hmac.compare_digest(auth_token.encode(), token.notification_token.encode()) else None


def take_notification(token: ContentToken, said: Mapping[str, Any]) -> None:
    """About an event of ours, that one is looked after; about anything else, the location is compared with Apple."""
    kind = said.get("notificationType")
    if kind not in ("ASSET_MANAGEMENT", "ASSET_COUNT"):
        return
    now = timezone.now()
    facts = said.get("notification")
    event_id = facts.get("eventId") if isinstance(facts, Mapping) else None
    mine = LicenceRequest.objects.filter(token=token, event_id=event_id) if isinstance(event_id, str) else None
    if mine is not None and event_id and mine.exists():
        mine.filter(due_at__gt=now).update(due_at=now)
    else:
        at = max(now, token.last_synced_at + BETWEEN_SYNCS) if token.last_synced_at else now
        later = Q(sync_due_at=None) | Q(sync_due_at__gt=at)
        ContentToken.objects.filter(later, pk=token.pk).update(sync_due_at=at)
    nudge_named(WORKER)
