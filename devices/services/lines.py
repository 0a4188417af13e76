"""The open lines of several devices, and what has become of commands that were sent down them."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from django.db.models import Q

from devices.models import Device
from mdm.channels.models import Channel, ChannelState
from mdm.commands.models import Command
from mdm.commands.services import withdraw
from mdm.commands.states import WAITING, ApplyState, State
from mdm.common.batches import batches

# Ended without an answer: whatever the command was for is still to be done.
UNANSWERED = (State.CANCELLED, State.EXPIRED)


def open_lines(devices: Sequence[Device]) -> dict[int, dict[str, Channel]]:
    """Device pk → user key ("" is the device itself) → its open channel, with the device loaded. One statement."""
    by_pk = {device.pk: device for device in devices}
    lines: dict[int, dict[str, Channel]] = defaultdict(dict)
    channels = Channel.objects.filter(device__in=by_pk, state=ChannelState.OPEN)
    for channel in channels.defer("unlock_token", "bootstrap_token", "push_token").order_by("pk"):
        channel.device = by_pk[channel.device_id]
        lines[channel.device_id][channel.user_key] = channel
    return lines


def open_commands(command_uuids: Collection[str], channels: Iterable[Channel]) -> set[str]:
    """Those of the commands that the device may still carry out, or has answered. One statement for each few thousand."""
    commands = Command.objects.filter(channel__in=list(channels)).exclude(state__in=UNANSWERED)
    commands = commands.exclude(state=State.FAILED, apply_state=ApplyState.FAILED)  # an error that nobody could read
    found: set[str] = set()
    for some in batches(list(command_uuids)):
        found.update(commands.filter(command_uuid__in=some).values_list("command_uuid", flat=True))
    return found


def may_come_after(answer: Command, **what: object) -> bool:
    """Whether an order that such an answer knows nothing of puts something there: one that waits, or was carried out later.

    answer: of the same line. what: the parameters of a recipe, see `mdm/endpoints/renderers.py`.
    """
    orders = Command.objects.filter(channel=answer.channel_id, **{f"parameters__{key}": what[key] for key in what})
    later = Q(state=State.ACKNOWLEDGED, finished_at__gt=answer.finished_at) if answer.finished_at else Q()
    return orders.filter(Q(state__in=WAITING) | later).exists()


def withdraw_overtaken(done: Command, orders: Q) -> None:
    """Those of the orders that are older than the one that the device has carried out, and that it had put off.

    It would be handed them the next time that it asks by itself: they would undo what came after them.
    """
    older = Command.objects.filter(orders, channel=done.channel_id, state=State.QUEUED, pk__lt=done.pk)
    withdraw(set(older.values_list("command_uuid", flat=True)), [done.channel])
