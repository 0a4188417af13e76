"""Marking devices whose wanted state may have changed: the one way in which anything asks for a reconciliation.

The reconciler stands above this package (`apps_catalog/services/reconcile.py`): it takes marked rows, so a mark is never lost.
A change that concerns many devices is an operation, with a row of its own that shows how far it has come.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.exceptions import EmptyResultSet
from django.db import connection, transaction
from django.db.models import Case, DateTimeField, IntegerField, QuerySet, Value, When
from django.db.models.functions import Cast
from django.utils import timezone

from devices.models import AssignmentGroup, BulkOperation, Device, DeviceGroup, DeviceState, DueDevice, OperationKind
from devices.services.memberships import named_in
from mdm.accounts.actors import SYSTEM, Actor
from mdm.common.batches import batches
from mdm.common.nudge import nudge_named
from mdm.events.services import emit

RECONCILER = "apps_catalog.tasks.reconcile_due_devices"
# From so many devices on, a change is an operation.
MANY = 500
BATCH = 500
TITLE_LENGTH = 255

# A mark that is there already: a new reason makes it due now, a retry to come at most sooner. Those of operations stay.
_BY_ITSELF = "(device_id) WHERE operation_id IS NULL"
_OF_OPERATION = "(device_id, operation_id) WHERE operation_id IS NOT NULL"
_NOW = "due_at = excluded.due_at, attempts = 0"
_NOT_LATER = "due_at = CASE WHEN excluded.due_at < {0}.due_at THEN excluded.due_at ELSE {0}.due_at END"


def mark_due(devices: QuerySet[Device], *, why: str = "", actor: Actor = SYSTEM) -> int:
    """Call it in the transaction of the change. why: the title, should it be an operation ("Assign Wi-Fi to Sales").

    Returns how many enrolled devices are concerned.
    """
    enrolled = _enrolled(devices)
    if _is_many(enrolled):
        return start_operation(devices, OperationKind.RECONCILE, title=why, actor=actor).total
    with transaction.atomic(savepoint=False):
        count = _mark(enrolled, at=timezone.now(), on_conflict=_NOW)
        if count:
            transaction.on_commit(nudge_reconciler)
    return count


def mark_one(device: Device) -> None:
    """The same for one device that the caller knows to be enrolled: one short statement, for the way in of a device."""
    table = DueDevice._meta.db_table
    with transaction.atomic(savepoint=False), connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} (device_id, account_id, operation_id, due_at, attempts) VALUES (%s, %s, NULL, %s, 0) "  # noqa: S608
            f"ON CONFLICT {_BY_ITSELF} DO UPDATE SET {_NOW}",
            [device.pk, device.account_id, connection.ops.adapt_datetimefield_value(timezone.now())],
        )
        transaction.on_commit(nudge_reconciler)


def mark_later(devices: QuerySet[Device], at: datetime) -> int:
    """The same for a time that is still to come; a mark of its own stays, and is moved forward if it is for later."""
    return _mark(_enrolled(devices), at=at, on_conflict=_NOT_LATER.format(DueDevice._meta.db_table))


def mark_each_later(times: Mapping[int, datetime]) -> int:
    """The same for several devices, each at its time: device pk → when. One statement for each few hundred."""
    total = 0
    for some in batches(sorted(times), BATCH):
        at = Case(*(When(pk=pk, then=Value(times[pk], DateTimeField())) for pk in some), output_field=DateTimeField())
        devices = _enrolled(Device.objects.filter(pk__in=some))
        total += _mark(devices, at=at, on_conflict=_NOT_LATER.format(DueDevice._meta.db_table))
    return total


def start_operation(
    devices: QuerySet[Device],
    kind: OperationKind,
    *,
    title: str,
    actor: Actor,
    parameters: Mapping[str, Any] | None = None,
    account_id: int | None = None,
) -> BulkOperation:
    """A row for the change, and a mark for each enrolled device of it. The devices are all of one account."""
    enrolled = _enrolled(devices)
    account_id = account_id or enrolled.order_by("pk").values_list("account_id", flat=True)[0]
    with transaction.atomic(savepoint=False):
        operation = BulkOperation.objects.create(
            account_id=account_id,
            kind=kind,
            title=(title or OperationKind(kind).label)[:TITLE_LENGTH],
            parameters=dict(parameters or {}),
            pushes_per_second=settings.BULK_PUSHES_PER_SECOND,
            actor_label=actor.label[:200],
            source=actor.source,
        )
        operation.total = _mark(enrolled, at=timezone.now(), on_conflict=_NOW, operation=operation)
        operation.save(update_fields=["total"])
        emit(
            "operation.started",
            account_id=account_id,
            actor=actor,
            operation_id=operation.pk,
            title=operation.title,
            devices=operation.total,
        )
        transaction.on_commit(_tell_planner)
        transaction.on_commit(nudge_reconciler)
    return operation


def is_many(devices: QuerySet[Device]) -> bool:
    """Whether a change for them is an operation; asks for no more rows than it needs."""
    return _is_many(_enrolled(devices))


def nudge_reconciler() -> None:
    """Tell the workers of marked devices, after the commit that marked them."""
    nudge_named(RECONCILER)


def devices_of_group(group: AssignmentGroup) -> QuerySet[Device]:
    """The devices of an assignment group: its own and those of its device groups."""
    return Device.objects.filter(named_in(group.members.all()), account_id=group.account_id, removed_at=None)


def devices_of_owner(owner: Device | DeviceGroup | AssignmentGroup) -> QuerySet[Device]:
    """Whatever devices the owner of an assignment stands for."""
    if isinstance(owner, Device):
        return Device.objects.filter(pk=owner.pk)
    if isinstance(owner, DeviceGroup):
        return Device.objects.filter(group=owner)
    return devices_of_group(owner)


def hold_members(group: DeviceGroup | AssignmentGroup) -> None:
    """Until the end of the transaction nobody joins: a device that is about to would be missed by the mark, and see nothing of
    the change. Call it before the change writes anything that refers to the group.
    """
    type(group).objects.select_for_update().filter(pk=group.pk).values_list("pk").first()


def mark_owner_due(owner: Device | DeviceGroup | AssignmentGroup, *, why: str = "", actor: Actor = SYSTEM) -> int:
    """Mark whatever devices the owner of an assignment stands for."""
    return mark_due(devices_of_owner(owner), why=why, actor=actor)


def _enrolled(devices: QuerySet[Device]) -> QuerySet[Device]:
    return devices.filter(state=DeviceState.ENROLLED, removed_at=None)


def _tell_planner() -> None:
    """PostgreSQL plans by statistics that are minutes old, and would sort all the new marks for each claim of a few."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"ANALYZE {DueDevice._meta.db_table}")


def _is_many(enrolled: QuerySet[Device]) -> bool:
    return enrolled.order_by()[: MANY + 1].count() > MANY


def _mark(
    enrolled: QuerySet[Device], *, at: datetime | Case, on_conflict: str, operation: BulkOperation | None = None
) -> int:
    """One statement for any number of devices: what they are stays in the database.

    In the order of their keys, so that two who mark the same devices wait for each other and do not deadlock.
    """
    chosen = enrolled.order_by("pk").values_list(
        "pk",
        "account_id",
        Cast(Value(operation.pk if operation else None), IntegerField()),
        at if isinstance(at, Case) else Value(at, DateTimeField()),
        Cast(Value(0), IntegerField()),
    )
    try:
        sql, values = chosen.query.sql_with_params()
    except EmptyResultSet:
        return 0  # the query itself says that there is none, without asking the database
    target = _BY_ITSELF if operation is None else _OF_OPERATION
    with connection.cursor() as cursor:
        cursor.execute(
            # Our own names of tables and columns; whatever came from outside is among the values.
            f"INSERT INTO {DueDevice._meta.db_table} (device_id, account_id, operation_id, due_at, attempts) {sql} "
            f"ON CONFLICT {target} DO UPDATE SET {on_conflict}",
            values,
        )
        return max(cursor.rowcount, 0)
