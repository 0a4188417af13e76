"""Channels: a device's or user's line to us."""

from django.utils import timezone

from devices.models import Device
from mdm.channels.models import Channel, ChannelState
from tests.factories.numbers import number

TOPIC = "com.apple.mgmt.External.5d3f1c5e-0000-4000-8000-000000000000"


def make_channel(device: Device, *, user_key: str = "", **fields: object) -> Channel:
    """An open channel that can be pushed: the device's own one, or that of the user with that key."""
    n = number()
    values: dict[str, object] = {
        "device_key": device.udid or device.enrollment_id,
        "state": ChannelState.OPEN,
        "fingerprint": f"{n:064x}",
        "topic": TOPIC,
        "push_token": n.to_bytes(32, "big"),
        "push_magic": f"magic-{n}",
        "enrolled_at": timezone.now(),
        "is_user_enrollment": device.is_user_enrollment,
    }
    return Channel.objects.create(account=device.account, device=device, user_key=user_key, **(values | fields))
