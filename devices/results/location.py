"""DeviceLocation: where a device in Lost Mode is. Source: Apple, "Device Location Command"."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from devices.models import Device
from mdm.accounts.actors import DEVICE
from mdm.commands.models import Command
from mdm.events.services import emit
from mdm.protocol.request_types.values import decode_date

MAX_LATITUDE, MAX_LONGITUDE = 90, 180
MAX_ACCURACY_METRES = 50_000_000  # more than all the way round the Earth
DECIMALS = 7  # a centimetre
CLOCKS_DIFFER = timedelta(days=1)


def apply(device: Device, answer: Mapping[str, Any], command: Command) -> None:
    """A place that is not on Earth is passed over. The log says that there is a new one, not where."""
    latitude = _number(answer, "Latitude", MAX_LATITUDE)
    longitude = _number(answer, "Longitude", MAX_LONGITUDE)
    if latitude is None or longitude is None:
        return
    accuracy = _number(answer, "HorizontalAccuracy", MAX_ACCURACY_METRES)
    device.location = {
        "latitude": _text(latitude),
        "longitude": _text(longitude),
        # Negative: the device does not know.
        "accuracy": "" if accuracy is None or accuracy < 0 else _text(accuracy),
        "at": _measured_at(answer, command).isoformat(),
    }
    device.save(update_fields=["location"])
    emit("device.location_updated", account_id=device.account_id, actor=DEVICE, device=device)


def _number(answer: Mapping[str, Any], key: str, limit: float) -> float | None:
    value = answer.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # Compared before it is converted: a whole number may be too long for a float.
    return float(value) if -limit <= value <= limit else None


def _text(value: float) -> str:
    """Without exponent and trailing zeros; + 0.0 makes 0 of -0."""
    digits = f"{round(value, DECIMALS) + 0.0:.{DECIMALS}f}"
    return digits.rstrip("0").rstrip(".")


def _measured_at(answer: Mapping[str, Any], command: Command) -> datetime:
    """The device's own time, or that of its answer where it says none (before iOS 10.3) or one that cannot be."""
    answered_at = command.finished_at or timezone.now()
    try:
        at = decode_date(answer.get("Timestamp"))
    except ValueError:
        return answered_at
    return at if at <= answered_at + CLOCKS_DIFFER else answered_at
