"""Property lists from strangers: bounded, typed, and free of XML's document types and entities.

Values: dict, list, str, int (64 bits), finite float, bool, bytes and aware UTC datetime.
Source: Apple, "Property List Programming Guide"; the XML form's document type PropertyList-1.0.
"""

import base64
import binascii
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from mdm.protocol import binary_plist
from mdm.protocol.binary_plist import INTEGER_RANGE, MAX_DEPTH, MAX_OBJECTS
from mdm.protocol.errors import Malformed, TooLarge

MAX_BYTES = 10 * 1024 * 1024

# What may stand before <plist>. The XML parser is only ever given what follows, so no document type reaches it; one
# with an internal subset ("[") is refused here and not merely skipped.
_PROLOG = re.compile(
    rb"(?:\xef\xbb\xbf)?(?:\s++|<\?[^>]*+>|<!--.*?-->|<!DOCTYPE[^\[<>]*+>)*+(?=<plist[\s/>])",
    re.DOTALL,
)
# Neither runs past the next "<": otherwise a body that repeats the beginning is searched anew from each of them.
_OWN_DOCUMENT_TYPE = re.compile(rb"<!DOCTYPE[^\[<>]*+\[|<!ENTITY")
_ENCODING = re.compile(rb"""<\?xml\s[^<>]*?encoding\s*=\s*["']([^"']*)["']""")
_ENCODINGS = {b"utf-8", b"utf8", b"us-ascii", b"ascii"}
_DATE = re.compile(r"\s*(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)Z\s*", re.ASCII)
_ROOT = re.compile(rb"<plist(?:\s[^<>]*)?>\s*<dict>")
_CLOSES, _OPENS_DICT, _OPENS_ARRAY, _KEY, _KEY_AND_STRING = 1, 2, 3, 4, 5  # higher: not plain
_INTEGER = re.compile(r"\s*(?:([+-]?\d{1,20})|(-?0[xX][0-9a-fA-F]{1,16}))\s*", re.ASCII)

_HEADER = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">\n'
    '<plist version="1.0">\n'
)
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_NOT_PLAIN = re.compile("[&<>\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]")
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})


def loads(data: bytes, *, max_bytes: int = MAX_BYTES) -> Any:
    """Read an XML or binary property list; dates come out as aware UTC times.

    A key that occurs twice in one dictionary is refused, so that no two readers can disagree about its value.
    Raises Malformed or TooLarge, nothing else.
    """
    if len(data) > max_bytes:
        raise TooLarge(f"The property list is larger than {max_bytes} bytes.")
    if data.startswith(binary_plist.MAGIC):
        return binary_plist.loads(data, max_bytes=max_bytes)
    body = _xml_body(data)
    # Every element has one or two of these; counting them bounds the tree before it is built.
    if body.count(b"<") > 2 * MAX_OBJECTS:
        raise TooLarge(f"The property list has more than {MAX_OBJECTS} values.")
    root = _tree(body)
    if root.tag != "plist" or len(root) != 1:
        raise Malformed("The property list does not hold exactly one value.")
    return _value(root[0], 0)


def dumps(value: Mapping[str, Any]) -> bytes:
    """Write an XML property list, keys in the order given; naive datetimes are taken as UTC.

    Raises Malformed for a value that a property list cannot hold.
    """
    parts = [_HEADER]
    _write(value, parts, 0)
    parts.append("</plist>\n")
    return "".join(parts).encode()


def top_level(data: bytes, wanted: frozenset[str], *, max_bytes: int = MAX_BYTES) -> dict[str, str]:
    """The wanted keys of the outermost dictionary, those that are there; each must be a string.

    The hot path of connect: a plain XML body is checked by expat without a Python call per element, then the keys are
    picked out of the bytes, which is exact because in well-formed XML every "<" outside comments and CDATA starts a
    tag. Whatever is not plain (binary, comments, escapes in a wanted string, …) takes the long way through loads(). The
    unwanted rest is not examined beyond being well-formed. Raises Malformed or TooLarge.
    """
    if len(data) > max_bytes:
        raise TooLarge(f"The property list is larger than {max_bytes} bytes.")
    if not data.startswith(binary_plist.MAGIC):
        body = _xml_body(data)
        try:
            expat.ParserCreate("utf-8").Parse(body, True)
        except (expat.ExpatError, ValueError) as error:
            raise Malformed("The property list is not well-formed XML.") from error
        found = _scan(body, wanted)
        if found is not None:
            return found
    value = loads(data, max_bytes=max_bytes)
    if not isinstance(value, dict):
        raise Malformed("The property list is not a dictionary.")
    found = {key: value[key] for key in wanted if key in value}
    for key, text in found.items():
        if not isinstance(text, str):
            raise Malformed(f"{key} must be a string.")
    return found


@cache
def _scanner(wanted: frozenset[str]) -> re.Pattern[bytes]:
    """Finds what _scan needs; lastindex says what: see the constants. Every branch starts with a letter, for speed."""
    keys = b"|".join(re.escape(key.encode()) for key in sorted(wanted))
    return re.compile(
        rb"<(?:/(?:dict|array)(>)|dict(>)|array(>)"
        rb"|key>(?:(" + keys + rb")</key>(?:\s*+<string>([^<&\r]*+)</string>)?|[^<&]*+&())"
        rb"|!()|\?()|/(?:dict|array|key)\s()|dict\s()|array\s()|key\s()|plist())"
    )


def _scan(body: bytes, wanted: frozenset[str]) -> dict[str, str] | None:
    """The wanted strings of a plain, well-formed <plist><dict>…; None when the body is not plain."""
    root = _ROOT.match(body)
    if root is None:
        return None
    depth = 1
    found: dict[str, str] = {}
    for token in _scanner(wanted).finditer(body, root.end()):
        kind = token.lastindex or 0
        if kind == _CLOSES:
            depth -= 1
        elif kind > _KEY_AND_STRING or depth == 0:
            return None
        elif kind in (_OPENS_DICT, _OPENS_ARRAY):
            depth += 1
        elif depth == 1:
            key = token[_KEY].decode()
            if kind == _KEY or key in found:
                return None
            found[key] = token[_KEY_AND_STRING].decode()
    return found


def prolog_end(data: bytes) -> int:
    """Where <plist> begins, for who wants to say in which line something stands; 0 behind a prolog that is not accepted."""
    found = _PROLOG.match(data)
    return found.end() if found else 0


def _xml_body(data: bytes) -> bytes:
    """The bytes from <plist> on, once the prolog is known to be harmless and the encoding UTF-8."""
    if b"\0" in data:
        raise Malformed("The property list contains NUL bytes; only UTF-8 is accepted.")
    prolog = _PROLOG.match(data)
    if prolog is None:
        if _OWN_DOCUMENT_TYPE.search(data, 0, 65536):
            raise Malformed("The property list declares a document type or entities of its own.")
        raise Malformed("This is not a property list.")
    encoding = _ENCODING.search(data, 0, prolog.end())
    if encoding and encoding[1].lower() not in _ENCODINGS:
        raise Malformed("The property list is not encoded in UTF-8.")
    return data[prolog.end() :]


def _tree(body: bytes) -> Element:
    # pyexpat and not ElementTree's own parser: that one resolves namespaces, and a long namespace makes every tag long.
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    builder = TreeBuilder()
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, ValueError) as error:
        raise Malformed("The property list is not well-formed XML.") from error
    return builder.close()


def _value(element: Element, depth: int) -> Any:
    tag = element.tag
    if tag == "dict":
        return _dictionary(element, depth)
    if tag == "array":
        if depth >= MAX_DEPTH:
            raise Malformed(f"The property list is nested more than {MAX_DEPTH} levels deep.")
        return [_value(child, depth + 1) for child in element]
    if len(element):
        raise Malformed(f"A <{tag[:20]}> of the property list contains other elements.")
    text = element.text or ""
    if tag == "string":
        return text
    read = _SCALARS.get(tag)
    if read is None:
        raise Malformed("The property list contains an element that property lists do not have.")
    try:
        return read(text)
    except (ValueError, OverflowError) as error:
        raise Malformed(f"The property list contains an invalid <{tag}>.") from error


def _dictionary(element: Element, depth: int) -> dict[str, Any]:
    if depth >= MAX_DEPTH:
        raise Malformed(f"The property list is nested more than {MAX_DEPTH} levels deep.")
    children = list(element)
    if len(children) % 2:
        raise Malformed("A dictionary of the property list has a key without a value.")
    result: dict[str, Any] = {}
    for key, value in zip(children[::2], children[1::2], strict=True):
        if key.tag != "key" or len(key):
            raise Malformed("A dictionary of the property list has a value without a key.")
        result[key.text or ""] = _value(value, depth + 1)
    if len(result) * 2 != len(children):
        raise Malformed("A dictionary of the property list has the same key twice.")
    return result


def _integer(text: str) -> int:
    match = _INTEGER.fullmatch(text)
    if match is None:
        raise ValueError("not an integer")
    number = int(match[1]) if match[1] else int(match[2], 16)
    if number not in INTEGER_RANGE:
        raise ValueError("more than 64 bits")
    return number


def _real(text: str) -> float:
    number = float(text)
    # Neither JSON nor PostgreSQL can store infinity and NaN.
    if not math.isfinite(number):
        raise ValueError("not a finite number")
    return number


def _date(text: str) -> datetime:
    match = _DATE.fullmatch(text)
    if match is None:
        raise ValueError("not a date")
    return datetime(*map(int, match.groups()), tzinfo=UTC)


_SCALARS = {
    "integer": _integer,
    "real": _real,
    "true": lambda text: True,
    "false": lambda text: False,
    "date": _date,
    "data": binascii.a2b_base64,
}


def _text(text: str) -> str:
    if _NOT_PLAIN.search(text) is None:
        return text
    if _UNWRITABLE.search(text):
        raise Malformed("A string contains control characters, which an XML property list cannot hold.")
    return text.translate(_ESCAPES)


def _write(value: Any, parts: list[str], depth: int) -> None:
    if depth > MAX_DEPTH:  # a value that contains itself ends here as well
        raise Malformed(f"The value is nested more than {MAX_DEPTH} levels deep.")
    if isinstance(value, str):
        parts.append(f"<string>{_text(value)}</string>\n")
    elif isinstance(value, Mapping):
        parts.append("<dict>\n")
        for key, item in value.items():
            if not isinstance(key, str):
                raise Malformed("A dictionary has a key that is not a string.")
            parts.append(f"<key>{_text(key)}</key>\n")
            _write(item, parts, depth + 1)
        parts.append("</dict>\n")
    elif isinstance(value, list | tuple):
        parts.append("<array>\n")
        for item in value:
            _write(item, parts, depth + 1)
        parts.append("</array>\n")
    else:
        parts.append(_scalar(value))


def _scalar(value: Any) -> str:
    if value is True:
        return "<true/>\n"
    if value is False:
        return "<false/>\n"
    if isinstance(value, int):
        if value not in INTEGER_RANGE:
            raise Malformed("An integer has more than 64 bits.")
        return f"<integer>{int(value)}</integer>\n"
    if isinstance(value, float):
        if not math.isfinite(value):
            raise Malformed("A number is not finite.")
        return f"<real>{value!r}</real>\n"
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<data>{base64.b64encode(value).decode()}</data>\n"
    if isinstance(value, datetime):
        moment = value.astimezone(UTC) if value.tzinfo else value
        return f"<date>{moment.replace(microsecond=0, tzinfo=None).isoformat()}Z</date>\n"
    raise Malformed(f"A property list cannot hold a value of type {type(value).__name__}.")
