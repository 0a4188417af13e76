"""From invited to enrolled: what the first check-in messages do to devices, channels and enrollments.

Who may enroll is decided in `admission.py`; how a device leaves stands in `leaving.py`.
Source: Apple, "Authenticate", "Token Update".
"""

from collections.abc import Callable
from functools import partial

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from apps_catalog.models import AppInstall
from devices.models import Device, DeviceState, ProfileInstall
from devices.services.actions import prepared_inventory
from devices.services.due import mark_one
from devices.services.matching import find_device, take_facts
from enrollment.services.admission import Caller, Refused, admit, check_licences, give_to
from enrollment.services.setup_accounts import account_orders
from mdm.accounts.actors import DEVICE
from mdm.accounts.models import Account
from mdm.channels.models import GONE, Channel, ChannelState
from mdm.channels.services import close, take_token
from mdm.commands.services import clear, enqueue_many
from mdm.common import rows
from mdm.common.nudge import nudge_named
from mdm.common.text import clean_text
from mdm.events.models import Level
from mdm.events.services import emit
from mdm.protocol.checkin import Authenticate, TokenUpdate
from mdm.protocol.ids import ChannelKey

RELEASER = "enrollment.tasks.release_waiting_devices"


Tell = Callable[[Channel], None]


def _nobody(channel: Channel) -> None:
    """Nobody is to be told of the message."""


def authenticated(caller: Caller, message: Authenticate, *, ip: str | None = None, tell: Tell = _nobody) -> Channel:
    """The device begins to enroll: claim its invitation, find or make its row, bind its certificate, empty its queue.

    Nothing of it counts as enrolled before the TokenUpdate that follows. A known device keeps its row and history.
    tell: called in the same transaction.
    Raises Refused; then nothing is changed but the log.
    """
    try:
        try:
            with transaction.atomic():
                return _authenticated(caller, message, ip, tell)
        except IntegrityError:
            # The device asked twice at once, and the other request made its row meanwhile: now it is a known one.
            with transaction.atomic():
                return _authenticated(caller, message, ip, tell)
    except Refused as refusal:
        _log_refused(caller.account_id, message.key, refusal, serial_number=message.serial_number)
        raise


def _authenticated(caller: Caller, message: Authenticate, ip: str | None, tell: Tell) -> Channel:
    account = caller.identity.account if caller.identity else Account.objects.get(pk=caller.account_id)
    device = admit(account, caller, message, find_device(account.pk, message))
    check_licences(account, device)
    is_new = device.pk is None
    take_facts(device, message)
    if caller.enrollment and caller.enrollment.is_automated != bool(device.is_dep_enrollment):
        # Macs tell it later, others never do.
        device.is_dep_enrollment = caller.enrollment.is_automated
        rows.update(device, ["is_dep_enrollment"])
    if caller.identity and caller.identity.device_id != device.pk:
        give_to(device, caller.identity)
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
    tell(channel)
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
    channel.awaiting_configuration, channel.awaiting_since = False, None
    channel.closed_at = None
    channel.last_seen_at, channel.last_seen_ip = timezone.now(), ip
    if channel.pk:
        channel.save()
    else:
        rows.insert(channel)


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


def token_updated(channel: Channel, message: TokenUpdate, *, ip: str | None = None, tell: Tell = _nobody) -> None:
    """Keep the push token; the first one after Authenticate completes the enrollment, later ones only rotate it.

    tell: called in the same transaction.
    Raises Refused if others took the last licence since Authenticate; then nothing is changed but the log.
    """
    try:
        with transaction.atomic():
            _token_updated(channel, message, ip)
            tell(channel)
    except Refused as refusal:
        _log_refused(channel.account_id, message.key, refusal)
        raise


def _token_updated(channel: Channel, message: TokenUpdate, ip: str | None) -> None:
    # Whoever writes to both locks the device before its channels; a new token changes nothing of the device.
    device = _locked_device(channel) if channel.state != ChannelState.OPEN else None
    (channel,) = rows.select(Channel, "id = %s", channel.pk, lock=True)
    if channel.state in GONE:
        return  # an operator removed the device a moment ago: it hears of that at its next connect
    if device is not None and device.pk == channel.device_id:
        channel.device = device
    changed = bool(message.token) and bytes(channel.push_token) != message.token
    columns = take_token(
        channel,
        topic=message.topic,
        token=message.token,
        push_magic=message.push_magic,
        unlock_token=message.unlock_token,
    )
    began_to_wait = message.awaiting_configuration and not channel.awaiting_configuration
    if message.awaiting_configuration != channel.awaiting_configuration:
        channel.awaiting_since = channel.token_updated_at if began_to_wait else None
    channel.awaiting_configuration = message.awaiting_configuration
    channel.user_short_name = clean_text(message.user_short_name, 255) or channel.user_short_name
    channel.user_long_name = clean_text(message.user_long_name, 255) or channel.user_long_name
    channel.last_seen_at, channel.last_seen_ip = timezone.now(), ip
    columns += ["awaiting_configuration", "awaiting_since", "user_short_name", "user_long_name"]
    columns += ["last_seen_at", "last_seen_ip"]
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
        # Profiles for users wait for a line to one; what came by a former line of this user went with it.
        ProfileInstall.objects.filter(device=channel.device, user_key=channel.user_key).delete()
        mark_one(channel.device)
    elif is_first:
        _enrolled(channel)
    elif changed:
        emit("device.token_updated", account_id=channel.account_id, actor=DEVICE, device=channel.device)
    if began_to_wait and not (is_first and not channel.is_user_channel):
        # Nothing else may be on its way to that user; a device that has just enrolled has its inventory to tell first.
        transaction.on_commit(partial(nudge_named, RELEASER))


def _locked_device(channel: Channel) -> Device:
    (device,) = rows.select(Device, "id = %s", channel.device_id, lock=True)
    return device


def _enrolled(channel: Channel) -> None:
    """The first enrollment work: state, log, and the questions whose answers fill the device's page."""
    device = channel.device
    if device.removed_at:
        raise Refused("the device was removed")
    check_licences(channel.account, device)
    was_enrolled_before = device.enrolled_at is not None
    device.state = DeviceState.ENROLLED
    device.enrolled_at = timezone.now()
    device.unenrolled_at = None
    # What it should have comes next, by the reconciler; a device that enrolls anew has nothing of what was sent before.
    if was_enrolled_before:
        ProfileInstall.objects.filter(device=device).delete()
        AppInstall.objects.filter(device=device).delete()
    rows.update(device, ["state", "enrolled_at", "unenrolled_at"])
    mark_one(device)
    requests = (*account_orders(channel), *prepared_inventory(device))
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
