"""Where a device's attributes are read from, and how values are converted: what the table of attributes is made of.

A device says what it likes: a value of another type than expected counts as unknown.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from api.times import iso
from devices.models import Device, DeviceSecrets
from devices.results.facts import BIGGEST_INTEGER
from mdm.channels.models import Channel


class Reading:
    """A device with what several attributes look at, found once."""

    __slots__ = ("channel", "channels", "device", "information", "location", "secrets", "security", "subscription")

    def __init__(self, device: Device) -> None:
        self.device = device
        self.channels: list[Channel] = list(device.channels.all())
        self.channel = next((channel for channel in self.channels if not channel.user_key), None)
        self.information: Mapping[str, Any] = device.information
        self.security: Mapping[str, Any] = device.security
        self.location: Mapping[str, Any] = device.location or {}
        # Most devices have none.
        self.secrets: DeviceSecrets | None = getattr(device, "secrets", None)
        self.subscription = _preferred_subscription(device.information.get("ServiceSubscriptions"))


Read = Callable[[Reading], Any]
Convert = Callable[[Any], Any]


def _preferred_subscription(subscriptions: Any) -> Mapping[str, Any]:
    """The SIM that carries data, else the first: what devices with two SIMs no longer say at the top level."""
    if not isinstance(subscriptions, list):
        return {}
    known = [entry for entry in subscriptions if isinstance(entry, dict)]
    return next((entry for entry in known if entry.get("IsDataPreferred") is True), known[0] if known else {})


# --- Conversions ------------------------------------------------------------------------------------------------------
def text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def flag(value: Any) -> bool | None:
    return value if value is True or value is False else None


def integer(value: Any) -> int | None:
    """None for what is larger than JSON may be written with: devices may send a real for it."""
    known = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= BIGGEST_INTEGER
    return int(value) if known else None


def real(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def percent(value: Any) -> str | None:
    """0.93 is "93%"; Apple's -1 means unknown."""
    known = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
    return f"{round(value * 100)}%" if known else None


def time(value: Any) -> str | None:
    if isinstance(value, datetime):
        return iso(value)
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
        return iso(at.replace(tzinfo=UTC) if at and at.tzinfo is None else at)
    except (ValueError, OverflowError):  # in UTC it may be in no year that there is
        return None


def addresses(value: str) -> list[str]:
    return value.replace(",", " ").split()


def architecture(is_apple_silicon: Any) -> str | None:
    return {True: "arm64", False: "x86_64"}.get(flag(is_apple_silicon))


def subscriptions(value: Any) -> list[dict[str, Any]]:
    known = [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
    return [{name: convert(entry.get(key)) for name, key, convert in SUBSCRIPTION} for entry in known]


def first_admin(value: Any) -> str | None:
    first = value[0] if isinstance(value, list) and value else None
    return text(first.get("shortName")) if isinstance(first, dict) else None


SUBSCRIPTION: tuple[tuple[str, str, Convert], ...] = (
    ("label", "Label", text),
    ("label_id", "LabelID", text),
    ("slot", "Slot", text),
    ("phone_number", "PhoneNumber", text),
    ("iccid", "ICCID", text),
    ("eid", "EID", text),
    ("imei", "IMEI", text),
    ("meid", "MEID", text),
    ("current_carrier_network", "CurrentCarrierNetwork", text),
    ("subscriber_carrier_network", "SubscriberCarrierNetwork", text),
    ("carrier_settings_version", "CarrierSettingsVersion", text),
    ("current_mcc", "CurrentMCC", text),
    ("current_mnc", "CurrentMNC", text),
    ("is_data_preferred", "IsDataPreferred", flag),
    ("is_voice_preferred", "IsVoicePreferred", flag),
    ("is_roaming", "IsRoaming", flag),
)


# --- Sources ----------------------------------------------------------------------------------------------------------
def column(name: str, convert: Convert = text) -> tuple[Read, Convert]:
    return lambda reading: convert(getattr(reading.device, name)), convert


def information(key: str, convert: Convert = text) -> tuple[Read, Convert]:
    return lambda reading: convert(reading.information.get(key)), convert


def cellular(key: str, convert: Convert = text) -> tuple[Read, Convert]:
    """At the top level, or in the preferred subscription of devices that keep it there."""

    def read(reading: Reading) -> Any:
        value = reading.information.get(key)
        return convert(reading.subscription.get(key) if value is None else value)

    return read, convert


def security(key: str, convert: Convert = flag, *, within: str = "") -> tuple[Read, Convert]:
    if not within:
        return lambda reading: convert(reading.security.get(key)), convert

    def read(reading: Reading) -> Any:
        section = reading.security.get(within)
        return convert(section.get(key)) if isinstance(section, dict) else None

    return read, convert


def secret(name: str) -> tuple[Read, Convert]:
    """What the device entrusted to us; only what is stored is decrypted."""
    return lambda reading: text(getattr(reading.secrets, name, None)), text


def location(key: str, convert: Convert = text) -> tuple[Read, Convert]:
    return lambda reading: convert(reading.location.get(key)), convert


def own_channel(name: str, convert: Convert = text) -> tuple[Read, Convert]:
    return lambda reading: convert(getattr(reading.channel, name, None)), convert


def either(first: tuple[Read, Convert], second: tuple[Read, Convert]) -> tuple[Read, Convert]:
    """The second source where the first knows nothing."""

    def read(reading: Reading) -> Any:
        value = first[0](reading)
        return second[0](reading) if value is None else value

    return read, first[1]


def computed(read: Read, convert: Convert = text) -> tuple[Read, Convert]:
    return read, convert


def unknown(convert: Convert = text) -> tuple[Read, Convert]:
    """An attribute that no row of this version tells."""
    return lambda reading: None, convert


def section(rows: Mapping[str, tuple[Read, Convert]]) -> tuple[Read, Mapping[str, tuple[Read, Convert]]]:
    readers = tuple((name, read) for name, (read, _) in rows.items())
    return lambda reading: {name: read(reading) for name, read in readers}, rows


def os_update(key: str, convert: Convert = flag) -> tuple[Read, Convert]:
    def read(reading: Reading) -> Any:
        settings = reading.information.get("OSUpdateSettings")
        return convert(settings.get(key)) if isinstance(settings, dict) else None

    return read, convert


def names(value: Any) -> list[str]:
    return value
