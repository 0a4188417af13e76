"""What the pages of profiles show: where a profile is, what is in it, and how far it has come."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Prefetch
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps_catalog.admin.item_states import COLUMNS
from apps_catalog.admin.payload_words import payload_word, payload_words
from apps_catalog.admin.watching import SECONDS, Following
from apps_catalog.services.profile_status import Counts, counts_of, devices_in, statuses_of
from apps_catalog.services.totals import takes_long, totals_of_profile
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
from devices.services.profile_values import Payload, payloads_of
from devices.services.profiles import devices_of
from devices.services.renderings import newest_versions
from mdm.common.counts import Number
from mdm.common.words import count_of
from mdm.protocol.errors import ProtocolError

SHOWN = 50  # assigned devices on the page of a profile
SHOWN_VERSIONS = 10
SHOWN_VALUES = 40  # of each payload; the page of its content shows more
PAGE = 100  # devices of one state
STATE_HELP = {
    ItemState.INSTALLED: gettext_lazy("The device said that it has it."),
    ItemState.PUSHED: gettext_lazy("It is on its way: the device gets it when it connects."),
    ItemState.PENDING: gettext_lazy("The device should have it; nothing was sent yet."),
    ItemState.FAILED: gettext_lazy("The device refused it."),
    ItemState.REMOVING: gettext_lazy("It is being taken from the device."),
    ItemState.NOT_APPLICABLE: gettext_lazy("Nothing in it is for this kind of device."),
}
# The parts of a bar: its class, the word below it, and the states that it adds up.
_PARTS = (
    ("installed", gettext_lazy("installed"), (ItemState.INSTALLED,)),
    ("under-way", gettext_lazy("on the way"), (ItemState.PUSHED, ItemState.PENDING, ItemState.REMOVING)),
    ("failed", gettext_lazy("failed"), (ItemState.FAILED,)),
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


def tally(counts: Mapping[ItemState, int], *, most: int = 0) -> SafeString:
    """A small bar, and the numbers in words: colours are never the only sign. most: nobody counted further, if it is given."""
    parts = [(name, words, sum(counts.get(state, 0) for state in states)) for name, words, states in _PARTS]
    total = sum(number for _name, _words, number in parts)
    if not total:
        return format_html('<span class="pm-soft">{}</span>', _("on no device yet"))
    bars, start = [], 0.0
    for name, _words, number in parts:
        width = round(number * 100 / total, 2)
        bars.append((name, round(start, 2), width))
        start += width
    return format_html(
        '<span class="pm-tally"><svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">{}</svg>'
        "<small>{}</small></span>",
        format_html_join("", '<rect class="pm-part-{}" x="{}" width="{}" height="6"/>', bars),
        " · ".join(
            f"{Number.up_to(number, most) if most else format(number, ',')} {words}"
            for _, words, number in parts
            if number
        ),
    )


def add_words(payloads: Iterable[Payload]) -> list[tuple[str, Payload]]:
    """Each with its kind as people call it."""
    return [(payload_word(one.payload_type), one) for one in payloads]


def page_of(profile: Profile, *, shows_content: bool) -> dict[str, Any]:
    """For the template of one profile. shows_content: also what is in its payloads, secrets masked."""
    version = profile.versions.get(number=profile.version)
    totals = {"counts_later": True} if takes_long(profile) else totals_context(profile, following_of(profile))
    return {
        **totals,
        "profile": profile,
        "version": version,
        "payloads": payload_words(version.payload_types),
        "warnings": warnings_of(version),
        "unknown": unknown_variables(profile),
        "unfilled": unfilled_variables(profile),
        "contents": _contents(version) if shows_content else [],
        "shown_values": f":{SHOWN_VALUES}",
        "versions": profile.versions.defer("content").order_by("-number")[:SHOWN_VERSIONS],
        "version_total": profile.versions.count(),
        **_assignments(profile),
    }


def following_of(profile: Profile) -> Following:
    return Following.of(profile.account_id, totals_of_profile(profile))


def totals_context(profile: Profile, following: Following, *, seconds: int = SECONDS) -> dict[str, Any]:
    """How far it has come, for the part of the page that shows it."""
    (totals,) = following.totals
    return {
        "profile": profile,
        "watch": following.watch(reverse("admin:devices_profile_totals", args=[profile.pk]), seconds=seconds),
        "totals": [(state, totals[state], STATE_HELP[state]) for state in COLUMNS],
        "tally": tally(totals),
    }


def _contents(version: ProfileVersion) -> list[tuple[str, Payload]]:
    """Nothing for a file that cannot be taken apart because of where its variables stand: its own page says why."""
    try:
        return add_words(payloads_of(version.content))
    except ProtocolError:
        return []


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
        return _("the device group %(name)s") % {"name": one.device_group}
    if one.assignment_group:
        return _("the assignment group %(name)s") % {"name": one.assignment_group}
    return _("the device %(name)s") % {"name": one.device}


def devices_page(profile: Profile, state: ItemState | None, after: int) -> dict[str, Any]:
    """A page of the devices in that state, beginning after a device's key."""
    found = list(devices_in(profile, state).filter(pk__gt=after).without_facts().order_by("pk")[: PAGE + 1])
    rows = statuses_of(profile, found[:PAGE], state)
    totals = None if takes_long(profile) else totals_of_profile(profile)
    url = reverse("admin:devices_profile_devices", args=[profile.pk])
    menu = [(_("All"), sum(totals.values()) if totals else None, url, state is None)]
    menu += [(one.label, totals[one] if totals else None, f"{url}?state={one.value}", one is state) for one in COLUMNS]
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
        return _("No enrolled device has it or was to get it. Its file and its versions are deleted.")
    parts = []
    if number:
        lose = ngettext(
            "%(number)s device loses it, with all the settings in it.",
            "%(number)s devices lose it, with all the settings in it.",
            number,
        )
        parts.append(lose % {"number": f"{number:,}"})
    if others > 0:
        parts.append(
            _("%(devices)s that should have had it will not get it.") % {"devices": count_of(others, "device")}
        )
    parts.append(_("If it holds the Wi-Fi or VPN by which a device connects, the device may be cut off."))
    return " ".join(parts)


def version_of(profile: Profile, number: int) -> ProfileVersion | None:
    return profile.versions.filter(number=number).first()
