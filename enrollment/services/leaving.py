"""How a device leaves management while its row stays: it checks out, its management profile is removed, or it is erased.

A device says goodbye with CheckOut as it removes the profile, if it gets through; that it will is also known from its
answer to the command.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from devices.models import Device, DeviceState, InstalledProfile
from devices.services.errors import NotPossible
from devices.services.sending import find_channel, send
from enrollment.models import CertificateAuthority
from enrollment.services.profile import profile_identifier
from mdm.accounts.actors import DEVICE, Actor
from mdm.channels.models import Channel, ChannelState
from mdm.channels.services import close
from mdm.commands.models import Command
from mdm.commands.services import clear
from mdm.commands.states import WAITING
from mdm.common import rows
from mdm.events.services import emit
from mdm.protocol.checkin import CheckOut
from mdm.protocol.request_types.profiles import remove_profile

MDM_PAYLOAD = "com.apple.mdm"


def unenroll(device: Device, actor: Actor) -> Command:
    """Queue the removal of the profile that manages the device; one that waits already is returned instead.

    Raises NotEnrolled, and NotPossible where nobody knows that profile's identifier.
    """
    channel = find_channel(device)
    identifier = _managed_by(device)
    if not identifier:
        raise NotPossible("It is not known which profile manages this device; refresh its inventory and try again.")
    present = Command.objects.filter(channel=channel, request_type="RemoveProfile", state__in=WAITING)
    waiting = next((command for command in present if command.parameters.get("Identifier") == identifier), None)
    return waiting or send(device, remove_profile(identifier), actor=actor)


def profile_removed(device: Device, answer: Mapping[str, Any], command: Command) -> None:
    """An acknowledged RemoveProfile of the profile that manages the device: from now on nothing does."""
    identifier = command.parameters.get("Identifier")
    if not command.channel.is_user_channel and identifier and identifier == _managed_by(device):
        _leave(device, command, "its management profile was removed")


def erased(device: Device, answer: Mapping[str, Any], command: Command) -> None:
    """An acknowledged EraseDevice. A Mac that was told not to obliterate may fail to erase itself and stay managed."""
    if command.parameters.get("ObliterationBehavior") != "DoNotObliterate":
        _leave(device, command, "erased")


def checked_out(channel: Channel, message: CheckOut) -> None:
    """The device removed our profile (or a user was removed from it). Repeats change nothing.

    Source: Apple, "Check Out".
    """
    with transaction.atomic():
        (device,) = rows.select(Device, "id = %s", channel.device_id, lock=True)
        if not channel.is_user_channel:
            _end(device, _locked_channels(device), "checked out")
            return
        channel.device = device
        clear(channel, actor=DEVICE, also_sent=True, why="the user's line checked out")
        if close(Q(pk=channel.pk)):
            emit("channel.closed", account_id=channel.account_id, actor=DEVICE, device=device, user=str(channel))


def _managed_by(device: Device) -> str:
    """PayloadIdentifier of the profile with the MDM payload, as the device lists it; otherwise that of our own."""
    listed = InstalledProfile.objects.filter(device=device, user_key="").only("identifier", "payloads")
    for profile in listed.order_by("pk"):
        if any(payload.get("type") == MDM_PAYLOAD for payload in profile.payloads):
            return profile.identifier
    authority = CertificateAuthority.objects.filter(account=device.account_id).first()
    return profile_identifier(authority) if authority else ""


def _leave(device: Device, command: Command, why: str) -> None:
    """Nothing if it has checked out, or has enrolled again since the answer came. Call in a transaction."""
    channels = _locked_channels(device)
    own = next((channel for channel in channels if channel.pk == command.channel_id), None)
    if own is not None and own.state == ChannelState.OPEN and _began_before(own, command):
        _end(device, channels, why)


def _locked_channels(device: Device) -> list[Channel]:
    return list(Channel.objects.select_for_update(no_key=True).filter(device=device).order_by("pk"))


def _end(device: Device, channels: Sequence[Channel], why: str) -> None:
    """Its lines close, nothing waits for it any more, and nothing manages it."""
    for channel in channels:
        channel.device = device
        clear(channel, actor=DEVICE, also_sent=True, why=f"the device left management: {why}")
    close(Q(device=device))
    if not device.is_enrolled:
        return
    device.state, device.unenrolled_at = DeviceState.UNENROLLED, timezone.now()
    device.save(update_fields=["state", "unenrolled_at"])
    emit(
        "device.unenrolled",
        account_id=device.account_id,
        actor=DEVICE,
        device=device,
        device_group_id=device.group_id,
        why=why,
    )


def _began_before(channel: Channel, command: Command) -> bool:
    return channel.enrolled_at is None or command.finished_at is None or channel.enrolled_at <= command.finished_at
