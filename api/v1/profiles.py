"""Profiles of every kind: which there are, and where they should be."""

from typing import Any

from django.db.models import Count, IntegerField, OuterRef, Prefetch, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.schema import LIST_PARAMETERS, Resource, describe, references, shape
from api.v1.base import ResourceView, resource
from api.views import empty
from devices.models import Device, DeviceGroup, Profile, ProfileAssignment
from devices.services.profiles import assign, unassign

PROFILE = Resource(
    "Profile",
    {
        "name": serializers.CharField(),
        "profile_identifier": serializers.CharField(),
        "user_scope": serializers.BooleanField(),
        "attribute_support": serializers.BooleanField(),
        "escape_attributes": serializers.BooleanField(),
        "reinstall_after_os_update": serializers.BooleanField(),
        "group_count": serializers.IntegerField(),
        "device_count": serializers.IntegerField(),
    },
    {
        # Clients of one edition look for the assignment groups beside the device groups, those of another among them.
        "device_groups": shape(
            "ProfileDeviceGroups",
            **references("device_group").get_fields(),
            groups=references("assignment_group", "group_type"),
        )(),
        "groups": references("assignment_group", "group_type"),
    },
    type_name="custom_configuration_profile",
)


class ProfileFilter(serializers.Serializer):
    search = serializers.CharField(required=False, allow_blank=True, max_length=255)


def with_owners(profiles: QuerySet) -> QuerySet:
    """With the groups that each is assigned to, and the number of devices: two statements for any number of profiles."""
    assignments = ProfileAssignment.objects.filter(profile=OuterRef("pk"), device__isnull=False)
    visible = assignments.filter(device__removed_at=None).order_by().values("profile")
    count = Subquery(visible.annotate(count=Count("pk")).values("count"), output_field=IntegerField())
    groups = ProfileAssignment.objects.filter(device=None).select_related("assignment_group").order_by("pk")
    return profiles.annotate(device_count=Coalesce(count, 0)).prefetch_related(
        Prefetch("assignments", queryset=groups, to_attr="group_assignments")
    )


def encode_profile(profile: Profile) -> dict[str, Any]:
    """Of a row that came through `with_owners`."""
    device_groups = [row.device_group_id for row in profile.group_assignments if row.device_group_id]
    groups = [row.assignment_group for row in profile.group_assignments if row.assignment_group_id]
    attributes = {
        "name": profile.name,
        "profile_identifier": profile.profile_identifier,
        "user_scope": profile.user_scope,
        "attribute_support": profile.attribute_support,
        "escape_attributes": profile.escape_attributes,
        "reinstall_after_os_update": profile.reinstall_after_os_update,
        "group_count": len(device_groups) + len(groups),
        "device_count": profile.device_count,
    }
    joined = {"data": [{"type": "assignment_group", "id": one.pk, "group_type": one.group_type} for one in groups]}
    relationships = {
        "device_groups": {"data": [{"type": "device_group", "id": pk} for pk in device_groups], "groups": joined},
        "groups": joined,
    }
    return resource(profile.kind, profile.pk, attributes, relationships)


class ProfilesBase(ResourceView):
    """What the kinds of profiles have in common. kind: the only one that the view knows; None: all."""

    section = "profiles"
    kind: str | None = None

    def profiles(self) -> QuerySet:
        rows = self.rows(Profile)
        return rows.filter(kind=self.kind) if self.kind else rows

    def answer_list(self) -> Response:
        profiles = self.profiles()
        if search := self.read(ProfileFilter).get("search"):
            profiles = profiles.filter(name__icontains=search)
        return self.page(with_owners(profiles), encode_profile)

    def answer_one(self, pk: int, *, status: int = 200) -> Response:
        return self.one(self.find(with_owners(self.profiles()), pk), encode_profile, status=status)

    def place(self, pk: int, owners: type[Device | DeviceGroup], owner_pk: int, *, wanted: bool) -> HttpResponse:
        """Assign or unassign; the repetition is as good as the first time."""
        profile = self.find(self.profiles(), pk)
        owner = self.find(self.rows(owners), owner_pk)
        (assign if wanted else unassign)(profile, owner, actor=self.request.actor)
        return empty(204)


class ProfilesView(ProfilesBase):
    @describe(
        "profiles_list", "List profiles of every kind", answers=PROFILE.many, query=[ProfileFilter, *LIST_PARAMETERS]
    )
    def list(self, request: Request) -> Response:
        return self.answer_list()

    @describe("profiles_retrieve", "Retrieve a profile of any kind", answers=PROFILE.one)
    def retrieve(self, request: Request, pk: int) -> Response:
        return self.answer_one(pk)

    @describe("profiles_assign_device_group", "Assign a profile to a device group", status=204)
    def assign_device_group(self, request: Request, pk: int, device_group_id: int) -> HttpResponse:
        return self.place(pk, DeviceGroup, device_group_id, wanted=True)

    @describe("profiles_unassign_device_group", "Take a profile from a device group", status=204)
    def unassign_device_group(self, request: Request, pk: int, device_group_id: int) -> HttpResponse:
        return self.place(pk, DeviceGroup, device_group_id, wanted=False)

    @describe("profiles_assign_device", "Assign a profile to a device", status=204)
    def assign_device(self, request: Request, pk: int, device_id: int) -> HttpResponse:
        return self.place(pk, Device, device_id, wanted=True)

    @describe("profiles_unassign_device", "Take a profile from a device", status=204)
    def unassign_device(self, request: Request, pk: int, device_id: int) -> HttpResponse:
        return self.place(pk, Device, device_id, wanted=False)
