"""Showing a person one secret that is kept of a device. Each look is a line of the log, in the transaction of the look itself."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db import transaction
from django.utils.translation import gettext as _

from devices.models import CustomAttribute, Device, DeviceSecrets
from devices.services import passwords
from devices.services.attributes import values_of
from devices.services.errors import NotPossible
from devices.services.viewing import log_viewed
from mdm.accounts.actors import Actor
from mdm.commands.models import Command
from mdm.commands.states import State
from mdm.protocol import report

PIN = "/PIN"  # of DeviceLock, as `split_secrets` names it


class Secret(StrEnum):
    """By the names that the log and the API have for them."""

    FILEVAULT = "filevault_recovery_key"
    RECOVERY_LOCK = "recovery_lock_password"
    FIRMWARE = "firmware_password"
    ADMIN = "admin_password"
    UNLOCK_PIN = "unlock_pin"
    BYPASS_CODE = "activation_lock_bypass_code"


@dataclass(frozen=True)
class Kept:
    """Whether there is one, without opening it. since: when it came, where that is known. is_changing: another is on its way."""

    secret: Secret
    is_there: bool
    since: datetime | None = None
    is_changing: bool = False


_COLUMNS = {
    Secret.FILEVAULT: "",
    Secret.RECOVERY_LOCK: "pending_recovery_lock_command",
    Secret.FIRMWARE: "pending_firmware_command",
    Secret.ADMIN: "pending_admin_command",
}
_ROTATIONS: dict[Secret, Callable[..., Command]] = {
    Secret.FILEVAULT: passwords.rotate_filevault_key,
    Secret.RECOVERY_LOCK: passwords.rotate_recovery_lock_password,
    Secret.FIRMWARE: passwords.rotate_firmware_password,
    Secret.ADMIN: passwords.rotate_admin_password,
}


def kept_of(device: Device) -> list[Kept]:
    """All that a device of this kind can have. Three statements; nothing is decrypted."""
    found = []
    if device.is_mac:
        row = DeviceSecrets.objects.filter(device=device).first()
        for secret, pending in _COLUMNS.items():
            is_there = bool(row and row.__dict__.get(secret.value))
            is_changing = bool(row and pending and getattr(row, pending))
            found.append(Kept(secret, is_there, is_changing=is_changing))
        lock = _last_lock(device)
        found.append(Kept(Secret.UNLOCK_PIN, lock is not None, lock.created_at if lock else None))
    code = _bypass_answer(device)
    found.append(Kept(Secret.BYPASS_CODE, code is not None, code.finished_at if code else None))
    return found


def reveal(device: Device, secret: Secret, actor: Actor) -> str:
    """The secret itself. Raises NotPossible where none is kept; then nothing is logged."""
    value = _open(device, secret)
    if not value:
        raise NotPossible(_("Pomona keeps no such secret of this device."))
    with transaction.atomic():
        log_viewed(device.account_id, {secret.value: [device.pk]}, actor=actor, device=device)
    return value


def reveal_attribute(device: Device, attribute: CustomAttribute, actor: Actor) -> str:
    """The value of a secret attribute that counts for the device. Raises NotPossible where there is none."""
    value = values_of(device, [attribute])[attribute.name].value
    if not value:
        raise NotPossible(_("%(name)s has no value for this device.") % {"name": attribute.name})
    with transaction.atomic():
        shown = {f"custom attribute {attribute.name}": [device.pk]}
        log_viewed(device.account_id, shown, actor=actor, device=device)
    return value


def can_be_rotated(secret: Secret) -> bool:
    return secret in _ROTATIONS


def rotate(device: Device, secret: Secret, actor: Actor) -> Command:
    """Have the Mac take another one. Raises NotEnrolled, NotSupported, NotPossible."""
    if secret not in _ROTATIONS:
        raise NotPossible(_("The device itself makes this one; it cannot be changed from here."))
    return _ROTATIONS[secret](device, actor=actor)


def _open(device: Device, secret: Secret) -> str:
    if secret in _COLUMNS:
        row = DeviceSecrets.objects.filter(device=device).first()
        return getattr(row, secret.value) if row else ""
    if secret is Secret.UNLOCK_PIN:
        lock = _last_lock(device)
        pin = (lock.secrets or {}).get(PIN) if lock else None
    else:
        code = _bypass_answer(device)
        pin = report.answer(code.result).get("ActivationLockBypassCode") if code else None
    return pin if isinstance(pin, str) else ""


def _last_lock(device: Device) -> Command | None:
    """The last lock that the Mac got, or will get: its PIN is what the Mac asks for."""
    states = (State.QUEUED, State.SENT, State.ACKNOWLEDGED)
    locks = Command.objects.filter(channel__in=_channels(device), request_type="DeviceLock", state__in=states)
    return locks.exclude(secrets=None).defer("result", "raw_plist").order_by("-pk").first()


def _bypass_answer(device: Device) -> Command | None:
    """The last answer with the code that has not been forgotten yet (RESULT_RETENTION_DAYS)."""
    answers = Command.objects.filter(
        channel__in=_channels(device), request_type="ActivationLockBypassCode", state=State.ACKNOWLEDGED
    )
    return answers.exclude(result=None).defer("raw_plist", "secrets").order_by("-pk").first()


def _channels(device: Device) -> list[int]:
    """The device's own one; users have no such secrets."""
    return [channel.pk for channel in device.channels.all() if not channel.user_key]
