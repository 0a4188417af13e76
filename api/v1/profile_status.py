"""How far a profile has come on each device, and what a device would get of it now."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.errors import ApiError
from api.pagination import paginate
from api.schema import LIST_PARAMETERS, Resource, describe, reference, shape
from api.times import iso
from api.v1.assigned import PROGRESS
from api.v1.base import link, resource
from api.v1.fields import row_id
from api.v1.profiles import ProfilesBase
from api.v1.secrets import MASK, Secrets, SecretsFilter
from api.v1.totals import TOTALS, StateFilter, encode_totals
from apps_catalog.services.profile_status import ProfileStatus, devices_in, statuses_of
from apps_catalog.services.totals import totals_of_profile
from devices.models import Device, ItemState, Profile, ProfileKind
from devices.services.profile_previews import Form, Preview, Variable, VariableSource, preview
from devices.services.viewing import log_viewed
from mdm.accounts.api_scopes import READ, may_use

STATUS = Resource(
    "ProfileStatus",
    {
        "name": serializers.CharField(help_text="Of the device."),
        "user": serializers.CharField(allow_null=True, help_text="A profile for users of a Mac: for which of them."),
        "installed_version": serializers.CharField(allow_null=True, help_text="What the device is known to have."),
        "error": serializers.CharField(
            allow_null=True, help_text="In the device's own words, or what the profile waits for."
        ),
        **PROGRESS,
    },
    {"device": reference("device")},
)
_VARIABLE = shape(
    "ProfileVariable",
    name=serializers.CharField(),
    value=serializers.CharField(help_text="Empty if nothing is known; that of a secret attribute unless asked for."),
    secret=serializers.BooleanField(),
    source=serializers.ChoiceField(
        [one.value for one in VariableSource],
        help_text="Where the value was set; unknown: nothing is filled in, the text stays as it is.",
    ),
)
PREVIEW = Resource(
    "ProfilePreview",
    {
        "version": serializers.IntegerField(),
        "form": serializers.ChoiceField([one.value for one in Form], help_text="How the file was uploaded."),
        "content": serializers.CharField(
            allow_null=True, help_text="As text; null for keys that may not change profiles."
        ),
        "variables": _VARIABLE(many=True),
        "unknown_variables": serializers.ListField(child=serializers.CharField()),
        "unfilled_variables": serializers.ListField(
            child=serializers.CharField(), help_text="Delivered as they are: the profile has no attribute support."
        ),
        "why_not": serializers.CharField(allow_null=True, help_text="Why the device cannot get it; null when it can."),
    },
    {"device": reference("device"), "profile": reference("profile")},
)


class PreviewFilter(SecretsFilter):
    device_id = row_id()


def encode_status(status: ProfileStatus) -> dict[str, Any]:
    attributes = {
        "name": str(status.device),
        "user": status.user or None,
        "state": status.state,
        "version": _text(status.version),
        "installed_version": _text(status.installed_version),
        "error": status.error or None,
        "attempts": status.attempts,
        "retry_at": iso(status.retry_at),
        "stopped": status.is_stopped,
        "updated_at": iso(status.updated_at),
    }
    return resource("profile_status", status.device.pk, attributes, {"device": link("device", status.device.pk)})


def encode_preview(profile: Profile, device: Device, shown: Preview, *, has_content: bool) -> dict[str, Any]:
    attributes = {
        "version": shown.version,
        "form": shown.form,
        "content": shown.content if has_content else None,
        "variables": [_variable(one) for one in shown.variables],
        "unknown_variables": shown.unknown,
        "unfilled_variables": list(shown.left_alone),
        "why_not": shown.why_not or None,
    }
    links = {"device": link("device", device.pk), "profile": link("profile", profile.pk)}
    return resource("profile_preview", device.pk, attributes, links)


def _variable(one: Variable) -> dict[str, Any]:
    value = MASK if one.is_masked else one.value
    return {"name": one.name, "value": value, "secret": one.is_secret, "source": one.source}


def _text(version: int | None) -> str | None:
    return None if version is None else str(version)


class ProfileStatusView(ProfilesBase):
    @describe("profiles_totals", "Count the devices by how far a profile has come on them", answers=TOTALS.one)
    def totals(self, request: Request, pk: int) -> Response:
        """Enrolled devices that should have it, or are to lose it; a profile for users of Macs counts once for each."""
        profile = self.find(self.profiles(), pk)
        return Response({"data": encode_totals(profile, totals_of_profile(profile))})

    @describe(
        "profiles_devices_list",
        "List the devices that the totals of a profile count",
        answers=STATUS.many,
        query=[StateFilter, *LIST_PARAMETERS],
    )
    def devices(self, request: Request, pk: int) -> Response:
        """The id is that of the device. A profile for users of a Mac has an entry for each of them; limit counts devices."""
        profile = self.find(self.profiles(), pk)
        given = self.read(StateFilter).get("state")
        state = ItemState(given) if given else None
        page = paginate(devices_in(profile, state).without_facts(), request.params)
        data = [encode_status(one) for one in statuses_of(profile, page.rows, state)]
        return Response({"data": data, "has_more": page.has_more})


class ProfilePreviewView(ProfilesBase):
    tag = "Custom configuration profiles"
    kind = ProfileKind.CUSTOM

    @describe(
        "custom_configuration_profiles_preview",
        "Show what a device would get of a profile now",
        answers=PREVIEW.one,
        query=[PreviewFilter],
    )
    def preview(self, request: Request, pk: int) -> Response:
        """The id is that of the device, whose facts are in it: the key has to read devices too. Secret values are masked
        in the content as well; a signed or binary profile is shown decoded.
        """
        profile = self.find(self.profiles(), pk)
        if not may_use(request.auth, "devices", changes=False):
            raise ApiError(403, f"This API key may not read devices: it lacks the scope devices:{READ}.")
        device = self.find(self.rows(Device), self.read(PreviewFilter)["device_id"])
        shown = preview(profile, device, shows_secrets=Secrets(request).is_open)
        secrets = {f"custom attribute {name}": [device.pk] for name in shown.shown_secrets}
        log_viewed(request.account.pk, secrets, actor=request.actor, device=device)
        has_content = may_use(request.auth, self.section, changes=True)
        return Response({"data": encode_preview(profile, device, shown, has_content=has_content)})
