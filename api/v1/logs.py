"""The log: everything that people, programs and devices did."""

from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.errors import ApiError
from api.schema import LIST_PARAMETERS, Resource, describe, shape
from api.times import log_time
from api.v1.base import ResourceView, resource
from api.v1.fields import Names, choice, row_id
from api.views import AnyType
from mdm.accounts.actors import Source
from mdm.common.planning import planned_for_each_value
from mdm.events.export import FORMATS, UnknownFormat, answer, export
from mdm.events.log_filters import LogFilters, narrow, read_time
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
    # Beyond the reference.
    levels = Names(required=False, max_length=10, help_text="Any of info, warning, error, or their numbers.")
    since = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=40,
        help_text="Not before this time: ISO 8601, UTC if it says nothing.",
    )
    until = serializers.CharField(required=False, allow_blank=True, max_length=40, help_text="Only before this time.")
    device_id = row_id(required=False, help_text="The device that an entry is about.")

    def validate_since(self, text: str) -> datetime | None:
        return _time(text)

    def validate_until(self, text: str) -> datetime | None:
        return _time(text)

    def validate_levels(self, names: list[str]) -> tuple[int, ...]:
        known = {label: value for value, label in Level.choices} | {str(value): value for value in Level.values}
        unknown = [name for name in names if name not in known]
        if unknown:
            raise serializers.ValidationError(f"Must be any of {', '.join(Level.labels)}.")
        return tuple(known[name] for name in names)


class ExportFilter(LogFilter):
    format = choice(
        tuple(FORMATS), default="jsonl", help_text="CSV for spreadsheets, or JSON Lines: an object in each line."
    )


def _time(text: str) -> datetime | None:
    at = read_time(text)
    if text.strip() and at is None:
        raise serializers.ValidationError("Must be a time such as 2026-01-31T08:00:00Z.")
    return at


def _filters(given: dict[str, Any]) -> LogFilters:
    several = {name: tuple(given.get(name) or ()) for name in ("namespaces", "event_types", "sources", "levels")}
    return LogFilters(
        serial_number=given.get("serial_number", ""),
        device_id=given.get("device_id"),
        since=given.get("since") or None,
        until=given.get("until") or None,
        **several,
    )


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
        wanted = _filters(self.read(LogFilter))
        with planned_for_each_value():
            events = narrow(self.events(), request.account, wanted)
            return self.page(events, encode_in_list, find_cursor=self._cursor)

    @describe("logs_retrieve", "Retrieve a log entry", answers=LOG.one)
    def retrieve(self, request: Request, log_id: str) -> Response:
        return self.one(self.events().get(log_id=log_id), encode_alone)

    def _cursor(self, log_id: str) -> int:
        return self.rows(Event).values_list("pk", flat=True).get(log_id=log_id)


class LogExportView(ResourceView):
    """A file: it has the type that it has, whatever the Accept header says."""

    section = "logs"
    content_negotiation_class = AnyType

    @extend_schema(
        operation_id="logs_export",
        summary="Export the log",
        responses={(200, "text/csv"): OpenApiTypes.STR, (200, "application/jsonl"): OpenApiTypes.STR},
        parameters=[ExportFilter],
    )
    def show(self, request: Request) -> StreamingHttpResponse:
        """All entries that fit, newest first, streamed. The log notes who took them.

        A file that the server could not finish says so in its last line ("This export is incomplete …"); one that was cut
        off has no end of the transfer.
        """
        given = self.read(ExportFilter)
        try:
            found = export(request.account, _filters(given), format_name=given["format"], actor=request.actor)
        except UnknownFormat as error:
            raise ApiError(422, str(error)) from error
        return answer(found)
