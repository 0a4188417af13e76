"""The pages of the list: the list itself, the columns that somebody chooses, the views that they keep, and the exported file."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, QueryDict
from django.shortcuts import redirect
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from devices.admin.bulk_catalogue import offers
from devices.admin.list.address import ALL, COLUMNS, VIEW, Address
from devices.admin.list.columns import FIRST, all_columns, columns_of
from devices.admin.list.export import export
from devices.admin.list.known import Known
from devices.admin.list.listing import Listing, differs, link_to, tabs_of
from devices.admin.list.menus import menus_of, more_form
from devices.admin.list.search import WORDS
from devices.models import SavedView
from devices.services.errors import NotPossible
from devices.services.saved_views import (
    MOST_SHOWN,
    delete_view,
    first_view,
    keep_columns,
    kept_columns,
    open_first,
    rename_view,
    save_view,
    update_view,
    views_for,
)
from mdm.accounts.admin_base import Page, actor_of, allowed, row_number
from mdm.accounts.admin_parts import is_part
from mdm.accounts.permissions import Action
from mdm.common.planning import planned_for_each_value


class DeviceListPages:
    """A part of the devices' admin."""

    list_title: str | Promise = gettext_lazy("Devices")
    list_pages: tuple[Page, ...] = (
        Page("columns/", "list_columns", Action.VIEW, post_only=True),
        Page("export/", "list_export", Action.VIEW, post_only=True),
        Page("views/keep/", "keep_view", Action.VIEW, post_only=True),
        Page("views/change/", "change_saved_view", Action.VIEW, post_only=True),
        Page("views/drop/", "drop_view", Action.VIEW, post_only=True),
    )

    # --- the list -----------------------------------------------------------------------------------------------------
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        self.demand(request, Action.VIEW)
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET"])
        views = list(views_for(request.get_account(), request.user)[:MOST_SHOWN])
        address = Address.of(request.GET)
        view = _chosen(views, address.view)
        beginning = _beginning(request, views, address, view)
        if beginning:
            return redirect(f"{self.list_url}{beginning}")
        with planned_for_each_value():
            return self._list(request, address, view, views).render()

    def _list(
        self, request: HttpRequest, address: Address, view: SavedView | None, views: list[SavedView]
    ) -> HttpResponse:
        known = Known(request.get_account())
        keys = _columns(request, address, view)
        beside = {name: request.GET.get(name, "")[:2000] for name in ("after", "before")}
        listing = Listing(known, address, columns=keys, **beside)
        bulk_offers = offers(request)
        return self.page(
            request,
            "admin/devices/list_results.html" if is_part(request) else "admin/devices/list.html",
            title=self.list_title,
            cl=listing,
            chips=[(chip, address.without(*chip.parameters)) for chip in listing.chips],
            search_keeps=address.others(WORDS),
            bulk_url=self.url("bulk") if bulk_offers else "",
            menus=menus_of(address, known),
            more=more_form(address, known),
            bulk_offers=bulk_offers,
            columns=_column_choices(listing, known),
            empty_state=self.empty_state,
            may_use_empty_state=bool(self.empty_state and self.may(request, self.empty_state.needs)),
            has_add_permission=self.has_add_permission(request),
            **self._views_context(request, listing, view, views),
        )

    def _views_context(
        self, request: HttpRequest, listing: Listing, view: SavedView | None, views: list[SavedView]
    ) -> dict[str, Any]:
        keys = [column.key for column in listing.columns]
        return {
            "tabs": tabs_of(views, view),
            "view": view,
            "view_differs": bool(view and differs(view, listing.address, keys)),
            "may_change_view": bool(view and view.owner_id == request.user.pk),
            "may_drop_view": bool(view and self._may_drop(request, view)),
            "may_share": self.may(request, Action.MANAGE_DEVICES),
            "is_first_view": bool(view and first_view(request.user, request.get_account()) == view.pk),
            "column_keys": ",".join(keys),
        }

    # --- columns ------------------------------------------------------------------------------------------------------
    def list_columns(self, request: HttpRequest) -> HttpResponse:
        """Kept for the person; while a view is open they are part of the address, until they are kept with the view."""
        address = Address.of(QueryDict(request.POST.get("query", "")))
        known = Known(request.get_account())
        is_standard = "standard" in request.POST
        keys = FIRST if is_standard else [one.key for one in columns_of(known, request.POST.getlist("column"))]
        if _chosen(views_for(request.get_account(), request.user), address.view):
            return redirect(f"{self.list_url}{address.with_(**{COLUMNS: ','.join(keys)})}")
        keep_columns(request.user, () if is_standard else keys)
        return redirect(f"{self.list_url}{address.without(COLUMNS)}")

    # --- the file -----------------------------------------------------------------------------------------------------
    def list_export(self, request: HttpRequest) -> HttpResponse:
        address, known = Address.of(QueryDict(request.POST.get("query", ""))), Known(request.get_account())
        if request.POST.get("which") == ALL:
            columns = all_columns(known)
        else:
            columns = columns_of(
                known, request.POST.get("columns", "").split(",") if request.POST.get("columns") else FIRST
            )
        return export(known, address, columns, actor=actor_of(request))

    # --- views --------------------------------------------------------------------------------------------------------
    def keep_view(self, request: HttpRequest) -> HttpResponse:
        address = Address.of(QueryDict(request.POST.get("query", "")))
        known, shares = Known(request.get_account()), "shared" in request.POST
        if shares:
            self.demand(request, Action.MANAGE_DEVICES)
        keys = [one.key for one in columns_of(known, request.POST.get("columns", "").split(","))]
        try:
            view = save_view(
                known.account,
                request.user,
                name=request.POST.get("name", ""),
                query=address.kept,
                columns=keys,
                is_shared=shares,
            )
        except NotPossible as error:
            return self.refused(request, str(error), f"{self.list_url}{address.with_()}")
        sentence = (
            _("Everybody in the account sees the view “%(name)s” now.") if shares else _("The view “%(name)s” is kept.")
        )
        return self.done(request, sentence % {"name": view.name}, f"{self.list_url}{link_to(view)}")

    def change_saved_view(self, request: HttpRequest) -> HttpResponse:
        """What the button says: keep what the list shows, another name, or whether the list opens with it."""
        view, what = self._posted_view(request), request.POST.get("what")
        back = f"{self.list_url}{link_to(view)}"
        if what in ("first", "not-first"):
            return self._open_first(request, view, is_first=what == "first")
        if view.owner_id != request.user.pk:
            return self.refused(request, _("Only %(person)s can change this view.") % {"person": view.owner}, back)
        try:
            if view.is_shared:  # others rely on what it shows, and do with "all that match" what they came for
                self.demand(request, Action.MANAGE_DEVICES)
            if what == "content":
                address = Address.of(QueryDict(request.POST.get("query", "")))
                keys = columns_of(Known(request.get_account()), request.POST.get("columns", "").split(","))
                update_view(view, query=address.kept, columns=[one.key for one in keys])
            else:
                self._rename(request, view)
        except NotPossible as error:
            return self.refused(request, str(error), back)
        return self.done(
            request, _("The view “%(name)s” is changed.") % {"name": view.name}, f"{self.list_url}{link_to(view)}"
        )

    def _rename(self, request: HttpRequest, view: SavedView) -> None:
        shares = "shared" in request.POST
        if shares and not view.is_shared:
            self.demand(request, Action.MANAGE_DEVICES)
        rename_view(view, request.POST.get("name", ""), is_shared=shares)

    def _open_first(self, request: HttpRequest, view: SavedView, *, is_first: bool) -> HttpResponse:
        open_first(request.user, request.get_account(), view if is_first else None)
        sentence = (
            _("The list of devices opens with “%(name)s” for you.")
            if is_first
            else _("The list opens with all devices for you.")
        )
        return self.done(request, sentence % {"name": view.name}, f"{self.list_url}{link_to(view)}")

    def drop_view(self, request: HttpRequest) -> HttpResponse:
        view = self._posted_view(request)
        if not self._may_drop(request, view):
            sentence = _("Only %(person)s or an administrator can delete this view.") % {"person": view.owner}
            return self.refused(request, sentence, f"{self.list_url}{link_to(view)}")
        name = view.name
        delete_view(view)
        sentence = _("The view “%(name)s” is deleted. Its devices are as they were.") % {"name": name}
        return self.done(request, sentence, f"{self.list_url}?{VIEW}={ALL}")

    def _posted_view(self, request: HttpRequest) -> SavedView:
        """Their own or a shared one; whether there is any other is nobody's business."""
        found = views_for(request.get_account(), request.user).filter(pk=row_number(request.POST.get("view"))).first()
        if found is None:
            raise Http404
        return found

    def _may_drop(self, request: HttpRequest, view: SavedView) -> bool:
        return view.owner_id == request.user.pk or allowed(request)[Action.CONFIGURE.name.lower()]


def _chosen(views: Any, text: str) -> SavedView | None:
    """The view that the address names."""
    pk = row_number(text)
    return next((one for one in views if one.pk == pk), None) if pk else None


def _beginning(request: HttpRequest, views: list[SavedView], address: Address, view: SavedView | None) -> str:
    """Where a bare address leads: to what the named view keeps, or to the view that opens first; empty: it stays."""
    if address.view not in ("", ALL) and view is None:
        raise Http404
    if view and view.query and set(request.GET) == {VIEW}:
        return link_to(view)
    if not request.GET:
        first = next((one for one in views if one.pk == first_view(request.user, request.get_account())), None)
        return link_to(first) if first else ""
    return ""


def _columns(request: HttpRequest, address: Address, view: SavedView | None) -> list[str]:
    """Of the address, else of the view, else of the person."""
    if address.columns:
        return address.columns.split(",")
    return list(view.columns) if view and view.columns else kept_columns(request.user)


def _column_choices(listing: Listing, known: Known) -> list[tuple[Any, bool]]:
    """All columns to choose from: first those that are shown, in their order."""
    shown = [column.key for column in listing.columns]
    rest = [column for column in all_columns(known) if column.key not in shown]
    return [*((column, True) for column in listing.columns), *((column, False) for column in rest)]
