"""Assignment groups: apps and profiles on one side, devices and device groups on the other.

`/app_groups` is their older name: the same groups, with another type.
"""

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.errors import TooManyRequests
from api.pagination import paginate
from api.schema import ACCEPTED, LIST_PARAMETERS, Resource, describe, references, under_other_names
from api.times import iso
from api.v1.base import ResourceView, resource
from api.v1.fields import choice
from api.views import empty
from apps_catalog.models import AppAssignment
from apps_catalog.services import assignments
from devices.models import AssignmentGroup, AssignmentMember, GroupType, InstallType, ProfileAssignment
from devices.services.assignment_groups import (
    MAX_PRIORITY,
    create_assignment_group,
    delete_assignment_group,
    update_assignment_group,
)

Related = dict[str, list[dict[str, Any]]]

ASSIGNMENT_GROUP = Resource(
    "AssignmentGroup",
    {
        "name": serializers.CharField(),
        "auto_deploy": serializers.BooleanField(),
        "type": serializers.ChoiceField(GroupType.choices, help_text="The same as group_type."),
        "group_type": serializers.ChoiceField(GroupType.choices),
        "install_type": serializers.ChoiceField(InstallType.choices),
        "priority": serializers.IntegerField(),
        "app_track_location": serializers.BooleanField(),
        "created_at": serializers.DateTimeField(),
        "updated_at": serializers.DateTimeField(),
        "device_count": serializers.IntegerField(help_text="Devices that belong to it by themselves."),
        "group_count": serializers.IntegerField(help_text="Device groups that belong to it."),
    },
    {
        "apps": references("app", "deployment_type", "install_type"),
        "device_groups": references("device_group"),
        "devices": references("device"),
        "profiles": references("profile"),
    },
)


class GroupSettings(serializers.Serializer):
    name = serializers.CharField(max_length=200, required=False)
    auto_deploy = serializers.BooleanField(
        required=False, help_text="Its apps are installed by themselves, not only on push_apps; on if not given."
    )
    type = choice(GroupType.choices, required=False, help_text="The same as group_type.")
    group_type = choice(GroupType.choices, required=False, help_text="standard if not given.")
    install_type = choice(InstallType.choices, required=False, help_text="How Munki offers the apps of munki groups.")
    priority = serializers.IntegerField(
        min_value=0,
        max_value=MAX_PRIORITY,
        required=False,
        help_text="Of two groups with a value of the same attribute, that with the lower number counts.",
    )
    app_track_location = serializers.BooleanField(required=False)

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        kind = given.pop("type", None)
        return given if kind is None else {"group_type": kind} | given


class NewGroup(GroupSettings):
    name = serializers.CharField(max_length=200)


class AssignmentGroupsView(ResourceView):
    section = "assignment_groups"
    type_name = "assignment_group"

    @describe(
        "assignment_groups_list", "List assignment groups", answers=ASSIGNMENT_GROUP.many, query=[*LIST_PARAMETERS]
    )
    def list(self, request: Request) -> Response:
        page = paginate(self.rows(AssignmentGroup), request.params)
        return Response({"data": self._encoded(page.rows), "has_more": page.has_more})

    @describe("assignment_groups_retrieve", "Retrieve an assignment group", answers=ASSIGNMENT_GROUP.one)
    def retrieve(self, request: Request, pk: int) -> Response:
        return self._answer(self._group(pk))

    @describe(
        "assignment_groups_create",
        "Add an assignment group",
        answers=ASSIGNMENT_GROUP.one,
        status=201,
        takes=NewGroup,
    )
    def create(self, request: Request) -> Response:
        group = create_assignment_group(request.account, actor=request.actor, **self.read(NewGroup))
        return self._answer(group, status=201)

    @describe("assignment_groups_update", "Change an assignment group", status=204, takes=GroupSettings)
    def update(self, request: Request, pk: int) -> HttpResponse:
        update_assignment_group(self._group(pk), self.read(GroupSettings), request.actor)
        return empty(204)

    @describe("assignment_groups_replace", "Change an assignment group, as by PATCH", status=204, takes=GroupSettings)
    def replace(self, request: Request, pk: int) -> HttpResponse:
        return self.update(request, pk)

    @describe("assignment_groups_delete", "Delete an assignment group; what it brought leaves its devices", status=204)
    def destroy(self, request: Request, pk: int) -> HttpResponse:
        delete_assignment_group(self._group(pk), request.actor)
        return empty(204)

    @describe("assignment_groups_clone", "Copy an assignment group, without its devices", answers=ASSIGNMENT_GROUP.one)
    def clone(self, request: Request, pk: int) -> Response:
        return self._answer(assignments.clone_assignment_group(self._group(pk), request.actor))

    @describe(
        "assignment_groups_push_apps", "Send its apps to devices that have them not", answers=ACCEPTED, status=202
    )
    def push_apps(self, request: Request, pk: int) -> HttpResponse:
        assignments.push_apps(self._group(pk), request.actor)
        return empty(202)

    @describe("assignment_groups_update_apps", "Update its apps on its devices", answers=ACCEPTED, status=202)
    def update_apps(self, request: Request, pk: int) -> HttpResponse:
        assignments.update_apps(self._group(pk), request.actor)
        return empty(202)

    @describe(
        "assignment_groups_sync_profiles",
        f"Send its profiles to its devices again; once more after {assignments.SYNC_SECONDS} seconds at the earliest",
        status=204,
    )
    def sync_profiles(self, request: Request, pk: int) -> HttpResponse:
        try:
            assignments.sync_profiles(self._group(pk), request.actor)
        except assignments.SyncedJustNow as error:
            raise TooManyRequests(error.wait, str(error)) from error
        return empty(204)

    def _group(self, pk: int) -> AssignmentGroup:
        return self.find(self.rows(AssignmentGroup), pk)

    def _answer(self, group: AssignmentGroup, *, status: int = 200) -> Response:
        return Response({"data": self._encoded([group])[0]}, status=status)

    def _encoded(self, groups: Sequence[AssignmentGroup]) -> Sequence[dict[str, Any]]:
        """With all that they pair, asked for once for all groups."""
        related: dict[int, Related] = {
            group.pk: {"apps": [], "device_groups": [], "devices": [], "profiles": []} for group in groups
        }
        _add_apps(related, self.rows(AppAssignment).filter(group__in=groups))
        _add_members(related, self.rows(AssignmentMember).filter(group__in=groups))
        _add_profiles(related, self.rows(ProfileAssignment).filter(assignment_group__in=groups))
        return [encode_group(group, related[group.pk], self.type_name) for group in groups]


as_app_groups = under_other_names(
    lambda operation: operation.replace("assignment_groups", "app_groups"), "The same as below assignment_groups."
)


@as_app_groups
class AppGroupsView(AssignmentGroupsView):
    tag = "App groups"
    type_name = "app_group"


def encode_group(group: AssignmentGroup, related: Related, type_name: str) -> dict[str, Any]:
    attributes = {
        "name": group.name,
        "auto_deploy": group.auto_deploy,
        "type": group.group_type,
        "group_type": group.group_type,
        "install_type": group.install_type,
        "priority": group.priority,
        "app_track_location": group.app_track_location,
        "created_at": iso(group.created_at),
        "updated_at": iso(group.updated_at),
        "device_count": len(related["devices"]),
        "group_count": len(related["device_groups"]),
    }
    return resource(type_name, group.pk, attributes, {name: {"data": items} for name, items in related.items()})


def _add_apps(related: dict[int, Related], assigned: QuerySet) -> None:
    for one in assigned.filter(app__removed_at=None).order_by("app_id"):
        types = {"deployment_type": one.deployment_type, "install_type": one.install_type}
        related[one.group_id]["apps"].append({"type": "app", "id": one.app_id} | types)


def _add_members(related: dict[int, Related], members: QuerySet) -> None:
    present = members.filter(device__removed_at=None).order_by("device_group_id", "device_id")
    rows = present.values_list("group_id", "device_group_id", "device_id")
    for pk, device_group_id, device_id in rows.iterator():
        kind, member_id = ("device_group", device_group_id) if device_group_id else ("device", device_id)
        related[pk][f"{kind}s"].append({"type": kind, "id": member_id})


def _add_profiles(related: dict[int, Related], assigned: QuerySet) -> None:
    present = assigned.filter(profile__removed_at=None).order_by("profile_id")
    for pk, profile_id, kind in present.values_list("assignment_group_id", "profile_id", "profile__kind"):
        related[pk]["profiles"].append({"type": kind, "id": profile_id})
