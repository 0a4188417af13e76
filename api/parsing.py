"""Parameters of a request, however they came: query, urlencoded form, multipart, JSON, or a mixture; the body wins.

`name[]=1&name[]=2` becomes the list `name`. JSON labels on empty and on multipart bodies are forgiven.
"""

import io
import json
import math
import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

from django.http import HttpRequest, QueryDict
from django.http.multipartparser import MultiPartParser, MultiPartParserError
from django.utils.datastructures import MultiValueDict

from api.errors import ApiError

MAX_BODY_BYTES = 10 * 1024 * 1024
MAX_DEPTH = 64
# Of one JSON body: an empty list takes two bytes there and thirty times that in memory.
MAX_VALUES = 250_000
READING = ("GET", "HEAD", "OPTIONS")
OVERRIDES = ("PATCH", "PUT", "DELETE")
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"

# The next sign that a key or a value follows, strings passed over. It matches from wherever it stands, to the end if there
# is no other: whatever the text, each byte is read once.
_NEXT_VALUE = re.compile(rb'(?:[^",:\[{]++|"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z))*+(?:[,:\[{]|\Z)', re.DOTALL)


def read_parameters(request: HttpRequest, *, max_bytes: int = MAX_BODY_BYTES) -> dict[str, Any]:
    """Every parameter by name; uploads as UploadedFile. Raises ApiError with 400, 413 or 415."""
    values = _flat(request.GET)
    if request.method not in READING:
        values |= _read_body(request, max_bytes)
    check_values(values)
    return values


def overridden_method(request: HttpRequest, parameters: dict[str, Any]) -> str:
    """The method that is meant: `_method` in a POST stands for clients that can only send GET and POST."""
    wish = parameters.pop("_method", None)
    if request.method != "POST" or wish is None:
        return request.method
    wish = str(wish).upper()
    return wish if wish in OVERRIDES else request.method


def load_json(raw: bytes) -> dict[str, Any]:
    """A JSON object from a stranger: no repeated keys, no NaN, bounded depth and number of values.

    Raises ApiError 400 that says where.
    """
    _check_count(raw)
    try:
        value = json.loads(raw.decode("utf-8-sig"), object_pairs_hook=_object, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise ApiError(400, "The body is not UTF-8.") from error
    except json.JSONDecodeError as error:
        raise ApiError(
            400, f"The body is not valid JSON: {error.msg} (line {error.lineno}, column {error.colno})."
        ) from error
    except (ValueError, RecursionError) as error:
        raise ApiError(400, "The body is not valid JSON: a number or the nesting is too large.") from error
    if not isinstance(value, dict):
        raise ApiError(400, "The JSON body must be an object.")
    check_values(value)
    return value


def check_values(value: Any, depth: int = 0) -> None:
    """Refuse what a database cannot keep: NUL, lone surrogates, infinite numbers, endless nesting."""
    if isinstance(value, str):
        if "\x00" in value or not _is_unicode(value):
            raise ApiError(400, "The request contains characters that cannot be stored.")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ApiError(400, "The request contains a number that is too large.")
    elif isinstance(value, dict | list):
        if depth >= MAX_DEPTH:
            raise ApiError(400, "The request is nested too deeply.")
        for inner in [*value, *value.values()] if isinstance(value, dict) else value:
            check_values(inner, depth + 1)


def check_length(request: HttpRequest, max_bytes: int) -> int:
    """Bytes of the body, before any is read. Raises ApiError 411 or 413."""
    if "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower() and not request.META.get("CONTENT_LENGTH"):
        raise ApiError(411, "Send the request with a Content-Length.")  # Django would take the body for empty
    length = _length(request)
    if length > max_bytes:
        raise ApiError(413, f"The request is larger than {max_bytes} bytes.")
    return length


def _read_body(request: HttpRequest, max_bytes: int) -> dict[str, Any]:
    if not check_length(request, max_bytes):
        return {}
    kind = request.content_type
    if kind == MULTIPART and "boundary" in request.content_params:
        return _multipart(request, request.META, request)
    raw = request.body
    if raw.startswith(b"--") and (kind in ("", MULTIPART) or _is_json(kind)):
        return _unlabelled_multipart(request, raw)
    if _is_json(kind) or (not kind and raw.lstrip()[:1] == b"{"):
        return load_json(raw) if raw.strip() else {}
    if kind in (FORM, ""):
        return _flat(QueryDict(raw, encoding="utf-8"))
    raise ApiError(415, f"Content type {kind} is not supported; send JSON, a form or multipart.")


def _length(request: HttpRequest) -> int:
    try:
        return max(0, int(request.META.get("CONTENT_LENGTH") or 0))
    except ValueError:
        return 0


def _is_json(kind: str) -> bool:
    return kind in ("application/json", "text/json") or kind.endswith("+json")


def _unlabelled_multipart(request: HttpRequest, raw: bytes) -> dict[str, Any]:
    """The first line of a multipart body is its boundary with two dashes in front."""
    boundary = raw[:256].split(b"\r\n", 1)[0].split(b"\n", 1)[0][2:]
    label = boundary.decode("latin-1").replace('"', "")
    meta = request.META | {"CONTENT_TYPE": f'{MULTIPART}; boundary="{label}"', "CONTENT_LENGTH": str(len(raw))}
    return _multipart(request, meta, io.BytesIO(raw))


def _multipart(request: HttpRequest, meta: Mapping[str, Any], stream: Any) -> dict[str, Any]:
    try:
        fields, files = MultiPartParser(meta, stream, request.upload_handlers, "utf-8").parse()
    except MultiPartParserError as error:
        raise ApiError(400, f"The multipart body cannot be read: {error}.") from error
    request._files = files  # Django closes them, and removes their temporary files, at the end of the request.
    return _flat(fields) | _flat(files)


def _flat(fields: MultiValueDict) -> dict[str, Any]:
    """Lists only where the name says so; of a name given twice the last value counts."""
    values: dict[str, Any] = {}
    for name, given in fields.lists():
        if name.endswith("[]"):
            values[name[:-2]] = given
        elif given:
            values[name] = given[-1]
    return values


def _check_count(raw: bytes) -> None:
    """Before anything is built. What stands in strings does not count, and is looked at only where it makes a difference."""
    if sum(raw.count(sign) for sign in (b",", b":", b"[", b"{")) <= MAX_VALUES:
        return
    if any(True for _ in islice(_NEXT_VALUE.finditer(raw), MAX_VALUES + 1, None)):
        raise ApiError(400, f"The JSON body has more than {MAX_VALUES} keys and values.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        name = key.removesuffix("[]") if isinstance(value, list) else key
        if name in found:
            raise ApiError(400, f"The JSON body has the key {name[:100]!r} twice.")
        found[name] = value
    return found


def _no_constant(name: str) -> None:
    raise ApiError(400, f"The body is not valid JSON: {name}.")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
