"""Doing something with many devices: the set is frozen at the start, and workers go through it (`bulk_steps`).

An operation of this kind has a step for each device (`OperationDevice`), written by one statement that says nothing to the
application but how many there are: memory and time of the request do not depend on it much.
"""

from functools import partial

from django.conf import settings
from django.core.exceptions import EmptyResultSet
from django.db import connection, transaction
from django.db.models import IntegerField, Q, QuerySet, Value
from django.db.models.functions import Cast

from devices.models import (
    BulkOperation,
    Device,
    OperationDevice,
    OperationOrder,
    StepState,
)
from devices.services.bulk_orders import Wanted, again
from devices.services.bulk_outcomes import Outcome, in_outcome
from devices.services.due import TITLE_LENGTH
from devices.services.errors import DeviceError, NotPossible
from devices.services.operations import DONE_ONCE, nudge_steps
from mdm.accounts.actors import Actor
from mdm.common.words import count_of
from mdm.events.services import emit

# Where doing the same again may end otherwise.
CAN_BE_REPEATED = (Outcome.FAILED, Outcome.TAKEN_BACK)


class SetChanged(DeviceError):
    """There are more or fewer devices by now than the person agreed to; nothing was done. number: how many there are."""

    def __init__(self, number: int) -> None:
        super().__init__(f"By now it would be {count_of(number, 'device')}. Nothing was done.")
        self.number = number


def start(
    devices: QuerySet[Device], wanted: Wanted, *, account_id: int, actor: Actor, expected: int | None = None
) -> BulkOperation:
    """One operation for all devices of the account that the query finds at this moment, enrolled or not.

    expected: how many there must be. Raises SetChanged, and NotPossible when there is none; then nothing is stored.
    """
    with transaction.atomic():
        operation = BulkOperation.objects.create(
            account_id=account_id,
            kind=wanted.kind,
            title=wanted.label[:TITLE_LENGTH],
            parameters={**wanted.parameters, "label": wanted.label},
            pushes_per_second=settings.BULK_PUSHES_PER_SECOND,
            actor_label=actor.label[:200],
            source=actor.source,
        )
        total = _freeze(chosen(devices, account_id), operation)
        if expected is not None and total != expected:
            raise SetChanged(total)
        if not total:
            raise NotPossible("None of these devices belongs to the account any more.")
        if wanted.request_type or wanted.secrets:
            OperationOrder.objects.create(
                account_id=account_id,
                operation=operation,
                request_type=wanted.request_type,
                parameters=dict(wanted.order),
                secrets=dict(wanted.secrets),
            )
        operation.total = total
        operation.title = _title(wanted.label, total)
        operation.save(update_fields=["total", "title"])
        facts = {"request_type": wanted.request_type} if wanted.request_type else {}
        emit(
            "operation.started",
            account_id=account_id,
            actor=actor,
            operation_id=operation.pk,
            title=operation.title,
            devices=total,
            **facts,
        )
        transaction.on_commit(_tell_planner)
        transaction.on_commit(partial(nudge_steps))
    return operation


def repeat(operation: BulkOperation, actor: Actor, *, expected: int | None = None) -> BulkOperation:
    """The same for those devices that could not do it, or from which it was taken back. Raises as `start`."""
    check_repeatable(operation)
    return start(
        failed_devices(operation), again(operation), account_id=operation.account_id, actor=actor, expected=expected
    )


def check_repeatable(operation: BulkOperation) -> None:
    """Raises NotPossible for what the reconciler does: it repeats what failed by itself."""
    if operation.kind not in DONE_ONCE:
        raise NotPossible("What failed is tried again by itself.")


def failed_devices(operation: BulkOperation) -> QuerySet[Device]:
    """Those that `repeat` is for."""
    failed = Q()
    for outcome in CAN_BE_REPEATED:
        failed |= Q(pk__in=in_outcome(operation, outcome).values("device"))
    return Device.objects.filter(failed)


def chosen(devices: QuerySet[Device], account_id: int) -> QuerySet[Device]:
    """Those that belong to the account, each once, whatever the query joins and sorts by."""
    return Device.objects.for_account(account_id).filter(pk__in=devices.order_by().values("pk"))


def _title(label: str, total: int) -> str:
    number = f": {count_of(total, 'device')}"
    return label[: TITLE_LENGTH - len(number)] + number


def _freeze(devices: QuerySet[Device], operation: BulkOperation) -> int:
    """One statement for any number of devices: what they are stays in the database."""
    rows = devices.order_by("pk").values_list(
        "account_id",
        Cast(Value(operation.pk), IntegerField()),
        "pk",
        Value(StepState.WAITING.value),
        Value(""),
    )
    try:
        sql, values = rows.query.sql_with_params()
    except EmptyResultSet:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            # Our own names of tables and columns; whatever came from outside is among the values.
            f"INSERT INTO {OperationDevice._meta.db_table} (account_id, operation_id, device_id, state, fault) {sql}",
            values,
        )
        return max(cursor.rowcount, 0)


def _tell_planner() -> None:
    """PostgreSQL plans by statistics that are minutes old, and would read all steps ever made for each chunk of a new set."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"ANALYZE {OperationDevice._meta.db_table}")
