"""Commands in the queue."""

from devices.models import Device
from mdm.channels.models import Channel
from mdm.commands.models import Command


def make_command(target: Device | Channel, request_type: str = "DeviceLock", **fields: object) -> Command:
    """A queued command for that device's own channel, or for that channel. Other states: give `state`."""
    channel = target.device_channel if isinstance(target, Device) else target
    return Command.objects.create(account=channel.account, channel=channel, request_type=request_type, **fields)
