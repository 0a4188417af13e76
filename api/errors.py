"""One JSON shape for everything that goes wrong: {"errors": [{"title": …}]}.

Callers of the raw command endpoint (/v1, /push) look for {"error": …}: they get both.
"""

import logging
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import (
    ObjectDoesNotExist,
    RequestDataTooBig,
    SuspiciousOperation,
    ValidationError,
)
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.views import defaults
from rest_framework import exceptions
from rest_framework.response import Response

from apps_catalog.packages.errors import BadPackage
from apps_catalog.services.errors import CatalogError
from devices.services.errors import DeviceError
from enrollment.services.errors import EnrollmentError
from mdm.commands.services import CommandExists
from mdm.events.webhooks import WebhookError
from mdm.protocol.errors import ProtocolError

logger = logging.getLogger(__name__)

JSON_PREFIXES = ("/api/", "/v1/", "/push/")
RAW_PREFIXES = ("/v1/", "/push/")
NOT_FOUND = "object not found"
# A list of thousands may be wrong in each of its items; titles repeat what was sent.
MAX_TITLES = 100
MAX_TITLE_LENGTH = 1000


class ApiError(exceptions.APIException):
    """An answer with this status and title."""

    def __init__(self, status_code: int, title: str) -> None:
        super().__init__(title)
        self.status_code = status_code
        self.title = title


class TooManyRequests(exceptions.Throttled):
    """429: the same is welcome again after wait seconds."""

    def __init__(self, wait: float, title: str = "Too many requests.") -> None:
        super().__init__(wait=wait)
        self.title = title


def exception_handler(error: Exception, context: Mapping[str, Any]) -> Response:
    """DRF's hook: the answer to whatever a view raised. What nobody foresaw is logged and answered without detail."""
    request = context["request"]
    status, titles = _describe(error)
    if status == 500:
        logger.error("%s %s failed", request.method, request.path, exc_info=error)
    return Response(body_for(request.path, titles), status=status, headers=_headers(error))


def body_for(path: str, titles: Sequence[str]) -> dict[str, Any]:
    body: dict[str, Any] = {"errors": [{"title": title} for title in titles]}
    if path.startswith(RAW_PREFIXES):
        body = {"error": " ".join(titles)} | body
    return body


def _describe(error: Exception) -> tuple[int, list[str]]:
    match error:
        case ApiError() | TooManyRequests():
            return error.status_code, [error.title]
        case exceptions.NotAuthenticated() | exceptions.AuthenticationFailed():
            return 401, ["Unauthorized"]
        case Http404() | ObjectDoesNotExist() | exceptions.NotFound():
            return 404, [NOT_FOUND]
        case exceptions.ValidationError():
            return 422, _titles(error.detail)
        case exceptions.APIException():
            return error.status_code, _titles(error.detail)
        case ValidationError():
            return 422, list(error.messages)
        case CommandExists():
            return 409, [_sentence(str(error))]
        case DeviceError() | EnrollmentError() | ProtocolError() | CatalogError() | BadPackage() | WebhookError():
            return 422, [_sentence(str(error))]
        case RequestDataTooBig():
            return 413, ["The request is too large."]
        case SuspiciousOperation() | UnreadablePostError():
            return 400, ["The request could not be read."]
        case _:
            return 500, ["Internal server error"]


def _sentence(text: str) -> str:
    """What is wrong with a command is told without a full stop, as forms show it beside a field."""
    return text if text.endswith(".") else f"{text}."


def _headers(error: Exception) -> dict[str, str]:
    headers = {}
    if getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = error.auth_header
    if isinstance(error, exceptions.Throttled) and error.wait is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.wait)))
        headers["X-RateLimit-Reset"] = str(math.ceil(time.time() + max(1, error.wait)))
    return headers


def _titles(detail: Any) -> list[str]:
    return [line[:MAX_TITLE_LENGTH] for line in _sentences(detail)[:MAX_TITLES]]


def _sentences(detail: Any, field: str = "") -> list[str]:
    """DRF's nested details as flat sentences, each with the name of its parameter in front."""
    if isinstance(detail, Mapping):
        return [
            line
            for key, inner in detail.items()
            for line in _sentences(inner, field if key == "non_field_errors" else f"{field}{'.' if field else ''}{key}")
        ]
    if isinstance(detail, list | tuple):
        return [line for inner in detail for line in _sentences(inner, field)]
    return [f"{field}: {detail}" if field else str(detail)]


def is_api(path: str) -> bool:
    return path.startswith(JSON_PREFIXES)


def unknown_path(request: HttpRequest, **_: object) -> JsonResponse:
    """The last route below the API's prefixes."""
    return JsonResponse(body_for(request.path, [NOT_FOUND]), status=404)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """`handler400` of the project: requests that Django refuses before any view sees them."""
    if not is_api(request.path):
        return defaults.bad_request(request, exception)
    return JsonResponse(body_for(request.path, ["The request could not be read."]), status=400)


def server_error(request: HttpRequest) -> HttpResponse:
    """`handler500` of the project: what failed outside the API's views. Django has logged it."""
    if not is_api(request.path):
        return defaults.server_error(request)
    return JsonResponse(body_for(request.path, ["Internal server error"]), status=500)
