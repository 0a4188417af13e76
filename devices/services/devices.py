"""Adding, naming and removing devices."""

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from devices.models import Device, DeviceGroup, DeviceState
from devices.services.due import mark_due
from devices.services.groups import default_group
from devices.services.sending import send
from mdm.accounts.actors import Actor
from mdm.accounts.models import Account
from mdm.channels.models import Channel, ChannelState
from mdm.channels.services import request_push
from mdm.commands.services import clear
from mdm.events.services import emit
from mdm.protocol.request_types.settings import settings_device_name
from mdm.push.tasks import wake_soon


def create_device(account: Account, *, name: str, group: DeviceGroup | None = None, actor: Actor) -> Device:
    """A device that is awaited: it waits for its enrollment in the given group, or the default one."""
    with transaction.atomic():
        device = Device.objects.create(account=account, name=name, group=group or default_group(account))
        emit("device.created", account_id=account.pk, actor=actor, device=device, device_id=device.pk, name=name)
    return device


def update_device(
    device: Device, *, name: str | None = None, email: str | None = None, device_name: str | None = None, actor: Actor
) -> Device:
    """name is what operators call it, email whose it is; device_name is set on the device itself by a queued command.

    Raises NotEnrolled, NotSupported; then nothing is changed.
    """
    with transaction.atomic():
        # The row of the device before those of its channel, as everybody writes to them.
        given = {"name": name, "email": email}
        changes = {key: value for key, value in given.items() if value is not None and value != getattr(device, key)}
        if changes:
            for key, value in changes.items():
                setattr(device, key, value)
            device.save(update_fields=list(changes))
            emit("device.updated", account_id=device.account_id, actor=actor, device=device, **changes)
            mark_due(Device.objects.filter(pk=device.pk), actor=actor)  # both may stand in profiles
        if device_name is not None:
            send(device, settings_device_name(device_name), actor=actor)
    return device


def remove_device(device: Device, actor: Actor) -> None:
    """Take the device out of the account: it leaves every list now, and is told to leave at its next connect.

    Its row stays until then (and for the log); the answer to a device that must go is 401, at which it removes the
    management profile by itself. Nothing happens if somebody else was faster.
    """
    now = timezone.now()
    with transaction.atomic():
        # As it is now, and before its commands and channels: in this order the reconciler locks them too.
        mine = Device.objects.select_for_update(no_key=True)
        device.refresh_from_db(fields=["state", "group", "unenrolled_at", "removed_at"], from_queryset=mine)
        if device.removed_at:
            return
        for channel in Channel.objects.filter(device=device):
            clear(channel, actor=actor, also_sent=True, why="the device was removed")
        leaving = Channel.objects.filter(Q(device=device) & ~Q(state=ChannelState.CLOSED))
        ids = list(leaving.values_list("pk", flat=True))
        leaving.update(state=ChannelState.LEAVING, closed_at=now)
        request_push(ids)
        was_enrolled = device.state == DeviceState.ENROLLED
        device.removed_at = now
        device.state = DeviceState.UNENROLLED
        device.unenrolled_at = now if was_enrolled else device.unenrolled_at
        device.save(update_fields=["removed_at", "state", "unenrolled_at"])
        emit("device.removed", account_id=device.account_id, actor=actor, device=device, name=device.name)
        if was_enrolled:
            facts = {"why": "removed", "device_group_id": device.group_id}
            emit("device.unenrolled", account_id=device.account_id, actor=actor, device=device, **facts)
        transaction.on_commit(wake_soon)
