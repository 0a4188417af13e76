"""Device groups: every device is in exactly one."""

from collections.abc import Sequence

from django.db import transaction
from django.db.models import ProtectedError

from devices.models import AssignmentMember, Device, DeviceGroup
from devices.services.clones import copy_wishes, free_name
from devices.services.due import mark_due
from devices.services.errors import NotPossible
from mdm.accounts.actors import Actor
from mdm.accounts.models import Account
from mdm.common.batches import SIZE, batches
from mdm.common.counts import count_up_to
from mdm.events.services import build, emit, emit_many

DEFAULT_NAME = "Default"
MOST_AT_ONCE = 5_000  # devices that move while somebody waits for it: about a second


def default_group(account: Account) -> DeviceGroup:
    """The group of devices that were put in no other; made when it is first needed."""
    group, _ = DeviceGroup.objects.get_or_create(account=account, is_default=True, defaults={"name": DEFAULT_NAME})
    return group


def create_group(account: Account, name: str, actor: Actor) -> DeviceGroup:
    with transaction.atomic():
        group = DeviceGroup.objects.create(account=account, name=name)
        emit("device_group.created", account_id=account.pk, actor=actor, device_group_id=group.pk, name=name)
    return group


def rename_group(group: DeviceGroup, name: str, actor: Actor) -> DeviceGroup:
    """Its devices are marked as due: its name may stand in their profiles."""
    with transaction.atomic():
        # The stored name: a form has written the new one into the object already.
        if DeviceGroup.objects.filter(pk=group.pk).exclude(name=name).exists():
            mark_due(group.devices.all(), why=f"Rename a device group to {name}", actor=actor)
        group.name = name
        group.save(update_fields=["name"])
        emit("device_group.updated", account_id=group.account_id, actor=actor, device_group_id=group.pk, name=name)
    return group


def clone_group(group: DeviceGroup, actor: Actor) -> DeviceGroup:
    """The same profiles, attribute values and assignment groups; no devices, and no enrollment links."""
    with transaction.atomic():
        name = free_name(DeviceGroup.objects.filter(account_id=group.account_id), group.name)
        copy = DeviceGroup.objects.create(account_id=group.account_id, name=name)
        copy_wishes(group, copy)
        memberships = AssignmentMember.objects.filter(device_group=group).order_by("pk")
        AssignmentMember.objects.bulk_create(
            AssignmentMember(account_id=copy.account_id, group_id=pk, device_group=copy)
            for pk in memberships.values_list("group_id", flat=True)
        )
        emit(
            "device_group.created",
            account_id=copy.account_id,
            actor=actor,
            device_group_id=copy.pk,
            name=name,
            copy_of=group.pk,
        )
    return copy


def make_default(group: DeviceGroup, actor: Actor) -> None:
    """From now on devices that come in no other way are put into it. Those of the one before stay where they are."""
    with transaction.atomic():
        Account.objects.select_for_update(no_key=True).get(pk=group.account_id)  # of two at once, one waits
        DeviceGroup.objects.filter(account_id=group.account_id, is_default=True).exclude(pk=group.pk).update(
            is_default=False
        )
        if DeviceGroup.objects.filter(pk=group.pk, is_default=False).update(is_default=True):
            group.is_default = True
            emit(
                "device_group.updated",
                account_id=group.account_id,
                actor=actor,
                device_group_id=group.pk,
                name=group.name,
                is_default=True,
            )


def delete_group(group: DeviceGroup, actor: Actor) -> None:
    """Its devices move to the default group first, with the links that they are awaited by; the group's own links end.

    Raises NotPossible for the default group itself, for one that something refers to which needs a group, and for one with more
    devices than can be moved at once.
    """
    if group.is_default:
        raise NotPossible("The default device group cannot be deleted: every device needs a group.")
    if holds_too_many(group):
        raise NotPossible(
            f"More than {MOST_AT_ONCE:,} devices are in this group. Move them to another one first: choose them in the list of "
            "devices, where moving runs as an operation."
        )
    try:
        _delete_group(group, actor)
    except ProtectedError as error:
        # Of packages above this one: what stands in the way says itself what it is.
        names = sorted({str(row._meta.verbose_name) for row in error.protected_objects})
        raise NotPossible(
            f"This device group cannot be deleted: it is named by {', '.join(names)}. Choose another group there first."
        ) from error


def holds_too_many(group: DeviceGroup) -> bool:
    """Whether its devices cannot be moved while somebody waits. One statement."""
    return count_up_to(group.devices.filter(removed_at=None), MOST_AT_ONCE).has_more


def _delete_group(group: DeviceGroup, actor: Actor) -> None:
    with transaction.atomic():
        target = default_group(group.account)
        visible = list(group.devices.filter(removed_at=None).without_facts())
        move_devices(visible, target, actor)
        Device.objects.filter(group=group).update(group=target)
        group.enrollments.filter(device__isnull=False).update(device_group=target)
        emit(
            "device_group.removed",
            account_id=group.account_id,
            actor=actor,
            device_group_id=group.pk,
            name=group.name,
        )
        group.delete()


def move_devices(devices: Sequence[Device], group: DeviceGroup, actor: Actor) -> int:
    """Returns how many changed their group; those that are in it already are left alone.

    The new group may bring other profiles, apps and attribute values, so they are marked as due.
    """
    moving = [device for device in devices if device.group_id != group.pk]
    why = f"Move devices to {group.name}"
    if not moving:
        return 0
    with transaction.atomic():
        for some in batches(sorted(device.pk for device in moving)):
            # Locked in the order of their keys, as everybody locks devices: an UPDATE takes them as they lie on the disk.
            in_order = Device.objects.filter(pk__in=some).order_by("pk").select_for_update(no_key=True).values("pk")
            Device.objects.filter(pk__in=in_order).update(group=group)
        members = Device.objects.filter(group=group)
        if len(moving) <= SIZE:  # of more, a statement cannot name them: then all of the group are looked at
            members = members.filter(pk__in=[one.pk for one in moving])
        mark_due(members, why=why, actor=actor)
        emit_many(
            build(
                "device.changed_group",
                account_id=group.account_id,
                actor=actor,
                device=device,
                metadata={"device_group_id": group.pk, "device_group": group.name},
            )
            for device in moving
        )
    for device in moving:
        device.group = group
    return len(moving)
