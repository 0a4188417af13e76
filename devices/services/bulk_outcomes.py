"""What has become of an operation with its devices: how many, which, and in what order they are counted."""

from collections import Counter
from enum import StrEnum

from django.db.models import Count, Exists, Max, Min, OuterRef, Q, QuerySet

from devices.models import BulkOperation, OperationDevice, StepState
from mdm.commands.models import Command
from mdm.commands.states import State


class Outcome(StrEnum):
    """Of one device: how far the operation has come with it, or what it made of its command."""

    WAITING = "waiting"  # not reached yet
    QUEUED = "queued"  # its command waits for it, or for its answer
    NOT_NOW = "not_now"  # it asked for more time
    DONE = "done"
    FAILED = "failed"  # it answered with an error
    TAKEN_BACK = "taken_back"  # its command was cancelled, or ran out before it connected
    REFUSED = "refused"  # it cannot obey, and was sent nothing


# Whatever comes later ends by itself, without anybody doing anything.
OPEN = (Outcome.WAITING, Outcome.QUEUED, Outcome.NOT_NOW)

_AFTER_COMMAND = {
    None: Outcome.DONE,
    State.QUEUED: Outcome.QUEUED,
    State.SENT: Outcome.QUEUED,
    State.ACKNOWLEDGED: Outcome.DONE,
    State.FAILED: Outcome.FAILED,
    State.CANCELLED: Outcome.TAKEN_BACK,
    State.EXPIRED: Outcome.TAKEN_BACK,
}

_WITHOUT_COMMAND = {Outcome.WAITING: StepState.WAITING, Outcome.REFUSED: StepState.REFUSED}
_COMMAND_IN: dict[Outcome, Q] = {
    Outcome.QUEUED: Q(state=State.SENT) | Q(state=State.QUEUED, not_now_at__isnull=True),
    Outcome.NOT_NOW: Q(state=State.QUEUED, not_now_at__isnull=False),
    Outcome.FAILED: Q(state=State.FAILED),
    Outcome.TAKEN_BACK: Q(state__in=(State.CANCELLED, State.EXPIRED)),
}

Tally = Counter[Outcome]


def outcome_of(state: str, command_state: str | None, *, is_not_now: bool) -> Outcome:
    """The same for one row. command_state: None where there is no command, or it was deleted since."""
    if state == StepState.WAITING:
        return Outcome.WAITING
    if state == StepState.REFUSED:
        return Outcome.REFUSED
    if command_state == State.QUEUED and is_not_now:
        return Outcome.NOT_NOW
    return _AFTER_COMMAND[State(command_state) if command_state else None]


def tally_of(operation: BulkOperation, commands: QuerySet[Command] | None = None) -> Tally:
    """How many devices came to which outcome. commands: see `commands_of`.

    Two statements, which read the steps of the operation and the commands between its first and its last one: they were queued
    one after the other, so that there are not many others among them.
    """
    steps = OperationDevice.objects.filter(operation=operation).order_by()
    numbers = dict(steps.values_list("state").annotate(number=Count("pk")))
    tally: Tally = Counter()
    for state, outcome in ((StepState.WAITING, Outcome.WAITING), (StepState.REFUSED, Outcome.REFUSED)):
        tally[outcome] = numbers.get(state, 0)
    # Without a command there was none to wait for: a group has another device, an attribute another value.
    tally[Outcome.DONE] = numbers.get(StepState.DONE, 0)
    if not tally[Outcome.DONE]:
        return +tally
    commands = commands_of(operation) if commands is None else commands
    others = commands.exclude(state=State.ACKNOWLEDGED).filter(pk__in=steps.values("command_id"))
    rows = others.order_by().values_list("state", Q(not_now_at__isnull=False))
    for state, is_not_now, number in rows.annotate(number=Count("pk")):
        outcome = outcome_of(StepState.DONE, state, is_not_now=bool(is_not_now))
        tally[outcome] += number
        tally[Outcome.DONE] -= number
    return +tally  # without the zeros


def in_outcome(
    operation: BulkOperation, outcome: Outcome, commands: QuerySet[Command] | None = None
) -> QuerySet[OperationDevice]:
    """The steps that `tally_of` counts there."""
    steps = OperationDevice.objects.filter(operation=operation)
    if outcome in _WITHOUT_COMMAND:
        return steps.filter(state=_WITHOUT_COMMAND[outcome])
    reached = steps.filter(state=StepState.DONE)
    commands = commands_of(operation) if commands is None else commands
    commands = commands.filter(pk=OuterRef("command_id"))
    if outcome is Outcome.DONE:
        return reached.filter(~Exists(commands.exclude(state=State.ACKNOWLEDGED)))
    return reached.filter(Exists(commands.filter(_COMMAND_IN[outcome])))


def commands_of(operation: BulkOperation) -> QuerySet[Command]:
    """Those between the first and the last that a step names, and so all of them, without reading the whole table."""
    named = OperationDevice.objects.filter(operation=operation).order_by()
    ends = named.aggregate(first=Min("command_id"), last=Max("command_id"))
    if ends["first"] is None:
        return Command.objects.none()
    return Command.objects.filter(pk__range=(ends["first"], ends["last"]))


def open_number(tally: Tally) -> int:
    """Devices of which there will be news."""
    return sum(tally[one] for one in OPEN)
