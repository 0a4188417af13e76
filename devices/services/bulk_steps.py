"""The worker of operations that are done with each device once: it takes waiting steps, a chunk in a transaction.

A worker that dies in a chunk has done nothing: its commands, its steps and its pushes are one transaction, and the steps
still wait. Two that work at once take different steps. The schedule looks for running operations, so none is forgotten.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import Q

from devices.models import (
    AssignmentGroup,
    BulkOperation,
    CustomAttribute,
    Device,
    DeviceGroup,
    OperationDevice,
    OperationKind,
    OperationState,
    StepState,
)
from devices.services import agent_rollout, operations
from devices.services.actions import inventory_of
from devices.services.agent_rollout import send_agents
from devices.services.assignment_groups import assign_devices
from devices.services.attributes import set_values
from devices.services.bulk_commands import LEFT, commands_for, shared_ipads, why_not_reached
from devices.services.bulk_orders import VALUE, VALUES
from devices.services.groups import move_devices
from devices.services.lines import open_lines
from devices.services.sending import plain_target
from mdm.channels.models import Channel
from mdm.commands.models import Command
from mdm.commands.services import Prepared, enqueue_each
from mdm.commands.states import WAITING
from mdm.common.many_rows import update_many

CHUNK = 500
# One task goes on for so long, then asks for another: a worker that is to stop need not be killed.
LONGEST_RUN_SECONDS = 300
# SQLite has one writer, and whoever waits for it looks again every 100 ms: chunk upon chunk would shut out devices and whoever
# wants to cancel the operation.
SQLITE_PAUSE_SECONDS = 0.15
BROKEN = "The server could not do it; its own log says why."
# Trouble of the database and no fault of a device: the steps still wait.
OUTAGES = (InterfaceError, OperationalError)

logger = logging.getLogger("pomona.operations")


@dataclass
class Brought:
    """What was done with a chunk. faults: device pk → why not; commands: device pk → key of the one that ends it;
    channels: once for each command that was queued.
    """

    faults: dict[int, str] = field(default_factory=dict)
    commands: dict[int, int] = field(default_factory=dict)
    channels: list[int] = field(default_factory=list)


def work_on_operations() -> int:
    """Take waiting steps until none is left; returns how many. Several workers may run: each claims its own."""
    total, begin = 0, time.monotonic()
    while count := _next_chunk():
        total += count
        if time.monotonic() - begin > LONGEST_RUN_SECONDS:
            operations.nudge_steps()
            break
        if count >= CHUNK and connection.vendor == "sqlite":
            time.sleep(SQLITE_PAUSE_SECONDS)
    return total


def _next_chunk() -> int:
    running = BulkOperation.objects.filter(state=OperationState.RUNNING, kind__in=operations.DONE_ONCE)
    # Each chunk moves an operation's pushes on: whoever was served longest ago is next.
    for operation in running.order_by("next_push_at", "pk"):
        if count := _work_on(operation):
            return count
        operations.finish(operation)
    return 0


def _work_on(operation: BulkOperation) -> int:
    """The next devices of an operation. Should one of them break, the others come through by themselves."""
    claimed: list[int] = []
    try:
        return take_chunk(operation, claimed=claimed)
    except OUTAGES:
        raise
    except Exception:
        logger.exception("a chunk of %s devices broke off; each is taken by itself", len(claimed))
    for step_id in claimed:
        _work_on_one(operation, step_id)
    return len(claimed)


def _work_on_one(operation: BulkOperation, step_id: int) -> None:
    try:
        take_chunk(operation, Q(pk=step_id))
    except OUTAGES:
        raise
    except Exception:
        logger.exception("step %s of operation %s broke off", step_id, operation.pk)
        waiting = OperationDevice.objects.filter(pk=step_id, state=StepState.WAITING)
        waiting.update(state=StepState.REFUSED, fault=BROKEN)


def take_chunk(operation: BulkOperation, which: Q | None = None, *, claimed: list[int] | None = None) -> int:
    """One transaction. claimed: filled with the keys of the steps at once. Returns how many steps were taken."""
    with transaction.atomic():
        # The attribute before the devices: everybody locks them in this order.
        if operation.kind == OperationKind.SET_ATTRIBUTE:
            _attribute(operation)
        steps = _claim(operation, which or Q())
        if claimed is not None:
            claimed += [step.pk for step in steps]
        if steps:
            present = [step.device for step in steps if not step.device.removed_at]
            brought = _BRING[OperationKind(operation.kind)](operation, present)
            brought.faults |= {step.device_id: LEFT for step in steps if step.device.removed_at}
            _note(steps, brought)
            operations.wake(operation, brought.channels)
    return len(steps)


def _claim(operation: BulkOperation, which: Q) -> list[OperationDevice]:
    """Steps and devices together, or neither: nobody is waited for while something is held. None of one that is held back."""
    steps = OperationDevice.objects.filter(
        which, operation=operation, state=StepState.WAITING, operation__state=OperationState.RUNNING
    )
    steps = steps.select_related("device").select_for_update(skip_locked=True, no_key=True, of=("self", "device"))
    heavy = ("information", "security", "location", "search_text")
    return list(steps.defer(*(f"device__{name}" for name in heavy)).order_by("pk")[:CHUNK])


def _note(steps: Sequence[OperationDevice], brought: Brought) -> None:
    longest = OperationDevice._meta.get_field("fault").max_length
    for step in steps:
        fault = brought.faults.get(step.device_id, "")
        step.state = StepState.REFUSED if fault else StepState.DONE
        step.fault = fault[:longest]
        step.command_id = brought.commands.get(step.device_id)
    update_many(steps, ["state", "fault", "command"])


# --- One kind each ----------------------------------------------------------------------------------------------------
def _send(operation: BulkOperation, devices: Sequence[Device]) -> Brought:
    order = operation.order
    if order.parameters.get("Recipe") == agent_rollout.RECIPE:
        return _send_agents(operation, devices)
    lines = open_lines(devices)
    answers = commands_for(order, devices, lines)
    orders = [(lines[pk][""], answer) for pk, answer in answers.items() if isinstance(answer, Prepared)]
    commands = enqueue_each(orders, actor=operations.actor_of(operation), wakes=False)
    return Brought(
        {pk: answer for pk, answer in answers.items() if isinstance(answer, str)},
        _keys_of(commands),
        [channel.pk for channel, _ in orders],
    )


def _send_agents(operation: BulkOperation, devices: Sequence[Device]) -> Brought:
    sent, faults = send_agents(devices, operations.actor_of(operation), wakes=False)
    return Brought(faults, _keys_of(sent), [command.channel_id for command in sent])


def _refresh(operation: BulkOperation, devices: Sequence[Device]) -> Brought:
    """The whole inventory; what waits already is not asked twice, and its answer counts. The last one ends it."""
    lines, shared = open_lines(devices), shared_ipads(devices)
    faults = {device.pk: reason for device in devices if (reason := why_not_reached(device, lines))}
    asked = [device for device in devices if device.pk not in faults]
    waiting = _waiting([lines[device.pk][""] for device in asked])
    orders = []
    for device in asked:
        channel = lines[device.pk][""]
        wanted = inventory_of(plain_target(device), is_shared_ipad=device.pk in shared)
        orders += [(channel, one) for one in wanted if (channel.pk, one.request_type) not in waiting]
    commands = enqueue_each(orders, actor=operations.actor_of(operation), wakes=False, is_logged=False)
    of_channel = {lines[device.pk][""].pk: device.pk for device in asked}
    last = {of_channel[channel_pk]: pk for (channel_pk, _), pk in waiting.items()}
    return Brought(faults, last | _keys_of(commands), [channel.pk for channel, _ in orders])


def _move(operation: BulkOperation, devices: Sequence[Device]) -> Brought:
    group = DeviceGroup.objects.filter(pk=operation.parameters["device_group"]).first()
    if group is None:
        return _all_refused(devices, "The device group was deleted meanwhile.")
    move_devices(devices, group, operations.actor_of(operation))
    return Brought()


def _join(operation: BulkOperation, devices: Sequence[Device]) -> Brought:
    group = AssignmentGroup.objects.filter(pk=operation.parameters["assignment_group"]).first()
    if group is None:
        return _all_refused(devices, "The assignment group was deleted meanwhile.")
    assign_devices(group, devices, operations.actor_of(operation))
    return Brought()


def _set_attribute(operation: BulkOperation, devices: Sequence[Device]) -> Brought:
    attribute = _attribute(operation)
    if attribute is None:
        return _all_refused(devices, "The custom attribute was deleted meanwhile.")
    order = operation.order.secrets
    values = order.get(VALUES) or {str(device.pk): order[VALUE] for device in devices}
    set_values([(device, attribute, values[str(device.pk)]) for device in devices], operations.actor_of(operation))
    return Brought()


_BRING: dict[OperationKind, Callable[[BulkOperation, Sequence[Device]], Brought]] = {
    OperationKind.SEND_COMMAND: _send,
    OperationKind.REFRESH: _refresh,
    OperationKind.MOVE: _move,
    OperationKind.JOIN_GROUP: _join,
    OperationKind.SET_ATTRIBUTE: _set_attribute,
}


# --- Helpers ----------------------------------------------------------------------------------------------------------
def _attribute(operation: BulkOperation) -> CustomAttribute | None:
    """Locked until the end of the transaction, if it is still there."""
    rows = CustomAttribute.objects.select_for_update(no_key=True)
    return rows.filter(pk=operation.parameters["custom_attribute"]).first()


def _all_refused(devices: Sequence[Device], reason: str) -> Brought:
    return Brought({device.pk: reason for device in devices})


def _waiting(channels: Sequence[Channel]) -> dict[tuple[int, str], int]:
    """(channel, request type) → key of the command that waits there, in the order in which they were queued."""
    found = Command.objects.filter(channel__in=channels, state__in=WAITING).order_by("pk")
    return {(channel, name): pk for channel, name, pk in found.values_list("channel_id", "request_type", "pk")}


def _keys_of(commands: Sequence[Command]) -> dict[int, int]:
    """Device pk → the key of its newest one of these, which were written without learning their keys."""
    uuids = [command.command_uuid for command in commands]
    channels = {command.channel_id for command in commands}
    found = Command.objects.filter(channel__in=channels, command_uuid__in=uuids).order_by("pk")
    return dict(found.values_list("channel__device_id", "pk"))
