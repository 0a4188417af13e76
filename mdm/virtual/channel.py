"""One management channel: the messages a device (or one of its users) exchanges with its server.

Source: Apple, "Implementing device management", check-in and command messages.
"""

import plistlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from xml.parsers.expat import ExpatError

import httpx

from mdm.virtual.answers import Reply, compose
from mdm.virtual.error_chains import ErrorChain, injected
from mdm.virtual.errors import DeviceError, ManagementRemoved, ServerRefused
from mdm.virtual.installing import InstallCourse, pass_time
from mdm.virtual.keys import Identity
from mdm.virtual.mdm_signature import signature_header
from mdm.virtual.scene import After

if TYPE_CHECKING:
    from mdm.virtual.device import VirtualDevice

CHECKIN_TYPE = "application/x-apple-aspen-mdm-checkin"
CONNECT_TYPE = "application/x-apple-aspen-mdm"
UNRECOGNIZED = "com.apple.unrecognized.device"
BAD_PLIST = (ExpatError, plistlib.InvalidFileException, ValueError, TypeError, AttributeError, IndexError)
Status = Literal["Acknowledged", "Error", "CommandFormatError", "NotNow"]


@dataclass(frozen=True)
class Command:
    """A command as delivered; `keys` is its Command dictionary with the RequestType."""

    uuid: str
    request_type: str
    keys: dict[str, Any] = field(repr=False)
    raw: bytes = field(repr=False)


@dataclass(frozen=True)
class Answered:
    command: Command
    status: Status


@dataclass
class Behaviour:
    """How `respond` and `drain` treat some request types; a chain of None means a general one.

    installs: bundle identifier (ALL_APPS for the others; for packages that of the manifest) → how an install of it goes.
    Only the device's own behaviour counts for that, also on the channels of its users.
    """

    not_now_for: set[str] = field(default_factory=set)
    errors_for: dict[str, ErrorChain | None] = field(default_factory=dict)
    format_error_for: set[str] = field(default_factory=set)
    installs: dict[str, InstallCourse] = field(default_factory=dict)


class ManagementChannel:
    """Base of VirtualDevice and VirtualUser, which say who they are in `channel_ids`."""

    device: "VirtualDevice"
    behaviour: Behaviour
    last_answer: Answered
    user_name: str | None = None

    def channel_ids(self) -> dict[str, Any]:
        raise NotImplementedError

    # Check-in

    def check_in(self, message_type: str, keys: Mapping[str, Any] | None = None) -> bytes:
        """Send a check-in message; returns the body of the answer. Raises ServerRefused."""
        message = {"MessageType": message_type, **self.channel_ids(), **(keys or {})}
        return self._exchange("checkin", message, message_type).content

    def _token_update(self, keys: Mapping[str, Any]) -> None:
        self.check_in("TokenUpdate", {"Topic": self.device.topic, **keys})

    def declarative(self, endpoint: str, data: bytes | None = None) -> bytes:
        """DeclarativeManagement: `tokens`, `declaration-items`, `declaration/…`, or `status` with data (JSON)."""
        keys = {"Endpoint": endpoint} | ({} if data is None else {"Data": data})
        return self.check_in("DeclarativeManagement", keys)

    def get_token(self, service: str = "com.apple.maid", parameters: dict[str, Any] | None = None) -> bytes:
        """GetToken; returns TokenData."""
        keys = {"TokenServiceType": service} | ({} if parameters is None else {"TokenParameters": parameters})
        return read_plist(self.check_in("GetToken", keys))["TokenData"]

    # Connect

    def idle(self) -> Command | None:
        """Ask for work; None when there is none."""
        return self._report({"Status": "Idle"})

    def answer(self, command: Command) -> Command | None:
        """Carry the command out, send the answer, act on it; returns the next command.

        After an erase or the removal of management there is no next command for this device.
        """
        scene = self.device.scene(self.user_name)
        reply = compose(scene, command.keys)
        following = self._send(command, reply)
        if After.SYNC_DECLARATIONS in scene.after:
            self.device.sync_after_command(self)
        if After.ERASE in scene.after:
            self.device.erase()
            return None
        if After.UNENROLL in scene.after:
            self.device.remove_management()
            return None
        return following

    def not_now(self, command: Command) -> Command | None:
        return self._report({"Status": "NotNow", "CommandUUID": command.uuid})

    def error(self, command: Command, chain: ErrorChain | None = None) -> Command | None:
        return self._send(command, Reply("Error", chain=chain or injected(command.request_type)))

    def format_error(self, command: Command) -> Command | None:
        return self._send(command, Reply("CommandFormatError"))

    def respond(self, command: Command) -> Command | None:
        """`answer`, unless the behaviour asks for something else for this request type."""
        kind = command.request_type
        if kind in self.behaviour.not_now_for:
            self.last_answer = Answered(command, "NotNow")
            return self.not_now(command)
        if kind in self.behaviour.errors_for:
            return self.error(command, self.behaviour.errors_for[kind])
        if kind in self.behaviour.format_error_for:
            return self.format_error(command)
        return self.answer(command)

    def drain(self, limit: int = 1000) -> list[Answered]:
        """One whole session: Idle, then answer after answer until the server has nothing more.

        Stops after `limit` answers; a result of that length means that the server was not done.
        """
        answered: list[Answered] = []
        command = self.idle()
        while command is not None:
            following = self.respond(command)
            answered.append(self.last_answer)
            if len(answered) >= limit:
                break
            command = following
        return answered

    def _send(self, command: Command, reply: Reply) -> Command | None:
        self.last_answer = Answered(command, reply.status)
        message = {"Status": reply.status, "CommandUUID": command.uuid, **reply.response}
        if reply.chain is not None:
            message["ErrorChain"] = reply.chain
        return self._report(message)

    def _report(self, message: dict[str, Any]) -> Command | None:
        pass_time(self.device.state)
        body = self._exchange("connect", {**self.channel_ids(), **message}, str(message["Status"])).content
        if not body:
            return None
        content = read_plist(body)
        keys = content.get("Command")
        if not isinstance(content.get("CommandUUID"), str) or not isinstance(keys, dict):
            raise DeviceError("the server sent a command without CommandUUID or Command")
        return Command(content["CommandUUID"], str(keys.get("RequestType", "")), keys, body)

    # Transport

    def send(
        self,
        to: Literal["checkin", "connect"],
        body: bytes,
        *,
        identity: Identity | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """PUT any body, signed as this device (or with another identity), and return whatever comes back.

        `headers` are added last: they can replace the signature and the content type.
        """
        device = self.device
        url = device.connect_url if to == "connect" else device.checkin_url
        own = {**device.headers, "Content-Type": CONNECT_TYPE if to == "connect" else CHECKIN_TYPE}
        if device.signs_messages:
            own["Mdm-Signature"] = signature_header(body, identity or device.require_identity(), device.signature_style)
        return device.client.put(url, content=body, headers={**own, **(headers or {})})

    def _exchange(self, to: Literal["checkin", "connect"], message: dict[str, Any], what: str) -> httpx.Response:
        self.device.require_enrollment()
        response = self.send(to, plistlib.dumps(message))
        if response.status_code == 401 or _is_unrecognized(response):
            self.device.forget_management()
            raise ManagementRemoved(what, response.status_code, response.content)
        if response.status_code != 200:
            raise ServerRefused(what, response.status_code, response.content)
        return response


def _is_unrecognized(response: httpx.Response) -> bool:
    """Apple, "ErrorUnrecognizedDevice": a 403 whose JSON or plist body carries that code."""
    return response.status_code == 403 and UNRECOGNIZED.encode() in response.content


def read_plist(body: bytes) -> dict[str, Any]:
    try:
        content = plistlib.loads(body)
    except BAD_PLIST as error:
        raise DeviceError(f"the server's answer is not a property list: {error}") from error
    if not isinstance(content, dict):
        raise DeviceError("the server's answer is not a dictionary")
    return content
