"""Which assignment groups devices belong to, by themselves or through their device group."""

from collections import defaultdict
from collections.abc import Sequence

from django.db.models import Q, QuerySet

from devices.models import AssignmentMember, Device, Profile, ProfileAssignment

# Device pk → pk of each of its assignment groups → the device group by which it belongs there; None: by itself.
Memberships = dict[int, dict[int, int | None]]


def assignment_groups_of(devices: Sequence[Device]) -> Memberships:
    """One statement."""
    in_device_group: dict[int, list[int]] = defaultdict(list)
    for device in devices:
        in_device_group[device.group_id].append(device.pk)
    members = AssignmentMember.objects.filter(
        Q(device__in=[device.pk for device in devices]) | Q(device_group__in=in_device_group)
    )
    groups: Memberships = defaultdict(dict)
    for group_id, device_id, device_group_id in members.values_list("group_id", "device_id", "device_group_id"):
        if device_id:
            groups[device_id][group_id] = None
            continue
        for pk in in_device_group[device_group_id]:
            groups[pk].setdefault(group_id, device_group_id)
    return groups


def assigned_to(profile: Profile) -> Q:
    """A condition on devices: that one of the profile's assignments names them, in whichever of the three ways."""
    assigned = ProfileAssignment.objects.filter(profile=profile)
    groups = assigned.filter(assignment_group__isnull=False).values("assignment_group")
    return named_in(assigned) | named_in(AssignmentMember.objects.filter(group__in=groups))


def named_in(rows: QuerySet[AssignmentMember] | QuerySet[ProfileAssignment]) -> Q:
    """A condition on devices: that one of the rows names them, by themselves or by their device group."""
    return Q(pk__in=rows.filter(device__isnull=False).values("device")) | Q(
        group__in=rows.filter(device_group__isnull=False).values("device_group")
    )
