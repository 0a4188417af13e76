"""Operations: how far a change for many devices has come, holding it back, letting it go on, and waking its devices in turn."""

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from devices.models import BulkOperation, DueDevice, OperationState
from devices.services.due import nudge_reconciler
from devices.services.errors import NotPossible
from mdm.accounts.actors import Actor, Source
from mdm.channels.services import request_push
from mdm.common.batches import batches
from mdm.events.services import emit
from mdm.push.tasks import wake_soon


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
    """By primary key. One statement."""
    marks = DueDevice.objects.filter(operation__in=[one.pk for one in operations])
    left = dict(marks.order_by().values_list("operation").annotate(count=Count("pk")))
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
        transaction.on_commit(nudge_reconciler)


def finish(operation: BulkOperation) -> bool:
    """Done, if none of its devices is left, not even in the hands of another worker."""
    with transaction.atomic():
        mine = BulkOperation.objects.filter(pk=operation.pk, state=OperationState.RUNNING)
        if DueDevice.objects.filter(operation=operation).exists():
            return False
        done = mine.update(state=OperationState.DONE, finished_at=timezone.now())
        if done:
            operation.refresh_from_db()
            _log("operation.finished", operation, actor_of(operation), commands=operation.commands)
    return bool(done)


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
