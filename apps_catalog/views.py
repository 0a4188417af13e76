"""Manifests and files for devices. Whoever has the address may fetch: it is signed, names one upload, and expires.

And where Apple tells of licences, with a bearer token that it has from us.
"""

import json
import logging

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from apps_catalog.services.delivery import NoSuchAddress, manifest, version_of_file, version_of_manifest
from apps_catalog.services.icons import read_icon
from apps_catalog.services.licence_notifications import take_notification, token_of
from mdm.common.stored_files import answer_stored
from mdm.protocol import plist

logger = logging.getLogger(__name__)

MAX_NOTIFICATION_BYTES = 256 * 1024
_ICON_HEADERS = {
    # The address is that of this very image: another one has another.
    "Cache-Control": "public, max-age=31536000, immutable",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
}


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
    try:
        return answer_stored(request, version.file.name, size=version.size, sha256=version.sha256)
    except FileNotFoundError:
        logger.error("The file of app version %s is missing from the storage", version.pk)
        return _refusal(404)


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


def _refusal(status: int) -> HttpResponse:
    return HttpResponse(status=status, content_type="text/plain")
