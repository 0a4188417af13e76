"""What both endpoints do first: read a bounded body, find out who signed it, turn every refusal into its status."""

import logging
from collections.abc import Callable
from functools import wraps

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.http.request import UnreadablePostError

from mdm.common.proxies import client_ip
from mdm.endpoints import replies
from mdm.endpoints.identity import signer_of
from mdm.protocol.cms import Signer
from mdm.protocol.errors import BadSignature, ProtocolError, TooLarge

logger = logging.getLogger("pomona.devices")

METHODS = ("PUT", "POST")
DeviceView = Callable[[HttpRequest, bytes, Signer, str], HttpResponse]


class Forbidden(Exception):
    """The certificate is genuine but may not do this: 403."""


class MustLeave(Exception):
    """The device was removed by an operator: 401, at which it removes its management."""


def device_view(view: DeviceView) -> Callable[..., HttpResponse]:
    """The view gets body, signer and the token of the URL; what it raises becomes an answer.

    400 no or bad signature, or not a message; 401 must leave; 403 may not; 405 not PUT or POST; 413 too large.
    """

    @wraps(view)
    def guarded(request: HttpRequest, token: str = "") -> HttpResponse:
        if request.method not in METHODS:
            return replies.not_allowed(METHODS)
        try:
            body = read_body(request)
            return view(request, body, signer_of(request, body), token)
        except TooLarge as error:
            return _refuse(request, 413, error)
        except (BadSignature, ProtocolError, UnreadablePostError) as error:
            return _refuse(request, 400, error)
        except MustLeave as error:
            return _refuse(request, 401, error)
        except Forbidden as error:
            return _refuse(request, 403, error)

    return guarded


def read_body(request: HttpRequest) -> bytes:
    """Raises TooLarge, before reading where the length is announced."""
    limit = settings.DEVICE_BODY_MAX_BYTES
    announced = request.META.get("CONTENT_LENGTH") or "0"
    if announced.isascii() and announced.isdigit() and int(announced) > limit:
        raise TooLarge(f"The body is larger than {limit} bytes.")
    try:
        return request.body
    except RequestDataTooBig as error:
        raise TooLarge(f"The body is larger than {limit} bytes.") from error


def _refuse(request: HttpRequest, status: int, error: Exception) -> HttpResponse:
    logger.warning("%s from %s refused with %s: %s", request.path_info[:40], client_ip(request), status, error)
    return replies.refusal(status, str(error))
