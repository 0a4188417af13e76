"""What a device should have, why, and how far it has come; and what can be done about one such profile or app."""

from typing import Any

from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.schema import ACCEPTED, Resource, describe, reference, shape
from api.times import iso
from api.v1.base import ResourceView, link, resource
from api.views import empty
from apps_catalog.models import App, AppInstall
from apps_catalog.services.items import Item, ItemKind, NamedSource, items_of, retry, stop
from devices.models import Device, ItemState, Profile, ProfileInstall
from devices.services.wanted import SourceKind

SOURCE = shape(
    "AssignmentSource",
    type=serializers.ChoiceField([kind.value for kind in SourceKind]),
    id=serializers.IntegerField(),
    name=serializers.CharField(),
    via=serializers.CharField(
        allow_null=True, help_text="The device group by which the device belongs to the assignment group."
    ),
)
# How far an item has come on a device, whichever of the two is asked for.
PROGRESS = {
    "state": serializers.ChoiceField(ItemState.choices),
    "version": serializers.CharField(allow_null=True, help_text="What was sent last."),
    "attempts": serializers.IntegerField(help_text="How often it failed in a row."),
    "retry_at": serializers.DateTimeField(allow_null=True, help_text="When it is tried again; null: not by itself."),
    "stopped": serializers.BooleanField(help_text="Somebody wants no further attempts on this device."),
    "updated_at": serializers.DateTimeField(allow_null=True),
}
ASSIGNED = Resource(
    "AssignedItem",
    {
        "name": serializers.CharField(),
        "note": serializers.CharField(
            allow_null=True, help_text="The device's error, why it is not for this device, or what it waits for."
        ),
        "present": serializers.CharField(allow_null=True, help_text="The version that the device is known to have."),
        "user": serializers.CharField(allow_null=True, help_text="A profile for users of a Mac: for which of them."),
        **PROGRESS,
    },
    {
        "profile": reference("profile", required=False),
        "app": reference("app", required=False),
        "sources": shape("AssignmentSources", data=SOURCE(many=True))(),
    },
    type_name="assigned_profile",
)
# What the two kinds of items are, and where the device's part of them stands.
MODELS = {ItemKind.PROFILE: (Profile, ProfileInstall), ItemKind.APP: (App, AppInstall)}


def encode_item(item: Item) -> dict[str, Any]:
    attributes = {
        "name": item.name,
        "state": item.state,
        "note": item.note or None,
        "version": item.version or None,
        "present": item.present or None,
        "user": item.user or None,
        "attempts": item.attempts,
        "retry_at": iso(item.retry_at),
        "stopped": item.is_stopped,
        "updated_at": iso(item.updated_at),
    }
    sources = {"data": [_encode_source(source) for source in item.sources]}
    relationships = {item.kind.value: link(item.kind, item.pk), "sources": sources}
    return resource(f"assigned_{item.kind}", item.pk, attributes, relationships)


def _encode_source(source: NamedSource) -> dict[str, Any]:
    return {"type": source.kind, "id": source.pk, "name": source.name, "via": source.via or None}


class AssignedView(ResourceView):
    section = "devices"
    tag = "Assigned items"

    @describe(
        "device_assigned_list",
        "List the profiles and apps that a device should have or is to lose",
        answers=ASSIGNED.many,
    )
    def list(self, request: Request, pk: int) -> Response:
        """All at once, each with its sources; the id is that of the profile (type assigned_profile) or the app
        (assigned_app). A profile for the users of a Mac stands there once for each user; what is to leave the device has no
        sources.
        """
        device = self.find(self.rows(Device), pk)
        return Response({"data": [encode_item(item) for item in items_of(device)], "has_more": False})

    @describe(
        "device_assigned_profiles_retry",
        "Send a profile again now that failed on a device or was stopped there",
        answers=ACCEPTED,
        status=202,
    )
    def retry_profile(self, request: Request, pk: int, profile_id: int) -> HttpResponse:
        retry(self._device_with(ItemKind.PROFILE, pk, profile_id), ItemKind.PROFILE, profile_id, request.actor)
        return empty(202)

    @describe("device_assigned_profiles_stop", "Stop trying to bring a profile to a device", status=204)
    def stop_profile(self, request: Request, pk: int, profile_id: int) -> HttpResponse:
        """Until a new version of it comes, or somebody retries."""
        stop(self._device_with(ItemKind.PROFILE, pk, profile_id), ItemKind.PROFILE, profile_id, request.actor)
        return empty(204)

    @describe(
        "device_assigned_apps_retry",
        "Send an app again now that failed on a device or was stopped there",
        answers=ACCEPTED,
        status=202,
    )
    def retry_app(self, request: Request, pk: int, app_id: int) -> HttpResponse:
        retry(self._device_with(ItemKind.APP, pk, app_id), ItemKind.APP, app_id, request.actor)
        return empty(202)

    @describe("device_assigned_apps_stop", "Stop trying to bring an app to a device", status=204)
    def stop_app(self, request: Request, pk: int, app_id: int) -> HttpResponse:
        """Until somebody sends it again."""
        stop(self._device_with(ItemKind.APP, pk, app_id), ItemKind.APP, app_id, request.actor)
        return empty(204)

    def _device_with(self, kind: ItemKind, pk: int, item_pk: int) -> Device:
        """404 unless the account has both. What was deleted counts as long as it is on the device."""
        device = self.find(self.rows(Device), pk)
        model, installs = MODELS[kind]
        if not self.rows(installs).filter(device=device, **{kind.value: item_pk}).exists():
            self.find(self.rows(model), item_pk)
        return device
