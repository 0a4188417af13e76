"""Assignment groups: making and changing them, and which devices belong to them.

Their apps stand in `apps_catalog/services/assignments.py`. Every change marks the devices that it concerns as due.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction

from devices.models import AssignmentGroup, AssignmentMember, Device, DeviceGroup
from devices.services.clones import copy_wishes, free_name
from devices.services.due import hold_members, mark_due, mark_owner_due
from mdm.accounts.actors import Actor
from mdm.accounts.models import Account
from mdm.events.services import build, emit, emit_many

Member = Device | DeviceGroup

MAX_PRIORITY = 20
# What an operator sets; all but the name decide what devices get.
SETTINGS = ("name", "auto_deploy", "group_type", "install_type", "priority", "app_track_location")


def create_assignment_group(account: Account, *, name: str, actor: Actor, **settings: Any) -> AssignmentGroup:
    """settings: any of SETTINGS."""
    with transaction.atomic():
        group = AssignmentGroup.objects.create(account=account, name=name, **settings)
        _emit("created", group, actor, name=name)
    return group


def update_assignment_group(group: AssignmentGroup, changes: Mapping[str, Any], actor: Actor) -> AssignmentGroup:
    """changes: any of SETTINGS; what is the same already is not a change."""
    new = {key: value for key, value in changes.items() if key in SETTINGS and getattr(group, key) != value}
    if not new:
        return group
    with transaction.atomic():
        for key, value in new.items():
            setattr(group, key, value)
        group.save(update_fields=[*new, "updated_at"])
        if new.keys() - {"name"}:
            mark_owner_due(group, why=f"Change the assignment group {group.name}", actor=actor)
        _emit("updated", group, actor, **new)
    return group


def delete_assignment_group(group: AssignmentGroup, actor: Actor) -> None:
    with transaction.atomic():
        why = f"Delete the assignment group {group.name}"
        mark_owner_due(group, why=why, actor=actor)  # while it still knows its devices
        _emit("removed", group, actor, name=group.name)
        group.delete()


def assign_member(group: AssignmentGroup, member: Member, actor: Actor) -> bool:
    """False if it belongs to the group already."""
    with transaction.atomic():
        if isinstance(member, DeviceGroup):
            hold_members(member)
        _, is_new = AssignmentMember.objects.get_or_create(
            group=group, **_column(member), defaults={"account_id": group.account_id}
        )
        if is_new:
            mark_owner_due(member, why=f"Put {member} into {group.name}", actor=actor)
            _emit_member("assigned", group, member, actor)
    return is_new


def assign_devices(group: AssignmentGroup, devices: Sequence[Device], actor: Actor) -> int:
    """The same for some hundred devices at once. Returns how many of them did not belong to the group before."""
    with transaction.atomic():
        members = AssignmentMember.objects.filter(group=group, device__in=devices)
        known = set(members.values_list("device_id", flat=True))
        new = [device for device in devices if device.pk not in known]
        AssignmentMember.objects.bulk_create(
            [AssignmentMember(account_id=group.account_id, group=group, device=device) for device in new],
            ignore_conflicts=True,  # of two who put the same device in, one is the first
        )
        if new:
            joined = Device.objects.filter(pk__in=[device.pk for device in new])
            mark_due(joined, why=f"Put devices into {group.name}", actor=actor)
        emit_many(
            build(
                "assignment_group.assigned",
                account_id=group.account_id,
                actor=actor,
                device=device,
                metadata={"assignment_group_id": group.pk, "name": group.name},
            )
            for device in new
        )
    return len(new)


def assign_device(group: AssignmentGroup, device: Device, actor: Actor, *, remove_others: bool = False) -> bool:
    """remove_others: it leaves every other group. False if it belongs to this one already."""
    with transaction.atomic():
        if remove_others:
            leave_other_groups(device, group, actor)
        return assign_member(group, device, actor)


def unassign_member(group: AssignmentGroup, member: Member, actor: Actor) -> bool:
    """False if it does not belong to the group."""
    with transaction.atomic():
        if isinstance(member, DeviceGroup):
            hold_members(member)
        count, _ = AssignmentMember.objects.filter(group=group, **_column(member)).delete()
        if count:
            mark_owner_due(member, why=f"Take {member} out of {group.name}", actor=actor)
            _emit_member("unassigned", group, member, actor)
    return bool(count)


def leave_other_groups(device: Device, group: AssignmentGroup, actor: Actor) -> int:
    """Take the device out of every other group that it belongs to by itself. Returns out of how many."""
    with transaction.atomic():
        others = AssignmentMember.objects.filter(account_id=group.account_id, device=device).exclude(group=group)
        left = list(others.select_related("group").order_by("pk"))
        if left:
            AssignmentMember.objects.filter(pk__in=[member.pk for member in left]).delete()
            mark_owner_due(device)
            for member in left:
                _emit_member("unassigned", member.group, device, actor)
    return len(left)


def copy_assignment_group(group: AssignmentGroup, actor: Actor) -> AssignmentGroup:
    """A group with the same settings, profiles and attribute values, under a name of its own; it has no devices.

    The caller, who knows the apps, copies these in the same transaction.
    """
    with transaction.atomic():
        settings = {key: getattr(group, key) for key in SETTINGS}
        settings["name"] = free_name(AssignmentGroup.objects.filter(account_id=group.account_id), group.name)
        copy = AssignmentGroup.objects.create(account_id=group.account_id, **settings)
        copy_wishes(group, copy)
        _emit("created", copy, actor, name=copy.name, copy_of=group.pk)
    return copy


def _column(member: Member) -> dict[str, Member]:
    return {"device" if isinstance(member, Device) else "device_group": member}


def _emit_member(what: str, group: AssignmentGroup, member: Member, actor: Actor) -> None:
    if isinstance(member, Device):
        _emit(what, group, actor, device=member, name=group.name)
    else:
        _emit(what, group, actor, name=group.name, device_group_id=member.pk, device_group=member.name)


def _emit(what: str, group: AssignmentGroup, actor: Actor, **facts: Any) -> None:
    emit(f"assignment_group.{what}", account_id=group.account_id, actor=actor, assignment_group_id=group.pk, **facts)
