"""The base of every admin page: whose rows it shows, who may do what, and how own pages are served.

One place for all of it. A page that inherits `AccountAdmin` shows only rows of the account the person works in, answers
404 for any other row, and asks `mdm.accounts.permissions` before it shows or does anything.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import update_wrapper
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator

from mdm.accounts.actors import Actor, Source
from mdm.accounts.admin_addresses import ListAddress, parameters_of
from mdm.accounts.admin_forms import ChosenRowsForm, choose_all_box
from mdm.accounts.middleware import is_visitor
from mdm.accounts.models import Account
from mdm.accounts.permissions import Action, may
from mdm.accounts.scoping import AccountScoped
from mdm.common.planning import planned_for_each_value

EndlessPaginator = InfinitePaginator  # for tables that grow for ever: previous and next, nothing is counted


@dataclass(frozen=True)
class Page:
    """An own page of an admin. route with `<int:pk>` is a page of one row, fetched (or 404) before the view runs.

    view is the method's name: `view(request)`, or `view(request, row)`; other parts of the route follow by name.
    post_only pages do something and lead elsewhere.
    """

    route: str
    view: str
    needs: Action
    post_only: bool = False

    @property
    def is_about_a_row(self) -> bool:
        return "<int:pk>" in self.route


@dataclass(frozen=True)
class EmptyState:
    """What a list says while it has no rows: never "nothing found", but what to do next."""

    title: str
    sentence: str
    label: str = ""
    url_name: str = ""
    needs: Action = Action.VIEW
    icon: str = "inbox"


def row_number(text: str | None) -> int | None:
    """A primary key from an address; None for anything that is none."""
    return int(text) if text and text.isdecimal() and len(text) <= 18 else None


def actor_of(request: HttpRequest) -> Actor:
    """The signed-in person, for the log; one who is there because they run the server is named as that."""
    account = request.get_account()
    visits = account is not None and is_visitor(request, account)
    label = (
        f"{request.user.email} (superuser)" if visits else request.user.email
    )  # kept in the log, whatever one reads it in
    return Actor(Source.ADMIN, label=label, user_id=request.user.pk)


class AccountAdmin(ModelAdmin):
    """Rows of the current account. What is not in `needs` ("add", "change") nobody may do; removing has own pages."""

    needs: dict[str, Action] = {}
    list_title = ""
    add_label = ""
    show_add_link = False  # the list has its own button, with words
    pages: tuple[Page, ...] = ()
    empty_state: EmptyState | None = None
    list_per_page = 100
    show_full_result_count = False
    actions_on_bottom = False
    list_filter_sheet = False
    action_form = ChosenRowsForm
    choose_all_label = gettext_lazy("Choose all rows on this page")

    # --- whose rows ---------------------------------------------------------------------------------------------------
    def get_queryset(self, request: HttpRequest) -> models.QuerySet:
        account = request.get_account()
        queryset = super().get_queryset(request)
        return self.scope(queryset, account) if account else queryset.none()

    def scope(self, queryset: models.QuerySet, account: Account) -> models.QuerySet:
        return queryset.for_account(account)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> models.Model:
        """The row, or 404: whether another account has it is nobody's business, so it comes before any permission."""
        found = super().get_object(request, object_id, from_field)
        if found is None:
            raise Http404
        return found

    def formfield_for_foreignkey(self, db_field: models.ForeignKey, request: HttpRequest, **options: Any) -> Any:
        related = db_field.remote_field.model
        if "queryset" not in options:
            scoped = issubclass(related, AccountScoped)
            options["queryset"] = (
                related.objects.for_account(request.get_account()) if scoped else related.objects.none()
            )
        return super().formfield_for_foreignkey(db_field, request, **options)

    def save_model(self, request: HttpRequest, obj: models.Model, form: forms.ModelForm, change: bool) -> None:
        if not change:
            obj.account = request.get_account()
        super().save_model(request, obj, form, change)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Only the filters that a list names: nobody feels their way through columns by the address."""
        return lookup in parameters_of(self.list_filter)

    # --- who may what -------------------------------------------------------------------------------------------------
    def may(self, request: HttpRequest, action: Action | None) -> bool:
        return action is not None and may(request.get_role(), action)

    def demand(self, request: HttpRequest, action: Action | None) -> None:
        if not self.may(request, action):
            raise PermissionDenied

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.may(request, Action.VIEW)

    def has_view_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return self.may(request, Action.VIEW)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.may(request, self.needs.get("add"))

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return self.may(request, self.needs.get("change"))

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_manage_permission(self, request: HttpRequest) -> bool:
        """For actions on chosen rows: `@admin.action(permissions=["manage"])`."""
        return self.may(request, Action.MANAGE_DEVICES)

    # --- own pages ----------------------------------------------------------------------------------------------------
    def get_urls(self) -> list[URLPattern]:
        own = [
            path(page.route, self.admin_site.admin_view(self._server(page)), name=self._name(page.view))
            for page in self.pages
        ]
        return own + super().get_urls()

    def _server(self, page: Page) -> Callable[..., HttpResponse]:
        view = getattr(self, page.view)

        def serve(request: HttpRequest, pk: int | None = None, **names: str) -> HttpResponse:
            rows = (self.get_object(request, str(pk)),) if page.is_about_a_row else ()
            self.demand(request, page.needs)
            if page.post_only and request.method != "POST":
                return HttpResponseNotAllowed(["POST"])
            try:
                return view(request, *rows, **names)
            except ObjectDoesNotExist as error:  # somebody deleted it while this page was open
                raise Http404(str(error)) from error

        return update_wrapper(serve, view)

    def _name(self, view: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{view}"

    @property
    def list_url(self) -> str:
        return self.url("changelist")

    def url(self, view: str, *arguments: object) -> str:
        """The address of an own page, or of Django's `changelist`, `add` and `change`."""
        return reverse(f"admin:{self._name(view)}", args=arguments)

    def page(
        self, request: HttpRequest, template: str, *, title: str, status: int = 200, **context: Any
    ) -> TemplateResponse:
        """One of our templates within the admin's frame. Nothing of it may be kept by a browser or a proxy."""
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "model_admin": self,
            "title": title,
            "allowed": allowed(request),
            **context,
        }
        return TemplateResponse(request, template, context, status=status, headers={"Cache-Control": "no-store"})

    def form_page(
        self, request: HttpRequest, form: forms.Form, *, title: str, button: str, back: str, **context: Any
    ) -> TemplateResponse:
        """A form on a page of its own. context: `intro` (a sentence above), `danger` (a red button)."""
        context = {"form": form, "button": button, "back": back, **context}
        return self.page(request, "admin/form_page.html", title=title, **context)

    def done(self, request: HttpRequest, sentence: str, url: str) -> HttpResponse:
        """What every change ends with: say it and go on."""
        messages.success(request, sentence)
        return redirect(url)

    def refused(self, request: HttpRequest, sentence: str, url: str) -> HttpResponse:
        messages.error(request, sentence)
        return redirect(url)

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **options: Any) -> TemplateResponse:
        """One button that saves, and no others to think about."""
        context |= {"show_save_and_continue": False, "show_save_and_add_another": False}
        return super().render_change_form(request, context, **options)

    # --- lists --------------------------------------------------------------------------------------------------------
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if any("\x00" in value for _, values in request.GET.lists() for value in values):
            return redirect(request.path)  # PostgreSQL refuses to look for it
        address = ListAddress(request, self.list_filter, has_search=bool(self.search_fields))
        if address.unknown:
            return redirect(address.known)
        empty = self.empty_state
        context = {
            "title": self.list_title or self.opts.verbose_name_plural,
            "empty_state": empty,
            "may_use_empty_state": bool(empty and self.may(request, empty.needs)),
            "is_narrowed": address.is_narrowed,
            "allowed": allowed(request),
        }
        with planned_for_each_value():  # filters leave much or next to nothing
            response = super().changelist_view(request, {**context, **(extra_context or {})})
        return redirect(address.first_page) if address.leads_nowhere(response) else response

    def choose_all_box(self) -> str:
        return choose_all_box(str(self.choose_all_label))

    # Django's own record of changes is not written and has no page: the log has everything, from every source.
    def log_addition(self, request: HttpRequest, obj: models.Model, message: object) -> None:
        return None

    def log_change(self, request: HttpRequest, obj: models.Model, message: object) -> None:
        return None

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        raise Http404


class ReadOnlyAdmin(AccountAdmin):
    """A list with an own page per row: `detail(request, row)` shows it, changes have pages of their own."""

    def detail(self, request: HttpRequest, obj: Any) -> HttpResponse:
        raise NotImplementedError

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        obj = self.get_object(request, object_id)
        self.demand(request, Action.VIEW)
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET"])
        return self.detail(request, obj)


class OnePageAdmin(AccountAdmin):
    """Of what an account has one at the most: `show(request)` is the page in place of a list, and a row has none of its own."""

    def show(self, request: HttpRequest) -> HttpResponse:
        raise NotImplementedError

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        self.demand(request, Action.VIEW)
        return self.show(request)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        self.get_object(request, object_id)
        self.demand(request, Action.VIEW)
        return redirect(self.list_url)


def allowed(request: HttpRequest) -> dict[str, bool]:
    """What the person may do, for templates: `{% if allowed.manage_devices %}`."""
    role = request.get_role()
    return {action.name.lower(): may(role, action) for action in Action}
