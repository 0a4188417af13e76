"""The log: everything that people, programs and devices did."""

from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.schema import LIST_PARAMETERS, Resource, describe, shape
from api.times import log_time
from api.v1.base import ResourceView, resource
from api.v1.fields import Names
from mdm.accounts.actors import Source
from mdm.events.models import Event, Level

_RELATED = shape("LogRelated", data=serializers.DictField())
LOG = Resource(
    "Log",
    {
        "namespace": serializers.CharField(),
        "event_type": serializers.CharField(),
        "level": serializers.JSONField(help_text="A number in lists (0 info, 1 warning, 2 error), its name elsewhere."),
        "source": serializers.CharField(),
        "at": serializers.CharField(help_text="MM/DD/YY HH:MM:SS, UTC."),
        "metadata": serializers.DictField(),
        "relationships": shape(
            "LogRelationships",
            account=_RELATED(),
            user=_RELATED(required=False),
            device=_RELATED(required=False),
        )(),
    },
    identifier=serializers.CharField,
)


class LogFilter(serializers.Serializer):
    serial_number = serializers.CharField(
        required=False, allow_blank=True, max_length=64, help_text="Of the device that an entry is about."
    )
    namespaces = Names(required=False, max_length=20, help_text="Any of admin, device, system.")
    event_types = Names(required=False, max_length=100, help_text="Such as device.enrolled.")
    sources = Names(required=False, max_length=20, help_text=f"Who did it: {', '.join(Source)}.")


# Parameter and the column that has one of its names.
_COLUMNS = {"namespaces": "namespace", "event_types": "event_type", "sources": "source"}


def encode_in_list(event: Event) -> dict[str, Any]:
    """The reference shows levels as numbers in lists and by name in a single entry; clients rely on either."""
    return _encode(event, event.level)


def encode_alone(event: Event) -> dict[str, Any]:
    return _encode(event, Level(event.level).label)


def _encode(event: Event, level: int | str) -> dict[str, Any]:
    attributes = {
        "namespace": event.namespace,
        "event_type": event.event_type,
        "level": level,
        "source": event.source,
        "at": log_time(event.at),
        "metadata": event.metadata,
        "relationships": _relationships(event),
    }
    return resource("log", event.log_id, attributes)


def _relationships(event: Event) -> dict[str, Any]:
    account: dict[str, Any] = {"type": "account", "id": event.account_id}
    if event.api_key_id is not None:
        account["api_key"] = event.api_key.name
    found = {"account": {"data": account}}
    if event.user_id is not None:
        found["user"] = {"data": {"type": "user", "id": event.user_id, "email": event.user.email}}
    if event.device_id is not None or event.serial_number or event.udid:
        found["device"] = {
            "data": {
                "type": "device",
                "id": event.device_id,
                "serial_number": event.serial_number or None,
                "udid": event.udid or None,
            }
        }
    return found


class LogsView(ResourceView):
    section = "logs"

    def events(self) -> QuerySet:
        return self.rows(Event).select_related("user", "api_key")

    @describe("logs_list", "List log entries", answers=LOG.many, query=[LogFilter, *LIST_PARAMETERS])
    def list(self, request: Request) -> Response:
        wanted = self.read(LogFilter)
        events = self.events()
        if serial_number := wanted.get("serial_number"):
            events = events.filter(serial_number=serial_number)
        for name, column in _COLUMNS.items():
            if names := wanted.get(name):
                events = events.filter(**{f"{column}__in": names})
        return self.page(events, encode_in_list, find_cursor=self._cursor)

    @describe("logs_retrieve", "Retrieve a log entry", answers=LOG.one)
    def retrieve(self, request: Request, log_id: str) -> Response:
        return self.one(self.events().get(log_id=log_id), encode_alone)

    def _cursor(self, log_id: str) -> int:
        return self.rows(Event).values_list("pk", flat=True).get(log_id=log_id)
