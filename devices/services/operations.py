"""Operations: how far a change for many devices has come, holding it back, letting it go on, and waking its devices in turn."""

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from devices.models import BulkOperation, DueDevice, OperationDevice, OperationKind, OperationState, StepState
from devices.services.due import nudge_reconciler
from devices.services.errors import NotPossible
from mdm.accounts.actors import Actor, Source
from mdm.channels.services import request_push
from mdm.common.batches import batches
from mdm.common.nudge import nudge_named
from mdm.events.services import emit
from mdm.push.tasks import wake_soon

# Done with each device once, by its steps (`bulk_steps`); all other kinds are done by the reconciler, by marks.
DONE_ONCE = frozenset(
    {
        OperationKind.SEND_COMMAND,
        OperationKind.REFRESH,
        OperationKind.MOVE,
        OperationKind.SET_ATTRIBUTE,
        OperationKind.JOIN_GROUP,
    }
)
RECONCILED = frozenset(OperationKind) - DONE_ONCE
STEPS_WORKER = "devices.tasks.carry_out_operations"


@dataclass(frozen=True)
class Progress:
    """Devices. What is left was not reached yet."""

    total: int
    left: int

    @property
    def done(self) -> int:
        return max(self.total - self.left, 0)

    @property
    def percent(self) -> int:
        return 100 if not self.left else min(99, self.done * 100 // max(self.total, 1))


def progress_of(operations: Collection[BulkOperation]) -> dict[int, Progress]:
    """By primary key. One statement, which looks only for what is left."""
    pks = [one.pk for one in operations]
    marks = DueDevice.objects.filter(operation__in=pks).order_by()
    steps = OperationDevice.objects.filter(operation__in=pks, state=StepState.WAITING).order_by()
    counted = [rows.values_list("operation").annotate(count=Count("pk")) for rows in (marks, steps)]
    left = dict(counted[0].union(counted[1], all=True)) if pks else {}
    return {one.pk: Progress(one.total, left.get(one.pk, 0)) for one in operations}


def cancel(operation: BulkOperation, actor: Actor) -> None:
    """Hold it back: devices that it has not reached stay as they are until it is resumed, or something else changes for them.

    Raises NotPossible when it is not running.
    """
    with transaction.atomic():
        _change(operation, OperationState.RUNNING, OperationState.CANCELLED, "It is not running any more.")
        _log("operation.cancelled", operation, actor)


def resume(operation: BulkOperation, actor: Actor) -> None:
    """Raises NotPossible when it was not cancelled."""
    with transaction.atomic():
        _change(
            operation, OperationState.CANCELLED, OperationState.RUNNING, "Only a cancelled operation can be resumed."
        )
        _log("operation.resumed", operation, actor)
        transaction.on_commit(nudge_steps if operation.kind in DONE_ONCE else nudge_reconciler)


def nudge_steps() -> None:
    """Tell the workers of waiting steps, after the commit that wrote them."""
    nudge_named(STEPS_WORKER)


def finish(operation: BulkOperation) -> bool:
    """Done, if none of its devices is left, not even in the hands of another worker."""
    with transaction.atomic():
        mine = BulkOperation.objects.filter(pk=operation.pk, state=OperationState.RUNNING)
        if _is_left(operation):
            return False
        done = mine.update(state=OperationState.DONE, finished_at=timezone.now())
        if done:
            operation.refresh_from_db()
            _log("operation.finished", operation, actor_of(operation), commands=operation.commands)
    return bool(done)


def _is_left(operation: BulkOperation) -> bool:
    if operation.kind in DONE_ONCE:
        return OperationDevice.objects.filter(operation=operation, state=StepState.WAITING).exists()
    return DueDevice.objects.filter(operation=operation).exists()


def actor_of(operation: BulkOperation) -> Actor:
    """Who started it."""
    return Actor(Source(operation.source), label=operation.actor_label)


def wake(operation: BulkOperation, channel_ids: Iterable[int]) -> None:
    """Count the commands that were queued, and push to their channels one after the other, as fast as the operation may.

    The last thing of a chunk's transaction: its row is what workers of one operation wait for.
    """
    commands = list(channel_ids)
    channels = list(dict.fromkeys(commands))
    now = timezone.now()
    row = BulkOperation.objects.select_for_update(no_key=True).get(pk=operation.pk)
    begin = max(row.next_push_at, now)
    rate = row.pushes_per_second
    for second, some in enumerate(batches(channels, rate or len(channels) or 1)):
        request_push(list(some), at=begin + timedelta(seconds=second))
    row.commands += len(commands)
    row.next_push_at = begin + timedelta(seconds=math.ceil(len(channels) / rate) if rate else 0)
    row.save(update_fields=["commands", "next_push_at"])
    transaction.on_commit(wake_soon)


def _change(operation: BulkOperation, before: OperationState, after: OperationState, fault: str) -> None:
    if not BulkOperation.objects.filter(pk=operation.pk, state=before).update(state=after):
        raise NotPossible(fault)
    operation.state = after


def _log(kind: str, operation: BulkOperation, actor: Actor, **facts: int) -> None:
    emit(kind, account_id=operation.account_id, actor=actor, operation_id=operation.pk, title=operation.title, **facts)
