"""What the page of an assignment group shows: its settings, what is in it, and how far it has come."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import Count as CountOf
from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _

from apps_catalog.admin.item_states import COLUMNS
from apps_catalog.admin.watching import SECONDS_OF_MANY, Following, Watch
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
    for which no licence is left. later: from where the line comes with its counts. watch: from where it comes
    anew while something is on its way.
    """

    item: Profile | App
    url: str
    counts: list[Count]
    note: str = ""
    short: int = 0
    later: str = ""
    watch: Watch | None = None


def content_of(group: AssignmentGroup) -> dict[str, Any]:
    """For the template."""
    members = Device.objects.for_account(group.account_id).filter(assignment_memberships__group=group)
    return {
        **(lines_without_numbers(group) if takes_long_in(group) else lines_of(group)),
        "columns": COLUMNS,
        "device_groups": _device_groups(group),
        "devices": members.without_facts().order_by("name", "pk")[:SHOWN_DEVICES],
        "device_total": members.count(),
        "all_devices": devices_of_group(group).count(),
        "attributes": CustomAttribute.objects.filter(values__assignment_group=group).order_by("name").defer("sealed"),
        "is_munki": group.group_type == GroupType.MUNKI,
    }


def lines_of(group: AssignmentGroup) -> dict[str, Any]:
    """The profiles and apps with their numbers on the devices of the group, and what makes them follow."""
    found = totals_of_group(group)
    following = Following.of(group.account_id, *(totals for _item, totals in found))
    short = short_in(devices_of_group(group), [item for item, _ in found if isinstance(item, App)])
    lines = [_line(item, totals, short=short.get(item.pk, 0) if isinstance(item, App) else 0) for item, totals in found]
    url = reverse("admin:devices_assignmentgroup_totals", args=[group.pk])
    return {**_sorted([*lines, *_munki_lines(group)]), "following": following, "watch": following.watch(url)}


def line_of(group: AssignmentGroup, item: Profile | App, following: Following) -> Line:
    """One of them alone, in a group of very many devices."""
    short = short_in(devices_of_group(group), [item]) if isinstance(item, App) else {}
    line = _line(item, following.totals[0], short=short.get(item.pk, 0))
    return replace(line, watch=following.watch(_line_url(group, item), seconds=SECONDS_OF_MANY))


def item_of(group: AssignmentGroup, what: str, pk: int) -> Profile | App | None:
    """what: "app" or "profile". None for what is not in the group, or is Munki's."""
    items = {"app": _apps(group), "profile": _profiles(group)}
    return items[what].filter(pk=pk).first() if what in items else None


def lines_without_numbers(group: AssignmentGroup) -> dict[str, list[Line]]:
    """For a group of very many devices: each line is counted by itself, after the page is there."""
    lines = [
        Line(item, _page(item), [], _("The devices are being counted…"), later=_line_url(group, item))
        for item in (*_apps(group), *_profiles(group))
    ]
    return _sorted([*lines, *_munki_lines(group)])


def _line_url(group: AssignmentGroup, item: Profile | App) -> str:
    what = "app" if isinstance(item, App) else "profile"
    return f"{reverse('admin:devices_assignmentgroup_totals', args=[group.pk])}?{what}={item.pk}"


def _profiles(group: AssignmentGroup) -> QuerySet[Profile]:
    return Profile.objects.filter(assignments__assignment_group=group, removed_at=None)


def _apps(group: AssignmentGroup) -> QuerySet[App]:
    managed = AppAssignment.objects.filter(group=group, deployment_type=GroupType.STANDARD)
    return App.objects.filter(pk__in=managed.values("app"), removed_at=None)


def _sorted(lines: Iterable[Line]) -> dict[str, list[Line]]:
    ordered = sorted(lines, key=lambda line: (line.item.name, line.item.pk))
    return {
        "profiles": [line for line in ordered if isinstance(line.item, Profile)],
        "apps": [line for line in ordered if isinstance(line.item, App)],
    }


def _page(item: Profile | App, page: str = "change") -> str:
    return reverse(f"admin:{item._meta.app_label}_{item._meta.model_name}_{page}", args=[item.pk])


def _line(item: Profile | App, totals: Totals, *, short: int = 0) -> Line:
    devices = _page(item, "devices")
    counts = [Count(state, totals[state], f"{devices}?state={state.value}") for state in COLUMNS]
    return Line(item, _page(item), counts, short=short)


def _munki_lines(group: AssignmentGroup) -> Iterator[Line]:
    by_munki = AppAssignment.objects.filter(group=group, app__removed_at=None, deployment_type=GroupType.MUNKI)
    for one in by_munki.select_related("app"):
        offered = one.get_install_type_display().lower()
        note = _("Munki installs it (%(how)s), so Pomona does not follow it.") % {"how": offered}
        yield Line(one.app, _page(one.app), [], note)


def _device_groups(group: AssignmentGroup) -> list[DeviceGroup]:
    present = CountOf("devices", filter=Q(devices__removed_at=None))
    members = DeviceGroup.objects.filter(assignment_memberships__group=group)
    return list(members.annotate(number=present).order_by("name", "pk"))
