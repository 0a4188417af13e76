"""What the page of a custom attribute shows: its default, what uses it, and where it has which value."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from devices.models import AssignmentGroup, AttributeValue, CustomAttribute, Device, DeviceGroup
from devices.services.attribute_rows import Owner
from devices.services.attribute_uses import MOST, Uses, uses_of
from mdm.accounts.admin_base import row_number
from mdm.common.counts import Number
from mdm.common.words import named

PAGE = 100
SHOWN = 300  # characters of a value
DEVICES, DEVICE_GROUPS, ASSIGNMENT_GROUPS = "devices", "device-groups", "assignment-groups"
# Whose values a tab shows: the column of AttributeValue.
_COLUMNS = {DEVICE_GROUPS: "device_group", ASSIGNMENT_GROUPS: "assignment_group", DEVICES: "device"}
_PAGES = {Device: "device", DeviceGroup: "devicegroup", AssignmentGroup: "assignmentgroup"}


@dataclass(frozen=True)
class ShownValue:
    """text is empty for a secret one: it has to be asked for."""

    row: AttributeValue
    owner: Owner
    url: str
    text: str


def page_of(request: HttpRequest, attribute: CustomAttribute) -> dict[str, Any]:
    """For the template. attribute: with the numbers of `with_numbers`. `?of=` which tab, `?q=` searches, `?after=` goes on."""
    of = request.GET.get("of", "")
    tab = of if of in _COLUMNS else DEVICE_GROUPS
    words = request.GET.get("q", "").replace("\x00", "").strip()[:255]
    column = _COLUMNS[tab]
    found = _rows(attribute, column, words, row_number(request.GET.get("after")) or 0)
    last = getattr(found[PAGE - 1], f"{column}_id") if len(found) > PAGE else None
    uses = uses_of(attribute)
    query = {"of": tab, **({"q": words} if words else {})}
    return {
        "attribute": attribute,
        "uses": uses,
        "uses_words": uses_words(uses),
        "tabs": _tabs(attribute, tab),
        "tab": tab,
        "words": words,
        "rows": [_shown(row, column, attribute) for row in found[:PAGE]],
        "more": f"?{urlencode(query | {'after': last})}" if last else "",
        "first": f"?{urlencode(query)}" if request.GET.get("after") else "",
        "variable": f"{{{{{attribute.name}}}}}",
    }


def _rows(attribute: CustomAttribute, column: str, words: str, after: int) -> list[AttributeValue]:
    """In the order of their owners' keys: there is an index for that, and pages go on where the last one ended."""
    rows = attribute.values.filter(**{f"{column}_id__gt": after})
    if column == "device":
        devices = Device.objects.for_account(attribute.account_id)
        rows = rows.filter(device__in=devices.search(words)) if words else rows.filter(device__removed_at=None)
        rows = rows.prefetch_related(Prefetch("device", Device.objects.without_facts()))
    else:
        rows = rows.filter(**{f"{column}__name__icontains": words}) if words else rows
        rows = rows.select_related(column)
    return list(rows.order_by(f"{column}_id")[: PAGE + 1])


def _shown(row: AttributeValue, column: str, attribute: CustomAttribute) -> ShownValue:
    owner = getattr(row, column)
    text = "" if attribute.is_secret else row.plain
    return ShownValue(row, owner, owner_url(owner), f"{text[:SHOWN]}…" if len(text) > SHOWN else text)


def owner_url(owner: Owner) -> str:
    return reverse(f"admin:devices_{_PAGES[type(owner)]}_change", args=[owner.pk])


def _tabs(attribute: CustomAttribute, tab: str) -> list[tuple[str, str, str, bool]]:
    numbers = {
        DEVICE_GROUPS: (_("Device groups"), attribute.group_values),
        ASSIGNMENT_GROUPS: (_("Assignment groups"), attribute.assignment_group_values),
        DEVICES: (_("Devices"), attribute.device_values),
    }
    return [(label, Number.up_to(number, MOST), f"?of={one}", one == tab) for one, (label, number) in numbers.items()]


def set_in_words(attribute: CustomAttribute) -> str:
    """ "2 device groups, 1,000+ devices", for the list."""
    groups, members, devices = attribute.group_values, attribute.assignment_group_values, attribute.device_values
    parts = []
    if groups:
        words = ngettext("%(number)s device group", "%(number)s device groups", groups)
        parts.append(words % {"number": Number.up_to(groups, MOST)})
    if members:
        words = ngettext("%(number)s assignment group", "%(number)s assignment groups", members)
        parts.append(words % {"number": Number.up_to(members, MOST)})
    if devices:
        words = ngettext("%(number)s device", "%(number)s devices", devices)
        parts.append(words % {"number": Number.up_to(devices, MOST)})
    return ", ".join(parts)


def uses_words(uses: Uses) -> str:
    """Which profiles and scripts name it, as a sentence; empty where none does."""
    profiles, scripts = [one.name for one in uses.profiles], [one.name for one in uses.scripts]
    parts: list[str] = []
    if profiles:
        words = ngettext("the profile %(names)s", "the profiles %(names)s", len(profiles))
        parts.append(words % {"names": named(profiles)})
    if scripts:
        words = ngettext("the script %(names)s", "the scripts %(names)s", len(scripts))
        parts.append(words % {"names": named(scripts)})
    if not parts:
        return ""
    return _("It is named by %(names)s.") % {"names": _(" and ").join(parts)}


def owner_words(owner: Owner) -> str:
    """ "the device group Sales"."""
    if isinstance(owner, DeviceGroup):
        return _("the device group %(name)s") % {"name": owner}
    if isinstance(owner, AssignmentGroup):
        return _("the assignment group %(name)s") % {"name": owner}
    return _("the device %(name)s") % {"name": owner}


def owner_of(row: AttributeValue) -> Owner:
    return row.device or row.device_group or row.assignment_group


def owners_in_words(owners: Sequence[Owner]) -> str:
    return named([owner_words(one) for one in owners], most=3)


def value_rows(attribute: CustomAttribute) -> QuerySet[AttributeValue]:
    return attribute.values.select_related("device", "device_group", "assignment_group")
