"""What the pages of sign-in have in common: Pomona's frame around allauth's views, and nothing that a browser may keep."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.password_validation import password_validators_help_texts
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.utils.cache import add_never_cache_headers

from mdm.sign_in.passkeys import why_no_passkeys


class Framed:
    """Mixed into a view with a template: gives it a title, what the frame needs, and `page_context` of its own."""

    page_title: Any = ""
    request: HttpRequest

    def dispatch(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponseBase:
        response = super().dispatch(request, *args, **options)
        add_never_cache_headers(response)
        return response

    def get_context_data(self, **options: Any) -> dict[str, Any]:
        self.request.current_app = admin.site.name
        found = {**super().get_context_data(**options), "title": self.page_title}
        return {**admin.site.each_context(self.request), **found, **self.page_context()}

    def page_context(self) -> dict[str, Any]:
        return {}


class WithRules(Framed):
    """A page on which a password is chosen: the rules stand there before anything is typed."""

    def page_context(self) -> dict[str, Any]:
        return {**super().page_context(), "rules": password_validators_help_texts()}


class WithPasskeys(Framed):
    """A page that may offer passkeys; where there can be none it says why."""

    def page_context(self) -> dict[str, Any]:
        return {**super().page_context(), "why_no_passkeys": why_no_passkeys(self.request)}


def framed(request: HttpRequest, template: str, *, title: Any, status: int = 200, **context: Any) -> TemplateResponse:
    """One of our templates outside of any view class."""
    request.current_app = admin.site.name
    context = {**admin.site.each_context(request), "title": title, **context}
    return TemplateResponse(request, template, context, status=status, headers={"Cache-Control": "no-store"})
