"""The page that shows what one device would get of a profile."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps_catalog.services.profile_status import devices_in
from devices.models import Device, Profile
from devices.services.profile_delivery import is_for_users
from devices.services.profile_previews import VariableSource, preview
from devices.services.viewing import log_viewed
from mdm.accounts.admin_base import Page, actor_of, row_number
from mdm.accounts.permissions import Action
from mdm.channels.models import Channel, ChannelState

SUGGESTED = 20
SHOWN_CHARACTERS = 200_000
SOURCE_WORDS = {
    VariableSource.DEVICE: gettext_lazy("Custom attribute, set for the device"),
    VariableSource.GROUP: gettext_lazy("Custom attribute, set for a group"),
    VariableSource.ACCOUNT: gettext_lazy("Custom attribute, its default"),
    VariableSource.BUILT_IN: gettext_lazy("Built in"),
    VariableSource.UNKNOWN: gettext_lazy("Unknown: stays as it is"),
}


class ProfilePreviewPage:
    """Part of `ProfileAdmin`. Profiles hold passwords, so it is for those who may change them."""

    preview_pages = (Page("<int:pk>/preview/", "preview", Action.MANAGE_DEVICES),)

    def preview(self, request: HttpRequest, profile: Profile) -> HttpResponse:
        """`?device=` whose; `?user=` for which user of a Mac; `?q=` finds devices. A POST shows secret values, too."""
        shows_secrets = request.method == "POST"
        if shows_secrets:
            self.demand(request, Action.CONFIGURE)
        device = self._chosen_device(request, profile)
        words = request.GET.get("q", "").replace("\x00", "").strip()[:255]
        context: dict[str, Any] = {"profile": profile, "device": device, "words": words}
        if device is None:
            context["found"] = _suggested(profile, words)
        else:
            context |= self._shown(request, profile, device, shows_secrets=shows_secrets)
        return self.page(
            request,
            "admin/profiles/preview.html",
            title=_("Preview for %(device)s") % {"device": device} if device else _("Preview for a device"),
            crumb=(profile.name, self.url("change", profile.pk)),
            **context,
        )

    def _chosen_device(self, request: HttpRequest, profile: Profile) -> Device | None:
        if "device" not in request.GET:
            return None
        devices = Device.objects.for_account(profile.account_id)
        device = devices.filter(pk=row_number(request.GET["device"])).first()
        if device is None:
            raise Http404
        return device

    def _shown(self, request: HttpRequest, profile: Profile, device: Device, *, shows_secrets: bool) -> dict[str, Any]:
        users = _users(device) if is_for_users(profile, device) else []
        user = next((one for one in users if one.user_key == request.GET.get("user")), users[0] if users else None)
        shown = preview(profile, device, user, shows_secrets=shows_secrets)
        secrets = {f"custom attribute {name}": [device.pk] for name in shown.shown_secrets}
        log_viewed(profile.account_id, secrets, actor=actor_of(request), device=device)
        return {
            "preview": shown,
            "content": shown.content[:SHOWN_CHARACTERS],
            "is_cut": len(shown.content) > SHOWN_CHARACTERS,
            "variables": [(one, SOURCE_WORDS[one.source]) for one in shown.variables],
            "users": users,
            "chosen_user": user,
            "lacks_users": is_for_users(profile, device) and not users,
            "is_signed_by_us": request.get_account().signs_profiles and shown.form != "signed",
        }


def _users(device: Device) -> list[Channel]:
    channels = Channel.objects.filter(device=device, state=ChannelState.OPEN).exclude(user_key="")
    return list(channels.order_by("user_short_name", "pk"))


def _suggested(profile: Profile, words: str) -> list[Device]:
    """What the words find; without words, devices that have the profile or should.

    In the order of their keys: to sort them by name, all that fit would have to be read.
    """
    known = Device.objects.for_account(profile.account_id)
    found = known.search(words) if words else devices_in(profile)
    return list(found.select_related("group").without_facts().order_by("pk")[:SUGGESTED])
