"""Sending a command to a device: does it make sense there, then into the queue of the right channel."""

from dataclasses import replace
from datetime import datetime

from devices.models import Device
from devices.services.errors import NotEnrolled
from mdm.accounts.actors import Actor
from mdm.channels.models import Channel, ChannelState
from mdm.commands.models import Command
from mdm.commands.services import enqueue, enqueue_raw
from mdm.protocol.request_types import Platform, Request, Target, check_target, clean


def send(
    device: Device,
    request: Request,
    *,
    actor: Actor,
    user_key: str = "",
    command_uuid: str | None = None,
    expires_at: datetime | None = None,
) -> Command:
    """Queue a command for the device, or for one of its users.

    Raises NotEnrolled, InvalidCommand (a wrong parameter), NotSupported (platform, OS version, supervision, channel),
    CommandExists; then nothing is queued.
    """
    channel = find_channel(device, user_key)
    parameters = clean(request.request_type, request.parameters)
    check_target(request.request_type, parameters, target_of(device, is_user_channel=bool(user_key)))
    return enqueue(
        channel,
        Request(request.request_type, parameters),
        actor=actor,
        command_uuid=command_uuid,
        expires_at=expires_at,
    )


def send_raw(device: Device, plist: bytes, *, actor: Actor) -> Command:
    """Queue an operator's own command plist, whatever it asks. Raises NotEnrolled, ProtocolError."""
    return enqueue_raw(find_channel(device), plist, actor=actor)


def find_channel(device: Device, user_key: str = "") -> Channel:
    """The open channel of the device or of that user (by user key or short name). Raises NotEnrolled."""
    channels = Channel.objects.filter(device=device, state=ChannelState.OPEN).select_related("device")
    if not user_key:
        channel = channels.filter(user_key="").first()
    else:
        channel = channels.filter(user_key=user_key).first() or channels.filter(user_short_name=user_key).first()
    if channel is None:
        who = f"The user {user_key} of this device" if user_key else "The device"
        raise NotEnrolled(f"{who} is not enrolled.")
    return channel


def target_of(device: Device, *, is_user_channel: bool = False) -> Target:
    """The device's facts as the catalogue's checks want them; what is not known is no reason to refuse."""
    target = plain_target(device, is_user_channel=is_user_channel)
    return replace(target, is_shared_ipad=device.information.get("IsMultiUser") is True)


def plain_target(device: Device, *, is_user_channel: bool = False) -> Target:
    """The same without what only the device's whole answer tells: for many devices at once, whose answers are not loaded."""
    return Target(
        platform=Platform(device.platform) if device.platform else None,
        os_version=device.os_version,
        is_supervised=device.is_supervised,
        is_user_channel=is_user_channel,
        is_user_enrollment=device.is_user_enrollment,
        is_dep=device.is_dep_enrollment,
    )
