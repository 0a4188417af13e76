"""The passwords and keys that are kept of a device: how a new one becomes the present one.

Call these in a transaction that holds the lock of the device: answers come in while people ask for the next change.
"""

from typing import Literal

from devices.models import Device, DeviceSecrets
from mdm.accounts.actors import DEVICE
from mdm.commands.models import Command
from mdm.events.services import emit

Password = Literal["firmware", "recovery_lock", "admin"]


def secrets_of(device: Device) -> DeviceSecrets:
    row, _ = DeviceSecrets.objects.get_or_create(device=device, defaults={"account_id": device.account_id})
    return row


def expect(device: Device, password: Password, new: str, command: Command) -> None:
    """Keep what the command will set until its answer comes; an empty one means that it takes the password off."""
    row = secrets_of(device)
    _set_pending(row, password, new, command.command_uuid)
    row.save()


def confirm(device: Device, password: Password, command: Command, *, new: str | None = None) -> None:
    """The command was carried out. new: what it set, if it is one that somebody else sent and that is known."""
    row = secrets_of(device)
    if _is_pending(row, password, command):
        new = getattr(row, f"pending_{password}_password")
        _set_pending(row, password, "", "")
    if new is None:
        return
    keep(row, device, f"{password}_password", new)
    row.save()


def drop(device: Device, password: Password, command: Command) -> None:
    """The command was not carried out: the present password stays the present one."""
    row = DeviceSecrets.objects.filter(device=device).first()
    if row and _is_pending(row, password, command):
        _set_pending(row, password, "", "")
        row.save()


def keep(row: DeviceSecrets, device: Device, field: str, value: str) -> None:
    """Set the field, with a line in the log where that changes something; the caller saves the row."""
    if getattr(row, field) == value:
        return
    setattr(row, field, value)
    kind = "device.secret_stored" if value else "device.secret_removed"
    emit(kind, account_id=device.account_id, actor=DEVICE, device=device, secret=field)


def _is_pending(row: DeviceSecrets, password: Password, command: Command) -> bool:
    return getattr(row, f"pending_{password}_command") == command.command_uuid


def _set_pending(row: DeviceSecrets, password: Password, value: str, command_uuid: str) -> None:
    setattr(row, f"pending_{password}_password", value)
    setattr(row, f"pending_{password}_command", command_uuid)
