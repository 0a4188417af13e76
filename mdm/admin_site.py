"""The admin site: its frame, home page, sign-in and the switch between accounts."""

from functools import partial
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST
from unfold.sites import UnfoldAdminSite

from mdm.accounts.admin_base import allowed
from mdm.accounts.middleware import choose_account, find_account, is_visitor
from mdm.admin_all_accounts import add_account, all_accounts, log_visit
from mdm.admin_home import home, home_live
from mdm.admin_roles import roles_page
from mdm.admin_search import search_everything
from mdm.admin_status import status_page
from mdm.sign_in.admin_pages.coming_in import SignInView


class PomonaSite(UnfoldAdminSite):
    """Django's admin with unfold's clothes. Named in `mdm.apps.AdminConfig`."""

    index_title = gettext_lazy("Home")
    index_template = "admin/home.html"
    enable_nav_sidebar = True

    def extra_urls(self) -> list[URLPattern]:
        return [
            path("account/switch/", self.admin_view(require_POST(self.switch_account)), name="switch_account"),
            path("roles/", self.admin_view(partial(roles_page, site=self)), name="roles"),
            path("home/live/", self.admin_view(home_live), name="home_live"),
            path("status/", self.admin_view(partial(status_page, site=self)), name="system_status"),
            path("accounts/", self.admin_view(partial(all_accounts, site=self)), name="all_accounts"),
            path("accounts/add/", self.admin_view(partial(add_account, site=self)), name="add_account"),
        ]

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        context = super().each_context(request)
        if request.user.is_authenticated:
            context |= {
                "templates": {"navigation": "admin/navigation.html"},
                "current_account": request.get_account(),
                "account_choices": list(request.account_choices),
                "allowed": allowed(request),
            }
        return context

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        account = request.get_account()
        if account is None and request.user.is_superuser:
            return redirect("admin:all_accounts")
        found = home(account, request.get_role()) if account and request.get_role() else {}
        return super().index(request, {**found, **(extra_context or {})})

    def app_index(self, request: HttpRequest, app_label: str, extra_context: Any = None) -> HttpResponse:
        """The sidebar is the only order of things; how the code is divided is nobody's business."""
        return redirect("admin:index")

    def search(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """What the search window (Ctrl-K) asks for while somebody types: devices of the account, and pages.

        Unfold's own keeps results for minutes and by person, whatever the account; this one asks each time.
        """
        words = request.GET.get("s", "").replace("\x00", "").strip()
        found = search_everything(request, self.get_sidebar_list(request), words) if words else []
        context = {"results": found, "page_obj": {"count": len(found)}, "page_counter": 0, "execution_time": 0}
        return TemplateResponse(
            request, "admin/search_results.html", context, headers={"HX-Trigger": "search", "Cache-Control": "no-store"}
        )

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The one way in: Django's own page would let people pass without their second factor."""
        return SignInView.as_view()(request)

    def switch_account(self, request: HttpRequest) -> HttpResponse:
        """Work in another of one's accounts from now on; anybody else's is not found, but by whoever runs the server."""
        account = find_account(request, request.POST.get("account", ""))
        if account is None:
            raise Http404
        choose_account(request, account)
        if is_visitor(request, account):
            log_visit(request, account)
        messages.success(request, _("You work in %(account)s now.") % {"account": account})
        return redirect("admin:index")  # the page that was open belongs to the other account
