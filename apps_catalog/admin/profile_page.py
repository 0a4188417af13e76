"""What the pages of profiles show: where a profile is, what is in it, and how far it has come."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Prefetch
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps_catalog.admin.item_states import COLUMNS
from apps_catalog.admin.payload_words import payload_words
from apps_catalog.services.profile_status import Counts, counts_of, devices_in, statuses_of
from apps_catalog.services.totals import totals_of_profile
from devices.models import (
    Device,
    DeviceState,
    ItemState,
    Profile,
    ProfileAssignment,
    ProfileInstall,
    ProfileVersion,
)
from devices.services.profile_previews import unfilled_variables, unknown_variables, warnings_of
from devices.services.profiles import devices_of
from devices.services.renderings import newest_versions
from mdm.common.words import count_of

SHOWN = 50  # assigned devices, and versions, on the page of a profile
PAGE = 100  # devices of one state
STATE_HELP = {
    ItemState.INSTALLED: "The device said that it has it.",
    ItemState.PUSHED: "It is on its way: the device gets it when it connects.",
    ItemState.PENDING: "The device should have it; nothing was sent yet.",
    ItemState.FAILED: "The device refused it.",
    ItemState.REMOVING: "It is being taken from the device.",
    ItemState.NOT_APPLICABLE: "Nothing in it is for this kind of device.",
}
# The parts of a bar: its class, the word below it, and the states that it adds up.
_PARTS = (
    ("installed", "installed", (ItemState.INSTALLED,)),
    ("under-way", "on the way", (ItemState.PUSHED, ItemState.PENDING, ItemState.REMOVING)),
    ("failed", "failed", (ItemState.FAILED,)),
)


@dataclass
class Row:
    """Beside a profile of the list: what is not in its own columns."""

    payload_types: list[str]
    group_names: list[str]
    device_count: int
    counts: Counts


def add_facts(profiles: Iterable[Profile]) -> list[Profile]:
    """`facts` on each profile of a page of the list, in a constant number of statements."""
    found = list(profiles)
    assigned = ProfileAssignment.objects.filter(profile__in=found)
    devices = assigned.filter(device__isnull=False, device__removed_at=None).order_by().values_list("profile")
    numbers = dict(devices.annotate(count=Count("pk")))
    names: dict[int, list[str]] = {one.pk: [] for one in found}
    groups = assigned.filter(device=None).select_related("device_group", "assignment_group").order_by("pk")
    for one in groups:
        names[one.profile_id].append(str(one.device_group or one.assignment_group))
    versions, counts = newest_versions(found), counts_of(found)
    for one in found:
        types = versions[one.pk].payload_types if one.pk in versions else []
        one.facts = Row(types, names[one.pk], numbers.get(one.pk, 0), counts[one.pk])
    return found


def tally(counts: Mapping[ItemState, int]) -> SafeString:
    """A small bar, and the numbers in words: colours are never the only sign."""
    parts = [(name, words, sum(counts.get(state, 0) for state in states)) for name, words, states in _PARTS]
    total = sum(number for _, _, number in parts)
    if not total:
        return format_html('<span class="pm-soft">{}</span>', "on no device yet")
    bars, start = [], 0.0
    for name, _, number in parts:
        width = round(number * 100 / total, 2)
        bars.append((name, round(start, 2), width))
        start += width
    return format_html(
        '<span class="pm-tally"><svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">{}</svg>'
        "<small>{}</small></span>",
        format_html_join("", '<rect class="pm-part-{}" x="{}" width="{}" height="6"/>', bars),
        " · ".join(f"{number:,} {words}" for _, words, number in parts if number),
    )


def page_of(profile: Profile) -> dict[str, Any]:
    """For the template of one profile."""
    version = profile.versions.get(number=profile.version)
    totals = totals_of_profile(profile)
    return {
        "profile": profile,
        "version": version,
        "payloads": payload_words(version.payload_types),
        "warnings": warnings_of(version),
        "unknown": unknown_variables(profile),
        "unfilled": unfilled_variables(profile),
        "totals": [(state, totals[state], STATE_HELP[state]) for state in COLUMNS],
        "tally": tally(totals),
        "versions": profile.versions.defer("content").order_by("-number")[:SHOWN],
        "version_total": profile.versions.count(),
        **_assignments(profile),
    }


def _assignments(profile: Profile) -> dict[str, Any]:
    rows = profile.assignments.select_related("device_group", "assignment_group")
    device = Prefetch("device", Device.objects.without_facts())
    single = profile.assignments.filter(device__isnull=False, device__removed_at=None).prefetch_related(device)
    return {
        "device_groups": rows.filter(device_group__isnull=False).order_by("device_group__name", "pk"),
        "assignment_groups": rows.filter(assignment_group__isnull=False).order_by("assignment_group__name", "pk"),
        "devices": single.order_by("device__name", "pk")[:SHOWN],
        "device_total": single.count(),
    }


def owner_words(one: ProfileAssignment) -> str:
    """ "the device group Sales"."""
    if one.device_group:
        return f"the device group {one.device_group}"
    return f"the assignment group {one.assignment_group}" if one.assignment_group else f"the device {one.device}"


def devices_page(profile: Profile, state: ItemState | None, after: int) -> dict[str, Any]:
    """A page of the devices in that state, beginning after a device's key."""
    found = list(devices_in(profile, state).filter(pk__gt=after).without_facts().order_by("pk")[: PAGE + 1])
    rows = statuses_of(profile, found[:PAGE], state)
    totals = totals_of_profile(profile)
    url = reverse("admin:devices_profile_devices", args=[profile.pk])
    menu = [("All", sum(totals.values()), url, state is None)]
    menu += [(one.label, totals[one], f"{url}?state={one.value}", one is state) for one in COLUMNS]
    more = f"{url}?state={state.value if state else ''}&after={found[PAGE - 1].pk}" if len(found) > PAGE else ""
    return {"profile": profile, "rows": rows, "menu": menu, "state": state, "more": more, "is_first": not after}


def enrolled_devices(profile: Profile) -> int:
    """How many devices a change of the profile concerns now."""
    return devices_of(profile).filter(state=DeviceState.ENROLLED).count()


def what_deleting_does(profile: Profile) -> str:
    here = {"device__state": DeviceState.ENROLLED, "device__removed_at": None}
    having = ProfileInstall.objects.filter(profile=profile, installed_version__isnull=False, **here)
    number = having.values("device").distinct().count()
    others = enrolled_devices(profile) - number
    if not number and not others:
        return "No enrolled device has it or was to get it. Its file and its versions are deleted."
    taken = f"{count_of(number, 'device')} {'loses' if number == 1 else 'lose'} it, with all the settings in it."
    rest = f" {count_of(others, 'device')} that should have had it will not get it." if others > 0 else ""
    return f"{taken}{rest} If it holds the Wi-Fi or VPN by which a device connects, the device may be cut off."


def version_of(profile: Profile, number: int) -> ProfileVersion | None:
    return profile.versions.filter(number=number).first()
