"""Telling the workers that rows wait for them: cheap, at most once a second a process, and allowed to get lost."""

import logging
import time
from importlib import import_module
from typing import Any

from celery import Task
from django.conf import settings
from django.core.cache import cache
from kombu.exceptions import ChannelError, OperationalError

logger = logging.getLogger(__name__)
_last_sent: dict[str, float] = {}


def nudge(task: Task) -> None:
    """Queue the task now, and once more a second later for whatever comes meanwhile.

    The task looks for its rows by itself. A broker that cannot be reached is logged and no more: the schedule runs the
    task anyway, and the caller's rows are stored.
    """
    pause = settings.NUDGE_SECONDS
    now = time.monotonic()
    if pause and now - _last_sent.get(task.name, -pause) < pause:
        return
    _last_sent[task.name] = now
    _send(task)
    if pause:
        _send(task, countdown=pause * 1.1)


def nudge_later(task: Task, seconds: float) -> None:
    """Queue the task for then. Only one waits at a time, whichever process asks: more would all do the same."""
    if cache.add(f"nudge:{task.name}", True, timeout=seconds):
        _send(task, countdown=seconds)


def nudge_named(name: str) -> None:
    """The same for a task of a package above the caller's, which may not import it: `package.tasks.function`."""
    module, _, function = name.rpartition(".")
    nudge(getattr(import_module(module), function))


def _send(task: Task, **options: Any) -> None:
    try:
        task.apply_async(retry=False, **options)
    except (OperationalError, ChannelError, OSError) as error:
        logger.warning("the broker did not take %s: %s; the schedule will run it", task.name, error)
