"""Enrollment settings at Apple: defined there once they change, and assigned to every device that the server lists.

`DepSettings.due_at` says when to compare; it is set by a change, by every sync, and by devices that are to be tried again.
What Apple says of a device (`DepDevice.profile_uuid`) is compared with what the server's settings are there: whatever differs
is assigned, a thousand devices at a time, each thousand stored before the next. A lost answer does no harm, as assigning twice
is assigning once, and the next sync tells what Apple has. Settings that somebody deleted are taken back instead.
"""

import hashlib
import json
import logging
import time
from datetime import timedelta

from django.db import transaction
from django.db.models import Min
from django.utils import timezone

from enrollment.dep_client import ASSIGN_LIMIT, DepClient, DepError, ProfileUnknown
from enrollment.models import AssignState, DepDevice, DepSettings
from enrollment.services.dep_access import (
    FIRST_RETRY_SECONDS,
    LONGEST_RETRY_SECONDS,
    MOST_ATTEMPTS,
    TURN_SECONDS,
    client_of,
    lock_server,
)
from enrollment.services.dep_answers import store_answer
from enrollment.services.dep_devices import move_awaited
from enrollment.services.dep_removal import remove_settings_row, take_back
from mdm.common.leases import Lease, TakenOver, TurnIsOver, take_turns
from mdm.common.leases import claim as claim_row
from mdm.common.pauses import pause_seconds
from mdm.events.models import Level
from mdm.events.services import emit
from mdm.protocol.dep_profile import profile_for_apple

logger = logging.getLogger("pomona.dep")

COLUMNS = {"started": "started_at", "due": "due_at"}
SettingsLease = Lease[DepSettings]


def assign_due() -> int:
    """Work on all settings that are due, one after the other; each worker takes its own. Returns how many."""
    return take_turns(claim, work, seconds=TURN_SECONDS)


def claim() -> DepSettings | None:
    """A server that somebody removed is tidied up by its sync."""
    rows = DepSettings.objects.select_related("server", "device_group").filter(server__removed_at=None)
    return claim_row(rows, **COLUMNS)


def work(settings: DepSettings, *, until: float) -> None:
    """Bring claimed settings to Apple and to the devices. until: of time.monotonic(), when to leave the rest for later."""
    lease = SettingsLease(settings, **COLUMNS)
    try:
        if settings.removed_at is None and settings.left_groups:
            _move(lease)
        if settings.removed_at is None or settings.profile_uuid:  # else Apple never heard of them
            with client_of(settings.server) as client:
                if settings.removed_at is None:
                    _bring(lease, client, until)
                else:
                    take_back(settings, lease, client, until)
    except DepError as error:
        _fail(lease, error)
    except TurnIsOver:
        lease.release(due_at=timezone.now())
    except TakenOver:
        raise
    except Exception:  # one server's trouble delays nobody else
        logger.exception("the enrollment settings %s could not be brought to Apple", settings.pk)
        _fail(lease, DepError("Pomona could not do its part; the log of its workers tells why."))
    else:
        _succeed(lease)


def _move(lease: SettingsLease) -> None:
    """Awaited devices follow to the group that is named now. Another one may be named while they do."""
    moved = list(lease.row.left_groups)
    move_awaited(lease.row, moved)
    with transaction.atomic():
        left = DepSettings.objects.select_for_update().values_list("left_groups", flat=True).get(pk=lease.row.pk)
        lease.hold(left_groups=[group for group in left if group not in moved])


def wanted_profile(settings: DepSettings) -> dict[str, object]:
    """What should stand at Apple, as `define_profile` sends it."""
    return profile_for_apple(settings.options, url=settings.url, web_url=settings.sign_in_url)


def _bring(lease: SettingsLease, client: DepClient, until: float) -> None:
    settings = lease.row
    wanted = wanted_profile(settings)
    digest = hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()
    is_current = settings.profile_uuid and settings.defined_digest == digest
    if not is_current or not client.knows_profile(settings.profile_uuid):
        _define(lease, client, wanted, digest)
    try:
        _assign(lease, client, until)
    except ProfileUnknown:
        # Forgotten since we asked. A second time would be a fault that waiting may help against.
        _define(lease, client, wanted, digest)
        _assign(lease, client, until)


def _define(lease: SettingsLease, client: DepClient, wanted: dict[str, object], digest: str) -> None:
    """Make it known to Apple; whatever was refused under the former one may be taken now."""
    settings = lease.row
    uuid = client.define_profile(wanted)
    now = timezone.now()
    with transaction.atomic():
        lock_server(settings.server)
        with lease.holding(profile_uuid=uuid, defined_digest=digest, defined_at=now):
            refused = settings.server.dep_devices.filter(assign_state=AssignState.REFUSED)
            refused.update(assign_attempts=0, assign_due_at=now)
            emit(
                "dep_settings.defined",
                account_id=settings.account_id,
                dep_server_id=settings.server_id,
                name=settings.server.name,
                profile_uuid=uuid,
            )


def _assign(lease: SettingsLease, client: DepClient, until: float) -> None:
    settings = lease.row
    _mark(lease)
    rows = settings.server.dep_devices
    while True:
        due = rows.filter(assign_due_at__lte=timezone.now()).order_by("assign_due_at", "pk")
        columns = ("server_id", "serial_number", "profile_uuid", "assign_attempts")
        some: list[DepDevice] = list(due.only(*columns)[:ASSIGN_LIMIT])
        if not some:
            return
        answer = client.assign_profile(settings.profile_uuid, [one.serial_number for one in some])
        with transaction.atomic():
            lock_server(settings.server)
            with lease.holding():
                store_answer(settings, some, answer)
        if time.monotonic() > until:
            raise TurnIsOver


def _mark(lease: SettingsLease) -> None:
    """What Apple says of the devices against what it should say: two statements, however many they are."""
    settings, now = lease.row, timezone.now()
    rows = settings.server.dep_devices
    right = {"assign_state": AssignState.ASSIGNED, "assign_error": "", "assign_attempts": 0, "assign_due_at": None}
    with transaction.atomic():
        lock_server(settings.server)
        with lease.holding():
            rows.filter(profile_uuid=settings.profile_uuid).exclude(**right).update(**right)
            differs = rows.exclude(profile_uuid=settings.profile_uuid).filter(assign_due_at=None)
            differs.update(assign_state=AssignState.WAITING, assign_error="", assign_due_at=now)


def _succeed(lease: SettingsLease) -> None:
    """Done, up to devices that are to be tried again later."""
    settings = lease.row
    if settings.removed_at is not None:
        with lease.holding():
            remove_settings_row(settings)
        return
    next_at = settings.server.dep_devices.aggregate(at=Min("assign_due_at"))["at"]
    lease.release(attempts=0, error="", due_at=next_at)


def _fail(lease: SettingsLease, error: DepError) -> None:
    """Logged once for each time that it begins; shown until it succeeds."""
    settings = lease.row
    pause = pause_seconds(
        settings.attempts,
        first=FIRST_RETRY_SECONDS,
        longest=LONGEST_RETRY_SECONDS,
        asked_for=error.retry_after_seconds,
    )
    with transaction.atomic():
        lease.release(
            attempts=min(settings.attempts + 1, MOST_ATTEMPTS),
            error=str(error)[:500],
            due_at=timezone.now() + timedelta(seconds=pause),
        )
        if settings.attempts == 0:
            emit(
                "dep_settings.failed",
                account_id=settings.account_id,
                level=Level.WARNING,
                dep_server_id=settings.server_id,
                name=settings.server.name,
                reason=str(error),
            )
