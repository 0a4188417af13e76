"""When the tasks of the schedule last ran, noted by whichever worker ran them.

Many of them also run when somebody nudges them, every second on a busy server: of each, a process writes at most one line in
ten seconds, unless the outcome has changed.
"""

import logging
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import Error
from django.utils import timezone

from mdm.running.models import ScheduledRun

WRITE_EVERY_SECONDS = 10.0
MOST_BEGUN = 1000  # tasks whose end was never told, as their process was killed: a bound, not a number that is reached
logger = logging.getLogger(__name__)


@dataclass
class Noted:
    """What was last written of a task by this process; at: seconds of the monotonic clock."""

    at: float
    error: str


_begun: dict[str, datetime] = {}
_noted: dict[str, Noted] = {}


def began(task_id: str) -> None:
    if len(_begun) >= MOST_BEGUN:
        _begun.clear()
    _begun[task_id] = timezone.now()


def ended(task: str, task_id: str, error: str = "") -> bool:
    """error: the kind of error that it broke off with. Returns whether it was written."""
    started_at = _begun.pop(task_id, None) or timezone.now()
    last, now = _noted.get(task), time.monotonic()
    if last and last.error == error and now - last.at < WRITE_EVERY_SECONDS:
        return False
    _noted[task] = Noted(now, error)
    try:
        note_run(task, started_at, timezone.now(), error)
    except Error as failure:  # the task has done its work; only the page that shows it lags behind
        logger.warning("the end of %s could not be stored: %s", task, failure)
        return False
    return True


def note_run(task: str, started_at: datetime, finished_at: datetime, error: str = "") -> None:
    """One statement."""
    row = ScheduledRun(task=task[:200], started_at=started_at, finished_at=finished_at, error=error[:200])
    ScheduledRun.objects.bulk_create(
        [row],
        update_conflicts=True,
        unique_fields=["task"],
        update_fields=["started_at", "finished_at", "error"],
    )


def took(run: ScheduledRun) -> timedelta:
    return max(run.finished_at - run.started_at, timedelta())
