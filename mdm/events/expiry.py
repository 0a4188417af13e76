"""Warnings in the log before something runs out that an account cannot do without: certificates and tokens of Apple.

One place for all of them: which marks there are, how loud each is, and that no mark is told twice.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from mdm.accounts.models import Account
from mdm.events.models import Event, Level
from mdm.events.services import emit

WARN_DAYS = (30, 14, 7, 1)
FIRST_WARNING = timedelta(days=WARN_DAYS[0])
URGENT_DAYS = 7


def horizon() -> datetime:
    """Whatever ends before this is warned of."""
    return timezone.now() + FIRST_WARNING


def warn_once(event_type: str, account_id: int, ends_at: datetime, *, which: dict[str, Any], **facts: Any) -> bool:
    """A line for the mark that has been passed, unless it is there. Returns whether it was written.

    which: facts that tell it from others of the account and from its own renewal (its end among them). facts: more to tell.
    """
    left = (ends_at - timezone.now()) // timedelta(days=1)
    mark = min(days for days in WARN_DAYS if left <= days)
    told = {**which, "mark_days": mark}
    with transaction.atomic():
        # Two that run at once: the second waits here and then finds the line of the first.
        if not Account.objects.select_for_update(no_key=True).filter(pk=account_id).exists():
            return False
        same = {f"metadata__{name}": value for name, value in told.items()}
        if Event.objects.for_account(account_id).filter(event_type=event_type, **same).exists():
            return False
        level = Level.ERROR if mark <= URGENT_DAYS else Level.WARNING
        emit(event_type, account_id=account_id, level=level, days_left=left, **told, **facts)
    return True
