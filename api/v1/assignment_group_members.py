"""What is in an assignment group: apps, profiles, devices, device groups. Saying the same again changes nothing."""

from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.request import Request

from api.schema import describe
from api.v1.assignment_groups import as_app_groups
from api.v1.base import ResourceView
from api.v1.fields import choice
from api.views import empty
from apps_catalog.models import App
from apps_catalog.services.assignments import assign_app, unassign_app
from devices.models import AssignmentGroup, Device, DeviceGroup, GroupType, InstallType, Profile
from devices.services.assignment_groups import assign_device, assign_member, unassign_member
from devices.services.profiles import assign, unassign


class AppTypes(serializers.Serializer):
    deployment_type = choice(GroupType.choices, required=False, help_text="The group's if not given.")
    install_type = choice(InstallType.choices, required=False, help_text="The group's if not given.")


class DeviceJoins(serializers.Serializer):
    remove_others = serializers.BooleanField(
        default=False, help_text="The device leaves all other assignment groups that it belongs to by itself."
    )


class AssignmentGroupMembersView(ResourceView):
    section = "assignment_groups"

    @describe("assignment_groups_assign_app", "Put an app into the group", status=204, takes=AppTypes)
    def assign_app(self, request: Request, pk: int, app_id: int) -> HttpResponse:
        group, app = self._group(pk), self.find(self.rows(App), app_id)
        assign_app(group, app, request.actor, **self.read(AppTypes))
        return empty(204)

    @describe("assignment_groups_unassign_app", "Take an app out of the group", status=204)
    def unassign_app(self, request: Request, pk: int, app_id: int) -> HttpResponse:
        unassign_app(self._group(pk), self.find(self.rows(App), app_id), request.actor)
        return empty(204)

    @describe("assignment_groups_assign_profile", "Put a profile into the group", status=204)
    def assign_profile(self, request: Request, pk: int, profile_id: int) -> HttpResponse:
        group = self._group(pk)
        assign(self.find(self.rows(Profile), profile_id), group, actor=request.actor)
        return empty(204)

    @describe("assignment_groups_unassign_profile", "Take a profile out of the group", status=204)
    def unassign_profile(self, request: Request, pk: int, profile_id: int) -> HttpResponse:
        group = self._group(pk)
        unassign(self.find(self.rows(Profile), profile_id), group, actor=request.actor)
        return empty(204)

    @describe("assignment_groups_assign_device", "Put a device into the group", status=204, takes=DeviceJoins)
    def assign_device(self, request: Request, pk: int, device_id: int) -> HttpResponse:
        group, device = self._group(pk), self.find(self.rows(Device), device_id)
        assign_device(group, device, request.actor, **self.read(DeviceJoins))
        return empty(204)

    @describe("assignment_groups_unassign_device", "Take a device out of the group", status=204)
    def unassign_device(self, request: Request, pk: int, device_id: int) -> HttpResponse:
        unassign_member(self._group(pk), self.find(self.rows(Device), device_id), request.actor)
        return empty(204)

    @describe("assignment_groups_assign_device_group", "Put a device group into the group", status=204)
    def assign_device_group(self, request: Request, pk: int, device_group_id: int) -> HttpResponse:
        assign_member(self._group(pk), self.find(self.rows(DeviceGroup), device_group_id), request.actor)
        return empty(204)

    @describe("assignment_groups_unassign_device_group", "Take a device group out of the group", status=204)
    def unassign_device_group(self, request: Request, pk: int, device_group_id: int) -> HttpResponse:
        unassign_member(self._group(pk), self.find(self.rows(DeviceGroup), device_group_id), request.actor)
        return empty(204)

    def _group(self, pk: int) -> AssignmentGroup:
        return self.find(self.rows(AssignmentGroup), pk)


@as_app_groups
class AppGroupMembersView(AssignmentGroupMembersView):
    tag = "App groups"
