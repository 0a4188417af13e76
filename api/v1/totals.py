"""How many devices an assignment has reached, and how far an app has come on each of them."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from django.db.models import Prefetch
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.schema import LIST_PARAMETERS, Resource, describe, reference
from api.times import iso
from api.v1.assigned import PROGRESS
from api.v1.assignment_groups import as_app_groups
from api.v1.base import ResourceView, link, resource
from api.v1.fields import choice
from apps_catalog.models import App, AppInstall
from apps_catalog.services.totals import Totals, devices_counted, totals_of_app, totals_of_group
from devices.models import AssignmentGroup, Device, ItemState, Profile
from mdm.accounts.api_scopes import may_use

# Of each state how many devices; a profile for the users of a Mac counts once for each of them.
COUNTS = {state.value: serializers.IntegerField() for state in ItemState}
TOTALS = Resource(
    "ItemTotals",
    {"name": serializers.CharField(), **COUNTS},
    {"profile": reference("profile", required=False), "app": reference("app", required=False)},
    type_name="app_totals",
)
ASSIGNED_DEVICE = Resource(
    "AssignedDevice",
    {
        "name": serializers.CharField(),
        "error": serializers.CharField(allow_null=True, help_text="In the device's own words."),
        "feedback": serializers.DictField(
            allow_null=True,
            help_text="What the app told its management, as it last did; null for keys that may not change apps.",
        ),
        "feedback_at": serializers.DateTimeField(allow_null=True),
        **PROGRESS,
    },
    {"device": reference("device")},
)


class StateFilter(serializers.Serializer):
    state = choice(
        ItemState.choices, required=False, allow_blank=True, help_text="Only devices where it is in this state."
    )


def encode_totals(item: Profile | App, totals: Totals) -> dict[str, Any]:
    kind = "app" if isinstance(item, App) else "profile"
    counts: Mapping[str, int] = {state.value: totals[state] for state in ItemState}
    return resource(f"{kind}_totals", item.pk, {"name": item.name, **counts}, {kind: link(kind, item.pk)})


def encode_device(device: Device, *, shows_feedback: bool) -> dict[str, Any]:
    """Of a row of `AppTotalsView.devices`. A device for which nothing happened yet is pending."""
    row = next(iter(device.installs_of_app), None) or AppInstall()
    attributes = {
        "name": str(device),
        "state": row.state,
        "version": (row.version.short_version or row.version.version) if row.version else None,
        "error": row.error or None,
        "attempts": row.attempts,
        "retry_at": iso(row.retry_at),
        "stopped": row.is_stopped,
        "feedback": row.feedback if shows_feedback else None,
        "feedback_at": iso(row.feedback_at),
        "updated_at": iso(row.updated_at),
    }
    return resource("assigned_device", device.pk, attributes, {"device": link("device", device.pk)})


class AppTotalsView(ResourceView):
    section = "apps"

    @describe("apps_totals", "Count the devices by how far an app has come on them", answers=TOTALS.one)
    def totals(self, request: Request, pk: int) -> Response:
        """Enrolled devices that should have it, or are to lose it."""
        app = self.find(self.rows(App), pk)
        return Response({"data": encode_totals(app, totals_of_app(app))})

    @describe(
        "apps_devices_list",
        "List the devices that the totals of an app count",
        answers=ASSIGNED_DEVICE.many,
        query=[StateFilter, *LIST_PARAMETERS],
    )
    def devices(self, request: Request, pk: int) -> Response:
        """The id is that of the device."""
        app = self.find(self.rows(App), pk)
        state = self.read(StateFilter).get("state") or None
        installs = Prefetch(
            "app_installs",
            AppInstall.objects.filter(app=app).select_related("version").defer("version__chunk_hashes"),
            to_attr="installs_of_app",
        )
        devices = devices_counted(app, state).without_facts()
        encode = partial(encode_device, shows_feedback=may_use(request.auth, self.section, changes=True))
        return self.page(devices.prefetch_related(installs), encode)


class AssignmentGroupTotalsView(ResourceView):
    section = "assignment_groups"

    @describe(
        "assignment_groups_totals",
        "Count the devices of an assignment group by how far each of its profiles and apps has come",
        answers=TOTALS.many,
    )
    def totals(self, request: Request, pk: int) -> Response:
        """All profiles and apps of the group at once."""
        group = self.find(self.rows(AssignmentGroup), pk)
        return Response({"data": [encode_totals(*one) for one in totals_of_group(group)], "has_more": False})


@as_app_groups
class AppGroupTotalsView(AssignmentGroupTotalsView):
    tag = "App groups"
