"""Manifests and files for devices. Whoever has the address may fetch: it is signed, names one upload, and expires.

And where Apple tells of licences, with a bearer token that it has from us.
"""

import json
import logging
import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from django.core.files.storage import default_storage
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, StreamingHttpResponse
from django.utils.cache import get_conditional_response
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from apps_catalog.models import AppVersion
from apps_catalog.services.delivery import NoSuchAddress, manifest, version_of_file, version_of_manifest
from apps_catalog.services.icons import read_icon
from apps_catalog.services.licence_notifications import take_notification, token_of
from mdm.protocol import plist

logger = logging.getLogger(__name__)

PIECE_BYTES = 256 * 1024
MAX_NOTIFICATION_BYTES = 256 * 1024
_ICON_HEADERS = {
    # The address is that of this very image: another one has another.
    "Cache-Control": "public, max-age=31536000, immutable",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
}

_RANGE = re.compile(r"bytes=\s*(\d{0,20})-(\d{0,20})\s*", re.ASCII)


class Span(NamedTuple):
    """Positions in a file; end is the first one after it."""

    start: int
    end: int


@csrf_exempt
@require_POST
def licence_notifications(request: HttpRequest, key: str) -> HttpResponse:
    """Source: Apple, "Subscribing to Notifications"."""
    scheme, _, auth_token = request.headers.get("Authorization", "").partition(" ")
    token = token_of(key, auth_token.strip()) if scheme.lower() == "bearer" else None
    if token is None:
        return _refusal(403)
    body = request.read(MAX_NOTIFICATION_BYTES + 1)
    if len(body) > MAX_NOTIFICATION_BYTES:
        return _refusal(413)
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return _refusal(400)
    if not isinstance(said, dict):
        return _refusal(400)
    take_notification(token, said)
    return HttpResponse(status=200)


@csrf_exempt
@require_safe
def app_manifest(request: HttpRequest, token: str) -> HttpResponse:
    try:
        version = version_of_manifest(token)
    except NoSuchAddress as error:
        return _refusal(410 if error.has_expired else 404)
    response = HttpResponse(plist.dumps(manifest(version)), content_type="text/xml; charset=utf-8")
    response.headers["Cache-Control"] = "no-store"
    return response


@csrf_exempt
@require_safe
def app_file(request: HttpRequest, token: str, name: str) -> HttpResponseBase:
    """name is only there because devices want to see an ending; the token says which file it is."""
    try:
        version = version_of_file(token)
    except NoSuchAddress as error:
        return _refusal(410 if error.has_expired else 404)
    entity_tag = f'"{version.sha256}"'
    response = get_conditional_response(request, etag=entity_tag)
    if response is None:
        return _answer(request, version, entity_tag)
    response.headers["ETag"] = entity_tag
    return response


@csrf_exempt
@require_safe
def app_icon(request: HttpRequest, pk: int, name: str) -> HttpResponse:
    """For pages and scripts that show the catalogue; small, so it comes through here from any storage."""
    try:
        icon = read_icon(pk, name)
    except NoSuchAddress:
        return _refusal(404)
    except FileNotFoundError:
        logger.error("The icon of app %s is missing from the storage", pk)
        return _refusal(404)
    return HttpResponse(icon.content, content_type=icon.content_type, headers=_ICON_HEADERS)


def parse_range(header: str, size: int) -> Span | None:
    """The one range that is asked for; None for none, for several, and for what is no range: then all is sent.

    An empty span is a range that the file does not have. Source: RFC 9110, section 14.1.2.
    """
    match = _RANGE.fullmatch(header)
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        return Span(max(0, size - int(match[2])), size)
    start, end = int(match[1]), min(size, int(match[2]) + 1) if match[2] else size
    if match[2] and int(match[2]) < start:
        return None
    return Span(start, max(start, end))


def _answer(request: HttpRequest, version: AppVersion, entity_tag: str) -> HttpResponseBase:
    if request.method == "HEAD":
        return _with_headers(HttpResponse(), entity_tag, version.size)
    try:
        default_storage.path(version.file.name)
    except NotImplementedError:
        # The storage is a service of its own: it has its own signed addresses, and its own ranges.
        response = HttpResponseRedirect(default_storage.url(version.file.name))
        response.headers["Cache-Control"] = "no-store"
        return response
    span = _span(request, version.size, entity_tag)
    if span is not None and span.start >= span.end:
        response = _refusal(416)
        response.headers["Content-Range"] = f"bytes */{version.size}"
        return response
    try:
        file = default_storage.open(version.file.name)
    except FileNotFoundError:
        logger.error("The file of app version %s is missing from the storage", version.pk)
        return _refusal(404)
    start, end = span or (0, version.size)
    response = StreamingHttpResponse(Pieces(file, start, end), status=206 if span else 200)
    if span:
        response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{version.size}"
    return _with_headers(response, entity_tag, end - start)


def _span(request: HttpRequest, size: int, entity_tag: str) -> Span | None:
    """With If-Range a range counts only while the file is still the same."""
    if request.headers.get("If-Range", entity_tag).strip() != entity_tag:
        return None
    return parse_range(request.headers.get("Range", ""), size)


def _with_headers(response: HttpResponseBase, entity_tag: str, length: int) -> HttpResponseBase:
    for name, value in {
        "Content-Type": "application/octet-stream",
        "Content-Disposition": "attachment",
        "Content-Length": str(length),
        "Accept-Ranges": "bytes",
        "ETag": entity_tag,
        "Cache-Control": "private",
    }.items():
        response.headers[name] = value
    return response


def _refusal(status: int) -> HttpResponse:
    return HttpResponse(status=status, content_type="text/plain")


class Pieces:
    """The bytes from start to end, read when they are sent; the server closes it at the end or when the client goes."""

    def __init__(self, file: BinaryIO, start: int, end: int) -> None:
        self.file, self.start, self.end = file, start, end

    def __iter__(self) -> Iterator[bytes]:
        self.file.seek(self.start)
        left = self.end - self.start
        while left and (piece := self.file.read(min(PIECE_BYTES, left))):
            left -= len(piece)
            yield piece

    def close(self) -> None:
        self.file.close()
