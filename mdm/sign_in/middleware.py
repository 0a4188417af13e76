"""What every page of the admin waits for. Device URLs, the REST API and public pages pass by untouched."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from mdm.sign_in.held import is_held
from mdm.sign_in.sessions import note_activity

PREFIXES = ("/admin/", "/your-login/")
# Pages of the admin that show nothing of an account: the way in, the way out, and the way to another account.
OPEN = ("admin:login", "admin:logout", "admin:switch_account", "admin:jsi18n")


class SignedIn:
    """Notes that a session is used, and keeps people without a second factor out of accounts that ask for one.

    There, nobody has a role: pages outside the admin that ask for it refuse as well.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        role_of = request.get_role
        request.get_role = lambda: None if is_held(request) else role_of()
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., HttpResponse], args: list[Any], options: dict[str, Any]
    ) -> HttpResponse | None:
        if not request.path_info.startswith(PREFIXES) or not request.user.is_authenticated:
            return None
        note_activity(request)
        if not request.path_info.startswith("/admin/") or not is_held(request):
            return None
        if request.resolver_match.view_name in OPEN:
            return None
        if request.headers.get("HX-Request"):  # a part of a page cannot be led elsewhere; the whole page can
            return HttpResponse(headers={"HX-Redirect": reverse("second_factor_required")})
        return redirect("second_factor_required")
