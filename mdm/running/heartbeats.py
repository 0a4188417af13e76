"""Every process of the server says that it is alive: a row of its own, renewed by a thread of its own.

The thread opens a connection for each beat and closes it again: it takes none from the pool that requests use, and leaves
nothing behind in a worker that forks. A database that is away is logged and no more.
"""

import atexit
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, Error, connections
from django.db.models import Max, Q
from django.db.utils import load_backend
from django.utils import timezone

from mdm import __version__
from mdm.running.models import Heartbeat, ProcessKind

ALIAS = "heartbeats"
KEPT = timedelta(minutes=10)  # of a process that is silent, as long as others of its kind are there
STOP_SECONDS = 2
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Process:
    """This process, as it tells of itself."""

    kind: ProcessKind
    lanes: int | None = None
    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)
    started_at: datetime = field(default_factory=timezone.now)


@dataclass
class Beating:
    """The thread that beats for a process, and what ends it."""

    process: Process
    stop: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None


_beating: list[Beating] = []  # of this process: one at the most


def start_beating(kind: ProcessKind, *, lanes: int | None = None) -> None:
    """From now on, until the process ends. HEARTBEAT_SECONDS=0: never."""
    if not settings.HEARTBEAT_SECONDS or any(one.process.pid == os.getpid() for one in _beating):
        return
    beating = Beating(Process(kind, lanes))
    beating.thread = threading.Thread(target=_beat, args=(beating,), name="heartbeat", daemon=True)
    _beating[:] = [beating]
    beating.thread.start()
    atexit.register(stop_beating)


def stop_beating() -> None:
    """Say that the process ends. Processes that were forked from it have no say in that."""
    mine = [one for one in _beating if one.process.pid == os.getpid()]
    _beating.clear()
    for beating in mine:
        beating.stop.set()
        if beating.thread:
            beating.thread.join(STOP_SECONDS)
        _write(note_end, beating.process)


def note(process: Process, *, using: str = DEFAULT_DB_ALIAS) -> None:
    """One statement: the row of the process, new or renewed. Another process may have had its number before."""
    row = Heartbeat(
        kind=process.kind,
        host=process.host[:255],
        pid=process.pid,
        version=__version__,
        lanes=process.lanes,
        started_at=process.started_at,
        heard_at=timezone.now(),
    )
    changed = ["kind", "version", "lanes", "started_at", "heard_at", "stopped_at"]
    Heartbeat.objects.using(using).bulk_create(
        [row], update_conflicts=True, unique_fields=["host", "pid"], update_fields=changed
    )


def note_end(process: Process, *, using: str = DEFAULT_DB_ALIAS) -> None:
    """Not of a newer process that has the same number by now."""
    rows = Heartbeat.objects.using(using).filter(host=process.host[:255], pid=process.pid)
    rows.filter(started_at=process.started_at).update(stopped_at=timezone.now())


def forget_silent() -> int:
    """Rows of processes that are gone; the last one of each kind stays, so that it can be said since when there is none."""
    newest = Heartbeat.objects.values("kind").annotate(last=Max("heard_at")).values_list("kind", "last")
    keep = Q()
    for kind, last in newest:
        keep |= Q(kind=kind, heard_at=last)
    silent = Heartbeat.objects.filter(heard_at__lt=timezone.now() - KEPT)
    return (silent.exclude(keep) if keep else silent).delete()[0]


def _beat(beating: Beating) -> None:
    while not beating.stop.is_set():
        _write(note, beating.process)
        beating.stop.wait(settings.HEARTBEAT_SECONDS)


def _write(what: Callable[..., None], process: Process) -> None:
    try:
        with _own_connection() as alias:
            what(process, using=alias)
    except Error as error:  # it is only a sign of life, and the next one follows
        logger.warning("the sign of life of this process could not be stored: %s", error)


@contextmanager
def _own_connection() -> Iterator[str]:
    """The alias of a connection as the default one is, but outside its pool. Of this thread alone."""
    given = connections[DEFAULT_DB_ALIAS].settings_dict
    options = {name: value for name, value in given["OPTIONS"].items() if name != "pool"}
    database = load_backend(given["ENGINE"]).DatabaseWrapper({**given, "OPTIONS": options}, ALIAS)
    connections[ALIAS] = database
    try:
        yield ALIAS
    finally:
        database.close()
        del connections[ALIAS]
