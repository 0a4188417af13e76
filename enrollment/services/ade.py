"""Automated Device Enrollment: who a device is that asks for its profile, and whether it may have it.

Source: Apple, "MachineInfo", "ErrorUnrecognizedDevice", "ErrorCodeSoftwareUpdateRequired".
"""

from dataclasses import dataclass
from typing import Any

from devices.models import Device
from devices.services.platforms import platform_of
from enrollment.models import DepDevice, DepSettings
from enrollment.services.machine_trust import require_genuine
from mdm.accounts.actors import DEVICE, Actor
from mdm.events.models import Event, Level
from mdm.events.services import build, emit_many
from mdm.protocol.machine_info import MachineInfo, open_machine_info
from mdm.protocol.request_types.targets import is_older

_SERIAL_LENGTH = Event._meta.get_field("serial_number").max_length
_UDID_LENGTH = Event._meta.get_field("udid").max_length


class AdeRefused(Exception):
    """The device gets no profile; str(error) is a sentence for the person in front of it."""


class Unrecognized(AdeRefused):
    """Apple's list does not name it."""


class UpdateRequired(AdeRefused):
    """It has to update before it may enroll, and can be told so."""

    def __init__(self, version: str) -> None:
        super().__init__(f"This device needs version {version} of its system before it can be set up.")
        self.version = version


class NoLicenceLeft(AdeRefused):
    """All device licences of the account are in use."""


class SignInRequired(AdeRefused):
    """The settings want somebody to sign in, and nobody has."""


@dataclass(frozen=True)
class Arrival:
    """A device at the door that Apple's list names. info may be that of a former request (the sign-in)."""

    settings: DepSettings
    info: MachineInfo
    listed: DepDevice


def receive(settings: DepSettings, message: bytes) -> Arrival:
    """The device that signed this MachineInfo.

    Raises ProtocolError for what is no such message, NotTrusted for one that no genuine device signed, Unrecognized.
    """
    signed = open_machine_info(message)
    require_genuine(signed.signer, signed.certificates)
    return recognize(settings, signed.info)


def recognize(settings: DepSettings, info: MachineInfo) -> Arrival:
    """Raises Unrecognized, with a line in the log."""
    serials = {info.serial_number, info.serial_number.upper()}
    listed = DepDevice.objects.filter(server=settings.server_id, serial_number__in=serials).first()
    if listed is None:
        log("ade.refused", settings, info, level=Level.WARNING, why="Apple's list of this server does not name it")
        raise Unrecognized("This device is not known to the organization that it was bought for.")
    return Arrival(settings, info, listed)


def require_version(arrival: Arrival) -> None:
    """Raises UpdateRequired. A device that cannot be made to update is let in, and the log says so."""
    settings, info = arrival.settings, arrival.info
    least = settings.minimum_os.get(platform_of(info.product), "")
    if not least or not is_older(info.os_version, least):
        return
    facts = {"os_version": info.os_version, "minimum": least, "device": arrival.listed.device}
    if info.can_request_update:
        log("ade.update_required", settings, info, **facts)
        raise UpdateRequired(least)
    log("ade.outdated", settings, info, level=Level.WARNING, **facts)


def log(
    kind: str,
    settings: DepSettings,
    info: MachineInfo,
    *,
    actor: Actor = DEVICE,
    device: Device | None = None,
    level: Level = Level.INFO,
    **facts: Any,
) -> None:
    """A line under the device's serial number, whether or not it has a row."""
    metadata = {**facts, "dep_server_id": settings.server_id, "product": info.product}
    event = build(kind, account_id=settings.account_id, actor=actor, device=device, level=level, metadata=metadata)
    event.serial_number = event.serial_number or info.serial_number[:_SERIAL_LENGTH]
    event.udid = event.udid or info.udid[:_UDID_LENGTH]
    emit_many([event])
