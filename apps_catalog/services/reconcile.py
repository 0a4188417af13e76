"""Wanted against reported against queued, for a set of devices: only the difference is queued.

The one way to what devices should have. Whatever changes that marks devices (`devices/services/due.py`); here they are taken,
those that are marked by themselves before those of operations.
"""

import logging
import time
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import Q
from django.utils import timezone

from apps_catalog.services.app_delivery import plan_apps
from apps_catalog.services.orders import plan_orders
from apps_catalog.services.wanted import wanted_of
from devices.models import BulkOperation, Device, DeviceState, DueDevice, OperationState
from devices.services import operations
from devices.services.due import mark_due, nudge_reconciler
from devices.services.lines import open_lines
from devices.services.memberships import assignment_groups_of
from devices.services.plans import carry_out
from devices.services.profile_delivery import plan_profiles
from devices.services.retries import mark_retries
from mdm.accounts.actors import SYSTEM
from mdm.accounts.models import Account
from mdm.events.models import Level
from mdm.events.services import emit

CHUNK = 500
# One task goes on for so long, then asks for another: a worker that is to stop need not be killed.
LONGEST_RUN_SECONDS = 300
# SQLite has one writer, and whoever waits for it looks again every 100 ms: chunk upon chunk would shut out devices and whoever
# wants to cancel the operation.
SQLITE_PAUSE_SECONDS = 0.15
FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=6)
PAUSES_IN_OPERATION = 5
# Trouble of the database and no fault of a device: the marks are still there. What it refuses to store is another matter.
OUTAGES = (InterfaceError, OperationalError)

logger = logging.getLogger("pomona.reconcile")


def reconcile_due() -> int:
    """Take marked devices until none is left; returns how many. Several workers may run: each claims its own devices."""
    total, begin = 0, time.monotonic()
    while count := _next_chunk():
        total += count
        if time.monotonic() - begin > LONGEST_RUN_SECONDS:
            nudge_reconciler()
            break
        if count >= CHUNK and connection.vendor == "sqlite":
            time.sleep(SQLITE_PAUSE_SECONDS)
    return total


def compare_all() -> int:
    """Mark every device, an operation for each large account; but not those that an operator holds back."""
    total = 0
    for account_id in Account.objects.order_by("pk").values_list("pk", flat=True):
        held_back = DueDevice.objects.filter(account_id=account_id, operation__state=OperationState.CANCELLED)
        devices = Device.objects.filter(account_id=account_id).exclude(pk__in=held_back.values("device"))
        with transaction.atomic():
            total += mark_due(devices, why="Daily comparison of all devices")
    return total


def _next_chunk() -> int:
    if count := _work_on(None):
        return count
    # Each chunk moves an operation's pushes on: whoever was served longest ago is next.
    running = BulkOperation.objects.filter(state=OperationState.RUNNING, kind__in=operations.RECONCILED)
    for operation in running.order_by("next_push_at", "pk"):
        if count := _work_on(operation):
            return count
        operations.finish(operation)
    return 0


def _work_on(operation: BulkOperation | None) -> int:
    """The next devices of an operation, or of none. Should one of them break, the others come through by themselves."""
    claimed: list[int] = []
    try:
        return _reconcile(operation, Q(), CHUNK, claimed)
    except OUTAGES:
        raise
    except Exception:
        logger.exception("a chunk of %s devices broke off; each is taken by itself", len(claimed))
    for device_id in claimed:
        _work_on_one(operation, device_id)
    return len(claimed)


def _work_on_one(operation: BulkOperation | None, device_id: int) -> None:
    try:
        _reconcile(operation, Q(device=device_id), 1, [])
    except OUTAGES:
        raise
    except Exception as error:
        logger.exception("device %s could not be reconciled", device_id)
        _put_off(operation, device_id, error)


def _reconcile(operation: BulkOperation | None, which: Q, limit: int, claimed: list[int]) -> int:
    """One transaction: a worker that dies in it has done nothing, and the marks are still there. claimed: filled at once."""
    now = timezone.now()
    with transaction.atomic():
        devices = _claim(operation, which, limit)
        claimed += [device.pk for device in devices]
        DueDevice.objects.filter(device__in=claimed, operation=operation).delete()
        enrolled = [device for device in devices if device.state == DeviceState.ENROLLED and not device.removed_at]
        if enrolled:
            _bring(enrolled, operation, now)
    return len(devices)


def _claim(operation: BulkOperation | None, which: Q, limit: int) -> list[Device]:
    """Marks and devices together, or neither: nobody is waited for while something is held."""
    marks = DueDevice.objects.filter(which, operation=operation, due_at__lte=timezone.now()).select_related("device")
    marks = marks.select_for_update(skip_locked=True, no_key=True, of=("self", "device"))
    marks = marks.defer("device__information", "device__security", "device__location")
    return [mark.device for mark in marks.order_by("due_at")[:limit]]


def _bring(devices: Sequence[Device], operation: BulkOperation | None, now: datetime) -> None:
    lines, groups = open_lines(devices), assignment_groups_of(devices)
    actor = operations.actor_of(operation) if operation else SYSTEM
    is_alone = operation is None  # of an operation, its own line in the log says it all
    sent: list[int] = []
    if operation is not None:
        # What was ordered is written first, so that the comparison finds it under way.
        sent = carry_out([plan_orders(operation, devices, groups, lines)], actor=actor, is_logged=False, wakes=False)
    wanted = wanted_of(devices, groups)
    of_profiles = {pk: one.profiles for pk, one in wanted.items()}
    profiles = plan_profiles(devices, lines, groups, of_profiles, now, is_logged=is_alone)
    apps = plan_apps(devices, lines, wanted, now, is_logged=is_alone)
    sent += carry_out([profiles, apps], actor=actor, is_logged=is_alone, wakes=is_alone)
    mark_retries([*profiles.known, *apps.known], now)
    if operation is not None:
        operations.wake(operation, sent)


def _put_off(operation: BulkOperation | None, device_id: int, error: Exception) -> None:
    """Later, again and again; an operation waits for it a few times only. The account's log says so, the first time."""
    with transaction.atomic():
        marks = DueDevice.objects.select_for_update(of=("self",)).select_related("device")
        mark = marks.filter(device=device_id, operation=operation).first()
        if mark is None:
            return
        is_news = not DueDevice.objects.filter(device=device_id, attempts__gt=0).exists()
        if is_news:
            # No more than its name: the text of an error may hold what was to be stored. The server's log has it all.
            emit(
                "device.not_reconciled",
                account_id=mark.account_id,
                device=mark.device,
                level=Level.ERROR,
                why=type(error).__name__,
            )
        mark.due_at = timezone.now() + min(FIRST_PAUSE * 2 ** min(mark.attempts, 20), LONGEST_PAUSE)
        mark.attempts = min(mark.attempts + 1, 1000)
        if operation is not None and mark.attempts > PAUSES_IN_OPERATION:
            facts = {"account_id": mark.account_id, "due_at": mark.due_at, "attempts": mark.attempts}
            DueDevice.objects.get_or_create(device_id=device_id, operation=None, defaults=facts)
            mark.delete()
        else:
            mark.save(update_fields=["due_at", "attempts"])
