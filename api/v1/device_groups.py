"""Device groups: every device is in exactly one."""

from collections import defaultdict
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.pagination import paginate
from api.schema import LIST_PARAMETERS, Resource, describe, references
from api.v1.base import ResourceView, resource
from api.views import empty
from devices.models import Device, DeviceGroup
from devices.services.groups import clone_group, create_group, delete_group, move_devices, rename_group

DEVICE_GROUP = Resource("DeviceGroup", {"name": serializers.CharField()}, {"devices": references("device")})
# Clients that send it were written for a later edition, where this answer has no content at all.
NEWER_CLIENT_HEADER = "SIMPLEMDM-CLIENT-VERSION"
MOVED = OpenApiResponse(description=f"Moved; no body. With the header {NEWER_CLIENT_HEADER} the status is 204.")


class GroupChange(serializers.Serializer):
    name = serializers.CharField(max_length=200, required=False)


class GroupName(GroupChange):
    name = serializers.CharField(max_length=200)


class DeviceGroupsView(ResourceView):
    section = "device_groups"

    @describe("device_groups_list", "List device groups", answers=DEVICE_GROUP.many, query=[*LIST_PARAMETERS])
    def list(self, request: Request) -> Response:
        page = paginate(self.rows(DeviceGroup), request.params)
        groups = encode_groups(page.rows, self.rows(Device))
        return Response({"data": groups, "has_more": page.has_more})

    @describe("device_groups_retrieve", "Retrieve a device group", answers=DEVICE_GROUP.one)
    def retrieve(self, request: Request, pk: int) -> Response:
        return self._answer(self.find(self.rows(DeviceGroup), pk))

    @describe("device_groups_create", "Add a device group", answers=DEVICE_GROUP.one, status=201, takes=GroupName)
    def create(self, request: Request) -> Response:
        group = create_group(request.account, self.read(GroupName)["name"], request.actor)
        return self._answer(group, status=201)

    @describe("device_groups_update", "Rename a device group", takes=GroupChange)
    def update(self, request: Request, pk: int) -> HttpResponse:
        group, given = self.find(self.rows(DeviceGroup), pk), self.read(GroupChange)
        if "name" in given:
            rename_group(group, given["name"], request.actor)
        return empty(200)

    @describe("device_groups_delete", "Delete a device group; its devices move to the default one", status=204)
    def destroy(self, request: Request, pk: int) -> HttpResponse:
        delete_group(self.find(self.rows(DeviceGroup), pk), request.actor)
        return empty(204)

    @describe("device_groups_clone", "Copy a device group, without its devices", answers=DEVICE_GROUP.one)
    def clone(self, request: Request, pk: int) -> Response:
        return self._answer(clone_group(self.find(self.rows(DeviceGroup), pk), request.actor))

    @describe("device_groups_assign_device", "Move a device to a group", answers=MOVED, status=202)
    def assign_device(self, request: Request, pk: int, device_id: int) -> HttpResponse:
        group = self.find(self.rows(DeviceGroup), pk)
        move_devices([self.find(self.rows(Device), device_id)], group, request.actor)
        return empty(204 if NEWER_CLIENT_HEADER in request.headers else 202)

    def _answer(self, group: DeviceGroup, *, status: int = 200) -> Response:
        return Response({"data": encode_groups([group], self.rows(Device))[0]}, status=status)


def encode_groups(groups: list[DeviceGroup], devices: QuerySet) -> list[dict[str, Any]]:
    """With the ids of their devices, asked for once for all groups."""
    members: dict[int, list[dict[str, Any]]] = defaultdict(list)
    pairs = devices.filter(group__in=groups).order_by("pk").values_list("group_id", "pk")
    for group_id, device_id in pairs.iterator():
        members[group_id].append({"type": "device", "id": device_id})
    return [
        resource("device_group", group.pk, {"name": group.name}, {"devices": {"data": members[group.pk]}})
        for group in groups
    ]
