"""The file-system broker of the embedded set-up: kombu's, with every file appearing whole or not at all.

kombu writes a message into the file that readers already see: a worker that is quick finds it empty, cannot read it and
ends, and all of Pomona with it. Here a message is written aside and renamed into place, and taken by renaming it away.
"""

import logging
import os
import uuid
from pathlib import Path
from queue import Empty
from time import time_ns
from typing import Any

from kombu.transport import TRANSPORT_ALIASES
from kombu.transport import filesystem as kombu_files
from kombu.transport.filesystem import exchange_queue_t, lock, unlock
from kombu.utils.json import dumps, loads

SCHEME = "files"
LONGEST_LOOK_SECONDS = 0.4
logger = logging.getLogger(__name__)


class Channel(kombu_files.Channel):
    """Messages are files `<time>_<uuid>.<queue>.msg` in one folder; the oldest is taken first."""

    def _put(self, queue: str, payload: Any, **options: Any) -> None:
        _write(Path(self.data_folder_out) / f"{time_ns():020d}_{uuid.uuid4().hex}.{queue}.msg", payload)

    def _get(self, queue: str) -> Any:
        """Raises Empty. Of several workers that reach for one message, the rename lets exactly one have it."""
        folder = Path(self.data_folder_in)
        for name in sorted(name for name in os.listdir(folder) if name.partition(".")[2] == f"{queue}.msg"):
            taken = folder / f".{name}.taken"
            try:
                (folder / name).rename(taken)
            except FileNotFoundError:
                continue
            content = taken.read_bytes()
            taken.unlink()
            try:
                return loads(content.decode())
            except ValueError:
                logger.warning("a message in the broker's folder could not be read and was dropped: %s", name)
        raise Empty

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str, queue: str) -> None:
        """Workers and web processes bind at the same time when everything starts: one after the other, and whole."""
        file = self._exchange_file(exchange)
        self.control_folder.mkdir(parents=True, exist_ok=True)
        bound = exchange_queue_t(routing_key or "", pattern or "", queue or "")
        with file.with_suffix(".lock").open("w") as guard:
            lock(guard, kombu_files.LOCK_EX)
            try:
                queues = self.get_table(exchange)
                if bound not in queues:
                    _write(file, [bound, *queues])
            finally:
                unlock(guard)


class Transport(kombu_files.Transport):
    Channel = Channel

    def drain_events(self, connection: Any, timeout: float | None = None) -> None:
        """A worker that is to stop looks for messages twice more, for so long each time: whoever stopped it waits meanwhile."""
        super().drain_events(connection, timeout=None if timeout is None else min(timeout, LONGEST_LOOK_SECONDS))


def register() -> None:
    """Make `files://` a broker URL that Celery understands."""
    TRANSPORT_ALIASES[SCHEME] = f"{__name__}:Transport"


def _write(path: Path, value: Any) -> None:
    aside = path.with_name(f".{uuid.uuid4().hex}.part")
    aside.write_text(dumps(value))
    aside.replace(path)
