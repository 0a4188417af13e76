"""The admin site: its frame, home page, sign-in and the switch between accounts."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_POST
from unfold.sites import UnfoldAdminSite

from mdm.accounts.admin_base import allowed
from mdm.accounts.middleware import choose_account
from mdm.admin_dashboard import dashboard
from mdm.admin_search import search_everything
from mdm.admin_sign_in import SignInForm, log_success

MOST_CHOICES = 500  # accounts in the switch; only a superuser can have more


class PomonaSite(UnfoldAdminSite):
    """Django's admin with unfold's clothes. Named in `mdm.apps.AdminConfig`."""

    login_form = SignInForm
    index_title = "Home"
    index_template = "admin/home.html"
    enable_nav_sidebar = True

    def extra_urls(self) -> list[URLPattern]:
        return [path("account/switch/", self.admin_view(require_POST(self.switch_account)), name="switch_account")]

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        context = super().each_context(request)
        if request.user.is_authenticated:
            context |= {
                "templates": {"navigation": "admin/navigation.html"},
                "current_account": request.get_account(),
                "account_choices": list(request.account_choices)[:MOST_CHOICES],
                "allowed": allowed(request),
            }
        return context

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        account = request.get_account()
        found = dashboard(account) if account and request.get_role() else {}
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
        response = super().login(request, extra_context)
        if request.method == "POST" and response.status_code == 302 and request.user.is_authenticated:
            log_success(request)
        return response

    def switch_account(self, request: HttpRequest) -> HttpResponse:
        """Work in another of one's own accounts from now on; anybody else's is not found."""
        wanted = request.POST.get("account", "")
        account = next((one for one in request.account_choices if str(one.pk) == wanted), None)
        if account is None:
            raise Http404
        choose_account(request, account)
        messages.success(request, f"You work in {account} now.")
        return redirect("admin:index")  # the page that was open belongs to the other account
