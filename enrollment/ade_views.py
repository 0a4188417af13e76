"""What a device of Apple's list calls when it is set up: `/e/ade/TOKEN` for its profile, `/e/ade/TOKEN/sign-in` for a page that
somebody signs in on first.

The device proves who it is with a signed MachineInfo: as the body, or in a header. No session, no cookie, no script.
Source: Apple, "MachineInfo", "Authenticating Through Web Views".
"""

import logging
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.request import UnreadablePostError
from django.template.loader import render_to_string
from django.views.decorators.csrf import csrf_exempt

from enrollment.models import DepSettings
from enrollment.services.ade import AdeRefused, Arrival, Unrecognized, UpdateRequired, receive, require_version
from enrollment.services.ade_profiles import profile_for
from enrollment.services.ade_settings import find_settings
from enrollment.services.ade_sign_in import (
    MAX_EMAIL_LENGTH,
    PassExpired,
    SignInError,
    TooManyTries,
    make_pass,
    read_pass,
    sign_in,
)
from enrollment.services.machine_trust import NotTrusted
from enrollment.views import HEADERS, PROFILE_TYPE
from mdm.common.proxies import client_ip
from mdm.protocol.errors import ProtocolError, TooLarge
from mdm.protocol.machine_info import MAX_BYTES, decode_header

METHODS = ("POST", "GET")
DEVICE_HEADER = "x-apple-aspen-deviceinfo"
MAX_PASSWORD_LENGTH = 4096

logger = logging.getLogger("pomona.ade")

AdeView = Callable[[HttpRequest, DepSettings], HttpResponse]


def ade_view(view: AdeView) -> Callable[..., HttpResponse]:
    """The view gets the settings that the address names; what it raises becomes an answer.

    404 an address that is nobody's; 400 not a signed MachineInfo; 403 not a genuine device, or one that may not enroll (with
    Apple's JSON where Apple has a code for it); 413 too large.
    """

    @csrf_exempt
    @wraps(view)
    def guarded(request: HttpRequest, token: str) -> HttpResponse:
        if request.method not in METHODS:
            return HttpResponse(status=405, headers={"Allow": ", ".join(METHODS)})
        settings = find_settings(token)
        if settings is None:
            return _sentence(404, "This address is not known here.")
        try:
            return view(request, settings)
        except TooLarge as error:
            return _refused(request, 413, error)
        except (ProtocolError, UnreadablePostError) as error:
            return _refused(request, 400, error)
        except NotTrusted as error:
            # Whoever it was is told no more than a device needs.
            _note(request, 403, error)
            return _sentence(403, "The message was not signed by a device that is trusted here.")
        except AdeRefused as error:
            _note(request, 403, error)
            return _answer(error)

    return guarded


@ade_view
def enroll(request: HttpRequest, settings: DepSettings) -> HttpResponse:
    """The device's signed profile."""
    return _profile(profile_for(receive(settings, _message(request))))


@ade_view
def sign_in_page(request: HttpRequest, settings: DepSettings) -> HttpResponse:
    """GET by the device, with its header: the page. POST by its person: the profile, or the page again."""
    if request.method == "POST":
        return _signed_in(request, settings)
    if DEVICE_HEADER not in request.headers:
        return _page("enrollment/ade/elsewhere.html", {"account": settings.account}, status=400)
    arrival = receive(settings, _message(request))
    if not settings.requires_sign_in:
        return _profile(profile_for(arrival))
    require_version(arrival)
    return _form(arrival, make_pass(arrival))


def _signed_in(request: HttpRequest, settings: DepSettings) -> HttpResponse:
    _require_small(request)
    given = {name: request.POST.get(name, "") for name in ("pass", "email", "password")}
    try:
        arrival = read_pass(settings, given["pass"])
    except PassExpired as error:
        return _page("enrollment/ade/elsewhere.html", {"account": settings.account, "why": str(error)}, status=400)
    try:
        return _profile(sign_in(arrival, given["email"], given["password"][:MAX_PASSWORD_LENGTH]))
    except SignInError as error:
        status = 429 if isinstance(error, TooManyTries) else 200
        return _form(arrival, given["pass"], email=given["email"][:MAX_EMAIL_LENGTH], why=str(error), status=status)
    except AdeRefused as error:
        # Here a person reads it, and no device.
        _note(request, 403, error)
        return _page("enrollment/ade/refused.html", {"account": settings.account, "why": str(error)}, status=403)


def _message(request: HttpRequest) -> bytes:
    """What the device signed. Raises ProtocolError."""
    header = request.headers.get(DEVICE_HEADER)
    if header:
        return decode_header(header)
    _require_small(request)
    return request.body


def _require_small(request: HttpRequest) -> None:
    """Before anything is read. Raises TooLarge."""
    announced = request.META.get("CONTENT_LENGTH") or "0"
    if announced.isascii() and announced.isdigit() and int(announced[:20]) > MAX_BYTES:
        raise TooLarge(f"The body is larger than {MAX_BYTES} bytes.")


def _profile(content: bytes) -> HttpResponse:
    return HttpResponse(content, content_type=PROFILE_TYPE, headers=HEADERS)


def _answer(error: AdeRefused) -> HttpResponse:
    """403, in the form that Apple gives to the reason; a sentence where it gives none."""
    if isinstance(error, Unrecognized):
        return _coded("com.apple.unrecognized.device", error)
    if isinstance(error, UpdateRequired):
        return _coded("com.apple.softwareupdate.required", error, details={"OSVersion": error.version})
    return _sentence(403, str(error))


def _coded(code: str, error: AdeRefused, **more: Any) -> HttpResponse:
    content = {"code": code, "description": str(error), "message": str(error), **more}
    return JsonResponse(content, status=403, headers=HEADERS)


def _sentence(status: int, sentence: str) -> HttpResponse:
    return HttpResponse(f"{sentence}\n", status=status, content_type="text/plain; charset=utf-8", headers=HEADERS)


def _refused(request: HttpRequest, status: int, error: Exception) -> HttpResponse:
    _note(request, status, error)
    return _sentence(status, str(error))


def _note(request: HttpRequest, status: int, error: Exception) -> None:
    logger.warning("automated enrollment from %s refused with %s: %s", client_ip(request), status, error)


def _form(arrival: Arrival, text: str, *, email: str = "", why: str = "", status: int = 200) -> HttpResponse:
    context = {"account": arrival.settings.account, "settings": arrival.settings, "serial": arrival.info.serial_number}
    return _page(
        "enrollment/ade/sign_in.html",
        context | {"pass": text, "email": email, "why": why, "max_email_length": MAX_EMAIL_LENGTH},
        status=status,
    )


def _page(template: str, context: Mapping[str, Any], *, status: int) -> HttpResponse:
    """Rendered without the request: the page needs no session, and so sets no cookie."""
    return HttpResponse(render_to_string(template, dict(context)), status=status, headers=HEADERS)
