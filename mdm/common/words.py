"""Times, sizes and numbers in words for people. Plain Python, so that lists, pages and mails say them alike."""

from datetime import UTC, datetime, timedelta

_UNITS = (("year", 365 * 86400), ("month", 30 * 86400), ("day", 86400), ("hour", 3600), ("minute", 60))
_MOMENT = timedelta(minutes=1)
_PREFIXES = ("bytes", "KB", "MB", "GB", "TB")


def ago(at: datetime, now: datetime | None = None) -> str:
    """ "just now", "5 minutes ago", "in 3 days": the largest unit that fits, rounded down."""
    distance = (now or datetime.now(UTC)) - at
    if abs(distance) < _MOMENT:
        return "just now"
    words = duration(abs(distance))
    return f"{words} ago" if distance > timedelta() else f"in {words}"


def duration(length: timedelta) -> str:
    """ "3 days", "1 hour"; less than a minute is "less than a minute"."""
    seconds = int(length.total_seconds())
    for unit, size in _UNITS:
        if seconds >= size:
            return count_of(seconds // size, unit)
    return "less than a minute"


def count_of(number: int, noun: str, plural: str = "") -> str:
    """ "1 device", "3 devices", "1,200 devices"."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def file_size(byte_count: float) -> str:
    """Decimal units, as Apple's devices show them: "1.5 GB"."""
    size, prefix = float(byte_count), 0
    while abs(size) >= 1000 and prefix < len(_PREFIXES) - 1:
        size, prefix = size / 1000, prefix + 1
    return f"{size:.0f} {_PREFIXES[prefix]}" if prefix < 2 else f"{size:.1f} {_PREFIXES[prefix]}"
