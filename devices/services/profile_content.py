"""What a device gets of a profile, worked out at the moment of delivery."""

from collections.abc import Mapping, Sequence

from devices.models import Device, Profile, ProfileInstall, ProfileVersion
from devices.services.due import mark_due
from devices.services.errors import NotPossible
from devices.services.renderings import fingerprint, variables_in
from devices.services.variables import fill, variables_of
from mdm.channels.models import Channel
from mdm.protocol import mobileconfig
from mdm.protocol.errors import ProtocolError


class NotDeliverable(ProtocolError):
    """The profile cannot be handed to this device; the text says why."""


def delivered(profile_id: int, version: int, device: Device, user_key: str = "", *, command_uuid: str = "") -> bytes:
    """The uploaded bytes; with the device's values in place of variables where the profile asks for it.

    user_key: whose user channel it goes down; empty: the device's own. command_uuid: of the command that carries it; its
    install then remembers which values were filled in.
    Raises NotDeliverable, also where the values would make it another profile or none at all.
    """
    found = ProfileVersion.objects.filter(
        account_id=device.account_id, profile_id=profile_id, number=version, profile__removed_at=None
    )
    row = found.select_related("profile").first()
    if row is None:
        raise NotDeliverable("The profile was deleted before it was delivered.")
    content = row.content
    names = variables_in(content) if row.profile.attribute_support else []
    if not names:
        return content
    user = Channel.objects.filter(device=device, user_key=user_key).first() if user_key else None
    values = variables_of(device, user=user)
    if command_uuid:
        # Before anything can go wrong: what was refused with these values is sent again with others.
        _remember(device, user, command_uuid, names, values)
    return filled(content, row.profile, values)


def _remember(
    device: Device, user: Channel | None, command_uuid: str, names: Sequence[str], values: Mapping[str, str]
) -> None:
    rendered = fingerprint(names, values)
    if not ProfileInstall.objects.filter(device=device, command_uuid=command_uuid).update(rendered=rendered):
        return
    # Whoever changed a value since it was read has marked the device, and the reconciler may have come before this note.
    now = Device.objects.get(pk=device.pk)
    if fingerprint(names, variables_of(now, user=user)) != rendered:
        mark_due(Device.objects.filter(pk=device.pk))


def filled(content: bytes, profile: Profile, values: Mapping[str, str]) -> bytes:
    """The content with the values in place of its variables. Raises NotDeliverable."""
    try:
        found = fill(content, values, escape=profile.escape_attributes)
    except NotPossible as error:
        raise NotDeliverable(str(error)) from error
    _check(found, profile)
    return found


def _check(content: bytes, profile: Profile) -> None:
    """Values come from anywhere, devices included: as XML, they might end an element and begin one of their own."""
    try:
        identifier = mobileconfig.read(content, may_vary=False).identifier
    except ProtocolError as error:
        raise NotDeliverable(f"With this device's values filled in, the profile is not valid: {error}") from error
    if identifier != profile.profile_identifier:
        raise NotDeliverable("With this device's values filled in, the profile has another PayloadIdentifier.")
