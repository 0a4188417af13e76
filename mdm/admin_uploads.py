"""How large a request of the admin may be: small, except for people who may upload apps, on the pages where that is done.

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
# Pages for signing in and for one's own login, most of them open to everybody. See `mdm/sign_in/admin_pages/urls.py`.
OF_PEOPLE = ("/sign-in/", "/your-login/", "/invitation/", "/accounts/")


class AdminBodySize:
    """Middleware, after the one that knows the account: 413 for a request of the admin that is too large."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if _length(request) > FORM_BYTES and request.path_info.startswith(("/admin/", *OF_PEOPLE)):
            most = _allowed(request)
            if _length(request) > most:
                sentence = _("This is too large: at most %(most)s can be sent here.") % {"most": file_size(most)}
                return HttpResponse(sentence, status=413, content_type="text/plain")
        return self.get_response(request)


def _allowed(request: HttpRequest) -> int:
    if request.path_info.startswith(OF_PEOPLE):
        return FORM_BYTES
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
