"""From a device's plist values to what can be stored: typed, bounded, JSON. Nothing that a device says is trusted."""

import base64
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from mdm.common.text import clean_text

MAX_DEPTH = 8
MAX_ITEMS = 2000
MAX_TEXT = 4000
BIGGEST_INTEGER = 2**63 - 1


def jsonable(value: Any, depth: int = 0) -> Any:
    """JSON form of a plist value: data as base64, dates as ISO 8601 in UTC; too deep or too much is cut off."""
    if isinstance(value, str):
        return clean_text(value, MAX_TEXT)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int):
        return value if abs(value) <= BIGGEST_INTEGER else str(value)[:40]
    if isinstance(value, bytes):
        return base64.b64encode(value[:MAX_TEXT]).decode()
    if isinstance(value, datetime):
        return aware(value).isoformat().replace("+00:00", "Z")
    if depth >= MAX_DEPTH:
        return None
    if isinstance(value, Mapping):
        items = list(value.items())[:MAX_ITEMS]
        return {clean_text(str(key), 255): jsonable(item, depth + 1) for key, item in items}
    if isinstance(value, list | tuple):
        return [jsonable(item, depth + 1) for item in value[:MAX_ITEMS]]
    return clean_text(str(value), MAX_TEXT)


def text(source: Mapping[str, Any], key: str, limit: int = 255) -> str:
    """The string at key; numbers are taken as text (some devices send versions so), anything else is ''."""
    value = source.get(key)
    if isinstance(value, str):
        return clean_text(value, limit)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)[:limit]
    return ""


def integer(source: Mapping[str, Any], key: str) -> int | None:
    value = source.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # NaN compares false with everything.
    return int(value) if abs(value) <= BIGGEST_INTEGER else None


def boolean(source: Mapping[str, Any], key: str) -> bool | None:
    value = source.get(key)
    return value if isinstance(value, bool) else None


def dictionaries(source: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """The dictionaries in the array at key, MAX_ITEMS at most; everything else in it is passed over."""
    value = source.get(key)
    if not isinstance(value, list):
        return []
    return [item for item in value[:MAX_ITEMS] if isinstance(item, Mapping)]


def has_list(source: Mapping[str, Any], key: str) -> bool:
    """Whether the answer brings the list at all: one that is missing does not mean that the device has nothing."""
    return isinstance(source.get(key), list)


def dictionary(source: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = source.get(key)
    return value if isinstance(value, Mapping) else {}


def aware(value: datetime) -> datetime:
    """plist dates are UTC without saying so."""
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
