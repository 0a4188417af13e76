"""Device groups: every device is in exactly one."""

from collections.abc import Sequence

from django.db import transaction

from devices.models import Device, DeviceGroup
from devices.services.errors import NotPossible
from mdm.accounts.actors import Actor
from mdm.accounts.models import Account
from mdm.common.batches import batches
from mdm.events.services import build, emit, emit_many

DEFAULT_NAME = "Default"


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
    with transaction.atomic():
        group.name = name
        group.save(update_fields=["name"])
        emit("device_group.updated", account_id=group.account_id, actor=actor, device_group_id=group.pk, name=name)
    return group


def delete_group(group: DeviceGroup, actor: Actor) -> None:
    """Its devices move to the default group first. Raises NotPossible for the default group itself."""
    if group.is_default:
        raise NotPossible("The default device group cannot be deleted: every device needs a group.")
    with transaction.atomic():
        target = default_group(group.account)
        visible = list(group.devices.filter(removed_at=None))
        move_devices(visible, target, actor)
        Device.objects.filter(group=group).update(group=target)
        emit(
            "device_group.removed",
            account_id=group.account_id,
            actor=actor,
            device_group_id=group.pk,
            name=group.name,
        )
        group.delete()


def move_devices(devices: Sequence[Device], group: DeviceGroup, actor: Actor) -> int:
    """Returns how many changed their group; those that are in it already are left alone."""
    moving = [device for device in devices if device.group_id != group.pk]
    if not moving:
        return 0
    with transaction.atomic():
        for some in batches([device.pk for device in moving]):
            Device.objects.filter(pk__in=some).update(group=group)
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
