"""Passwords and recovery keys of Macs: set, changed and taken off by commands.

A new password counts once the Mac says that it took it (`devices/results/passwords.py`). One change of a kind at a time:
the next command has to name the password that is the present one by then.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction
from django.db.models import Q

from devices.models import Device, DeviceSecrets
from devices.services.device_secrets import Password, expect
from devices.services.errors import NotPossible
from devices.services.escrow import escrow_key
from devices.services.sending import find_channel, send, target_of
from mdm.accounts.actors import Actor
from mdm.commands.models import Command
from mdm.commands.states import WAITING, ApplyState
from mdm.protocol.password_hash import password_hash
from mdm.protocol.request_types import Request, check_target
from mdm.protocol.request_types import passwords as requests

# None that looks like another one, as people type them from a screen or a sheet of paper.
CHARACTERS = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789"
LENGTH = 16
MIN_LENGTH, MAX_LENGTH = 4, 128
MAX_GUID = 64


def clear_firmware_password(device: Device, *, actor: Actor) -> Command:
    """Take the firmware password off an Intel Mac. Raises NotEnrolled, NotSupported, NotPossible."""
    return _set_firmware_password(device, "", actor)


def rotate_firmware_password(device: Device, *, actor: Actor) -> Command:
    """Give an Intel Mac another firmware password, or its first one. Raises NotEnrolled, NotSupported, NotPossible."""
    return _set_firmware_password(device, new_password(), actor)


def clear_recovery_lock_password(device: Device, *, actor: Actor) -> Command:
    """Take the recovery lock off a Mac with Apple silicon. Raises NotEnrolled, NotSupported, NotPossible."""
    return _set_recovery_lock(device, "", actor)


def rotate_recovery_lock_password(device: Device, *, actor: Actor) -> Command:
    """Give a Mac with Apple silicon another recovery password, or its first one. Raises as `clear_…` does."""
    return _set_recovery_lock(device, new_password(), actor)


def rotate_filevault_key(device: Device, *, actor: Actor) -> Command:
    """Ask a Mac for a new recovery key in place of the one that is known. Raises NotEnrolled, NotSupported, NotPossible.

    Source: Apple, "Rotate File Vault Key Command".
    """
    _check(device, "RotateFileVaultKey")
    if not _known(device).filevault_recovery_key:
        raise NotPossible(
            "The present FileVault recovery key of this Mac is not known; it takes that to get a new one."
        )
    # It may have to be made, which takes a while: not in the transaction below.
    certificate = bytes(escrow_key(device.account, actor=actor).certificate_der)
    with _one_change(device, "RotateFileVaultKey", "FileVault recovery key") as known:
        request = requests.rotate_filevault_key(known.filevault_recovery_key, reply_encryption_certificate=certificate)
        return send(device, request, actor=actor)


def set_admin_password(device: Device, password: str, *, actor: Actor) -> Command:
    """Change the password of the administrator that automated enrollment made on a Mac.

    Raises NotEnrolled, NotSupported, NotPossible. Source: Apple, "Set Auto Admin Password Command".
    """
    _check(device, "SetAutoAdminPassword")
    if not (MIN_LENGTH <= len(password) <= MAX_LENGTH and password.isprintable()):
        raise NotPossible(f"The new password must have {MIN_LENGTH} to {MAX_LENGTH} printable characters.")
    guid = _admin_guid(device)
    if not guid:
        raise NotPossible("This Mac has no administrator that was made by automated enrollment.")
    hashed = password_hash(password)  # takes its time: outside the transaction
    with _one_change(device, "SetAutoAdminPassword", "administrator's password"):
        return _send_new(device, requests.set_auto_admin_password(guid, hashed), "admin", password, actor)


def rotate_admin_password(device: Device, *, actor: Actor) -> Command:
    """The same with a random password. Raises as `set_admin_password` does."""
    return set_admin_password(device, new_password(), actor=actor)


def new_password() -> str:
    """Random; letters and digits that nobody mistakes for each other."""
    return "".join(secrets.choice(CHARACTERS) for _ in range(LENGTH))


def _set_firmware_password(device: Device, new: str, actor: Actor) -> Command:
    """Source: Apple, "Set Firmware Password Command"."""
    _check(device, "SetFirmwarePassword")
    if device.information.get("IsAppleSilicon") is True:
        raise NotPossible("A Mac with Apple silicon has no firmware password; it has a recovery lock instead.")
    with _one_change(device, "SetFirmwarePassword", "firmware password") as known:
        current = known.firmware_password
        if not (new or current):
            raise NotPossible("To be cleared, the firmware password must have been set by Pomona.")
        request = requests.set_firmware_password(new, current_password=current or None)
        return _send_new(device, request, "firmware", new, actor)


def _set_recovery_lock(device: Device, new: str, actor: Actor) -> Command:
    """Source: Apple, "Set Recovery Lock Command"."""
    _check(device, "SetRecoveryLock")
    if device.information.get("IsAppleSilicon") is False:
        raise NotPossible("An Intel Mac has no recovery lock; it has a firmware password instead.")
    with _one_change(device, "SetRecoveryLock", "recovery lock password") as known:
        current = known.recovery_lock_password
        if not (new or current):
            raise NotPossible("To be cleared, the recovery lock password must have been set by Pomona.")
        request = requests.set_recovery_lock(new, current_password=current or None)
        return _send_new(device, request, "recovery_lock", new, actor)


def _check(device: Device, request_type: str) -> None:
    """Whether it is enrolled and knows the command at all, before anything is said of its secrets."""
    find_channel(device)
    check_target(request_type, {}, target_of(device))


@contextmanager
def _one_change(device: Device, request_type: str, what: str) -> Iterator[DeviceSecrets]:
    """What is known of the device, in a transaction that nobody else changes it in.

    Raises NotPossible while a command of this type waits, or its answer has not been read yet.
    """
    with transaction.atomic():
        Device.objects.select_for_update(no_key=True).get(pk=device.pk)
        unfinished = Q(state__in=WAITING) | Q(apply_state=ApplyState.PENDING)
        commands = Command.objects.filter(channel__device=device, channel__user_key="", request_type=request_type)
        if commands.filter(unfinished).exists():
            raise NotPossible(f"A change of the {what} is under way already; wait until this Mac has answered.")
        yield _known(device)


def _known(device: Device) -> DeviceSecrets:
    """An empty row that is not stored where nothing is known."""
    return DeviceSecrets.objects.filter(device=device).first() or DeviceSecrets()


def _send_new(device: Device, request: Request, password: Password, new: str, actor: Actor) -> Command:
    command = send(device, request, actor=actor)
    expect(device, password, new, command)
    return command


def _admin_guid(device: Device) -> str:
    accounts = device.information.get("AutoSetupAdminAccounts")
    first = accounts[0] if isinstance(accounts, list) and accounts else None
    guid = first.get("GUID") if isinstance(first, dict) else None
    return guid if isinstance(guid, str) and len(guid) <= MAX_GUID else ""
