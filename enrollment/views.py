"""The page that lets somebody enroll a device, and the profile it links. Public: the code in the URL is the key.

A code has 128 random bits, so trying codes is hopeless and nothing is counted. No session, no cookie, no script.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any
from urllib.parse import urlencode

import segno
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_safe

from enrollment.models import Enrollment
from enrollment.services.licences import has_room
from enrollment.services.links import MAX_CODE_LENGTH, find, why_closed
from enrollment.services.profile import enrollment_profile

PROFILE_TYPE = "application/x-apple-aspen-config"
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
}


class Reader(StrEnum):
    """What the page is read on, as far as the browser tells. An iPad says that it is a Mac."""

    PHONE = "phone"
    MAC = "mac"
    OTHER = "other"


@require_safe
def start(request: HttpRequest) -> HttpResponse:
    """The page at /e/?c=CODE: what to do, the profile, the same page as a QR code."""
    code = _code(request)
    if not code:
        return _page("enrollment/ask.html", {"max_code_length": MAX_CODE_LENGTH})
    enrollment = find(code)
    refusal = _refusal(enrollment)
    if refusal:
        return refusal
    reader = _reader(request.headers.get("User-Agent", ""))
    return _page(
        "enrollment/start.html",
        {
            "enrollment": enrollment,
            "account": enrollment.account,
            "contact": _contact(enrollment),
            "profile_url": f"{reverse('enrollment-profile')}?{urlencode({'c': enrollment.code})}",
            "guides": _guides(reader),
            "reader": reader,
            "qr": _qr(enrollment.url),
        },
    )


@require_safe
def download(request: HttpRequest) -> HttpResponse:
    """The signed enrollment profile at /e/profile?c=CODE, with a fresh challenge each time."""
    enrollment = find(_code(request))
    refusal = _refusal(enrollment)
    if refusal:
        return refusal
    # Asking for the headers makes no challenge.
    content = b"" if request.method == "HEAD" else enrollment_profile(enrollment)
    response = HttpResponse(content, content_type=PROFILE_TYPE, headers=HEADERS)
    response["Content-Disposition"] = 'attachment; filename="enroll.mobileconfig"'
    return response


def _code(request: HttpRequest) -> str:
    """The code as it was linked, or typed with spaces around it; cut, as no code is that long."""
    return request.GET.get("c", "").strip()[: MAX_CODE_LENGTH + 1]


def _refusal(enrollment: Enrollment | None) -> HttpResponse | None:
    """404 for an unknown code, 410 for a closed link, 403 when the account has no licence left."""
    if enrollment is None:
        return _page("enrollment/unknown.html", {"max_code_length": MAX_CODE_LENGTH}, status=404)
    context = {"account": enrollment.account, "contact": _contact(enrollment)}
    reason = why_closed(enrollment)
    if reason:
        return _page("enrollment/gone.html", context | {"reason": reason}, status=410)
    if not has_room(enrollment):
        return _page("enrollment/full.html", context, status=403)
    return None


def _contact(enrollment: Enrollment) -> Any:
    """The person who made the link, to be asked for help; None when it was a program or they left."""
    user = enrollment.created_by
    return user if user and user.is_active else None


def _reader(user_agent: str) -> Reader:
    if re.search(r"iPhone|iPad|iPod", user_agent):
        return Reader.PHONE
    return Reader.MAC if "Macintosh" in user_agent else Reader.OTHER


def _guides(reader: Reader) -> list[dict[str, Any]]:
    """Both sets of steps, the likely one first and open. A Mac may turn out to be an iPad, so it is not called yours."""
    phone = {"title": "iPhone or iPad", "template": "enrollment/steps_phone.html", "is_likely": reader == Reader.PHONE}
    mac = {"title": "Mac", "template": "enrollment/steps_mac.html", "is_likely": False}
    first, second = (mac, phone) if reader == Reader.MAC else (phone, mac)
    return [first | {"is_open": True}, second | {"is_open": False}]


def _qr(url: str) -> str:
    """Inline SVG; always dark on white, as many cameras do not read the inverse."""
    code = segno.make(url, error="m", micro=False)
    svg = code.svg_inline(border=3, dark="#111", light="#fff", omitsize=True, svgclass="qr", lineclass=None)
    return mark_safe(svg)  # noqa: S308 - made of our own URL, which is drawn and not written into it


def _page(template: str, context: Mapping[str, Any], *, status: int = 200) -> HttpResponse:
    """Rendered without the request: the page needs no session, and so sets no cookie."""
    return HttpResponse(render_to_string(template, dict(context)), status=status, headers=HEADERS)
