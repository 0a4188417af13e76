"""Work elsewhere that one worker does at a time: a row with a time when it is due, and one since when a worker has it.

The worker renews its lease with whatever it writes; one that died is followed by another when its lease has run out, and
writes nothing more should it wake up again.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from django.db import models, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

Row = TypeVar("Row", bound=models.Model)

LEASE = timedelta(minutes=10)

logger = logging.getLogger("pomona.leases")


class TakenOver(Exception):
    """Our lease had run out and another worker has the row, or the row is gone."""


class TurnIsOver(Exception):
    """There is more to do, but not now."""


def is_free(started: str, now: datetime) -> Q:
    """Nobody has the row, or whoever had it has been silent for too long."""
    return Q(**{started: None}) | Q(**{f"{started}__lt": now - LEASE})


def claim(rows: QuerySet[Row], *, started: str, due: str) -> Row | None:
    """Take the row that waits longest; whoever makes it due from now on makes it due once more."""
    now = timezone.now()
    is_left = Q(**{due: None, f"{started}__lt": now - LEASE})
    with transaction.atomic():
        found = rows.filter(Q(is_free(started, now), **{f"{due}__lte": now}) | is_left)
        row = found.order_by(due, "pk").select_for_update(skip_locked=True, of=("self",)).first()
        if row is not None:
            setattr(row, started, now)
            setattr(row, due, None)
            rows.model.objects.filter(pk=row.pk).update(**{started: now, due: None})
    return row


def take_turns(claim: Callable[[], Row | None], work: Callable[..., object], *, seconds: float) -> int:
    """Claim and work on what is due, one row after the other, for so long. Several workers may: each takes its own.

    work: called with the row, and `until`, of time.monotonic(): when to leave the rest for later. Returns how many rows.
    """
    until = time.monotonic() + seconds
    count = 0
    while time.monotonic() < until and (row := claim()):
        count += 1
        try:
            work(row, until=until)
        except TakenOver:
            logger.warning("%s %s was taken over by another worker", row._meta.verbose_name, row.pk)
    return count


class Lease(Generic[Row]):
    """Ours on a claimed row; started and due are the names of its two columns.

    comes_last: what is written beside it is locked before the row, as others lock it in that order.
    """

    def __init__(self, row: Row, *, started: str, due: str = "", comes_last: bool = False) -> None:
        self.row = row
        self._started, self._due, self._comes_last = started, due, comes_last

    def hold(self, **changes: Any) -> None:
        """Write to the row and renew the lease. Raises TakenOver when it is ours no more."""
        with self.holding(**changes):
            pass

    @contextmanager
    def holding(self, **changes: Any) -> Iterator[None]:
        """The same with more to write in that transaction. Our copy changes only when all of it is stored."""
        changes[self._started] = timezone.now()
        with transaction.atomic():
            if not self._comes_last:
                self._write(changes)
            yield
            if self._comes_last:
                self._write(changes)
        for name, value in changes.items():
            setattr(self.row, name, value)

    def release(self, *, due_at: datetime | None = None, **changes: Any) -> None:
        """End the lease; whoever asked for the row meanwhile counts before due_at does. Raises TakenOver."""
        changes[self._started] = None
        if due_at is not None:
            changes[self._due] = Coalesce(F(self._due), due_at, output_field=models.DateTimeField())
        self._write(changes)

    def _write(self, changes: dict[str, Any]) -> None:
        if not self._mine().update(**changes):
            raise TakenOver

    def _mine(self) -> QuerySet[Row]:
        rows = type(self.row)._base_manager
        return rows.filter(pk=self.row.pk, **{self._started: getattr(self.row, self._started)})
