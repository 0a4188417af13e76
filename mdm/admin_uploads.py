"""How large a request of the admin, or a form with files of any other page, may be: small, except for people who may upload apps,
on the pages where that is done.

Django reads a form before any page asks who sent it (its CSRF check looks for the token there), and writes the files in it to
disk; so this comes first.
"""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from mdm.accounts.permissions import Action, may
from mdm.common.words import file_size
from mdm.protocol.mobileconfig import MAX_BYTES

FORM_BYTES = 1024 * 1024  # what a form has beside its file
MOST_BYTES = MAX_BYTES + FORM_BYTES  # with the largest profile
# Files sent to the API are read by the view, after it has asked for the key. No other page outside the admin takes any.
OWN_LIMITS = ("/api/",)


class AdminBodySize:
    """Middleware, after the one that knows the account: 413 for a request that is too large."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        length = _length(request)
        most = _allowed(request) if length > FORM_BYTES else None
        if most is not None and length > most:
            sentence = _("This is too large: at most %(most)s can be sent here.") % {"most": file_size(most)}
            return HttpResponse(sentence, status=413, content_type="text/plain")
        return self.get_response(request)


def _allowed(request: HttpRequest) -> int | None:
    """None: whoever answers has a limit of its own."""
    if not request.path_info.startswith(reverse("admin:index")):
        has_files = request.content_type == "multipart/form-data" and not request.path_info.startswith(OWN_LIMITS)
        return FORM_BYTES if has_files else None
    if request.path_info.startswith(reverse("admin:apps_catalog_app_changelist")) and may(
        request.get_role(), Action.MANAGE_DEVICES
    ):
        return settings.APP_MAX_BYTES + FORM_BYTES
    return MOST_BYTES


def _length(request: HttpRequest) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0
