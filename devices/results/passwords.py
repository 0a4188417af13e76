"""Changed passwords and recovery keys: the new ones count from the Mac's answer on.

Source: Apple, "Set Firmware Password Command", "Set Recovery Lock Command", "Set Auto Admin Password Command",
"Rotate File Vault Key Command".
"""

from collections.abc import Mapping
from typing import Any

from devices.models import Device
from devices.results.facts import boolean, dictionary
from devices.results.recovery_keys import log_unreadable, take
from devices.services.device_secrets import confirm, drop, secrets_of
from mdm.commands.models import Command
from mdm.protocol.request_types import join_secrets


def firmware_password_set(device: Device, answer: Mapping[str, Any], command: Command) -> None:
    """An Intel Mac acknowledges what it did not do as well, and says so."""
    if boolean(dictionary(answer, "SetFirmwarePassword"), "PasswordChanged"):
        confirm(device, "firmware", command, new=_new_password(command))
    else:
        drop(device, "firmware", command)


def firmware_password_not_set(device: Device, command: Command, why: str) -> None:
    drop(device, "firmware", command)


def recovery_lock_set(device: Device, answer: Mapping[str, Any], command: Command) -> None:
    confirm(device, "recovery_lock", command, new=_new_password(command))


def recovery_lock_not_set(device: Device, command: Command, why: str) -> None:
    drop(device, "recovery_lock", command)


def admin_password_set(device: Device, answer: Mapping[str, Any], command: Command) -> None:
    confirm(device, "admin", command)


def admin_password_not_set(device: Device, command: Command, why: str) -> None:
    drop(device, "admin", command)


def filevault_key_rotated(device: Device, answer: Mapping[str, Any], command: Command) -> None:
    if command.parameters.get("KeyType") != "personal":
        return
    encrypted = dictionary(answer, "RotateResult").get("EncryptedNewRecoveryKey")
    if not isinstance(encrypted, bytes):
        log_unreadable(device, command, "The Mac has changed its recovery key and does not tell the new one.")
        return
    row = secrets_of(device)
    take(row, device, encrypted, command)
    row.save()


def _new_password(command: Command) -> str | None:
    """What an operator's own command sets; a raw one does not tell."""
    new = join_secrets(command.parameters, command.secrets or {}).get("NewPassword")
    return new if isinstance(new, str) else None
