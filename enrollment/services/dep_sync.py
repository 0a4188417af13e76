"""Keeping the device lists of all DEP servers as Apple has them.

`sync_due_at` says when a server is to be synced; a worker takes it by `sync_started_at`, renewed with every page, so that a
server whose worker died is taken up again. Pages are asked for outside of any transaction and stored one by one with the
cursor after them: whatever ends a sync, the next one goes on from there.

Without a cursor that Apple knows, the whole list is read: `full_sync_started_at` is then set, the cursor is one of
/server/devices, and devices that the list did not name are removed at its end.
"""

import logging
import time
from datetime import timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from enrollment.dep_client import CursorExpired, DepClient, DepError, DevicePage
from enrollment.models import DepServer, DepSettings
from enrollment.services.dep_access import (
    ASSIGNER,
    FIRST_RETRY_SECONDS,
    LONGEST_RETRY_SECONDS,
    MOST_ATTEMPTS,
    TURN_SECONDS,
    client_of,
)
from enrollment.services.dep_devices import follow_list
from enrollment.services.dep_pages import Changes, apply_page, refresh_statistics, remove_unlisted
from enrollment.services.dep_removal import remove_everything
from mdm.common.leases import Lease, TakenOver, TurnIsOver, take_turns
from mdm.common.leases import claim as claim_row
from mdm.common.nudge import nudge_named
from mdm.common.pauses import pause_seconds
from mdm.common.text import clean_text
from mdm.events.models import Level
from mdm.events.services import emit

logger = logging.getLogger("pomona.dep")

EVERY = timedelta(hours=2)
COLUMNS = {"started": "sync_started_at", "due": "sync_due_at"}
_ACCOUNT_COLUMNS = {
    "server_name": "server_name",
    "server_uuid": "server_uuid",
    "admin_id": "admin_id",
    "org_name": "organization_name",
}
_ORGANIZATION = ("org_id", "org_id_hash", "org_type", "org_version", "org_email", "org_phone", "org_address")

ServerLease = Lease[DepServer]


def sync_due() -> int:
    """Sync every server that is due, one after the other. Several workers may run: each takes its own. Returns how many."""
    return take_turns(claim, sync, seconds=TURN_SECONDS)


def claim() -> DepServer | None:
    """Take the server that waits longest; a request for a sync from now on makes it due once more."""
    return claim_row(DepServer.objects.all(), **COLUMNS)


def sync(server: DepServer, *, until: float) -> None:
    """Bring a claimed server's list up to date. until: of time.monotonic(), when to leave the rest for later.

    A server that somebody removed goes instead, with its list.
    """
    lease = ServerLease(server, **COLUMNS)
    changes = Changes()
    try:
        if server.removed_at:
            remove_everything(lease, until)
            return
        with client_of(server) as client:
            _store_account(lease, client.account())
            is_full = _read_list(lease, client, changes, until)
        for _ in follow_list(server):
            lease.hold()
    except DepError as error:
        _fail(lease, error)
    except TurnIsOver:
        lease.release(due_at=timezone.now())
    except TakenOver:
        raise
    except Exception:  # one server's trouble delays nobody else
        logger.exception("DEP server %s could not be synced", server.pk)
        _fail(lease, DepError("Pomona could not store what Apple sent; the log of its workers tells why."))
    else:
        _succeed(lease, changes, is_full=is_full)


def retry_seconds(attempts: int, asked_for: float = 0.0) -> float:
    """Doubling from a minute to the usual two hours; Apple's own Retry-After is obeyed if it is longer."""
    return pause_seconds(attempts, first=FIRST_RETRY_SECONDS, longest=LONGEST_RETRY_SECONDS, asked_for=asked_for)


def _read_list(lease: ServerLease, client: DepClient, changes: Changes, until: float) -> bool:
    """Returns whether it was the whole list."""
    try:
        return _read_from_cursor(lease, client, changes, until)
    except CursorExpired as error:
        logger.info("DEP server %s: %s The whole list is read.", lease.row.pk, error)
        lease.hold(cursor="", full_sync_started_at=None)
    return _read_from_cursor(lease, client, changes, until)


def _read_from_cursor(lease: ServerLease, client: DepClient, changes: Changes, until: float) -> bool:
    server = lease.row
    if not server.cursor:
        lease.hold(full_sync_started_at=timezone.now())
    is_full = server.full_sync_started_at is not None
    pages = client.fetch_devices(server.cursor) if is_full else client.sync_devices(server.cursor)
    for page in pages:
        _store_page(lease, page, changes)
        if page.has_more and time.monotonic() > until:
            raise TurnIsOver
    return is_full


def _store_page(lease: ServerLease, page: DevicePage, changes: Changes) -> None:
    """The devices of a page and the cursor after it, both or neither."""
    since = lease.row.full_sync_started_at
    completes_list = since is not None and not page.has_more
    with lease.holding(cursor=page.cursor, full_sync_started_at=None if completes_list else since):
        made = apply_page(lease.row, page.devices)
        if completes_list:
            made.removed += remove_unlisted(lease.row, since)
    before = changes.added
    changes.added += made.added
    changes.removed += made.removed
    refresh_statistics(changes, before)


def _store_account(lease: ServerLease, account: dict[str, Any]) -> None:
    """What Apple calls the server and its organization."""
    facts = {
        column: clean_text(account[key], DepServer._meta.get_field(column).max_length)
        for key, column in _ACCOUNT_COLUMNS.items()
        if isinstance(account.get(key), str)
    }
    facts["organization"] = {
        key: clean_text(account[key], 500) for key in _ORGANIZATION if isinstance(account.get(key), str)
    }
    if any(getattr(lease.row, column) != value for column, value in facts.items()):
        lease.hold(**facts)


def _succeed(lease: ServerLease, changes: Changes, *, is_full: bool) -> None:
    """Whatever changed, its enrollment settings are compared with what Apple says of the devices now."""
    server, now = lease.row, timezone.now()
    with transaction.atomic():
        # Whoever asked for a sync meanwhile gets another one.
        lease.release(last_synced_at=now, sync_attempts=0, sync_error="", due_at=now + EVERY)
        emit(
            "dep_server.synced",
            account_id=server.account_id,
            name=server.name,
            dep_server_id=server.pk,
            added=changes.added,
            removed=changes.removed,
            whole_list=is_full,
        )
        # What failed keeps the time at which it is tried again.
        is_later = Q(due_at=None) | Q(due_at__gt=now)
        if DepSettings.objects.filter(is_later, server=server, attempts=0).update(due_at=now):
            transaction.on_commit(partial(nudge_named, ASSIGNER))


def _fail(lease: ServerLease, error: DepError) -> None:
    """Logged once for each time that it begins; shown until a sync succeeds."""
    server = lease.row
    wait = timedelta(seconds=retry_seconds(server.sync_attempts, error.retry_after_seconds))
    with transaction.atomic():
        lease.release(
            sync_attempts=min(server.sync_attempts + 1, MOST_ATTEMPTS),
            sync_error=str(error)[:500],
            due_at=timezone.now() + wait,
        )
        if server.sync_attempts == 0:
            emit(
                "dep_server.sync_failed",
                account_id=server.account_id,
                level=Level.WARNING,
                name=server.name,
                dep_server_id=server.pk,
                reason=str(error),
            )
