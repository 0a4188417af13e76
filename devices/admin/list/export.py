"""The devices of the list as a file for spreadsheets, written while it is sent: memory stays flat however many there are.

The answer to a request has begun when something breaks in the middle of it, so its status cannot say so: the last line does.
"""

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from django.db import connection
from django.http import StreamingHttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from devices.admin.list.address import Address
from devices.admin.list.columns import Column, words_of
from devices.admin.list.facts import Facts, load
from devices.admin.list.known import Known
from devices.admin.list.order import Order
from devices.admin.list.paging import slice_of
from devices.admin.list.search import narrowed
from mdm.accounts.actors import Actor
from mdm.common.csv_lines import csv_lines
from mdm.common.planning import planned_for_each_value
from mdm.events.services import emit

CHUNK = 1000
# Without it Excel takes the file for one of its own old encodings and breaks every ü.
BYTE_ORDER_MARK = b"\xef\xbb\xbf"

logger = logging.getLogger(__name__)


def export(known: Known, address: Address, columns: Sequence[Column], *, actor: Actor) -> StreamingHttpResponse:
    """All devices that fit the address, those that were added last first. That somebody took them is a line of the log."""
    emit(
        "devices.exported",
        account_id=known.account.pk,
        actor=actor,
        filters=len(address.values),
        columns=[column.key for column in columns],
    )
    headers = {
        "Content-Disposition": f'attachment; filename="pomona-devices-{timezone.now():%Y%m%dT%H%M%SZ}.csv"',
        "Cache-Control": "no-store",
        "X-Accel-Buffering": "no",
    }
    headings = [str(column.file_title or column.title) for column in columns]
    pieces = _pieces(known, address, columns, headings)
    return StreamingHttpResponse(pieces, content_type="text/csv; charset=utf-8", headers=headers)


def _pieces(known: Known, address: Address, columns: Sequence[Column], headings: list[str]) -> Iterator[bytes]:
    count = 0
    try:
        yield BYTE_ORDER_MARK + csv_lines([headings])
        for rows in _chunks(known, address, columns):
            yield csv_lines(rows)
            count += len(rows)
    except Exception:  # whatever it was: the file must not look whole
        logger.exception("an export of devices broke off after %s lines", count)
        yield csv_lines([[_("This file is incomplete: it broke off after %(count)s devices.") % {"count": count}]])
        raise


def _chunks(known: Known, address: Address, columns: Sequence[Column]) -> Iterator[list[list[Any]]]:
    fields = [name for column in columns for name in column.fields]
    with_answers = any(column.key in ("storage", "battery") for column in columns)
    devices, after = narrowed(known, address.values), ""
    while True:
        with planned_for_each_value():
            found = slice_of(devices, Order(), after=after, size=CHUNK)
        some = load(found.pks, fields, with_answers=with_answers)
        facts = Facts(some, known)
        yield [[_plain(column.plain(device, facts)) for column in columns] for device in some]
        if found.after is None:
            return
        after = found.after.token
        # A reader may be slow: meanwhile others get the connection.
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()


def _plain(value: Any) -> Any:
    """Numbers and times as they are, all else in the words of the list."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number or isinstance(value, datetime) else words_of(value)
