"""The tabs of a device's page for profiles and apps: what it should have and why, how far that has come, and what is there."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps_catalog.services.items import Item, ItemKind, items_of, retry, stop
from devices.admin.page.tabs import Tab
from devices.models import Device, InstalledProfile, ItemState, Profile
from devices.services.errors import NotPossible
from enrollment.models import CertificateAuthority
from enrollment.services.profile import profile_identifier
from mdm.accounts.admin_base import Page, actor_of, row_number
from mdm.accounts.permissions import Action

PAGES = {ItemKind.PROFILE: "admin:devices_profile_change", ItemKind.APP: "admin:apps_catalog_app_change"}
TAB_KEYS = {ItemKind.PROFILE: "profiles", ItemKind.APP: "apps"}
MOST = 500  # rows of what is installed; the search finds those beyond
MAX_SEARCH = 100


def profiles(device: Device, query: Mapping[str, str]) -> dict[str, Any]:
    wanted = _wanted(device, ItemKind.PROFILE)
    found = list(device.installed_profiles.order_by("name", "identifier").defer("details")[: MOST + 1])
    ours, enrolls = _our_identifiers(found, device), _identifiers_of_enrollment(device)
    users = {channel.user_key: channel.user_short_name for channel in device.channels.all() if channel.user_key}
    installed = [
        _installed(one, ours.get(one.identifier), users.get(one.user_key, one.user_key), one.identifier in enrolls)
        for one in found[:MOST]
    ]
    return {**wanted, "installed": installed, "is_cut": len(found) > MOST, "most": MOST}


def apps(device: Device, query: Mapping[str, str]) -> dict[str, Any]:
    search = query.get("q", "").replace("\x00", "").strip()[:MAX_SEARCH]
    found = device.installed_apps.order_by("name", "identifier").defer("details")
    if search:
        found = found.filter(Q(name__icontains=search) | Q(identifier__icontains=search))
    rows = list(found[: MOST + 1])
    context = {"apps": rows[:MOST], "is_cut": len(rows) > MOST, "most": MOST, "search": search}
    return _wanted(device, ItemKind.APP) | context


PROFILES = Tab("profiles", gettext_lazy("Profiles"), "admin/devices/tabs/profiles.html", profiles)
APPS = Tab("apps", gettext_lazy("Apps"), "admin/devices/tabs/apps.html", apps)


def assigned(device: Device, query: Mapping[str, str]) -> dict[str, Any]:
    """Both kinds at once: where pages of groups lead to."""
    sections = {kind: _wanted(device, kind, items) for kind, items in _by_kind(items_of(device)).items()}
    return {
        "of_profiles": sections[ItemKind.PROFILE]["lines"],
        "of_apps": sections[ItemKind.APP]["lines"],
        "is_moving": any(section["is_moving"] for section in sections.values()),
    }


ASSIGNED = Tab("assigned", gettext_lazy("Assigned"), "admin/devices/tabs/assigned.html", assigned, is_listed=False)


def with_items(tabs: Iterable[Tab]) -> list[Tab]:
    """Apps and profiles stand behind what the device is; they are there for every device, as both can wait for it."""
    tabs = list(tabs)
    place = next((i for i, tab in enumerate(tabs) if tab.key == "certificates"), 0)
    return [*tabs[:place], APPS, PROFILES, *tabs[place:], ASSIGNED]


class AssignedPages:
    """Part of the device admin: what can be done about one item. `kind` and `id` are posted."""

    assigned_pages = (
        Page("<int:pk>/assigned/retry/", "retry_item", Action.MANAGE_DEVICES, post_only=True),
        Page("<int:pk>/assigned/stop/", "stop_item", Action.MANAGE_DEVICES, post_only=True),
    )

    def retry_item(self, request: HttpRequest, device: Device) -> HttpResponse:
        item = _posted_item(request, device)
        try:
            retry(device, item.kind, item.pk, actor_of(request))
        except NotPossible as error:
            return self.refused(request, str(error), self._items_url(device, item))
        sentence = _("%(name)s is sent to the device again.") % {"name": item.name}
        return self.done(request, sentence, self._items_url(device, item))

    def stop_item(self, request: HttpRequest, device: Device) -> HttpResponse:
        item = _posted_item(request, device)
        try:
            stop(device, item.kind, item.pk, actor_of(request))
        except NotPossible as error:
            return self.refused(request, str(error), self._items_url(device, item))
        sentence = _("%(name)s is not sent to this device any more, until a newer version is sent or you retry it.")
        return self.done(request, sentence % {"name": item.name}, self._items_url(device, item))

    def _items_url(self, device: Device, item: Item) -> str:
        return f"{self.url('change', device.pk)}?tab={TAB_KEYS[item.kind]}"


def _posted_item(request: HttpRequest, device: Device) -> Item:
    """The line of the device that was clicked; 404 for whatever the device has nothing to do with."""
    wanted = (request.POST.get("kind", ""), row_number(request.POST.get("id")))
    item = next((one for one in items_of(device) if (one.kind, one.pk) == wanted), None)
    if item is None:
        raise Http404
    return item


def _by_kind(items: Iterable[Item]) -> dict[ItemKind, list[Item]]:
    items = list(items)
    return {kind: [item for item in items if item.kind == kind] for kind in ItemKind}


def _wanted(device: Device, kind: ItemKind, items: Iterable[Item] | None = None) -> dict[str, Any]:
    """The lines of one kind, by name. items: those of that kind, where they are known already."""
    found = items_of(device, kind) if items is None else items
    items = sorted(found, key=lambda item: (item.name.lower(), item.pk, item.user))
    now = timezone.now()
    is_moving = device.is_enrolled and any(_is_due(item, now) for item in items)
    return {"lines": [_line(item, now) for item in items], "is_moving": is_moving}


def _line(item: Item, now: datetime) -> dict[str, Any]:
    """sources is empty for what is to go; its page may be gone then as well."""
    return {
        "item": item,
        "url": reverse(PAGES[item.kind], args=[item.pk]) if item.sources else "",
        "label": item.state.label,
        "is_retried_now": item.retry_at is not None and item.retry_at <= now,
        "gives_up": item.attempts > 0 and item.retry_at is None and not item.is_stopped,
        "is_bad": item.state == ItemState.FAILED or item.attempts > 0,
    }


def _is_due(item: Item, now: datetime) -> bool:
    """Whether something is about to be sent for it, so that the page should look again."""
    is_next = item.state == ItemState.PENDING and not item.note
    return is_next or (item.retry_at is not None and item.retry_at <= now)


def _installed(one: InstalledProfile, ours: Profile | None, user: str, enrolls: bool) -> dict[str, Any]:
    """Only what came by management, and stands on no list of ours, is removed by a command of its own."""
    can_be_removed = one.is_managed is True and not (one.user_key or ours or enrolls)
    return {"profile": one, "ours": ours, "for_user": user, "enrolls": enrolls, "can_be_removed": can_be_removed}


def _our_identifiers(found: Iterable[InstalledProfile], device: Device) -> dict[str, Profile]:
    """PayloadIdentifier → the profile of the account that has it: what is there because we sent it, now or before."""
    identifiers = {one.identifier for one in found}
    known = Profile.objects.for_account(device.account_id).filter(profile_identifier__in=identifiers)
    return {one.profile_identifier: one for one in known.only("pk", "name", "profile_identifier", "account")}


def _identifiers_of_enrollment(device: Device) -> set[str]:
    """Of the profile by which the device is managed: it is not removed like others, but by removing the device."""
    authorities = CertificateAuthority.objects.filter(account=device.account_id).only("scep_id", "account")
    return {profile_identifier(authority) for authority in authorities}
