"""Devices: list, retrieve, create, update, delete. What they are told to do is in `device_actions.py`."""

from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.pagination import paginate
from api.schema import LIST_PARAMETERS, describe
from api.v1.base import ResourceView
from api.v1.device_encoding import DEVICE, encode_devices, loaded, with_url
from api.v1.fields import Ids, flag, row_id, text
from api.v1.secrets import Secrets, SecretsFilter
from api.views import empty
from devices.models import AssignmentGroup, Device, DeviceGroup, DeviceState
from devices.services.assignment_groups import assign_member
from devices.services.devices import update_device
from enrollment.services import links


class DeviceFilter(SecretsFilter):
    search = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=255,
        help_text="Part of a name, UDID, serial number, IMEI, MAC address or phone number.",
    )
    include_awaiting_enrollment = flag(help_text="Also devices that were added and have not enrolled yet.")


class NewDevice(serializers.Serializer):
    name = serializers.CharField(max_length=255)
    group_id = row_id(required=False, help_text="A device group; the default one if not given.")
    static_group_ids = Ids(required=False, default=list, max_length=100, help_text="Assignment groups to join.")


class DeviceChange(serializers.Serializer):
    name = serializers.CharField(max_length=255, required=False, help_text="Its name here.")
    device_name = text(255, help_text="Its name on the device itself, by a command that is queued; empty: as it is.")


class DevicesView(ResourceView):
    section = "devices"

    def devices(self) -> QuerySet:
        return loaded(self.rows(Device))

    @describe(
        "devices_list",
        "List devices",
        answers=DEVICE.many,
        query=[DeviceFilter, *LIST_PARAMETERS],
    )
    def list(self, request: Request) -> Response:
        wanted = self.read(DeviceFilter)
        secrets = Secrets(request)
        devices = self.devices()
        if not wanted["include_awaiting_enrollment"]:
            devices = devices.exclude(state=DeviceState.AWAITING)
        if search := wanted.get("search"):
            devices = devices.search(search)
        page = paginate(devices, request.params)
        data = encode_devices(page.rows, secrets)
        secrets.log()
        return Response({"data": data, "has_more": page.has_more})

    @describe(
        "devices_retrieve",
        "Retrieve a device",
        answers=DEVICE.one,
        query=[SecretsFilter],
    )
    def retrieve(self, request: Request, pk: int) -> Response:
        device = self.find(self.devices(), pk)
        return self._answer(device, Secrets(request))

    @describe(
        "devices_create",
        "Add a device; its enrollment_url enrolls one device, once",
        answers=DEVICE.one,
        status=201,
        takes=NewDevice,
    )
    def create(self, request: Request) -> Response:
        given = self.read(NewDevice)
        secrets = Secrets(request)
        group = self.find(self.rows(DeviceGroup), given["group_id"]) if "group_id" in given else None
        joined = [self.find(self.rows(AssignmentGroup), group_pk) for group_pk in given["static_group_ids"]]
        with transaction.atomic():
            device, _ = links.create_device_with_link(
                request.account, name=given["name"], group=group, actor=request.actor
            )
            for assignment_group in joined:
                assign_member(assignment_group, device, request.actor)
        return self._answer(self.find(self.devices(), device.pk), secrets, status=201)

    @describe("devices_update", "Rename a device here or on itself", answers=DEVICE.one, takes=DeviceChange)
    def update(self, request: Request, pk: int) -> Response:
        device = self.find(self.devices(), pk)
        secrets = Secrets(request)
        given = self.read(DeviceChange)
        update_device(device, name=given.get("name"), device_name=given["device_name"] or None, actor=request.actor)
        return self._answer(device, secrets)

    @describe("devices_delete", "Unenroll a device and remove it", status=204)
    def destroy(self, request: Request, pk: int) -> HttpResponse:
        links.remove_device(self.find(self.rows(Device), pk), request.actor)
        return empty(204)

    def _answer(self, device: Device, secrets: Secrets, *, status: int = 200) -> Response:
        [body] = encode_devices([device], secrets)
        secrets.log(device)
        return Response({"data": with_url(body, device)}, status=status)
