"""Who is alive, and what the schedule has done: read from the rows that processes write of themselves."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from celery import current_app
from django.conf import settings
from django.utils import timezone

from mdm.running.models import Heartbeat, ProcessKind, ScheduledRun
from mdm.running.runs import took

MISSED_BEATS = 4
MOST_PROCESSES = 500
# Beyond two of its turns. A run that has much to do holds up those after it for minutes.
OVERDUE_AFTER = timedelta(minutes=5)


@dataclass(frozen=True)
class ShownProcess:
    """A process with what it last said. state: "alive", "silent" or "stopped"."""

    row: Heartbeat
    state: str


@dataclass(frozen=True)
class Silence:
    """No process of that kind is alive. heard_at: when one last was; None: never."""

    kind: ProcessKind
    heard_at: datetime | None


@dataclass(frozen=True)
class ShownTask:
    """A task of the schedule. state: "done", "failed", "overdue", or "waiting" for its first turn."""

    title: str
    task: str
    every: timedelta
    run: ScheduledRun | None
    next_at: datetime | None
    state: str

    @property
    def took(self) -> timedelta | None:
        return took(self.run) if self.run else None


def are_told() -> bool:
    """Whether processes say that they are alive at all."""
    return bool(settings.HEARTBEAT_SECONDS)


def silent_after() -> timedelta:
    return timedelta(seconds=max(MISSED_BEATS * settings.HEARTBEAT_SECONDS, 60))


def is_alive(row: Heartbeat, now: datetime) -> bool:
    return row.stopped_at is None and row.heard_at > now - silent_after()


def processes() -> list[ShownProcess]:
    """Those that are alive or became silent without a word; of a kind of which none is left, the last one. One statement."""
    now = timezone.now()
    rows = list(Heartbeat.objects.order_by("-heard_at")[:MOST_PROCESSES])
    living = [row for row in rows if is_alive(row, now)]
    found, told = [], {row.kind for row in living}
    for row in rows:
        if is_alive(row, now):
            found.append(ShownProcess(row, "alive"))
        elif (row.stopped_at is None and not _is_replaced(row, living)) or row.kind not in told:
            told.add(row.kind)
            found.append(ShownProcess(row, "stopped" if row.stopped_at else "silent"))
    order = {kind: place for place, kind in enumerate(ProcessKind.values)}
    return sorted(found, key=lambda one: (order[one.row.kind], one.row.host, one.row.pid))


def _is_replaced(row: Heartbeat, living: list[Heartbeat]) -> bool:
    """Whether one of its kind began on its machine when it fell silent: it was started anew, and had no time to say so."""
    margin = timedelta(seconds=2 * settings.HEARTBEAT_SECONDS)
    return any(
        one.kind == row.kind and one.host == row.host and one.started_at > row.heard_at - margin for one in living
    )


def silences(shown: list[ShownProcess] | None = None) -> list[Silence]:
    """Kinds of which no process is alive; none where processes do not tell. shown: what `processes` found, if it was asked."""
    if not are_told():
        return []
    shown = processes() if shown is None else shown
    alive = {one.row.kind for one in shown if one.state == "alive"}
    last: dict[str, datetime] = {}
    for one in shown:
        last[one.row.kind] = max(one.row.heard_at, last.get(one.row.kind, one.row.heard_at))
    return [Silence(kind, last.get(kind)) for kind in ProcessKind if kind not in alive]


def schedule(shown: list[ShownProcess]) -> list[ShownTask]:
    """Every task of the schedule, what needs somebody first. shown: what `processes` found. One statement."""
    now = timezone.now()
    runs = {run.task: run for run in ScheduledRun.objects.all()}
    up_since = min(
        (one.row.started_at for one in shown if one.row.kind == ProcessKind.SCHEDULE and one.state == "alive"),
        default=None,
    )
    found = [_task(title, entry, runs.get(entry["task"]), up_since, now) for title, entry in _table().items()]
    order = {"failed": 0, "overdue": 1}
    return sorted(found, key=lambda one: (order.get(one.state, 2), one.every, one.title))


def _table() -> Mapping[str, Mapping[str, Any]]:
    return current_app.conf.beat_schedule


def _task(
    title: str, entry: Mapping[str, Any], run: ScheduledRun | None, up_since: datetime | None, now: datetime
) -> ShownTask:
    """Tasks that were never due since the schedule runs are nobody's fault: it begins to count when it starts."""
    every = entry["schedule"] if isinstance(entry["schedule"], timedelta) else timedelta(seconds=entry["schedule"])
    begins = max((at for at in (run.finished_at if run else None, up_since) if at), default=None)
    is_late = begins is not None and now > begins + 2 * every + OVERDUE_AFTER
    if run and run.error:
        state = "failed"
    elif is_late or (run is not None and up_since is None and now > run.finished_at + 2 * every + OVERDUE_AFTER):
        state = "overdue"
    else:
        state = "done" if run else "waiting"
    next_at = begins + every if begins else None
    return ShownTask(title, entry["task"], every, run, next_at, state)
