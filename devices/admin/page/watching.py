"""Whether a device's page has something to wait for, and the mark that changes when there is something new to show."""

from dataclasses import dataclass
from hashlib import sha256

from django.db.models import Q

from devices.models import Device
from mdm.commands.models import Command
from mdm.commands.states import WAITING, ApplyState

MOST = 1000


@dataclass(frozen=True)
class Watch:
    """waiting: commands without a final answer; is_open: one of them, or an answer that no worker has read yet."""

    mark: str
    waiting: int
    is_open: bool


def watch_of(device: Device) -> Watch:
    """One statement: the rows of the queue that are not over; what is over shows by being there no more."""
    channels = [channel.pk for channel in device.channels.all()]
    unfinished = Q(state__in=WAITING) | Q(apply_state=ApplyState.PENDING)
    rows = Command.objects.filter(unfinished, channel__in=channels).order_by("-pk")
    found = list(rows.values_list("pk", "state", "status", "not_now_count", "apply_state")[:MOST])
    waiting = sum(row[1] in WAITING for row in found)
    return Watch(_mark(device, found), waiting, bool(found))


def _mark(device: Device, rows: list[tuple[object, ...]]) -> str:
    channel = device.device_channel
    moments = (
        device.state,
        device.information_at,
        device.security_at,
        device.location,
        bool(channel and channel.awaiting_configuration),
        bool(channel and channel.push_token_dead_at),
    )
    return sha256(repr((rows, moments)).encode()).hexdigest()[:16]
