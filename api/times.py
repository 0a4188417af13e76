"""Times as the API shows them."""

from datetime import UTC, datetime


def iso(at: datetime | None) -> str | None:
    """ISO 8601 in UTC with milliseconds: 2024-07-01T21:32:19.000Z."""
    if at is None:
        return None
    if at.tzinfo is not UTC:
        at = at.astimezone(UTC)
    return f"{at.isoformat(timespec='milliseconds')[:23]}Z"


def log_time(at: datetime) -> str:
    """As the log shows it: MM/DD/YY HH:MM:SS in UTC."""
    return at.astimezone(UTC).strftime("%m/%d/%y %H:%M:%S")
