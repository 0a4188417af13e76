"""What is in a profile, for people: its values one by one. What looks like a secret is masked, what is too long is described."""

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.utils.translation import gettext as _

from mdm.protocol import mobileconfig

MASK = "•••••"
MAX_VALUES = 1000  # of one payload
MAX_TEXT = 400  # characters of a value
MAX_DEPTH = 12  # what is nested deeper is shown as one value

# Names of keys whose texts are nobody's to read over a shoulder, in the spellings of Apple's payloads and of apps.
_SECRET = re.compile(
    r"passw|passphrase|secret|challenge|privatekey|private_key|credential|api_?key|licen[cs]e_?key|token|\bpsk\b|\bpin\b",
    re.IGNORECASE,
)
_ONLY_A_VARIABLE = re.compile(r"\s*\{\{[^{}]{1,300}\}\}\s*")
# What a binary property list can hold and an XML one cannot.
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
# The same in every payload, and of no interest to whoever asks what it does.
ENVELOPE = ("PayloadType", "PayloadVersion", "PayloadIdentifier", "PayloadUUID", "PayloadDisplayName")


@dataclass(frozen=True)
class Shown:
    """A value as people may read it. is_secret: it is masked."""

    text: str
    is_secret: bool = False


@dataclass(frozen=True)
class Value:
    """One value of a payload: path is its key, and those that it is nested in, from the outside to it."""

    path: tuple[str, ...]
    shown: Shown


@dataclass(frozen=True)
class Payload:
    """cut: it has more values than are listed."""

    payload_type: str
    name: str
    values: tuple[Value, ...]
    cut: bool = False


def payloads_of(content: bytes) -> list[Payload]:
    """What is in the file, without what every payload has."""
    found = []
    for payload in payloads_in(mobileconfig.as_dictionary(content)):
        values = [one for one in flat(payload) if one[0][0] not in ENVELOPE]
        shown = tuple(Value(path, shown_as(path, value)) for path, value in values[:MAX_VALUES])
        found.append(Payload(payload["PayloadType"], name_of(payload), shown, len(values) > MAX_VALUES))
    return found


def flat(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Path → value for whatever is no dictionary and no list of such, in the order of the file. Numbers count from 1."""
    if isinstance(value, dict) and (value or not path) and len(path) < MAX_DEPTH:
        for key, item in value.items():
            yield from flat(item, (*path, key))
    elif isinstance(value, list) and any(isinstance(one, dict | list) for one in value) and len(path) < MAX_DEPTH:
        for number, item in enumerate(value, 1):
            yield from flat(item, (*path, str(number)))
    else:
        yield path, value


def is_secret(path: Sequence[str], value: Any) -> bool:
    """Whether the value is masked: by the names that it stands under. What is only a variable says nothing."""
    if not isinstance(value, str | bytes) or not value or not any(_SECRET.search(name) for name in path):
        return False
    return not (isinstance(value, str) and _ONLY_A_VARIABLE.fullmatch(value))


def shown_as(path: Sequence[str], value: Any) -> Shown:
    if is_secret(path, value):
        return Shown(MASK, is_secret=True)
    return Shown(_cut(_in_words(value, path)))


def _in_words(value: Any, path: Sequence[str]) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return described(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    if isinstance(value, list):
        return ", ".join(shown_as(path, one).text for one in value[:MAX_VALUES]) if value else "[]"
    return "{}" if isinstance(value, dict) and not value else str(value)


def described(data: bytes) -> str:
    """Bytes by their number and a fingerprint, so that one sees whether they are others."""
    digest = hashlib.sha256(data).hexdigest()[:16]
    return _("%(number)s bytes, SHA-256 %(digest)s…") % {"number": f"{len(data):,}", "digest": digest}


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…"


def readable_value(value: Any, path: tuple[str, ...], others: Collection[tuple[str, ...]]) -> Any:
    if isinstance(value, dict):
        return {
            _UNWRITABLE.sub("\ufffd", key): readable_value(item, (*path, key), others) for key, item in value.items()
        }
    if isinstance(value, list):
        is_nested = any(isinstance(one, dict | list) for one in value)
        places = ((*path, str(number)) if is_nested else path for number in range(1, len(value) + 1))
        return [readable_value(item, place, others) for item, place in zip(value, places, strict=True)]
    if is_secret(path, value):
        return _("%(mask)s (another one)") % {"mask": MASK} if path in others else MASK
    if isinstance(value, bytes):
        return f"({described(value)})"
    return _UNWRITABLE.sub("\ufffd", _cut(value)) if isinstance(value, str) else value


def payloads_in(profile: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list(profile["PayloadContent"])


def name_of(payload: Mapping[str, Any]) -> str:
    name = payload.get("PayloadDisplayName")
    return name.strip()[:MAX_TEXT] if isinstance(name, str) else ""
