"""A line of the log for machines: the same facts in exports and in what a collector of logs is sent."""

from datetime import UTC, datetime
from typing import Any

from django.db.models import QuerySet

from mdm.events.kinds import KINDS
from mdm.events.models import Event, Level

LEVELS = {level.value: level.label for level in Level}
# A device's row holds all that it ever reported; its name is wanted.
_COLUMNS = [field.name for field in Event._meta.concrete_fields if not field.is_relation]
_RELATED = ["account_id", "device_id", "user_id", "api_key_id", "device__name", "device__device_name"]


def loaded(events: QuerySet[Event]) -> QuerySet[Event]:
    """With what `record` needs, and no more."""
    return events.select_related("device").only(*_COLUMNS, *_RELATED)


def record(event: Event) -> dict[str, Any]:
    """JSON, with keys in this order; in English, whatever the language of who asks for it."""
    return {
        "id": event.log_id,
        "at": moment(event.at),
        "level": LEVELS[event.level],
        "event_type": event.event_type,
        "message": KINDS.get(event.event_type, event.event_type),
        "namespace": event.namespace,
        "source": event.source,
        "actor": event.actor_label,
        "device_id": event.device_id,
        "device_name": _name(event),
        "serial_number": event.serial_number,
        "udid": event.udid,
        "metadata": event.metadata,
    }


def moment(at: datetime) -> str:
    """ISO 8601 in UTC with milliseconds: 2024-07-01T21:32:19.000Z."""
    return f"{at.astimezone(UTC).isoformat(timespec='milliseconds')[:23]}Z"


def _name(event: Event) -> str:
    return (event.device.name or event.device.device_name) if event.device_id else ""
