"""Devices: list, retrieve, create, update, delete, refresh, and what they reported of themselves."""

import time
from typing import Any

from django.core.cache import cache
from django.db.models import Prefetch, QuerySet
from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.errors import TooManyRequests
from api.schema import ACCEPTED, LIST_PARAMETERS, Resource, describe, reference, references
from api.v1.base import ResourceView, link, resource
from api.v1.device_attributes import attributes_of, documented
from api.views import empty
from devices.models import Device, DeviceGroup, DeviceState
from devices.services.actions import refresh
from devices.services.devices import update_device
from devices.services.errors import DeviceError
from enrollment.services import links
from mdm.channels.models import Channel

REFRESH_SECONDS = 30

DEVICE = Resource(
    "Device",
    documented() | {"enrollment_url": serializers.URLField(required=False, allow_null=True)},
    {
        "device_group": reference("device_group"),
        "groups": references("group", "group_type"),
        "custom_attribute_values": references("custom_attribute_value"),
    },
)


class DeviceFilter(serializers.Serializer):
    search = serializers.CharField(required=False, allow_blank=True, max_length=255)
    include_awaiting_enrollment = serializers.BooleanField(required=False, default=False)


class NewDevice(serializers.Serializer):
    name = serializers.CharField(max_length=255)
    group_id = serializers.IntegerField(required=False, min_value=1, max_value=2**63 - 1)


class DeviceChange(serializers.Serializer):
    name = serializers.CharField(max_length=255, required=False)
    device_name = serializers.CharField(max_length=255, required=False)


def with_channels(devices: QuerySet) -> QuerySet:
    """All that the attributes need, in one more statement whatever the number of devices; no tokens among it."""
    channels = Channel.objects.only("device_id", "user_key", "state", "last_seen_at", "last_seen_ip")
    return devices.prefetch_related(Prefetch("channels", queryset=channels))


def encode_device(device: Device) -> dict[str, Any]:
    relationships = {
        "device_group": link("device_group", device.group_id),
        "groups": {"data": []},
        "custom_attribute_values": {"data": []},
    }
    return resource("device", device.pk, attributes_of(device), relationships)


def encode_with_url(device: Device) -> dict[str, Any]:
    """A device that is awaited also tells the link by which it can enroll."""
    body = encode_device(device)
    if device.state == DeviceState.AWAITING:
        body["attributes"]["enrollment_url"] = links.enrollment_url(device)
    return body


class DevicesView(ResourceView):
    def devices(self) -> QuerySet:
        return with_channels(self.rows(Device))

    @describe(
        "devices_list",
        "List devices",
        answers=DEVICE.many,
        query=[DeviceFilter, *LIST_PARAMETERS],
    )
    def list(self, request: Request) -> Response:
        wanted = self.read(DeviceFilter)
        devices = self.devices()
        if not wanted["include_awaiting_enrollment"]:
            devices = devices.exclude(state=DeviceState.AWAITING)
        if search := wanted.get("search"):
            devices = devices.search(search)
        return self.page(devices, encode_device)

    @describe(
        "devices_retrieve",
        "Retrieve a device",
        answers=DEVICE.one,
    )
    def retrieve(self, request: Request, pk: int) -> Response:
        return self.one(self.find(self.devices(), pk), encode_with_url)

    @describe(
        "devices_create",
        "Add a device; its enrollment_url enrolls one device, once",
        answers=DEVICE.one,
        status=201,
        takes=NewDevice,
    )
    def create(self, request: Request) -> Response:
        given = self.read(NewDevice)
        group = self.find(self.rows(DeviceGroup), given["group_id"]) if "group_id" in given else None
        device, _ = links.create_device_with_link(request.account, name=given["name"], group=group, actor=request.actor)
        return self.one(device, encode_with_url, status=201)

    @describe("devices_update", "Rename a device here or on itself", answers=DEVICE.one, takes=DeviceChange)
    def update(self, request: Request, pk: int) -> Response:
        device = self.find(self.devices(), pk)
        update_device(device, **self.read(DeviceChange), actor=request.actor)
        return self.one(device, encode_with_url)

    @describe("devices_delete", "Unenroll a device and remove it", status=204)
    def destroy(self, request: Request, pk: int) -> HttpResponse:
        links.remove_device(self.find(self.rows(Device), pk), request.actor)
        return empty(204)

    @describe(
        "devices_refresh",
        f"Ask a device for its whole inventory; again after {REFRESH_SECONDS} seconds at the earliest",
        answers=ACCEPTED,
        status=202,
    )
    def refresh(self, request: Request, pk: int) -> HttpResponse:
        device = self.find(self.rows(Device), pk)
        key = f"api-refresh:{device.pk}"
        if not cache.add(key, time.time() + REFRESH_SECONDS, timeout=REFRESH_SECONDS):
            wait = cache.get(key, time.time()) - time.time()
            raise TooManyRequests(wait, "This device was asked for its inventory a moment ago.")
        try:
            refresh(device, request.actor)
        except DeviceError:
            cache.delete(key)
            raise
        return empty(202)
