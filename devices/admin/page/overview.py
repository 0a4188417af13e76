"""The first tab: how the device is managed, what it is known by, how it is protected, and what happened last."""

from collections.abc import Mapping
from typing import Any

from devices.admin.facts import identity
from devices.admin.page.protection import protections
from devices.models import Device
from mdm.channels.models import ChannelState
from mdm.channels.words import push_words
from mdm.events.newest import COLUMNS, newest

LINES = 6


def overview(device: Device, query: Mapping[str, str]) -> dict[str, Any]:
    channel = device.device_channel
    words, tone = push_words(channel) if channel else ("", "")
    users = [one for one in device.channels.all() if one.user_key and one.state == ChannelState.OPEN]
    last = newest(device.events.only(*COLUMNS), LINES)
    return {
        "identity": identity(device),
        "push_words": words,
        "push_tone": tone,
        "user_channels": [(one, *push_words(one)) for one in users],
        "protections": protections(device),
        "lines": last.lines,
        "is_only_routine": last.is_only_routine,
    }
