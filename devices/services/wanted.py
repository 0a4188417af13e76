"""Which profiles devices should have, and why. Apps are added to it in `apps_catalog/services/wanted.py`."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from django.db.models import Q

from devices.models import Device, Profile, ProfileAssignment, ProfileKind
from devices.services.memberships import Memberships


class SourceKind(StrEnum):
    """What an assignment names."""

    DEVICE = "device"
    DEVICE_GROUP = "device_group"
    ASSIGNMENT_GROUP = "assignment_group"


class Source(NamedTuple):
    """Why a device should have something. via: the device group by which it belongs to that assignment group."""

    kind: SourceKind
    pk: int
    via: int | None = None


@dataclass(slots=True)
class WantedProfile:
    profile: Profile
    sources: list[Source] = field(default_factory=list)


def wanted_profiles(devices: Sequence[Device], groups: Memberships) -> dict[int, dict[int, WantedProfile]]:
    """Device pk → profile pk → what and why; groups: see `assignment_groups_of`. One statement."""
    by_device_group: dict[int, list[int]] = defaultdict(list)
    by_assignment_group: dict[int, list[tuple[int, int | None]]] = defaultdict(list)
    for device in devices:
        by_device_group[device.group_id].append(device.pk)
        for group_id, via in groups.get(device.pk, {}).items():
            by_assignment_group[group_id].append((device.pk, via))
    assignments = ProfileAssignment.objects.filter(
        Q(device__in=[device.pk for device in devices])
        | Q(device_group__in=by_device_group)
        | Q(assignment_group__in=by_assignment_group),
        profile__removed_at=None,
        profile__kind=ProfileKind.CUSTOM,
    ).select_related("profile")
    wanted: dict[int, dict[int, WantedProfile]] = defaultdict(dict)
    for one in assignments.order_by("pk"):
        for pk, source in _owners(one, by_device_group, by_assignment_group):
            item = wanted[pk].get(one.profile_id)
            if item is None:
                item = wanted[pk][one.profile_id] = WantedProfile(one.profile)
            item.sources.append(source)
    return wanted


def _owners(
    one: ProfileAssignment,
    by_device_group: Mapping[int, list[int]],
    by_assignment_group: Mapping[int, list[tuple[int, int | None]]],
) -> list[tuple[int, Source]]:
    """Each device that the assignment names, and why."""
    if one.device_id:
        return [(one.device_id, Source(SourceKind.DEVICE, one.device_id))]
    if one.device_group_id:
        source = Source(SourceKind.DEVICE_GROUP, one.device_group_id)
        return [(pk, source) for pk in by_device_group[one.device_group_id]]
    group = one.assignment_group_id
    return [(pk, Source(SourceKind.ASSIGNMENT_GROUP, group, via)) for pk, via in by_assignment_group[group]]
