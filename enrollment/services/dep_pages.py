"""Apple's device list becomes rows: a page at a time and set by set, in the caller's transaction."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.db.models import Q
from django.utils import timezone

from devices.models import Device
from enrollment.dep_client import PAGE_LIMIT
from enrollment.models import DepDevice, DepServer
from enrollment.services.dep_devices import follow_page, forget_devices
from mdm.common.batches import batches
from mdm.common.text import clean_text
from mdm.events.models import Event
from mdm.events.services import build, emit_many

logger = logging.getLogger("pomona.dep")

MAX_SERIAL_LENGTH = 64
GROWTH_MARKS = (1000, 10_000, 50_000, 200_000)
FIRST_YEAR = 2000  # Apple's way to say "never" is a time long ago
_LIMITS = {name: DepDevice._meta.get_field(name).max_length for name in DepDevice.TEXTS}
_COLUMNS = [*DepDevice.TEXTS, *DepDevice.TIMES, "seen_at"]


@dataclass
class Changes:
    """How many devices came and went."""

    added: int = 0
    removed: int = 0


def apply_page(server: DepServer, devices: Iterable[Any]) -> Changes:
    """Store what Apple says of these devices; op_type "deleted" removes one. Without op_type a device is simply there."""
    latest = _latest(devices)
    gone = [serial for serial, said in latest.items() if said.get("op_type") == "deleted"]
    known = _known(server, list(latest))
    # While the whole list is read, the time of its beginning: clocks of several workers need not agree then.
    seen_at = server.full_sync_started_at or timezone.now()
    going = set(gone)
    listed = [_row(server, serial, said, seen_at) for serial, said in latest.items() if serial not in going]
    DepDevice.objects.bulk_create(
        listed, update_conflicts=True, unique_fields=["server", "serial_number"], update_fields=_COLUMNS
    )
    new = [row for row in listed if row.serial_number not in known]
    emit_many(_event("abm.device.added", server, row.serial_number, row.model) for row in new)
    follow_page(server, [row.serial_number for row in listed])
    removed = 0
    for some in batches([serial for serial in gone if serial in known], PAGE_LIMIT):
        removed += remove(server, some)
    return Changes(len(new), removed)


def refresh_statistics(changes: Changes, before: int) -> None:
    """While a first list fills the tables: plans made for empty ones would look through all rows for each page.

    before: how many were added before the last page. PostgreSQL counts by itself, but later than that.
    """
    grew = any(before < mark <= changes.added for mark in GROWTH_MARKS)
    if grew and connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            for model in (DepDevice, Device):
                cursor.execute(f"ANALYZE {model._meta.db_table}")


def remove_unlisted(server: DepServer, since: datetime) -> int:
    """After the whole list was read: whatever it did not name since then is not the server's any more."""
    unlisted = server.dep_devices.filter(Q(seen_at__lt=since) | Q(seen_at=None)).order_by("pk")
    count = 0
    while some := list(unlisted.values_list("serial_number", flat=True)[:PAGE_LIMIT]):
        count += remove(server, some)
    return count


def remove(server: DepServer, serials: Sequence[str]) -> int:
    """Apple no longer lists them: a page of them, or as many."""
    rows = server.dep_devices.filter(serial_number__in=serials)
    models = rows.values_list("serial_number", "model")
    emit_many([_event("abm.device.removed", server, serial, model) for serial, model in models])
    forget_devices(server, rows)
    rows.delete()
    return len(serials)


def _latest(devices: Iterable[Any]) -> dict[str, dict[str, Any]]:
    """By serial number what was said last: Apple may name a device more than once."""
    latest: dict[str, dict[str, Any]] = {}
    ignored = 0
    for said in devices:
        serial = said.get("serial_number") if isinstance(said, dict) else None
        serial = clean_text(serial, MAX_SERIAL_LENGTH + 1).strip() if isinstance(serial, str) else ""
        if not 0 < len(serial) <= MAX_SERIAL_LENGTH:
            ignored += 1
        elif serial not in latest or _op_date(said) >= _op_date(latest[serial]):
            latest[serial] = said
    if ignored:
        logger.warning("%s entries of Apple's device list have no usable serial number", ignored)
    return latest


def _op_date(said: dict[str, Any]) -> datetime:
    return read_time(said.get("op_date")) or datetime.min.replace(tzinfo=UTC)


def _known(server: DepServer, serials: list[str]) -> set[str]:
    rows = server.dep_devices
    return {
        serial
        for some in batches(serials)
        for serial in rows.filter(serial_number__in=some).values_list("serial_number", flat=True)
    }


def _row(server: DepServer, serial: str, said: dict[str, Any], seen_at: datetime) -> DepDevice:
    texts = {
        name: clean_text(value, limit) for name, limit in _LIMITS.items() if isinstance(value := said.get(name), str)
    }
    times = {name: read_time(said.get(name)) for name in DepDevice.TIMES}
    return DepDevice(
        account_id=server.account_id, server=server, serial_number=serial, seen_at=seen_at, **texts, **times
    )


def read_time(value: object) -> datetime | None:
    """ISO 8601 as Apple writes it; None for anything else and for times before there was such a service."""
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
        if at is None or at.year < FIRST_YEAR:
            return None
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _event(kind: str, server: DepServer, serial: str, model: str) -> Event:
    facts = {"serial_number": serial, "model": model, "dep_server_id": server.pk}
    event = build(kind, account_id=server.account_id, metadata=facts)
    event.serial_number = serial  # so that the log of a device tells it too
    return event
