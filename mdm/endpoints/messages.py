"""One function for each check-in message. Source: Apple, "Check-in"."""

import logging
from dataclasses import dataclass

from django.db import transaction
from django.http import HttpResponse

from enrollment.services import leaving, lifecycle
from enrollment.services.admission import Refused
from mdm.accounts.actors import DEVICE
from mdm.channels.models import GONE, Channel
from mdm.endpoints import declarative, replies
from mdm.endpoints.bindings import caller_of, find_channel, require_live
from mdm.endpoints.door import Forbidden
from mdm.events import micromdm
from mdm.events.micromdm import Heard
from mdm.events.services import emit
from mdm.protocol import plist
from mdm.protocol.checkin import (
    Authenticate,
    CheckOut,
    DeclarativeManagement,
    GetBootstrapToken,
    GetToken,
    SetBootstrapToken,
    TokenUpdate,
    UserAuthenticate,
)
from mdm.protocol.cms import Signer
from mdm.protocol.errors import Malformed
from mdm.protocol.ids import ChannelKey

MAX_PUSH_TEXT = 255

logger = logging.getLogger("pomona.devices")


@dataclass(frozen=True)
class Call:
    """Who sent the message, the token of the URL, from where, and the message itself for those that are told of it."""

    signer: Signer
    token: str
    ip: str | None
    heard: Heard | None = None

    def tell(self, channel: Channel) -> None:
        """In the transaction of what the message changes, when nothing can refuse it any more."""
        if self.heard is not None:
            micromdm.tell(self.heard, account_id=channel.account_id, device_id=channel.device_id)


def authenticate(call: Call, message: Authenticate) -> HttpResponse:
    caller = caller_of(call.signer, call.token)
    try:
        lifecycle.authenticated(caller, message, ip=call.ip, tell=call.tell)
    except Refused as refusal:
        raise Forbidden(f"Enrollment refused: {refusal}.") from refusal
    return replies.empty()


def token_update(call: Call, message: TokenUpdate) -> HttpResponse:
    _check_push_data(message)
    channel = find_channel(call.signer, message.key)
    if message.key.is_user and (channel is None or channel.state in GONE):
        # A user's own line opens (again) with this message, as long as the device's is.
        device_key = ChannelKey(message.key.device_id, is_user_enrollment=message.key.is_user_enrollment)
        channel = lifecycle.open_user_channel(_live(call, device_key), message)
    channel = _must_be_live(channel)
    try:
        lifecycle.token_updated(channel, message, ip=call.ip, tell=call.tell)
    except Refused as refusal:
        raise Forbidden(f"Enrollment refused: {refusal}.") from refusal
    return replies.empty()


def check_out(call: Call, message: CheckOut) -> HttpResponse:
    """Also from a channel that is closed or must leave: the device did what it should."""
    channel = find_channel(call.signer, message.key)
    if channel is None:
        raise Forbidden("The certificate is not bound to this device.")
    with transaction.atomic():
        leaving.checked_out(channel, message)
        call.tell(channel)
    return replies.empty()


def set_bootstrap_token(call: Call, message: SetBootstrapToken) -> HttpResponse:
    """An absent or empty token takes the stored one back."""
    channel = _live(call, message.key)
    with transaction.atomic():
        channel.bootstrap_token = message.bootstrap_token or b""
        channel.save(update_fields=["bootstrap_token"])
        kind = "bootstrap_token.stored" if message.bootstrap_token else "bootstrap_token.cleared"
        emit(kind, account_id=channel.account_id, actor=DEVICE, device=channel.device)
        call.tell(channel)
    return replies.empty()


def get_bootstrap_token(call: Call, message: GetBootstrapToken) -> HttpResponse:
    """A Mac without a stored token gets an empty dictionary: it understands that there is none."""
    channel = _live(call, message.key)
    token = channel.bootstrap_token
    with transaction.atomic():
        if token:
            emit("bootstrap_token.fetched", account_id=channel.account_id, actor=DEVICE, device=channel.device)
        call.tell(channel)
    if not token:
        return replies.plist(plist.dumps({}))
    return replies.plist(plist.dumps({"BootstrapToken": token}))


def user_authenticate(call: Call, message: UserAuthenticate) -> HttpResponse:
    """410: users that log in from a directory are not managed here; local users get their channel by TokenUpdate."""
    _live(call, ChannelKey(message.key.device_id, is_user_enrollment=message.key.is_user_enrollment))
    return replies.refusal(410, "Network users are not managed by this server.")


def get_token(call: Call, message: GetToken) -> HttpResponse:
    """No token service is configured: 404, so that the device goes on without one."""
    channel = _live(call, message.key)
    logger.info("channel %s asked for a token of %r, which is not served", channel.pk, message.token_service_type)
    return replies.refusal(404, "No token of that service is available.")


def declarative_management(call: Call, message: DeclarativeManagement) -> HttpResponse:
    return declarative.answer(_live(call, message.key), message)


def _check_push_data(message: TokenUpdate) -> None:
    """Raises Malformed: cut short they would be worth nothing."""
    for name, value in (("Topic", message.topic), ("PushMagic", message.push_magic)):
        if len(value) > MAX_PUSH_TEXT or not value.isprintable():
            raise Malformed(f"{name} must be at most {MAX_PUSH_TEXT} printable characters.")


def _live(call: Call, key: ChannelKey) -> Channel:
    return _must_be_live(find_channel(call.signer, key))


def _must_be_live(channel: Channel | None) -> Channel:
    """Raises Forbidden without a channel or for a closed one, MustLeave for a removed device."""
    if channel is None:
        raise Forbidden("The certificate is not bound to this device.")
    require_live(channel.state)
    return channel
