"""Where a device was last, and asking it again."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from django.utils.http import urlencode
from django.utils.translation import gettext as _

from devices.models import Device
from devices.results.lost_mode import FACT
from mdm.protocol.request_types import REQUEST_TYPES, Platform

# Nobody is asked for a map: the person clicks, and only then their browser does.
MAPS = (
    ("OpenStreetMap", "https://www.openstreetmap.org/"),
    ("Apple Maps", "https://maps.apple.com/"),
)


# The commands that have buttons here as well.
LOST_KEYS = ("EnableLostMode", "DisableLostMode", "DeviceLocation", "PlayLostModeSound")


@dataclass(frozen=True)
class Place:
    latitude: str
    longitude: str
    accuracy: str
    at: datetime | None

    @property
    def coordinates(self) -> str:
        return f"{self.latitude}, {self.longitude}"

    @property
    def maps(self) -> list[tuple[str, str]]:
        """Name and address of each map that can be opened."""
        street = urlencode({"mlat": self.latitude, "mlon": self.longitude})
        apple = urlencode({"ll": f"{self.latitude},{self.longitude}", "q": _("Last known place")})
        return [
            (MAPS[0][0], f"{MAPS[0][1]}?{street}#map=17/{self.latitude}/{self.longitude}"),
            (MAPS[1][0], f"{MAPS[1][1]}?{apple}"),
        ]

    @property
    def accuracy_words(self) -> str:
        metres = _number(self.accuracy)
        if metres is None:
            return _("The device does not know how exact this is.")
        if metres >= 1000:
            return _("within %(kilometres)s km") % {"kilometres": f"{metres / 1000:.1f}"}
        return _("within %(metres)s m") % {"metres": f"{metres:.0f}"}


def location(device: Device, query: Mapping[str, str]) -> dict[str, Any]:
    return {"place": place_of(device), "lost_keys": LOST_KEYS}


def is_locatable(device: Device) -> bool:
    """Whether devices of this kind can say where they are: those that have Lost Mode."""
    platform = Platform(device.platform) if device.platform else None
    return bool(device.location) or (
        platform is not None and REQUEST_TYPES["DeviceLocation"].support(platform) is not None
    )


def is_lost(device: Device) -> bool:
    """As the device said last, or as the last switch left it."""
    return isinstance(device.information, dict) and device.information.get(FACT) is True


def place_of(device: Device) -> Place | None:
    known = device.location if isinstance(device.location, dict) else {}
    latitude, longitude = str(known.get("latitude", "")), str(known.get("longitude", ""))
    if _number(latitude) is None or _number(longitude) is None:
        return None
    return Place(latitude, longitude, str(known.get("accuracy", "")), _time(known.get("at")))


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if isfinite(number) else None


def _time(text: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return at.replace(tzinfo=UTC) if at and at.tzinfo is None else at
