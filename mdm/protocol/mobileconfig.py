"""Configuration profiles (.mobileconfig) as operators upload them: what is in one, or what is wrong with it.

Source: Apple, "TopLevel", "CommonPayloadKeys" (profile payload keys); RFC 5652 for signed ones.
"""

import re
from dataclasses import dataclass
from typing import Any
from xml.parsers.expat import ExpatError

from mdm.protocol import binary_plist, payloads, plist
from mdm.protocol.cms import open_signed
from mdm.protocol.errors import BadSignature, Malformed, ProtocolError, TooLarge

MAX_MEBIBYTES = 10
MAX_BYTES = MAX_MEBIBYTES * 1024 * 1024
MAX_TEXT = 255
MAX_UUID = 64
MAX_NAMED = 20  # payload types that are warned about one by one

_SIGNED = re.compile(rb"\x30[\x80-\x84]")  # a SEQUENCE with a long or an indefinite length; no text begins like this
_ENVELOPED = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03"  # pkcs7-envelopedData
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_HTML = re.compile(rb"\s*+(?:\xef\xbb\xbf)?\s*+<(?:!doctype\s++html|html|head|body)[\s>]", re.IGNORECASE)
_ENROLLMENT = "com.apple.mdm"

_VARIABLE_MARK = b"{{"
_SCALAR = re.compile(rb"<(integer|real|date|data)>([^<]*+)</\1>")
_NEUTRAL = {b"integer": b"0", b"real": b"0", b"date": b"2001-01-01T00:00:00Z", b"data": b""}
_BARE_VARIABLE = re.compile(rb"</key>\s*+(\{\{[^{}<>]++\}\}\s*+)(?=<(?:key|/dict)>)")
_VARIABLE_TAG = re.compile(rb"<\s*+\{\{[^{}<>]++\}\}\s*+/>")


class BadProfile(ProtocolError):
    """The file is no configuration profile that can be handed to devices."""


@dataclass(frozen=True, slots=True)
class Mobileconfig:
    """payload_types: each once, in the order of the payloads. scope: "System", "User" or "" when it does not say.

    warnings: sentences about what devices may stumble over.
    """

    identifier: str
    uuid: str
    display_name: str
    payload_types: tuple[str, ...]
    scope: str
    is_signed: bool
    warnings: tuple[str, ...] = ()


def read(data: bytes, *, may_vary: bool = True) -> Mobileconfig:
    """Read a profile, XML or binary, signed (BER or DER) or not. A signature must fit, whoever made it.

    may_vary: variables ({{…}}) may stand wherever an unsigned XML profile has a value; otherwise only where any text may.
    Raises BadProfile, whose text names the fault.
    """
    if len(data) > MAX_BYTES:
        raise BadProfile(f"The file is larger than {MAX_MEBIBYTES} MiB, the most that a profile may have.")
    if not data.strip():
        raise BadProfile("The file is empty.")
    signed = is_signed(data)
    if signed and _ENVELOPED in data[:32]:
        raise BadProfile("The file is encrypted; upload the profile unencrypted.")
    content = _content(data) if signed else data
    profile = _dictionary(content, may_vary=may_vary and has_variables(data))
    types = _payload_types(profile["PayloadContent"])
    display_name = profile.get("PayloadDisplayName")
    scope = profile.get("PayloadScope")
    return Mobileconfig(
        identifier=profile["PayloadIdentifier"],
        uuid=profile["PayloadUUID"],
        display_name=display_name if isinstance(display_name, str) else "",
        payload_types=types,
        scope=scope if scope in ("System", "User") else "",
        is_signed=signed,
        warnings=tuple(_warnings(profile, has_lost_variables=signed and _VARIABLE_MARK in content)),
    )


def is_signed(data: bytes) -> bool:
    """Whether it is CMS and no property list; says nothing about the signature."""
    return _SIGNED.match(data) is not None


def has_variables(data: bytes) -> bool:
    """Whether something may be filled in: in unsigned XML only, for anything else would be damaged by it."""
    return _VARIABLE_MARK in data and not data.startswith(binary_plist.MAGIC) and not is_signed(data)


def as_dictionary(data: bytes) -> dict[str, Any]:
    """The profile for people to look at; a variable that stands for a number, a date, data or a switch is a text there.

    Raises BadProfile, as `read` does.
    """
    content = _content(data) if is_signed(data) else data
    return _dictionary(_with_variables_as_texts(content) if has_variables(data) else content, may_vary=False)


def _content(data: bytes) -> bytes:
    try:
        return open_signed(data)[0]
    except BadSignature as error:
        raise BadProfile(f"The file is signed, but the signature is not in order: {error}") from error


def _dictionary(data: bytes, *, may_vary: bool) -> dict[str, Any]:
    """The top level with its required keys checked; may_vary: variables may stand for values."""
    profile = _load(_without_variables(data) if may_vary else data)
    if not isinstance(profile, dict):
        raise BadProfile("The property list is not a dictionary, so it is not a configuration profile.")
    if profile.get("PayloadType") != "Configuration":
        raise BadProfile("The PayloadType of the profile is not Configuration.")
    _check_text(profile, "PayloadIdentifier", "The profile", MAX_TEXT)
    _check_text(profile, "PayloadUUID", "The profile", MAX_UUID)
    if "EncryptedPayloadContent" in profile:
        raise BadProfile("The content of the profile is encrypted for one device; upload the profile unencrypted.")
    content = profile.get("PayloadContent")
    if content is None:
        raise BadProfile("The profile has no PayloadContent.")
    if not isinstance(content, list):
        raise BadProfile("The PayloadContent of the profile is not an array.")
    if not content:
        raise BadProfile("The PayloadContent of the profile is empty: there is nothing to install.")
    return profile


def _payload_types(payloads: list[Any]) -> tuple[str, ...]:
    for number, payload in enumerate(payloads, 1):
        name = f"Payload {number} of the profile"
        if not isinstance(payload, dict):
            raise BadProfile(f"{name} is not a dictionary.")
        _check_text(payload, "PayloadType", name, MAX_TEXT)
        _check_text(payload, "PayloadIdentifier", name, MAX_TEXT)
        _check_text(payload, "PayloadUUID", name, MAX_TEXT)
        if payload["PayloadType"].strip().lower() == _ENROLLMENT:
            raise BadProfile(
                f"{name} is an enrollment ({_ENROLLMENT}): it would take devices out of this server's management."
            )
    return tuple(dict.fromkeys(payload["PayloadType"] for payload in payloads))


def _check_text(values: dict[str, Any], key: str, owner: str, limit: int) -> None:
    value = values.get(key)
    if value is None:
        raise BadProfile(f"{owner} has no {key}.")
    if not isinstance(value, str):
        raise BadProfile(f"The {key} of {_lowered(owner)} is not a string.")
    if not value.strip():
        raise BadProfile(f"The {key} of {_lowered(owner)} is empty.")
    if len(value) > limit:
        raise BadProfile(f"The {key} of {_lowered(owner)} is longer than {limit} characters.")


def _lowered(owner: str) -> str:
    return owner[:1].lower() + owner[1:]


def _warnings(profile: dict[str, Any], *, has_lost_variables: bool) -> list[str]:
    found = []
    if profile.get("PayloadVersion") != 1:
        found.append("The PayloadVersion of the profile is not 1; devices may refuse it.")
    if profile.get("PayloadScope", "System") not in ("System", "User"):
        found.append("The PayloadScope of the profile is neither System nor User.")
    uuids = [profile["PayloadUUID"], *(payload["PayloadUUID"] for payload in profile["PayloadContent"])]
    if len(set(uuids)) < len(uuids):
        found.append("Some payloads have the same PayloadUUID; devices may refuse the profile.")
    types = dict.fromkeys(payload["PayloadType"] for payload in profile["PayloadContent"])
    unknown = [one for one in types if not payloads.is_known(one)]
    found += [
        f"Apple describes no payload of the type {one}. Macs take it for the settings of an app of that name; other "
        "devices refuse the profile."
        for one in unknown[:MAX_NAMED]
    ]
    if len(unknown) > MAX_NAMED:
        found.append(f"{len(unknown) - MAX_NAMED} more types of its payloads are none that Apple describes.")
    if has_lost_variables:
        found.append("The profile is signed, so its variables are not filled in.")
    return found


def _load(data: bytes) -> Any:
    if data.startswith(_UTF_16):
        raise BadProfile("The file is encoded in UTF-16; save it as UTF-8.")
    if _HTML.match(data):
        raise BadProfile("The file is a web page (HTML) and no configuration profile: perhaps a sign-in or error page.")
    if not data.startswith(binary_plist.MAGIC) and b"<plist" not in data:
        raise BadProfile("The file is not a property list, neither XML nor binary, so it is no configuration profile.")
    try:
        return plist.loads(data, max_bytes=MAX_BYTES)
    except (Malformed, TooLarge) as error:
        raise BadProfile(_located(error, data)) from error


def _located(error: ProtocolError, data: bytes) -> str:
    """The sentence of the plist reader, with the line where the XML ends to be XML."""
    if not isinstance(error.__cause__, ExpatError):
        return str(error)
    # The reader parses from <plist> on, and counts from there.
    skipped = data.count(b"\n", 0, plist.prolog_end(data))
    return f"{str(error).removesuffix('.')}: there is a fault in line {skipped + error.__cause__.lineno}."


def _without_variables(data: bytes) -> bytes:
    """The same lines with a harmless value in place of each variable that stands where a plist allows no text."""
    data = _SCALAR.sub(_neutral_scalar, data)
    data = _BARE_VARIABLE.sub(lambda found: b"</key><string/>" + _line_ends(found), data)
    return _VARIABLE_TAG.sub(lambda found: b"<true/>" + _line_ends(found), data)


def _with_variables_as_texts(data: bytes) -> bytes:
    data = _SCALAR.sub(
        lambda found: b"<string>%b</string>" % found[2] if _VARIABLE_MARK in found[2] else found[0], data
    )
    data = _BARE_VARIABLE.sub(lambda found: b"</key><string>%b</string>" % found[1], data)
    return _VARIABLE_TAG.sub(lambda found: b"<string>%b</string>" % found[0].strip(b"</> \t\r\n"), data)


def _neutral_scalar(found: re.Match[bytes]) -> bytes:
    tag, text = found[1], found[2]
    if _VARIABLE_MARK not in text:
        return found[0]
    return b"<%b>%b%b</%b>" % (tag, _NEUTRAL[tag], _line_ends(found), tag)


def _line_ends(found: re.Match[bytes]) -> bytes:
    return b"\n" * found[0].count(b"\n")
