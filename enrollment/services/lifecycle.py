"""From invited to enrolled to gone: what check-in messages do to devices, channels and enrollments.

Source: Apple, "Authenticate", "Token Update", "Check Out".
"""

from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from devices.models import Device, DeviceState
from devices.services.actions import prepared_inventory
from devices.services.groups import default_group
from devices.services.matching import find_device, make_device, take_facts
from enrollment.models import Enrollment, IdentityCertificate
from enrollment.services.links import claim
from mdm.accounts.actors import DEVICE
from mdm.accounts.models import Account
from mdm.channels.models import GONE, Channel, ChannelState
from mdm.channels.services import close, take_token
from mdm.commands.services import clear, enqueue_many
from mdm.common import rows
from mdm.common.text import clean_text
from mdm.events.models import Level
from mdm.events.services import emit
from mdm.protocol.checkin import Authenticate, CheckOut, TokenUpdate
from mdm.protocol.ids import ChannelKey


class Refused(Exception):
    """The device may not enroll; the text goes to the log."""


@dataclass(frozen=True)
class Caller:
    """Whose certificate signed the message: identity is None for a certificate of a trusted external CA."""

    account_id: int
    fingerprint: str
    identity: IdentityCertificate | None
    enrollment: Enrollment | None


def authenticated(caller: Caller, message: Authenticate, *, ip: str | None = None) -> Channel:
    """The device begins to enroll: claim its invitation, find or make its row, bind its certificate, empty its queue.

    Nothing of it counts as enrolled before the TokenUpdate that follows. A known device keeps its row and history.
    Raises Refused; then nothing is changed but the log.
    """
    try:
        try:
            with transaction.atomic():
                return _authenticated(caller, message, ip)
        except IntegrityError:
            # The device asked twice at once, and the other request made its row meanwhile: now it is a known one.
            with transaction.atomic():
                return _authenticated(caller, message, ip)
    except Refused as refusal:
        _log_refused(caller.account_id, message.key, refusal, serial_number=message.serial_number)
        raise


def _authenticated(caller: Caller, message: Authenticate, ip: str | None) -> Channel:
    account = caller.identity.account if caller.identity else Account.objects.get(pk=caller.account_id)
    device = _device_for(account, caller, message, find_device(account.pk, message))
    _check_licences(account, device)
    is_new = device.pk is None
    take_facts(device, message)
    if caller.identity and caller.identity.device_id != device.pk:
        _give_to(device, caller.identity)
    same_key = Q(account=account, device_key=message.key.device_id)
    condition = "(account_id = %s AND device_key = %s) OR fingerprint = %s"
    found = rows.select(Channel, condition, account.pk, message.key.device_id, caller.fingerprint, lock=True)
    channel = next(
        (one for one in found if one.device_key == message.key.device_id and not one.user_key),
        Channel(account=account, device_key=message.key.device_id),
    )
    if found or not is_new:
        _leave_behind(device, channel, found, same_key)
    _begin(channel, device, caller, message, ip)
    return channel


def _leave_behind(device: Device, channel: Channel, found: list[Channel], same_key: Q) -> None:
    """What a former enrollment of this device, or of this certificate, left: its queue, its users' lines, its binding."""
    if channel.pk:
        clear(channel, actor=DEVICE, also_sent=True, why="the device enrolls anew")
    # Users' lines too, also those of a removed row of this device: they open again with the users' own TokenUpdate.
    close((Q(device=device) | same_key) & ~Q(pk=channel.pk))
    if found:
        Channel.objects.filter(pk__in=[one.pk for one in found]).update(fingerprint="")


def _begin(channel: Channel, device: Device, caller: Caller, message: Authenticate, ip: str | None) -> None:
    """The device's own line, with the certificate that speaks for it; a user's line gets it with the user's TokenUpdate."""
    channel.device = device
    channel.is_user_enrollment = message.key.is_user_enrollment
    channel.state = ChannelState.AUTHENTICATED
    channel.fingerprint = caller.fingerprint
    channel.topic = clean_text(message.topic, 255)
    channel.push_token, channel.push_magic, channel.push_due_at = b"", "", None
    # Whoever enrolls in the name of a known device must not be handed what that one entrusted to us.
    channel.unlock_token = channel.bootstrap_token = b""
    channel.closed_at = None
    channel.last_seen_at, channel.last_seen_ip = timezone.now(), ip
    if channel.pk:
        channel.save()
    else:
        rows.insert(channel)


def _give_to(device: Device, identity: IdentityCertificate) -> None:
    """The first device that uses a certificate has it for good. Raises Refused if another was quicker."""
    free = IdentityCertificate.objects.filter(Q(device=identity.device_id) | Q(device=device), pk=identity.pk)
    if not free.update(device=device):
        raise Refused("the certificate belongs to another device")


def _device_for(account: Account, caller: Caller, message: Authenticate, known: Device | None) -> Device:
    """The row for this enrollment. Raises Refused where certificate, invitation and device do not belong together."""
    identity, enrollment = caller.identity, caller.enrollment
    if identity and identity.device_id and not _came_by_link(identity, enrollment):
        # Renewed by an enrolled device, or used by one before: it speaks for that device only.
        if known is None or identity.device_id != known.pk:
            raise Refused("the certificate belongs to another device")
        return known
    if identity is None and _speaks_for_another(caller, message):
        raise Refused("the certificate belongs to another device")
    if enrollment is None:
        return known or make_device(account, message, default_group(account).pk)
    announced = enrollment.device
    if announced and announced.removed_at:
        raise Refused("the device was removed")
    if announced and _is_another(announced, message):
        raise Refused("the link was made for another device")
    if not claim(enrollment, caller.fingerprint):
        raise Refused("the link is not valid any more")
    if announced is None:
        return _join(known, enrollment) or make_device(account, message, enrollment.device_group_id)
    if known is None or known.pk == announced.pk:
        return announced
    return _fold(known, announced)


def _came_by_link(identity: IdentityCertificate, enrollment: Enrollment | None) -> bool:
    """Issued by a one-time link for the device that it awaits. What came after the link was spent are renewals."""
    if enrollment is None or enrollment.device_id != identity.device_id:
        return False
    return enrollment.spent_at is None or identity.created_at <= enrollment.spent_at


def _speaks_for_another(caller: Caller, message: Authenticate) -> bool:
    """A certificate of an external CA names no device: it belongs to the first one that used it."""
    bound = Channel.objects.filter(account_id=caller.account_id, fingerprint=caller.fingerprint)
    return bound.exclude(device_key=message.key.device_id).exists()


def _is_another(announced: Device, message: Authenticate) -> bool:
    present = announced.enrollment_id if message.key.is_user_enrollment else announced.udid
    return bool(present) and present != message.key.device_id


def _join(known: Device | None, enrollment: Enrollment) -> Device | None:
    """A known device that comes through a group's link moves to that group."""
    if known is not None:
        known.group_id = enrollment.device_group_id
    return known


def _fold(known: Device, announced: Device) -> Device:
    """A known device came with the link of a row that awaited a new one: the known row stays, name and group move."""
    Enrollment.objects.filter(device=announced).update(device=known)
    IdentityCertificate.objects.filter(device=announced).update(device=known)
    known.name, known.group = announced.name or known.name, announced.group
    announced.delete()
    return known


def _log_refused(account_id: int, key: ChannelKey, refusal: Refused, **facts: str) -> None:
    emit(
        "enrollment.refused",
        account_id=account_id,
        actor=DEVICE,
        level=Level.WARNING,
        why=str(refusal),
        udid=key.device_id,
        **facts,
    )


def _check_licences(account: Account, device: Device) -> None:
    """Asked twice: at Authenticate, so that it is refused early, and at TokenUpdate, where a licence is taken."""
    if account.license_total is None or device.is_enrolled:
        return
    # The account row is the lock under which licences are counted.
    Account.objects.select_for_update().get(pk=account.pk)
    enrolled = Device.objects.for_account(account).filter(state=DeviceState.ENROLLED).count()
    if enrolled >= account.license_total:
        raise Refused(f"all {account.license_total} device licences of the account are in use")


def token_updated(channel: Channel, message: TokenUpdate, *, ip: str | None = None) -> None:
    """Keep the push token; the first one after Authenticate completes the enrollment, later ones only rotate it.

    Raises Refused if others took the last licence since Authenticate; then nothing is changed but the log.
    """
    try:
        with transaction.atomic():
            _token_updated(channel, message, ip)
    except Refused as refusal:
        _log_refused(channel.account_id, message.key, refusal)
        raise


def _token_updated(channel: Channel, message: TokenUpdate, ip: str | None) -> None:
    (channel,) = rows.select(Channel, "id = %s", channel.pk, lock=True)
    if channel.state in GONE:
        return  # an operator removed the device a moment ago: it hears of that at its next connect
    changed = bool(message.token) and bytes(channel.push_token) != message.token
    columns = take_token(
        channel,
        topic=message.topic,
        token=message.token,
        push_magic=message.push_magic,
        unlock_token=message.unlock_token,
    )
    channel.awaiting_configuration = message.awaiting_configuration
    channel.user_short_name = clean_text(message.user_short_name, 255) or channel.user_short_name
    channel.user_long_name = clean_text(message.user_long_name, 255) or channel.user_long_name
    channel.last_seen_at, channel.last_seen_ip = timezone.now(), ip
    columns += ["awaiting_configuration", "user_short_name", "user_long_name", "last_seen_at", "last_seen_ip"]
    is_first = channel.state != ChannelState.OPEN
    if is_first:
        channel.state = ChannelState.OPEN
        channel.enrolled_at = timezone.now()
        channel.push_due_at = channel.enrolled_at if channel.can_be_pushed else None
        columns += ["state", "enrolled_at", "push_due_at"]
    rows.update(channel, columns)
    if is_first and channel.is_user_channel:
        emit(
            "channel.opened",
            account_id=channel.account_id,
            actor=DEVICE,
            device=channel.device,
            user=channel.user_short_name or channel.user_key,
        )
    elif is_first:
        _enrolled(channel)
    elif changed:
        emit("device.token_updated", account_id=channel.account_id, actor=DEVICE, device=channel.device)


def _enrolled(channel: Channel) -> None:
    """The first enrollment work: state, log, and the questions whose answers fill the device's page."""
    device = channel.device
    _check_licences(channel.account, device)
    was_enrolled_before = device.enrolled_at is not None
    device.state = DeviceState.ENROLLED
    device.enrolled_at = timezone.now()
    device.unenrolled_at = None
    rows.update(device, ["state", "enrolled_at", "unenrolled_at"])
    requests = prepared_inventory(device)
    emit(
        "device.reenrolled" if was_enrolled_before else "device.enrolled",
        account_id=channel.account_id,
        actor=DEVICE,
        device=device,
        device_group_id=device.group_id,
        asked=[request.request_type for request in requests],
    )
    enqueue_many([channel], requests, is_logged=False, are_due=True)


def open_user_channel(device_channel: Channel, message: TokenUpdate) -> Channel:
    """The channel of a user of that device, made when the user's first TokenUpdate comes."""
    channel, _ = Channel.objects.get_or_create(
        account_id=device_channel.account_id,
        device_key=device_channel.device_key,
        user_key=message.key.user_id,
        defaults={
            "device": device_channel.device,
            "is_user_enrollment": device_channel.is_user_enrollment,
            "fingerprint": device_channel.fingerprint,
        },
    )
    is_gone = channel.state in GONE
    is_bound = channel.device_id == device_channel.device_id and channel.fingerprint == device_channel.fingerprint
    if is_gone or not is_bound:
        channel.device, channel.fingerprint = device_channel.device, device_channel.fingerprint
        channel.state, channel.closed_at = ChannelState.AUTHENTICATED, None
        channel.save(update_fields=["device", "fingerprint", "state", "closed_at"])
    return channel


def checked_out(channel: Channel, message: CheckOut) -> None:
    """The device removed our profile (or a user was removed from it). Repeats change nothing."""
    device = channel.device
    with transaction.atomic():
        gone = Q(pk=channel.pk) if channel.is_user_channel else Q(device=device)
        for one in Channel.objects.filter(gone).select_related("device"):
            clear(one, actor=DEVICE, also_sent=True, why="the device checked out")
        closed = close(gone)
        if channel.is_user_channel:
            if closed:
                emit("channel.closed", account_id=channel.account_id, actor=DEVICE, device=device, user=str(channel))
            return
        if device.is_enrolled:
            device.state = DeviceState.UNENROLLED
            device.unenrolled_at = timezone.now()
            device.save(update_fields=["state", "unenrolled_at"])
            emit("device.unenrolled", account_id=channel.account_id, actor=DEVICE, device=device, why="checked out")
