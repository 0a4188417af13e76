"""What the page of an assignment group shows: its settings, what is in it, and how far it has come."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count as CountOf
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext as _

from apps_catalog.admin.item_states import COLUMNS
from apps_catalog.models import App, AppAssignment
from apps_catalog.services.licence_totals import short_in
from apps_catalog.services.totals import Totals, takes_long_in, totals_of_group
from devices.models import (
    AssignmentGroup,
    CustomAttribute,
    Device,
    DeviceGroup,
    GroupType,
    ItemState,
    Profile,
)
from devices.services.due import devices_of_group

SHOWN_DEVICES = 50


@dataclass(frozen=True)
class Count:
    """How many devices of the group are in that state; url leads to them, among all devices of the account."""

    state: ItemState
    number: int
    url: str


@dataclass(frozen=True)
class Line:
    """A profile or an app of the group. counts: in the order of COLUMNS; none where note says why. short: devices of the group
    for which no licence is left.
    """

    item: Profile | App
    url: str
    counts: list[Count]
    note: str = ""
    short: int = 0


def content_of(group: AssignmentGroup) -> dict[str, Any]:
    """For the template."""
    counts_later = takes_long_in(group)
    members = Device.objects.for_account(group.account_id).filter(assignment_memberships__group=group)
    return {
        **(_lines_without_numbers(group) if counts_later else lines_of(group)),
        "counts_later": counts_later,
        "columns": COLUMNS,
        "device_groups": _device_groups(group),
        "devices": members.without_facts().order_by("name", "pk")[:SHOWN_DEVICES],
        "device_total": members.count(),
        "all_devices": devices_of_group(group).count(),
        "attributes": CustomAttribute.objects.filter(values__assignment_group=group).order_by("name").defer("sealed"),
        "is_munki": group.group_type == GroupType.MUNKI,
    }


def lines_of(group: AssignmentGroup) -> dict[str, Any]:
    """The profiles and apps with their numbers on the devices of the group."""
    found = totals_of_group(group)
    by_munki = AppAssignment.objects.filter(group=group, app__removed_at=None, deployment_type=GroupType.MUNKI)
    short = short_in(devices_of_group(group), [item for item, _ in found if isinstance(item, App)])
    apps = [
        _line(item, "apps_catalog_app", totals, short=short.get(item.pk, 0))
        for item, totals in found
        if isinstance(item, App)
    ]
    apps += [_munki_line(one) for one in by_munki.select_related("app")]
    return {
        "profiles": [_line(item, "devices_profile", totals) for item, totals in found if isinstance(item, Profile)],
        "apps": sorted(apps, key=lambda line: (line.item.name, line.item.pk)),
        "columns": COLUMNS,
    }


def _lines_without_numbers(group: AssignmentGroup) -> dict[str, list[Line]]:
    """For a group of very many devices: its numbers come after the page is there."""
    note = _("The devices are being counted…")
    profiles = Profile.objects.filter(assignments__assignment_group=group, removed_at=None).order_by("name", "pk")
    apps = App.objects.filter(assignments__group=group, removed_at=None).order_by("name", "pk")
    return {
        "profiles": [Line(one, reverse("admin:devices_profile_change", args=[one.pk]), [], note) for one in profiles],
        "apps": [Line(one, reverse("admin:apps_catalog_app_change", args=[one.pk]), [], note) for one in apps],
    }


def _line(item: Profile | App, pages: str, totals: Totals, *, short: int = 0) -> Line:
    devices = reverse(f"admin:{pages}_devices", args=[item.pk])
    counts = [Count(state, totals[state], f"{devices}?state={state.value}") for state in COLUMNS]
    return Line(item, reverse(f"admin:{pages}_change", args=[item.pk]), counts, short=short)


def _munki_line(assignment: AppAssignment) -> Line:
    offered = assignment.get_install_type_display().lower()
    note = _("Munki installs it (%(how)s), so Pomona does not follow it.") % {"how": offered}
    return Line(assignment.app, reverse("admin:apps_catalog_app_change", args=[assignment.app_id]), [], note)


def _device_groups(group: AssignmentGroup) -> list[DeviceGroup]:
    present = CountOf("devices", filter=Q(devices__removed_at=None))
    members = DeviceGroup.objects.filter(assignment_memberships__group=group)
    return list(members.annotate(number=present).order_by("name", "pk"))
