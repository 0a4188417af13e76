"""What Apps and Books answers, read with care: pages, events, who manages a location, and errors as sentences.

Source: Apple, "Handling Error Responses", "Using Paginated Endpoints", "Managing Assets", "Client Config".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from mdm.common.text import clean_text

INTERNAL_ERROR, TOO_MANY_REQUESTS, NOT_ENOUGH = 9603, 9646, 9709
_TOKEN = {
    9601: "Apple does not accept the content token: download a new one and renew it here.",
    9621: "The content token has expired: download a new one from Apple Business or School Manager and renew it here.",
    9622: "Apple does not know the content token, or has replaced it: download a new one and renew it here.",
    9625: "Apple has revoked the content token: download a new one and renew it here.",
    9722: "Apple does not accept the content token: download a new one and renew it here.",
}
_REFUSED = {
    9609: "Apple does not know the user.",
    9634: "Apple does not offer this service any more.",
    9706: "Licences of this cannot be taken back.",
    9707: "This is not for devices: Apple gives its licences to people only.",
    9709: "No licence is left.",
    9710: "Apple wants the address of the notifications together with its token.",
    9711: "The address of the notifications is too long for Apple.",
    9712: "Apple sends notifications to https addresses only.",
    9728: "Apple could not reach the address of the notifications.",
}
NOTIFICATION_ERRORS = (9710, 9711, 9712, 9728)
_OUTDATED = (9650, 9721)
_LIMITS = (9700, 9702)


class VppError(Exception):
    """Base of them all; str(error) is a sentence for the people who run the account."""

    retry_after_seconds: float = 0.0


class TokenRefused(VppError):
    """Nothing works with this token until somebody renews it."""


class ManagedElsewhere(VppError):
    """Another device management has entered itself as the one that manages the location."""


class Refused(VppError):
    """Apple does not do this. number: of Apple's error, 0 where it named none."""

    def __init__(self, text: str, number: int = 0) -> None:
        super().__init__(text)
        self.number = number


class Outdated(VppError):
    """The list has changed while it was read, or the version is not known any more: begin anew."""


class UnknownEvent(VppError):
    """Apple does not know the event: whatever it was about has to be asked for again."""


class Unreachable(VppError):
    """No answer, or Apple's server is in trouble or busy: later it may work."""

    def __init__(self, text: str, retry_after_seconds: float = 0.0) -> None:
        super().__init__(text)
        self.retry_after_seconds = retry_after_seconds


class BadAnswer(VppError):
    """An answer that makes no sense."""


@dataclass(frozen=True)
class Limits:
    """How much one request may hold."""

    assets: int = 25
    serials: int = 1000
    notification: int = 512


@dataclass(frozen=True)
class Page:
    """next_index: None on the last one. version: of the whole list, as it was when this page was made."""

    items: list[Any] = field(repr=False)
    next_index: int | None
    version: str


@dataclass(frozen=True)
class ClientConfig:
    """mdm_id, mdm_name: of whoever manages the location; empty where nobody has said so."""

    location_id: str
    location_name: str
    country: str
    mdm_id: str
    mdm_name: str
    notification_url: str


@dataclass(frozen=True)
class Failure:
    """Why a part of an event failed. adam_ids, serials: of which; empty where Apple does not say."""

    number: int
    text: str
    adam_ids: frozenset[str]
    serials: frozenset[str]


@dataclass(frozen=True)
class EventStatus:
    is_pending: bool
    failures: tuple[Failure, ...] = ()


def error_of(status: int, number: object, retry_after_seconds: float = 0.0) -> VppError:
    """The error that an answer stands for. Apple's own words are not repeated: they are for programmers."""
    number = number if isinstance(number, int) else 0
    if number in _TOKEN or status == 401:
        return TokenRefused(_TOKEN.get(number, _TOKEN[9601]))
    if number == TOO_MANY_REQUESTS or status == 429:
        return Unreachable("Apps and Books is busy and asks to wait.", retry_after_seconds)
    if number == INTERNAL_ERROR or status >= 500:
        return Unreachable("Apps and Books is in trouble; it is tried again.", retry_after_seconds)
    if number in _OUTDATED:
        return Outdated("The list has changed while it was read.")
    if number == 9708:
        return UnknownEvent("Apple does not know this change any more.")
    if number in _LIMITS:
        return Unreachable("Apple has changed how much may be asked for at once.")
    return Refused(_sentence(number, status), number)


def _sentence(number: int, status: int = 0) -> str:
    return _REFUSED.get(number) or f"Apple refused it ({f'error {number}' if number else f'status {status}'})."


def read_limits(service: Mapping[str, Any]) -> Limits:
    given = service.get("limits")
    given = given if isinstance(given, Mapping) else {}
    usual = Limits()
    return Limits(
        _positive(given.get("maxAssets"), usual.assets),
        _positive(given.get("maxSerialNumbers"), usual.serials),
        _positive(given.get("maxNotificationLength"), usual.notification),
    )


def read_page(answer: Mapping[str, Any], name: str, index: int) -> Page:
    """Raises BadAnswer."""
    items, following, version = answer.get(name, []), answer.get("nextPageIndex"), answer.get("versionId", "")
    is_next = following is None or (_is_number(following) and following > index)
    if not isinstance(items, list) or not isinstance(version, str) or not is_next:
        raise BadAnswer("Apps and Books sent a list that cannot be read.")
    return Page(items, following, clean_text(version, 100))


def read_client_config(answer: Mapping[str, Any]) -> ClientConfig:
    """Raises BadAnswer."""
    manager = answer.get("mdmInfo")
    manager = manager if isinstance(manager, Mapping) else {}
    location_id = _text(answer, "uId", 64)
    if not location_id:
        raise BadAnswer("Apps and Books did not say which location the content token is of.")
    return ClientConfig(
        location_id=location_id,
        location_name=_text(answer, "locationName", 255),
        country=_text(answer, "countryISO2ACode", 8),
        mdm_id=_text(manager, "id", 100),
        mdm_name=_text(manager, "name", 100),
        notification_url=_text(answer, "notificationUrl", 512),
    )


def read_event(answer: Mapping[str, Any]) -> EventStatus:
    """Raises BadAnswer."""
    status, failures = answer.get("eventStatus"), answer.get("failures", [])
    if status not in ("PENDING", "COMPLETE", "FAILED") or not isinstance(failures, list):
        raise BadAnswer("Apps and Books sent the state of a change that cannot be read.")
    if status != "FAILED":
        return EventStatus(status == "PENDING")
    found = tuple(_failure(one) for one in failures if isinstance(one, Mapping))
    return EventStatus(False, found or (Failure(0, _sentence(0), frozenset(), frozenset()),))


def _failure(said: Mapping[str, Any]) -> Failure:
    number = said.get("errorNumber")
    number = number if _is_number(number) else 0
    info = said.get("errorInfo")
    info = info if isinstance(info, Mapping) else {}
    assets, serials = info.get("assets"), info.get("serialNumbers")
    adam_ids = {one.get("adamId") for one in assets if isinstance(one, Mapping)} if isinstance(assets, list) else set()
    return Failure(
        number,
        _sentence(number),
        frozenset(str(one) for one in adam_ids if one),
        frozenset(one for one in serials if isinstance(one, str)) if isinstance(serials, list) else frozenset(),
    )


def read_time(value: object) -> datetime | None:
    """ISO 8601 as Apple writes it (+0000); None for anything else."""
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
        if at is None:
            return None
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _text(values: Mapping[str, Any], name: str, limit: int) -> str:
    value = values.get(name)
    value = str(value) if _is_number(value) else value
    return clean_text(value, limit) if isinstance(value, str) else ""


def _positive(value: object, usual: int) -> int:
    return value if _is_number(value) and value > 0 else usual


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
