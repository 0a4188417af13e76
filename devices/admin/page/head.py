"""The head of a device's page: what people look for first, and the numbers they ask for on the phone."""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from devices.admin.facts import answers_of
from devices.admin.page.location import is_lost
from devices.models import Device, DeviceUser
from devices.services.os_updates import newest_offered
from mdm.channels.models import Channel, ChannelState
from mdm.common.crypto import CannotDecrypt
from mdm.common.words import file_size
from mdm.protocol.errors import ProtocolError

GIGABYTE = 1_000_000_000
NEARLY_FULL = 0.9
NEARLY_EMPTY = 0.2

# The drawings in static/img/platforms, by what a product's or model's name begins with; the first that fits counts.
_DRAWINGS = (
    ("iphone", "iphone"),
    ("ipod", "iphone"),
    ("ipad", "ipad"),
    ("macbook", "macbook"),
    ("imac", "imac"),
    ("macmini", "mac"),
    ("mac mini", "mac"),
    ("mac studio", "mac"),
    ("macpro", "mac"),
    ("mac pro", "mac"),
    ("appletv", "appletv"),
    ("apple tv", "appletv"),
    ("reality", "vision"),
    ("apple vision", "vision"),
    ("watch", "watch"),
    ("apple watch", "watch"),
)
_OF_PLATFORM = {"iOS": "iphone", "macOS": "macbook", "tvOS": "appletv", "visionOS": "vision", "watchOS": "watch"}


@dataclass(frozen=True)
class Gauge:
    """A part of a whole, in percent, and the words that say it. is_low: worth looking at."""

    percent: int
    words: str
    is_low: bool


def head_of(device: Device) -> dict[str, Any]:
    """Three statements; the channels come with the device."""
    channel = device.device_channel
    return {
        "drawing": drawing_of(device),
        "battery": battery_of(device),
        "storage": storage_of(device),
        "is_lost": is_lost(device),
        "user_name": _user_of(device),
        "update": _update_of(device, channel) if channel and device.is_enrolled else "",
    }


def _update_of(device: Device, channel: Channel) -> str:
    """An answer that cannot be read any more says nothing of updates; the page is there all the same."""
    try:
        return newest_offered(device, channel)
    except (ProtocolError, CannotDecrypt):
        return ""


def drawing_of(device: Device) -> str:
    """The name of a drawing that looks like the device: "Mac14,2" says less than "MacBook Air", so the model counts first."""
    for name in (device.model_name.lower(), device.product_name.lower()):
        for beginning, drawing in _DRAWINGS:
            if name.startswith(beginning):
                return drawing
    return _OF_PLATFORM.get(device.platform, "unknown")


def battery_of(device: Device) -> Gauge | None:
    """None for a device without one, or that does not know (Apple's -1)."""
    level = answers_of(device)[0].get("BatteryLevel")
    if not _is_number(level) or not 0 <= level <= 1:
        return None
    return Gauge(round(level * 100), f"{level * 100:.0f} %", level < NEARLY_EMPTY)


def storage_of(device: Device) -> Gauge | None:
    """Apple gives both capacities in gigabytes."""
    information, _security = answers_of(device)
    whole, free = information.get("DeviceCapacity"), information.get("AvailableDeviceCapacity")
    if not (_is_number(whole) and _is_number(free) and whole > 0 and 0 <= free <= whole):
        return None
    used = whole - free
    words = _("%(free)s free of %(whole)s") % {"free": file_size(free * GIGABYTE), "whole": file_size(whole * GIGABYTE)}
    return Gauge(round(used / whole * 100), words, used / whole > NEARLY_FULL)


def _user_of(device: Device) -> str:
    """Who uses it: the managed user seen last, else whoever is signed in, else the address that people gave it."""
    users = [one for one in device.channels.all() if one.user_key and one.state == ChannelState.OPEN]
    if users:
        last = max(users, key=_seen)
        return last.user_long_name or last.user_short_name or device.email
    signed_in = DeviceUser.objects.filter(device=device, logged_in=True).order_by("-pk").only("username", "full_name")
    found = signed_in.first()
    return str(found) if found else device.email


def _seen(channel: Channel) -> tuple[float, int]:
    return (channel.last_seen_at.timestamp() if channel.last_seen_at else 0.0, channel.pk)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
