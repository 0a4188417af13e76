"""Items that a device refused: when they are tried again, and what an operator can do about it.

How often, and how long in between, stands here alone; the reconciler only looks at `retry_at`.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.utils import timezone

from devices.models import Device, Followed, ItemState
from devices.services.due import mark_due, mark_each_later, mark_later
from devices.services.errors import NotPossible
from mdm.accounts.actors import Actor
from mdm.channels.models import Channel
from mdm.commands.services import withdraw

ERROR_LIMIT = 2000
PAUSES = (timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2), timedelta(hours=8), timedelta(days=1))
MOST_ATTEMPTS = 10

FACTS = ["state", "error", "attempts", "retry_at", "is_stopped", "answered_at", "updated_at"]


def note_failure(row: Followed, why: str, *, at: datetime | None, state: ItemState = ItemState.FAILED) -> None:
    """The device refused; try again after a while, unless it was too often or somebody stopped it. Saves the row.

    at: when the device said so. state: REMOVING where it refused to let the item go.
    """
    row.state, row.error, row.answered_at = state, why[:ERROR_LIMIT], at
    row.attempts = min(row.attempts + 1, 1000)
    row.retry_at = None
    if row.attempts < MOST_ATTEMPTS and not row.is_stopped:
        row.retry_at = timezone.now() + PAUSES[min(row.attempts, len(PAUSES)) - 1]
        mark_later(Device.objects.filter(pk=row.device_id), row.retry_at)
    row.save(update_fields=FACTS)


def note_success(row: Followed, *, at: datetime | None, more: Sequence[str] = ()) -> None:
    """The device has it. more: other columns that the caller has set. Saves the row."""
    row.state, row.error, row.attempts, row.retry_at, row.is_stopped = ItemState.INSTALLED, "", 0, None, False
    row.answered_at = at
    row.save(update_fields=[*FACTS, *more])


def note_loss(row: Followed, *, at: datetime | None, more: Sequence[str] = ()) -> None:
    """The device reports that it has it no more: it gets it again. Saves the row."""
    row.state, row.error, row.answered_at = ItemState.PENDING, "", at
    row.save(update_fields=[*FACTS, *more])
    mark_due(Device.objects.filter(pk=row.device_id))


def may_go(row: Followed, now: datetime) -> bool:
    """Whether an item that failed is to be tried again now."""
    return not row.is_stopped and row.retry_at is not None and row.retry_at <= now


def is_removed_again(row: Followed, is_running: bool, now: datetime) -> bool:
    """A removal that the device refused waits for its next attempt; one whose command got lost does not."""
    return may_go(row, now) if row.attempts or row.is_stopped else not is_running


def retry_now(device: Device, rows: Iterable[Followed]) -> int:
    """Forget former failures and send it again at once, by the reconciler. Raises NotPossible. Call in a transaction."""
    rows = [row for row in rows if row.is_stopped or row.state == ItemState.FAILED or _stays(row)]
    if not rows:
        raise NotPossible("It has not failed on this device and was not stopped there: there is nothing to retry.")
    for row in rows:
        row.attempts, row.is_stopped, row.retry_at = 0, False, timezone.now()
        row.command_uuid = ""  # whatever became of it, it is waited for no more
        row.save(update_fields=[*FACTS, "command_uuid"])
    mark_due(Device.objects.filter(pk=device.pk))
    return len(rows)


def stop(device: Device, rows: Iterable[Followed], actor: Actor) -> int:
    """No further attempts on this device, until a newer version is sent or somebody retries. A command that the device has not
    fetched yet is taken back. Raises NotPossible where nothing is under way. Call in a transaction, the device locked.
    """
    rows = [row for row in rows if row.state not in (ItemState.INSTALLED, ItemState.NOT_APPLICABLE)]
    if not rows:
        raise NotPossible("Nothing is under way on this device that could be stopped.")
    withdrawn = withdraw({row.command_uuid for row in rows}, Channel.objects.filter(device=device), actor=actor)
    for row in rows:
        row.is_stopped, row.retry_at = True, None
        if row.state == ItemState.PENDING or row.command_uuid in withdrawn:
            row.state = ItemState.FAILED if row.state != ItemState.REMOVING else row.state
            row.error = row.error or f"Stopped by {actor.label or actor.source}."
        row.save(update_fields=FACTS)
    return len(rows)


def _stays(row: Followed) -> bool:
    """Whether the device has refused to let it go."""
    return row.state == ItemState.REMOVING and row.attempts > 0


def locked(device: Device) -> Device:
    """The device as it is now, held until the end of the transaction: before anything that belongs to it is changed."""
    return Device.objects.select_for_update(no_key=True).get(pk=device.pk)


def mark_retries(rows: Iterable[Followed], now: datetime) -> None:
    """The reconciler took the devices' marks: set those again that retries to come need."""
    soonest: dict[int, datetime] = {}
    for row in rows:
        if row.retry_at is not None and row.retry_at > now:
            soonest[row.device_id] = min(row.retry_at, soonest.get(row.device_id, row.retry_at))
    mark_each_later(soonest)
