"""Single values: what each type accepts, and its JSON-safe form.

In JSON, data is a base64 string and a date an ISO 8601 string where the schema says which is which; where anything
goes (app configuration, manifests) they are tagged: {"$data": "…"} and {"$date": "…"}.
Faults raise ValueError with the words that follow the path in a message, never the value: it may be a secret.
"""

import base64
import binascii
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

MAX_STRING = 64 * 1024
MAX_DEPTH = 16
DATA_TAG = "$data"
DATE_TAG = "$date"

_INTEGERS = range(-(2**63), 2**63)
# What XML cannot hold.
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def type_name(value: object) -> str:
    """A JSON person's word for what was given: "a number", "null"."""
    if value is None:
        return "null"
    for kind, words in _TYPE_NAMES:
        if isinstance(value, kind):
            return words
    return "something else"


_TYPE_NAMES: tuple[tuple[Any, str], ...] = (
    (bool, "a boolean"),
    ((int, float), "a number"),
    (str, "a string"),
    ((bytes, bytearray), "data"),
    (datetime, "a date"),
    (Mapping, "a dictionary"),
    ((list, tuple), "an array"),
)


def expected(words: str, value: object) -> ValueError:
    return ValueError(f"expected {words}, got {type_name(value)}")


def clean_string(value: object) -> str:
    if not isinstance(value, str):
        raise expected("a string", value)
    if len(value) > MAX_STRING:
        raise ValueError(f"longer than {MAX_STRING} characters")
    if _UNWRITABLE.search(value):
        raise ValueError("contains control characters, which a property list cannot hold")
    return str(value)


def clean_integer(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise expected("an integer", value)
    if value not in _INTEGERS:
        raise ValueError("does not fit in 64 bits")
    return int(value)


def clean_real(value: object) -> int | float:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("expected a finite number")
        return float(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise expected("a number", value)
    return clean_integer(value)


def clean_boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise expected("true or false", value)
    return value


def clean_data(value: object) -> str:
    """Bytes or base64, which may have white space in it, as plain base64."""
    return encode_data(decode_data(value))


def clean_date(value: object) -> str:
    return encode_date(decode_date(value))


def decode_data(value: object) -> bytes:
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if not isinstance(value, str):
        raise expected("base64", value)
    try:
        return base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("is not base64") from error


def encode_data(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def decode_date(value: object) -> datetime:
    """An aware UTC time; without a zone, UTC is meant."""
    if isinstance(value, str) and len(value) <= 40:
        try:
            value = datetime.fromisoformat(value)
        except ValueError as error:
            raise ValueError("is not an ISO 8601 date") from error
    if not isinstance(value, datetime):
        raise expected("an ISO 8601 date", value)
    try:
        moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except (OverflowError, ValueError) as error:
        raise ValueError("is a date out of range") from error
    return moment.replace(microsecond=0)


def encode_date(value: datetime) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%SZ") if value.year >= 1000 else value.replace(tzinfo=None).isoformat() + "Z"


SCALARS: dict[str, Callable[[object], Any]] = {
    "string": clean_string,
    "integer": clean_integer,
    "real": clean_real,
    "boolean": clean_boolean,
    "data": clean_data,
    "date": clean_date,
}


def tagged(value: object) -> tuple[str, object] | None:
    """(tag, inner value) of a tagged value, else None."""
    if isinstance(value, Mapping) and len(value) == 1:
        for tag in (DATA_TAG, DATE_TAG):
            if tag in value:
                return tag, value[tag]
    return None
