"""What differs between two versions of a profile: payload by payload, key by key, and as lines of XML. For people, see
`profile_values.py`: secrets are masked on both sides.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum
from typing import Any

from devices.services.profile_values import (
    ENVELOPE,
    MAX_VALUES,
    Shown,
    flat,
    name_of,
    payloads_in,
    readable_value,
    shown_as,
)
from mdm.protocol import mobileconfig, plist

MAX_LINES = 2000  # of one payload on one side: comparing takes longer than in proportion


class Change(StrEnum):
    SAME = "same"
    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True)
class ValueChange:
    """before is None where it was added, after where it was removed."""

    path: tuple[str, ...]
    change: Change
    before: Shown | None
    after: Shown | None


@dataclass(frozen=True)
class Line:
    """A line of both sides; a side that has none there is None."""

    change: Change
    before: str | None
    after: str | None


@dataclass(frozen=True)
class PayloadChange:
    """payload_type is empty for the profile's own keys. name: what the payload calls itself.

    cut: more differs than is listed.
    """

    payload_type: str
    name: str
    change: Change
    values: tuple[ValueChange, ...]
    lines: tuple[Line, ...]
    cut: bool = False


def compare(before: bytes, after: bytes) -> list[PayloadChange]:
    """The profile's own keys first, then each payload in the order of the newer file, what was taken out last.

    What is the same on both sides is not in it.
    """
    old, new = mobileconfig.as_dictionary(before), mobileconfig.as_dictionary(after)
    own = [_difference(_own(old), _own(new), is_own=True)] if not _same(_own(old), _own(new)) else []
    pairs = _pairs(payloads_in(old), payloads_in(new))
    return own + [_difference(one, other) for one, other in pairs if not _same(one, other)]


# --- Which payloads belong together -----------------------------------------------------------------------------------
def _pairs(old: Sequence[dict], new: Sequence[dict]) -> list[tuple[dict | None, dict | None]]:
    """By PayloadUUID, else by PayloadIdentifier, else in the order of those of one type. None: there is none."""
    left, partner = list(range(len(old))), {}
    for key_of in (_uuid, _identifier, _type):
        for number, payload in enumerate(new):
            if number in partner:
                continue
            match = next((one for one in left if key_of(old[one]) == key_of(payload)), None)
            if match is not None:
                partner[number] = match
                left.remove(match)
    pairs: list[tuple[dict | None, dict | None]] = [
        (old[partner[number]] if number in partner else None, payload) for number, payload in enumerate(new)
    ]
    return pairs + [(old[one], None) for one in left]


def _uuid(payload: Mapping[str, Any]) -> tuple[str, str]:
    return payload["PayloadType"], payload["PayloadUUID"].upper()


def _identifier(payload: Mapping[str, Any]) -> tuple[str, str]:
    return payload["PayloadType"], payload["PayloadIdentifier"]


def _type(payload: Mapping[str, Any]) -> str:
    return payload["PayloadType"]


def _own(profile: Mapping[str, Any]) -> dict[str, Any]:
    """The top level without its payloads."""
    return {key: value for key, value in profile.items() if key != "PayloadContent"}


# --- Key by key -------------------------------------------------------------------------------------------------------
def _difference(before: dict | None, after: dict | None, *, is_own: bool = False) -> PayloadChange:
    present = after or before or {}
    change = Change.ADDED if before is None else Change.REMOVED if after is None else Change.CHANGED
    values = list(_value_changes(dict(flat(before or {})), dict(flat(after or {}))))
    if change != Change.CHANGED:
        values = [one for one in values if one.path[0] not in ENVELOPE]
    others = {one.path for one in values if one.before and one.after and one.after.is_secret}
    lines, is_cut = _lines(_as_text(before), _as_text(after, others))
    return PayloadChange(
        "" if is_own else present["PayloadType"],
        "" if is_own else name_of(present),
        change,
        tuple(values[:MAX_VALUES]),
        tuple(lines),
        is_cut or len(values) > MAX_VALUES,
    )


def _value_changes(
    before: Mapping[tuple[str, ...], Any], after: Mapping[tuple[str, ...], Any]
) -> Iterator[ValueChange]:
    for path in dict.fromkeys([*after, *before]):
        if path not in before:
            yield ValueChange(path, Change.ADDED, None, shown_as(path, after[path]))
        elif path not in after:
            yield ValueChange(path, Change.REMOVED, shown_as(path, before[path]), None)
        elif not _same(before[path], after[path]):
            yield ValueChange(path, Change.CHANGED, shown_as(path, before[path]), shown_as(path, after[path]))


def _same(one: Any, other: Any) -> bool:
    """Also in what they are made of: for Python, 1 and true are the same."""
    return one == other and repr(one) == repr(other)


# --- As lines ---------------------------------------------------------------------------------------------------------
def _as_text(payload: dict | None, others: Collection[tuple[str, ...]] = ()) -> list[str]:
    """XML as it would stand in a file, indented, with masks and descriptions in place of what is not to be read.

    others: paths of secrets that are other ones than before.
    """
    if payload is None:
        return []
    return list(_indented(plist.dumps(readable_value(payload, (), others)).decode()))


def _indented(text: str) -> Iterator[str]:
    """The lines of a property list between `<plist>` and `</plist>`."""
    depth = 0
    for line in text.partition('<plist version="1.0">\n')[2].split("\n")[:-2]:
        if line in ("</dict>", "</array>"):
            depth -= 1
        yield "  " * depth + line
        if line in ("<dict>", "<array>"):
            depth += 1


def _lines(before: list[str], after: list[str]) -> tuple[list[Line], bool]:
    """Side by side. Whether something was left out, as it is too long."""
    is_cut = max(len(before), len(after)) > MAX_LINES
    before, after = before[:MAX_LINES], after[:MAX_LINES]
    found: list[Line] = []
    for tag, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        left, right = before[a:b], after[c:d]
        for number in range(max(len(left), len(right))):
            one = left[number] if number < len(left) else None
            other = right[number] if number < len(right) else None
            found.append(Line(_change_of(tag, one, other), one, other))
    return found, is_cut


def _change_of(tag: str, before: str | None, after: str | None) -> Change:
    if tag == "equal":
        return Change.SAME
    return Change.ADDED if before is None else Change.REMOVED if after is None else Change.CHANGED
