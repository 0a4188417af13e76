"""Where Celery tells that a worker or the schedule is there, and that a task ended."""

from typing import Any

from celery import Task, signals, states

from mdm.common.nudge import nudge_named
from mdm.running.heartbeats import start_beating, stop_beating
from mdm.running.models import ProcessKind
from mdm.running.runs import began, ended


def connect() -> None:
    """By each process; only those that Celery runs hear anything."""
    signals.worker_init.connect(_worker_begins)
    signals.worker_ready.connect(_worker_is_ready)
    signals.worker_shutdown.connect(_ends)
    signals.beat_init.connect(_schedule_begins)


def _worker_begins(**_: Any) -> None:
    """Before it forks, so that its processes listen too. Tasks that are run without a worker are nobody's business here."""
    signals.task_prerun.connect(_task_begins)
    signals.task_postrun.connect(_task_ends)


def _worker_is_ready(sender: Any, **_: Any) -> None:
    start_beating(ProcessKind.WORKER, lanes=sender.controller.concurrency)
    nudge_named("mdm.running.tasks.look_after_status")


def _schedule_begins(**_: Any) -> None:
    start_beating(ProcessKind.SCHEDULE)


def _ends(**_: Any) -> None:
    stop_beating()


def _task_begins(task_id: str, task: Task, **_: Any) -> None:
    if _is_scheduled(task):
        began(task_id)


def _task_ends(task_id: str, task: Task, state: str | None = None, retval: Any = None, **_: Any) -> None:
    if _is_scheduled(task):
        ended(task.name, task_id, type(retval).__name__ if state == states.FAILURE else "")


def _is_scheduled(task: Task) -> bool:
    return any(one["task"] == task.name for one in task.app.conf.beat_schedule.values())
