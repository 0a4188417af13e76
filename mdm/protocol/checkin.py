"""Check-in messages, typed and bounded. Source: Apple, "Check-in" (Authenticate, Token Update, Check Out, …).

Beyond the identifiers a field that the device left out is empty ("" or b"") or False; where absent and empty differ in
meaning it is None. Fields that hold secrets do not show in the repr.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mdm.protocol import plist
from mdm.protocol.errors import Malformed, UnknownMessageType
from mdm.protocol.ids import ChannelKey, channel_key

MAX_TEXT = 1024
MAX_TOKEN = 8 * 1024


@dataclass(frozen=True, slots=True)
class Authenticate:
    """The device asks to be managed; device channel only. Most fields are absent in user enrollments."""

    key: ChannelKey
    topic: str
    device_name: str = ""
    model: str = ""
    model_name: str = ""
    os_version: str = ""
    build_version: str = ""
    product_name: str = ""
    serial_number: str = ""
    imei: str = ""
    meid: str = ""


@dataclass(frozen=True, slots=True)
class TokenUpdate:
    """How to push to the channel. unlock_token is None when not sent: then the stored one stays."""

    key: ChannelKey
    topic: str
    token: bytes = field(default=b"", repr=False)
    push_magic: str = field(default="", repr=False)
    unlock_token: bytes | None = field(default=None, repr=False)
    awaiting_configuration: bool = False
    not_on_console: bool = False
    user_id: str = ""
    enrollment_user_id: str = ""
    user_short_name: str = ""
    user_long_name: str = ""


@dataclass(frozen=True, slots=True)
class CheckOut:
    """The management profile was removed; nobody waits for the answer."""

    key: ChannelKey
    topic: str


@dataclass(frozen=True, slots=True)
class SetBootstrapToken:
    """A Mac deposits its bootstrap token; None or empty means that the stored one is to be forgotten."""

    key: ChannelKey
    topic: str = ""
    bootstrap_token: bytes | None = field(default=None, repr=False)
    awaiting_configuration: bool = False


@dataclass(frozen=True, slots=True)
class GetBootstrapToken:
    """A Mac asks for the bootstrap token that it deposited."""

    key: ChannelKey
    topic: str = ""
    awaiting_configuration: bool = False


@dataclass(frozen=True, slots=True)
class UserAuthenticate:
    """A network user logs in to a Mac; digest_response is empty in the first of the two requests."""

    key: ChannelKey
    topic: str = ""
    digest_response: str = field(default="", repr=False)
    user_id: str = ""
    user_short_name: str = ""
    user_long_name: str = ""


@dataclass(frozen=True, slots=True)
class GetToken:
    """The device asks for a token of a service, such as com.apple.maid or com.apple.watch.pairing."""

    key: ChannelKey
    token_service_type: str
    topic: str = ""
    security_token: str = field(default="", repr=False)
    phone_udid: str = ""
    watch_udid: str = ""
    user_id: str = ""
    enrollment_user_id: str = ""
    user_short_name: str = ""
    user_long_name: str = ""


@dataclass(frozen=True, slots=True)
class DeclarativeManagement:
    """endpoint: tokens, declaration-items, status or declaration/<type>/<identifier>; data: JSON bytes, unparsed."""

    key: ChannelKey
    endpoint: str
    topic: str = ""
    data: bytes | None = field(default=None, repr=False)
    user_id: str = ""
    enrollment_user_id: str = ""
    user_short_name: str = ""
    user_long_name: str = ""


CheckIn = (
    Authenticate
    | TokenUpdate
    | CheckOut
    | SetBootstrapToken
    | GetBootstrapToken
    | UserAuthenticate
    | GetToken
    | DeclarativeManagement
)


def parse_checkin(body: bytes, *, max_bytes: int = plist.MAX_BYTES) -> CheckIn:
    """Raises Malformed, TooLarge or UnknownMessageType."""
    value = plist.loads(body, max_bytes=max_bytes)
    if not isinstance(value, dict):
        raise Malformed("The check-in is not a dictionary.")
    message = _Message(value)
    read = _READERS.get(message.required_text("MessageType"))
    if read is None:
        raise UnknownMessageType("The check-in has a MessageType that this server does not know.")
    return read(message, channel_key(value))


def declares_message_type(body: bytes, *, max_bytes: int = plist.MAX_BYTES) -> bool:
    """Whether this is a check-in and not a report, for devices that send both to one URL.

    Raises Malformed or TooLarge.
    """
    # Reports are frequent and check-ins are not: most bodies are settled without parsing.
    if b"MessageType" not in body:
        return False
    return "MessageType" in plist.top_level(body, frozenset({"MessageType"}), max_bytes=max_bytes)


class _Message:
    """The dictionary of a check-in, read key by key with its types checked."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values

    def text(self, name: str) -> str:
        value = self._typed(name, str, "a string")
        if value is None:
            return ""
        if len(value) > MAX_TEXT:
            raise Malformed(f"{name} is longer than {MAX_TEXT} characters.")
        return value

    def required_text(self, name: str) -> str:
        value = self.text(name)
        if not value:
            raise Malformed(f"{name} is missing.")
        return value

    def token(self, name: str) -> bytes | None:
        value = self.data(name)
        if value is not None and len(value) > MAX_TOKEN:
            raise Malformed(f"{name} is longer than {MAX_TOKEN} bytes.")
        return value

    def data(self, name: str) -> bytes | None:
        return self._typed(name, bytes, "data")

    def flag(self, name: str) -> bool:
        return bool(self._typed(name, bool, "a boolean"))

    def dictionary(self, name: str) -> "_Message":
        return _Message(self._typed(name, dict, "a dictionary") or {})

    def user(self) -> dict[str, str]:
        return {
            "user_id": self.text("UserID"),
            "user_short_name": self.text("UserShortName"),
            "user_long_name": self.text("UserLongName"),
        }

    def _typed(self, name: str, kind: type, description: str) -> Any:
        value = self.values.get(name)
        if value is not None and not isinstance(value, kind):
            raise Malformed(f"{name} must be {description}.")
        return value


def _authenticate(message: _Message, key: ChannelKey) -> Authenticate:
    return Authenticate(
        key=key,
        topic=message.required_text("Topic"),
        device_name=message.text("DeviceName"),
        model=message.text("Model"),
        model_name=message.text("ModelName"),
        os_version=message.text("OSVersion"),
        build_version=message.text("BuildVersion"),
        product_name=message.text("ProductName"),
        serial_number=message.text("SerialNumber"),
        imei=message.text("IMEI"),
        meid=message.text("MEID"),
    )


def _token_update(message: _Message, key: ChannelKey) -> TokenUpdate:
    return TokenUpdate(
        key=key,
        topic=message.required_text("Topic"),
        token=message.token("Token") or b"",
        push_magic=message.text("PushMagic"),
        unlock_token=message.token("UnlockToken") or None,
        awaiting_configuration=message.flag("AwaitingConfiguration"),
        not_on_console=message.flag("NotOnConsole"),
        enrollment_user_id=message.text("EnrollmentUserID"),
        **message.user(),
    )


def _check_out(message: _Message, key: ChannelKey) -> CheckOut:
    return CheckOut(key=key, topic=message.required_text("Topic"))


def _set_bootstrap_token(message: _Message, key: ChannelKey) -> SetBootstrapToken:
    return SetBootstrapToken(
        key=key,
        topic=message.text("Topic"),
        bootstrap_token=message.token("BootstrapToken"),
        awaiting_configuration=message.flag("AwaitingConfiguration"),
    )


def _get_bootstrap_token(message: _Message, key: ChannelKey) -> GetBootstrapToken:
    return GetBootstrapToken(
        key=key, topic=message.text("Topic"), awaiting_configuration=message.flag("AwaitingConfiguration")
    )


def _user_authenticate(message: _Message, key: ChannelKey) -> UserAuthenticate:
    return UserAuthenticate(
        key=key, topic=message.text("Topic"), digest_response=message.text("DigestResponse"), **message.user()
    )


def _get_token(message: _Message, key: ChannelKey) -> GetToken:
    parameters = message.dictionary("TokenParameters")
    return GetToken(
        key=key,
        token_service_type=message.required_text("TokenServiceType"),
        topic=message.text("Topic"),
        security_token=parameters.text("SecurityToken"),
        phone_udid=parameters.text("PhoneUDID"),
        watch_udid=parameters.text("WatchUDID"),
        enrollment_user_id=message.text("EnrollmentUserID"),
        **message.user(),
    )


def _declarative_management(message: _Message, key: ChannelKey) -> DeclarativeManagement:
    return DeclarativeManagement(
        key=key,
        endpoint=message.required_text("Endpoint"),
        topic=message.text("Topic"),
        data=message.data("Data"),
        enrollment_user_id=message.text("EnrollmentUserID"),
        **message.user(),
    )


_READERS: Mapping[str, Callable[[_Message, ChannelKey], CheckIn]] = {
    "Authenticate": _authenticate,
    "TokenUpdate": _token_update,
    "CheckOut": _check_out,
    "SetBootstrapToken": _set_bootstrap_token,
    "GetBootstrapToken": _get_bootstrap_token,
    "UserAuthenticate": _user_authenticate,
    "GetToken": _get_token,
    "DeclarativeManagement": _declarative_management,
}
