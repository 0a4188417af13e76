"""DEP servers: the account's servers at Apple Business or School Manager, and the devices that Apple lists for them."""

from datetime import datetime
from typing import Any

from django.db.models import Max, Q, QuerySet
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.pagination import paginate
from api.schema import LIST_PARAMETERS, Resource, describe, reference, shape
from api.times import iso
from api.v1.base import ResourceView, link, resource
from api.views import empty
from devices.models import Device
from enrollment.models import DepDevice, DepServer
from enrollment.services.dep import request_sync

DEP_SERVER = Resource(
    "DepServer",
    {
        "server_name": serializers.CharField(),
        "organization_name": serializers.CharField(help_text="Empty before the first sync."),
        "token_expires_at": serializers.DateTimeField(),
        "last_synced_at": serializers.DateTimeField(allow_null=True),
    },
)
SYNCING = OpenApiResponse(description="Accepted: a worker asks Apple soon. No body.")
_ENROLLED = shape("EnrolledDepDevice", type=serializers.CharField(), id=serializers.IntegerField())
DEP_DEVICE = Resource(
    "DepDevice",
    {
        "serial_number": serializers.CharField(),
        **{name: serializers.CharField(allow_null=True) for name in DepDevice.TEXTS},
        **{name: serializers.DateTimeField(allow_null=True) for name in DepDevice.TIMES},
        "checked_in_at": serializers.DateTimeField(
            allow_null=True, help_text="When the device was last heard of here; null if it never enrolled."
        ),
    },
    {
        "device": shape("EnrolledDepDeviceRelationship", data=_ENROLLED(allow_null=True))(),
        "dep_server": reference("dep_server"),
    },
)


class DepServersView(ResourceView):
    section = "dep_servers"
    tag = "DEP servers"

    def dep_devices(self, pk: int) -> QuerySet:
        return self.rows(DepDevice).filter(server=self.find(self.rows(DepServer), pk))

    @describe("dep_servers_list", "List DEP servers", answers=DEP_SERVER.many, query=[*LIST_PARAMETERS])
    def list(self, request: Request) -> Response:
        return self.page(self.rows(DepServer), encode_dep_server)

    @describe("dep_servers_retrieve", "Retrieve a DEP server", answers=DEP_SERVER.one)
    def retrieve(self, request: Request, pk: int) -> Response:
        return self.one(self.find(self.rows(DepServer), pk), encode_dep_server)

    @describe(
        "dep_servers_sync",
        "Sync a DEP server with Apple now; it is done every two hours anyway",
        answers=SYNCING,
        status=202,
    )
    def sync(self, request: Request, pk: int) -> HttpResponse:
        request_sync(self.find(self.rows(DepServer), pk), request.actor)
        return empty(202)

    @describe("dep_devices_list", "List the devices of a DEP server", answers=DEP_DEVICE.many, query=[*LIST_PARAMETERS])
    def list_devices(self, request: Request, pk: int) -> Response:
        page = paginate(self.dep_devices(pk), request.params)
        devices = encode_dep_devices(page.rows, self.rows(Device))
        return Response({"data": devices, "has_more": page.has_more})

    @describe("dep_devices_retrieve", "Retrieve a device of a DEP server", answers=DEP_DEVICE.one)
    def retrieve_device(self, request: Request, pk: int, dep_device_id: int) -> Response:
        device = self.find(self.dep_devices(pk), dep_device_id)
        return Response({"data": encode_dep_devices([device], self.rows(Device))[0]})


def encode_dep_server(server: DepServer) -> dict[str, Any]:
    """Before the first sync Apple's own name is not known: ours stands for it."""
    attributes = {
        "server_name": server.server_name or server.name,
        "organization_name": server.organization_name,
        "token_expires_at": iso(server.token_expires_at),
        "last_synced_at": iso(server.last_synced_at),
    }
    return resource("dep_server", server.pk, attributes)


def encode_dep_devices(listed: list[DepDevice], devices: QuerySet) -> list[dict[str, Any]]:
    """With the account's devices of the same serial numbers, asked for once for all: one may have enrolled a moment ago."""
    last_seen_at = Max("channels__last_seen_at", filter=Q(channels__user_key=""))
    same = devices.filter(serial_number__in=[row.serial_number for row in listed]).order_by("pk")
    facts = same.values_list("serial_number", "pk", "enrolled_at").annotate(seen_at=last_seen_at)
    found = {serial: (pk, seen_at or enrolled_at) for serial, pk, enrolled_at, seen_at in facts}
    return [_encode_dep_device(row, *found.get(row.serial_number, (None, None))) for row in listed]


def _encode_dep_device(row: DepDevice, device_id: int | None, checked_in_at: datetime | None) -> dict[str, Any]:
    attributes = {
        "serial_number": row.serial_number,
        **{name: getattr(row, name) or None for name in DepDevice.TEXTS},
        **{name: iso(getattr(row, name)) for name in DepDevice.TIMES},
        "checked_in_at": iso(checked_in_at),
    }
    relationships = {
        "device": {"data": None} if device_id is None else link("device", device_id),
        "dep_server": link("dep_server", row.server_id),
    }
    return resource("dep_device", row.pk, attributes, relationships)
