"""Doing something with many devices: the set is frozen at the start, and workers go through it (`bulk_steps`).

An operation of this kind has a step for each device (`OperationDevice`), written by one statement that says nothing to the
application but how many there are: memory and time of the request do not depend on it much.
"""

from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
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
from devices.services.errors import NotPossible, SetChanged
from devices.services.operations import DONE_ONCE, nudge_steps
from mdm.accounts.actors import Actor
from mdm.common.many_rows import insert_selected
from mdm.common.words import count_of
from mdm.events.services import emit

# Where doing the same again may end otherwise.
CAN_BE_REPEATED = (Outcome.FAILED, Outcome.TAKEN_BACK)
TOO_LATE = "It is too late to repeat it: what was sent is no longer kept."


def start(
    devices: QuerySet[Device],
    wanted: Wanted,
    *,
    account_id: int,
    actor: Actor,
    expected: int | None = None,
    token: UUID | None = None,
) -> BulkOperation:
    """One operation for all devices of the account that the query finds at this moment, enrolled or not.

    expected: how many there must be. token: of the form that orders it; should it have come before, what was started then is
    returned, and nothing else is done. Raises SetChanged, and NotPossible when there is none; then nothing is stored.
    """
    with transaction.atomic():
        operation, is_new = _row(
            account_id,
            token,
            kind=wanted.kind,
            title=wanted.label[:TITLE_LENGTH],
            parameters={**wanted.parameters, "label": wanted.label},
            pushes_per_second=settings.BULK_PUSHES_PER_SECOND,
            actor_label=actor.label[:200],
            source=actor.source,
        )
        if not is_new:
            return operation
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
                secrets=dict(wanted.secrets) or None,
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


def repeat(
    operation: BulkOperation, actor: Actor, *, expected: int | None = None, token: UUID | None = None
) -> BulkOperation:
    """The same for those devices that could not do it, or from which it was taken back. As `start`."""
    check_repeatable(operation)
    return start(
        failed_devices(operation),
        again(operation),
        account_id=operation.account_id,
        actor=actor,
        expected=expected,
        token=token,
    )


def check_repeatable(operation: BulkOperation) -> None:
    """Raises NotPossible for what the reconciler does (it repeats what failed by itself), and where the order was forgotten."""
    if operation.kind not in DONE_ONCE:
        raise NotPossible("What failed is tried again by itself.")
    order = getattr(operation, "order", None)
    if order is not None and order.forgotten_at:
        raise NotPossible(TOO_LATE)


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
    columns = {
        "account_id": "account_id",
        "operation_id": Cast(Value(operation.pk), IntegerField()),
        "device_id": "pk",
        "state": Value(StepState.WAITING.value),
        "fault": Value(""),
    }
    return insert_selected(OperationDevice, devices.order_by("pk"), columns)


def _row(account_id: int, token: UUID | None, **values: Any) -> tuple[BulkOperation, bool]:
    """The operation, and whether it is new. Who comes with a token that is just being used waits for the other."""
    if token is None:
        return BulkOperation.objects.create(account_id=account_id, **values), True
    return BulkOperation.objects.get_or_create(account_id=account_id, order_token=token, defaults=values)


def _tell_planner() -> None:
    """PostgreSQL plans by statistics that are minutes old, and would read all steps ever made for each chunk of a new set."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"ANALYZE {OperationDevice._meta.db_table}")
