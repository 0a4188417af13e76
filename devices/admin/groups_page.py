"""What the page of a device group shows: its devices by state, what they get, its attribute values and its links."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from devices.models import AssignmentGroup, AttributeValue, Device, DeviceGroup, DeviceState, Profile
from devices.services.groups import DEFAULT_NAME
from mdm.common.words import count_of

STATES = (DeviceState.ENROLLED, DeviceState.AWAITING, DeviceState.UNENROLLED)
SHOWN = 100  # assignment groups, profiles, values and links


@dataclass(frozen=True)
class Value:
    """text is empty for a secret one: the page of the attribute shows it to whoever asks."""

    name: str
    url: str
    text: str
    is_secret: bool


def page_of(group: DeviceGroup) -> dict[str, Any]:
    """For the template."""
    numbers = _by_state(group)
    joined = AssignmentGroup.objects.filter(members__device_group=group).order_by("name", "pk")
    profiles = Profile.objects.for_account(group.account_id).filter(assignments__device_group=group)
    links = group.enrollments.filter(is_automated=False, device=None, revoked_at=None, spent_at=None)
    return {
        "group": group,
        "numbers": [(one.label, numbers.get(one.value, 0), _list_of(group, one.value)) for one in STATES],
        "total": sum(numbers.values()),
        "devices_url": _list_of(group),
        "assignment_groups": joined[:SHOWN],
        "profiles": profiles.order_by("name", "pk")[:SHOWN],
        "values": _values(group),
        "links": links.order_by("-pk")[:SHOWN],
    }


def _by_state(group: DeviceGroup) -> dict[str, int]:
    rows = Device.objects.filter(group=group, removed_at=None).order_by()
    return dict(rows.values_list("state").annotate(number=Count("pk")))


def _list_of(group: DeviceGroup, state: str = "") -> str:
    url = f"{reverse('admin:devices_device_changelist')}?group={group.pk}"
    return f"{url}&state={state}" if state else url


def _values(group: DeviceGroup) -> list[Value]:
    rows: QuerySet[AttributeValue] = group.attribute_values.select_related("attribute").order_by("attribute__name")
    return [
        Value(
            row.attribute.name,
            reverse("admin:devices_customattribute_change", args=[row.attribute_id]),
            "" if row.attribute.is_secret else row.plain,
            row.attribute.is_secret,
        )
        for row in rows.defer("sealed", "attribute__sealed")[:SHOWN]
    ]


def what_deleting_does(group: DeviceGroup) -> str:
    """Whom it concerns, in sentences."""
    default = DeviceGroup.objects.filter(account_id=group.account_id, is_default=True).first()
    default_name = default.name if default else DEFAULT_NAME
    number = sum(_by_state(group).values())
    links = group.enrollments.filter(is_automated=False, device=None, revoked_at=None, spent_at=None).count()
    parts = [
        _("%(devices)s move to the group “%(name)s” and get what belongs to that one instead.")
        % {"devices": count_of(number, "device"), "name": default_name}
        if number != 1
        else _("Its device moves to the group “%(name)s” and gets what belongs to that one instead.")
        % {"name": default_name}
    ]
    if not number:
        parts = [_("No device is in it.")]
    if links:
        words = ngettext(
            "%(number)s enrollment link of it no longer works.",
            "%(number)s enrollment links of it no longer work.",
            links,
        )
        parts.append(words % {"number": f"{links:,}"})
    parts.append(_("Its attribute values, and what is assigned to it, go with it."))
    return " ".join(parts)
