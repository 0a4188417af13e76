"""The log as a file: streamed in chunks, so that a million lines take no more memory than a thousand and lock nothing.

Each chunk is a statement of its own, the lines below the last key of the one before. What breaks off in the middle does not
look whole: the last line says so. (Web servers end the transfer as if nothing were wrong; only a killed one cuts it.)
"""

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.utils import timezone

from mdm.accounts.actors import Actor
from mdm.accounts.models import Account
from mdm.common.csv_lines import csv_lines
from mdm.common.planning import planned_for_each_value
from mdm.events.log_filters import LogFilters, narrow
from mdm.events.models import Event
from mdm.events.records import loaded, record
from mdm.events.services import emit

CHUNK = 1000
# The columns of the CSV, in this order: programs may rely on it. New ones come at the end.
COLUMNS = (
    *("at", "level", "event_type", "message", "actor", "source", "namespace"),
    *("device_id", "device_name", "serial_number", "udid", "id", "metadata"),
)

logger = logging.getLogger(__name__)
Rows = Sequence[dict[str, Any]]


@dataclass(frozen=True)
class Format:
    """begin: what stands before the first line. encode: some lines. broken: a last line that says that more are missing."""

    content_type: str
    ending: str
    begin: Callable[[], bytes]
    encode: Callable[[Rows], bytes]
    broken: Callable[[str], bytes]


@dataclass(frozen=True)
class Export:
    pieces: Iterator[bytes]
    content_type: str
    file_name: str


class UnknownFormat(Exception):
    """str(error) is a sentence that names those that there are."""


def export(account: Account, wanted: LogFilters, *, format_name: str, actor: Actor) -> Export:
    """The lines that are there now, newest first. That somebody took them is a line itself, which is not among them.

    Raises UnknownFormat.
    """
    chosen = FORMATS.get(format_name)
    if chosen is None:
        raise UnknownFormat(f"The log can be exported as {' or '.join(FORMATS)}.")
    events = narrow(Event.objects.for_account(account), account, wanted)
    own = emit("log.exported", account_id=account.pk, actor=actor, format=format_name, filters=wanted.facts())
    name = f"pomona-log-{timezone.now():%Y%m%dT%H%M%SZ}.{chosen.ending}"
    return Export(_pieces(events.filter(pk__lt=own.pk), chosen), chosen.content_type, name)


def answer(found: Export) -> StreamingHttpResponse:
    headers = {
        "Content-Disposition": f'attachment; filename="{found.file_name}"',
        "Cache-Control": "no-store",
        "X-Accel-Buffering": "no",
    }
    return StreamingHttpResponse(found.pieces, content_type=found.content_type, headers=headers)


def _pieces(events: QuerySet[Event], chosen: Format) -> Iterator[bytes]:
    count = 0
    try:
        yield chosen.begin()
        for rows in _chunks(events):
            yield chosen.encode(rows)
            count += len(rows)
    except Exception:  # whatever it was: the file must not look whole
        logger.exception("an export of the log broke off after %s lines", count)
        yield chosen.broken(f"This export is incomplete: it broke off after {count} lines.")
        raise


def _chunks(events: QuerySet[Event]) -> Iterator[Rows]:
    newest_first = loaded(events).order_by("-pk")
    some = _chunk(newest_first)
    while some:
        yield [record(event) for event in some]
        # A reader may be slow: meanwhile others get the connection.
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
        some = _chunk(newest_first.filter(pk__lt=some[-1].pk)) if len(some) == CHUNK else []


def _chunk(events: QuerySet[Event]) -> list[Event]:
    with planned_for_each_value():
        return list(events[:CHUNK])


# --- CSV --------------------------------------------------------------------------------------------------------------
def _csv_rows(rows: Rows) -> bytes:
    return csv_lines([[_plain(row[column]) for column in COLUMNS] for row in rows])


def _plain(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value


# --- JSON Lines -------------------------------------------------------------------------------------------------------
def _json_lines(rows: Rows) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


FORMATS = {
    "csv": Format(
        "text/csv; charset=utf-8",
        "csv",
        begin=lambda: csv_lines([COLUMNS]),
        encode=_csv_rows,
        broken=lambda sentence: csv_lines([[sentence]]),
    ),
    "jsonl": Format(
        "application/jsonl",
        "jsonl",
        begin=lambda: b"",
        encode=_json_lines,
        broken=lambda sentence: _json_lines([{"incomplete": sentence}]),
    ),
}
