"""Values of managed app configurations: text as operators write it, and what a device gets."""

import csv
import io
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from apps_catalog.models import ValueType
from apps_catalog.services.errors import InvalidValue

MAX_VALUE_LENGTH = 64 * 1024  # of the text
INT64 = range(-(2**63), 2**63)
SWITCHES = {"1": True, "true": True, "0": False, "false": False}
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_FLOAT = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")


def parse(value: str, value_type: str) -> Any:
    """The value as a property list holds it. Raises InvalidValue with a sentence that says what is expected."""
    return _READERS[ValueType(value_type)](value)


def _boolean(text: str) -> bool:
    found = SWITCHES.get(text.strip().lower())
    if found is None:
        raise InvalidValue("A boolean is 0 or 1 (false and true are understood as well).")
    return found


def _date(text: str) -> datetime:
    """ISO 8601, or the form of e-mails; in UTC."""
    found = _first_date(text.strip())
    if found is None:
        raise InvalidValue("A date is a time with its zone, for example 2017-01-01T12:31:15-07:00.")
    if found.tzinfo is None:
        raise InvalidValue("A date needs its time zone, for example 2017-01-01T12:31:15-07:00 or 2017-01-01T19:31:15Z.")
    try:
        return found.astimezone(UTC)
    except OverflowError as error:
        raise InvalidValue("This date is outside of the years 1 to 9999.") from error


def _first_date(text: str) -> datetime | None:
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            return read(text)
        except (ValueError, TypeError, OverflowError, IndexError):
            continue
    return None


def _integer(text: str) -> int:
    text = text.strip()
    if not _INTEGER.fullmatch(text):
        raise InvalidValue("An integer is a whole number, for example 32.")
    if (number := int(text)) not in INT64:
        raise InvalidValue("An integer has at most 64 bits.")
    return number


def _float(text: str) -> float:
    text = text.strip()
    if not _FLOAT.fullmatch(text):
        raise InvalidValue("A float is a number with a point, for example 0.123.")
    number = float(text)
    if not math.isfinite(number):
        raise InvalidValue("This float is too large.")
    return number


def _array_of(read: Callable[[str], Any], what: str) -> Callable[[str], list[Any]]:
    def numbers(text: str) -> list[Any]:
        if not text.strip():
            return []
        try:
            return [read(part) for part in text.split(",")]
        except InvalidValue as error:
            raise InvalidValue(f"{what}, separated by commas. {error}") from error

    return numbers


def _strings(text: str) -> list[str]:
    """As in a CSV file: quotes around what holds commas, two quotes for one."""
    if not text.strip():
        return []
    try:
        rows = list(csv.reader(io.StringIO(text.strip(), newline=""), skipinitialspace=True, strict=True))
    except csv.Error as error:
        raise InvalidValue(
            'A string array is strings in quotes, separated by commas, for example "First string","Second string".'
        ) from error
    if len(rows) != 1:
        raise InvalidValue("A string array is one line; put quotes around a string of several lines.")
    return rows[0]


_READERS: dict[ValueType, Callable[[str], Any]] = {
    ValueType.BOOLEAN: _boolean,
    ValueType.DATE: _date,
    ValueType.FLOAT: _float,
    ValueType.FLOAT_ARRAY: _array_of(_float, "A float array is floats"),
    ValueType.INTEGER: _integer,
    ValueType.INTEGER_ARRAY: _array_of(_integer, "An integer array is whole numbers"),
    ValueType.STRING: str,
    ValueType.STRING_ARRAY: _strings,
}
