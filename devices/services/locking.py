"""Locking a device, and taking passcodes off it."""

from devices.models import Device
from devices.services.errors import NotPossible
from devices.services.sending import find_channel, send, target_of
from mdm.accounts.actors import Actor
from mdm.commands.models import Command
from mdm.protocol.request_types import check_target
from mdm.protocol.request_types import lock as requests


def lock(device: Device, *, actor: Actor, message: str = "", phone_number: str = "", pin: str = "") -> Command:
    """Queue DeviceLock. A Mac needs the PIN (six digits) that unlocks it again; other devices know none.

    Raises NotEnrolled, NotPossible, InvalidCommand, NotSupported. Source: Apple, "Device Lock Command".
    """
    find_channel(device)
    refuse_pin_without_mac(device, pin)
    if device.is_mac and not pin:
        raise NotPossible("A Mac is locked with a PIN of six digits, which unlocks it again: give one as pin.")
    request = requests.device_lock(message=message or None, phone_number=phone_number or None, pin=pin or None)
    return send(device, request, actor=actor)


def refuse_pin_without_mac(device: Device, pin: str) -> None:
    """Raises NotPossible for a PIN that the device would not know what to do with."""
    if pin and device.platform and not device.is_mac:
        raise NotPossible("A PIN is for Macs only; other devices have their passcode.")


def clear_passcode(device: Device, *, actor: Actor) -> Command:
    """Queue ClearPasscode with the token that the device entrusted to us.

    Raises NotEnrolled, NotSupported, and NotPossible without a token.
    """
    channel = find_channel(device)
    check_target("ClearPasscode", {}, target_of(device))
    if not channel.unlock_token:
        raise NotPossible("The device has sent no unlock token, and without it its passcode cannot be cleared.")
    return send(device, requests.clear_passcode(channel.unlock_token), actor=actor)


def clear_restrictions_password(device: Device, *, actor: Actor) -> Command:
    """Queue ClearRestrictionsPassword: the Screen Time passcode goes. Raises NotEnrolled, NotSupported."""
    return send(device, requests.clear_restrictions_password(), actor=actor)
