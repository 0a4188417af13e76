"""Apple's device assignment service: a session, the account, the list of devices page by page, and enrollment profiles.

No ORM, no settings; nothing secret stands in any error's text. Source: Apple, "Device assignment", "Authenticating for
Automated Device Enrollment", "Interpreting Automated Device Enrollment error codes", "Get a List of Devices", "Sync the List
of Devices", "Define a Profile", "Get a Profile", "Assign a Profile", "Remove a Profile".
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from enrollment.oauth1 import Credentials, authorization_header
from mdm.common.peers import (
    MAX_RETRY_AFTER_SECONDS,
    TIMEOUT_SECONDS,
    Peer,
    PeerAnswer,
    PeerAnswerUnreadable,
    PeerUnreachable,
)

PAGE_LIMIT = 1000  # the most that Apple gives at once
ASSIGN_LIMIT = 1000  # of devices in one request that assigns or removes a profile
PROTOCOL_VERSION = "3"
SESSION_HEADER = "X-ADM-Auth-Session"
MAX_CURSOR_LENGTH = 1000
MAX_UUID_LENGTH = 64
MAX_STATUS_LENGTH = 100
TERMS_NOT_SIGNED = (
    "Apple waits for its new terms and conditions to be accepted: sign in to Apple Business or School Manager."
)
_SESSION = re.compile(r"[\x21-\x7e]{1,4096}")
_CODE = re.compile(rb"[A-Z][A-Z_]{2,60}")
_CURSOR_CODES = {b"EXPIRED_CURSOR", b"INVALID_CURSOR", b"EXHAUSTED_CURSOR"}


class DepError(Exception):
    """Base of them all; str(error) is a sentence for the people who run the account."""

    retry_after_seconds: float = 0.0


class Unauthorized(DepError):
    """Apple does not know the token, or it may not do this."""


class TokenExpired(DepError):
    """The server token has run out."""


class TermsNotSigned(DepError):
    """T_C_NOT_SIGNED: Apple waits for somebody to accept new terms."""


class CursorExpired(DepError):
    """The list has to be read from its beginning."""


class Unreachable(DepError):
    """No answer, or Apple's server is in trouble: later it may work."""


class Busy(Unreachable):
    """429 or 503: Apple asks us to come back later."""

    def __init__(self, text: str, retry_after_seconds: float) -> None:
        super().__init__(text)
        self.retry_after_seconds = retry_after_seconds


class BadAnswer(DepError):
    """An answer that makes no sense, or a refusal: then with Apple's code, if it gave one."""

    def __init__(self, text: str, *, status: int = 200, code: str = "") -> None:
        super().__init__(text)
        self.status, self.code = status, code

    @property
    def is_not_found(self) -> bool:
        return self.status == 404 or self.code == "NOT_FOUND"


class ProfileUnknown(DepError):
    """Apple has no profile with that UUID (any more)."""


@dataclass(frozen=True)
class DevicePage:
    """devices: Apple's dictionaries, not checked. cursor: where to go on from, 1 to 1000 characters."""

    devices: list[Any] = field(repr=False)
    cursor: str
    has_more: bool


@dataclass(frozen=True)
class ProfileAnswer:
    """statuses: serial number → Apple's word: SUCCESS, NOT_ACCESSIBLE, FAILED, THROTTLED. What it leaves out is not there.

    retry_after_seconds: for throttled devices, 0 if Apple names no time.
    """

    statuses: dict[str, str] = field(repr=False)
    retry_after_seconds: float = 0.0


class DepClient:
    """One conversation with Apple: `with DepClient(…) as client`. Opens its session when it first needs one."""

    def __init__(
        self, base_url: str, credentials: Credentials, *, ca_file: str = "", timeout: float = TIMEOUT_SECONDS
    ) -> None:
        """Raises Unreachable for an address that is none."""
        try:
            self._peer = Peer(
                "Apple's enrollment service",
                base_url,
                setting="DEP_URL",
                ca_file=ca_file,
                headers={"X-Server-Protocol-Version": PROTOCOL_VERSION},
                timeout=timeout,
            )
        except PeerUnreachable as error:
            raise Unreachable(str(error)) from error
        self._credentials = credentials
        self._session = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._peer.__exit__(kind, error, at)

    def account(self) -> dict[str, Any]:
        """Apple's AccountDetail: server_name, server_uuid, admin_id, org_name and more. Raises DepError."""
        return self._ask("GET", "/account")

    def fetch_devices(self, cursor: str = "") -> Iterator[DevicePage]:
        """Every device of the server, from the cursor of an earlier page if there is one. Raises DepError."""
        return self._pages("/server/devices", cursor)

    def sync_devices(self, cursor: str) -> Iterator[DevicePage]:
        """What changed since the cursor (7 days at most): devices with op_type and op_date. Raises DepError."""
        return self._pages("/devices/sync", cursor)

    def define_profile(self, profile: Mapping[str, Any]) -> str:
        """Returns the UUID by which Apple knows it. The same once more is another profile with another UUID."""
        uuid = self._ask("POST", "/profile", dict(profile)).get("profile_uuid")
        if not isinstance(uuid, str) or not 0 < len(uuid) <= MAX_UUID_LENGTH or not uuid.isprintable():
            raise BadAnswer("Apple's enrollment service gave the profile no usable UUID.")
        return uuid

    def knows_profile(self, uuid: str) -> bool:
        try:
            self._ask("GET", "/profile", params={"profile_uuid": uuid})
        except BadAnswer as error:
            if not error.is_not_found:
                raise
            return False
        return True

    def assign_profile(self, uuid: str, serials: Sequence[str]) -> ProfileAnswer:
        """At most ASSIGN_LIMIT devices. Raises ProfileUnknown, other DepError; then it may have been done all the same."""
        body = {"profile_uuid": uuid, "devices": list(serials)}
        try:
            try:
                return _read_statuses(self._ask("POST", "/profile/devices", body))
            except BadAnswer as error:
                if error.status != 405:
                    raise
            # Apple's service once wanted PUT, and what stands in for it may still do.
            return _read_statuses(self._ask("PUT", "/profile/devices", body))
        except BadAnswer as error:
            if error.is_not_found:
                raise ProfileUnknown("Apple no longer knows the enrollment profile.") from error
            raise

    def remove_profile(self, serials: Sequence[str]) -> ProfileAnswer:
        """Leave at most ASSIGN_LIMIT devices without a profile, whichever they had."""
        return _read_statuses(self._ask("DELETE", "/profile/devices", {"devices": list(serials)}))

    def _pages(self, path: str, cursor: str) -> Iterator[DevicePage]:
        while True:
            body: dict[str, Any] = {"limit": PAGE_LIMIT} | ({"cursor": cursor} if cursor else {})
            page = _read_page(self._ask("POST", path, body))
            if page.has_more and page.cursor == cursor:
                raise BadAnswer("Apple sent the same part of the device list again.")
            yield page
            if not page.has_more:
                return
            cursor = page.cursor

    def _ask(
        self, method: str, path: str, body: dict[str, Any] | None = None, params: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Sessions end at any time: a refusal is believed only with a new one."""
        is_new = not self._session
        if is_new:
            self._open_session()
        answer = self._send(method, path, {SESSION_HEADER: self._session}, body, params)
        if answer.status in (401, 403) and not is_new and b"T_C_NOT_SIGNED" not in answer.body:
            self._open_session()
            answer = self._send(method, path, {SESSION_HEADER: self._session}, body, params)
        handed_out = answer.headers.get(SESSION_HEADER, "")
        if _SESSION.fullmatch(handed_out):
            self._session = handed_out  # Apple may hand out another one with any answer
        return _read(answer)

    def _open_session(self) -> None:
        header = authorization_header("GET", f"{self._peer.base_url}/session", self._credentials)
        session = _read(self._send("GET", "/session", {"Authorization": header})).get("auth_session_token")
        if not isinstance(session, str) or not _SESSION.fullmatch(session):
            raise BadAnswer("Apple's enrollment service opened no session.")
        self._session = session

    def _send(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: dict[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> PeerAnswer:
        try:
            return self._peer.ask(method, path, headers=headers, json_body=body, params=params)
        except PeerUnreachable as error:
            raise Unreachable(str(error)) from error
        except PeerAnswerUnreadable as error:
            raise BadAnswer(str(error)) from error


def _read(answer: PeerAnswer) -> dict[str, Any]:
    """The JSON object of a good answer. Raises DepError."""
    if answer.status != 200:
        raise _error(answer)
    try:
        return answer.json_object()
    except PeerAnswerUnreadable as error:
        raise BadAnswer("Apple's enrollment service sent an answer that cannot be read.") from error


def _error(answer: PeerAnswer) -> DepError:
    code = answer.body.strip().strip(b'"')
    if b"T_C_NOT_SIGNED" in answer.body:
        return TermsNotSigned(TERMS_NOT_SIGNED)
    if answer.status in (400, 404) and code in _CURSOR_CODES:
        return CursorExpired("Apple no longer knows up to where the device list was read.")
    if answer.status in (401, 403):
        if b"token_expired" in answer.body.lower():
            return TokenExpired("The server token has expired: download a new one from Apple and add it again.")
        return Unauthorized("Apple does not accept the server token: download a new one and add it again.")
    if answer.status in (429, 503):
        return Busy("Apple's enrollment service is busy and asks to wait.", answer.retry_after_seconds)
    if answer.status >= 500:
        return Unreachable(f"Apple's enrollment service is in trouble (status {answer.status}).")
    # Apple's codes are words in capitals; anything else is not repeated.
    word = code.decode() if _CODE.fullmatch(code) else ""
    reason = word or f"status {answer.status}"
    return BadAnswer(f"Apple's enrollment service refused the request: {reason}.", status=answer.status, code=word)


def _read_page(value: dict[str, Any]) -> DevicePage:
    devices, cursor, has_more = value.get("devices"), value.get("cursor"), value.get("more_to_follow", False)
    devices = [] if devices is None else devices
    is_cursor = isinstance(cursor, str) and 0 < len(cursor) <= MAX_CURSOR_LENGTH and cursor.isprintable()
    if not is_cursor or not isinstance(devices, list) or not isinstance(has_more, bool):
        raise BadAnswer("Apple's enrollment service sent a device list that cannot be read.")
    return DevicePage(devices, cursor, has_more)


def _read_statuses(value: dict[str, Any]) -> ProfileAnswer:
    devices, seconds = value.get("devices"), value.get("retry_after_seconds")
    if not isinstance(devices, dict):
        raise BadAnswer("Apple's enrollment service did not say which devices it assigned.")
    statuses = {serial: word[:MAX_STATUS_LENGTH] for serial, word in devices.items() if isinstance(word, str)}
    is_time = isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds > 0
    return ProfileAnswer(statuses, min(float(seconds), MAX_RETRY_AFTER_SECONDS) if is_time else 0.0)
