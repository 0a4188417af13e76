"""Text messages through an HTTP API that settings describe, so that any provider's can be used without code.

SMS_FIELDS says what is posted: a JSON object whose texts may hold {to} (+14155550123), {digits} (14155550123), {text},
{sender} and {id} (one for each message, the same when it is tried again). See `docs/text-messages.md`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from django.conf import settings

from mdm.common.peers import Peer, PeerAnswer, PeerError
from mdm.common.sending import NotSent, NotSentYet
from mdm.common.text import clean_text

NAME = "The SMS gateway"
PLACEHOLDERS = ("to", "digits", "text", "sender", "id")
BUSY = (408, 425, 429)
TIMEOUT_SECONDS = 20.0
DEADLINE_SECONDS = 60.0
MAX_ANSWER_BYTES = 64 * 1024
MAX_REASON = 300
MAX_REFERENCE = 200
# A value in the template or a header that is this long may be a key: it is taken out of what the gateway says.
SECRET_LENGTH = 6
# What the reason may be called in an answer that says no.
_REASONS = ("message", "error", "detail", "description", "reason", "title", "text", "error-text", "errors", "messages")
_PLACEHOLDER = re.compile(r"\{([a-z]+)\}")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[ -~]*")


class BadGatewaySettings(Exception):
    """The settings do not describe a gateway; the text names the setting, and holds no value that may be secret."""


@dataclass(frozen=True)
class Gateway:
    """headers and fields may hold secrets. reference: the path to the message's name in an answer, or empty."""

    url: str = field(repr=False)
    is_form: bool
    fields: Mapping[str, Any] = field(repr=False)
    sender: str
    headers: Mapping[str, str] = field(repr=False)
    reference: tuple[str, ...]
    ca_file: str

    def secrets(self) -> list[str]:
        """The longest first, so that none is taken apart by a shorter one."""
        values = [*self.headers.values(), *(part for value in self.headers.values() for part in value.split())]
        values += [text for text in _texts(self.fields) if not _PLACEHOLDER.search(text)]
        values += [value for _, value in parse_qsl(urlsplit(self.url).query)]
        return sorted({value for value in values if len(value) >= SECRET_LENGTH}, key=len, reverse=True)


def gateway() -> Gateway | None:
    """What the settings describe; None when there is no SMS_URL. Raises BadGatewaySettings."""
    if not settings.SMS_URL:
        return None
    try:
        parts = urlsplit(settings.SMS_URL)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address:
        raise BadGatewaySettings("SMS_URL is not an http or https address")
    if settings.SMS_FORMAT not in ("json", "form"):
        raise BadGatewaySettings("SMS_FORMAT is neither json nor form")
    if settings.SMS_CA_FILE and not Path(settings.SMS_CA_FILE).is_file():
        raise BadGatewaySettings("SMS_CA_FILE names a file that does not exist")
    return Gateway(
        url=settings.SMS_URL,
        is_form=settings.SMS_FORMAT == "form",
        fields=_fields(),
        sender=settings.SMS_SENDER,
        headers=_headers(),
        reference=tuple(settings.SMS_REFERENCE.split(".")) if settings.SMS_REFERENCE else (),
        ca_file=settings.SMS_CA_FILE,
    )


def send_text(to: str, text: str, *, message_id: str) -> str:
    """Hand one message to the gateway; returns what the gateway calls it, or nothing. to: E.164.

    Raises NotSent (with the gateway's own words), NotSentYet.
    """
    try:
        found = gateway()
    except BadGatewaySettings as error:
        raise NotSent(f"Text messages are not set up rightly on this server: {error}.") from error
    if found is None:
        raise NotSent("Text messages are not set up on this server any more.")
    values = {"to": to, "digits": to.lstrip("+"), "text": text, "sender": found.sender, "id": message_id}
    filled = _filled(found.fields, values)
    # Nothing of the address is logged: providers have keys in queries and even in paths.
    path = "/" if found.url.endswith("/") else ""
    try:
        with Peer(
            NAME,
            found.url,
            setting="SMS_URL",
            ca_file=found.ca_file,
            timeout=TIMEOUT_SECONDS,
            deadline=DEADLINE_SECONDS,
            max_answer_bytes=MAX_ANSWER_BYTES,
        ) as peer:
            if found.is_form:
                answer = peer.ask("POST", path, headers=found.headers, form_body=filled)
            else:
                headers = {"Content-Type": "application/json"} | dict(found.headers)
                answer = peer.ask("POST", path, headers=headers, json_body=filled)
    except PeerError as error:
        raise NotSentYet(str(error)) from error
    return _read(answer, found)


def _read(answer: PeerAnswer, found: Gateway) -> str:
    if answer.status in BUSY or answer.status >= 500:
        raise NotSentYet(
            f"{NAME} is busy or in trouble (status {answer.status}).", retry_after_seconds=answer.retry_after_seconds
        )
    if 300 <= answer.status < 400:
        raise NotSent(f"{NAME} leads to another address, which is not followed: correct SMS_URL.")
    if answer.status >= 400:
        raise NotSent(f"{NAME} refused the message: {_words(answer, found)}.")
    if not found.reference:
        return ""
    named = _at(_json(answer), found.reference)
    if isinstance(named, bool) or not isinstance(named, str | int) or named == "":
        # Some say no with status 200: only a name tells that they have taken it.
        raise NotSent(f"{NAME} answered without {'.'.join(found.reference)}: {_words(answer, found)}.")
    return clean_text(str(named), MAX_REFERENCE)


def _words(answer: PeerAnswer, found: Gateway) -> str:
    """The gateway's own, in one line, without what we sent as a secret; the status where it says nothing readable."""
    said = _json(answer)
    text = _reason(said) or answer.body.decode("utf-8", "replace")
    text = " ".join(text.split())
    if not text or text.startswith("<"):  # a web page says nothing that fits here
        return f"status {answer.status}"
    for secret in found.secrets():
        text = text.replace(secret, "…")
    return clean_text(text, MAX_REASON).rstrip(". ") + f" (status {answer.status})"


def _reason(said: Any, depth: int = 0) -> str:
    """The first text under one of the usual names, however the gateway wraps it."""
    if depth > 3:
        return ""
    if isinstance(said, str):
        return said
    if isinstance(said, list):
        return next((found for item in said[:5] if (found := _reason(item, depth + 1))), "")
    if isinstance(said, dict):
        return next((found for name in _REASONS if (found := _reason(said.get(name), depth + 1))), "")
    return ""


def _json(answer: PeerAnswer) -> Any:
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        return None


def _at(value: Any, path: tuple[str, ...]) -> Any:
    """`messages.0.id`; None where there is nothing."""
    for key in path:
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and key.isdecimal() and len(key) < 4 and int(key) < len(value):
            value = value[int(key)]
        else:
            return None
    return value


# --- What the settings say --------------------------------------------------------------------------------------------
def _fields() -> dict[str, Any]:
    fields = _object("SMS_FIELDS", settings.SMS_FIELDS)
    if settings.SMS_FORMAT == "form" and not all(isinstance(value, str) for value in fields.values()):
        raise BadGatewaySettings("SMS_FIELDS of a form holds something else than texts")
    used = {name for text in _texts(fields) for name in _PLACEHOLDER.findall(text)}
    if unknown := sorted(used - set(PLACEHOLDERS)):
        raise BadGatewaySettings(f"SMS_FIELDS holds an unknown placeholder {{{unknown[0]}}}")
    if not used & {"to", "digits"} or "text" not in used:
        raise BadGatewaySettings("SMS_FIELDS needs {to} or {digits}, and {text}")
    if "sender" in used and not settings.SMS_SENDER:
        raise BadGatewaySettings("SMS_FIELDS holds {sender}, but SMS_SENDER is not set")
    return fields


def _headers() -> dict[str, str]:
    headers = _object("SMS_HEADERS", settings.SMS_HEADERS) if settings.SMS_HEADERS else {}
    if settings.SMS_AUTHORIZATION:
        headers["Authorization"] = settings.SMS_AUTHORIZATION
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not isinstance(value, str) or not _HEADER_VALUE.fullmatch(value):
            setting = "SMS_AUTHORIZATION" if name == "Authorization" and settings.SMS_AUTHORIZATION else "SMS_HEADERS"
            raise BadGatewaySettings(f"{setting} holds what cannot stand in a header")
    return headers


def _object(setting: str, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadGatewaySettings(f"{setting} is not a JSON object") from error
    if not isinstance(value, dict):
        raise BadGatewaySettings(f"{setting} is not a JSON object")
    return value


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _filled(value: Any, values: Mapping[str, str]) -> Any:
    """In one pass: what is put in is not looked at again."""
    if isinstance(value, str):
        return _PLACEHOLDER.sub(lambda found: values[found[1]], value)
    if isinstance(value, dict):
        return {key: _filled(item, values) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, values) for item in value]
    return value
