"""Looking for apps of the App Store by name: asked while somebody types, answered as soon as a worker has been there."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from apps_catalog.models import SearchState, StoreSearch
from apps_catalog.services.errors import CatalogError
from apps_catalog.services.store_search import ask_store, known_apps
from mdm.accounts.admin_base import row_number
from mdm.accounts.admin_parts import is_part

TEMPLATE = "admin/apps/store_results.html"


def search_of(request: HttpRequest) -> StoreSearch | None:
    """What the address asks for, if it is this account's; after a day it is gone."""
    number = row_number(request.GET.get("search"))
    return StoreSearch.objects.for_account(request.get_account()).filter(pk=number).first() if number else None


class StorePages:
    """For the admin of apps (which brings `url` and `refused`)."""

    def store_search(self, request: HttpRequest) -> HttpResponse:
        is_live = is_part(request)
        try:
            found = ask_store(request.get_account(), request.POST.get("words", ""))
        except CatalogError as error:
            if is_live:
                return self._results(request, {"fault": str(error)})
            return self.refused(request, str(error), self.url("add"))
        if is_live:
            return self._results(request, self.results_of(found))
        return redirect(f"{self.url('add')}?search={found.pk}")

    def store_found(self, request: HttpRequest) -> HttpResponse:
        """What the page asks for while it waits."""
        return self._results(request, self.results_of(search_of(request)))

    def results_of(self, found: StoreSearch | None) -> dict[str, Any]:
        if found is None:
            return {}
        known = known_apps(found)
        apps = [{**one, "known": known.get(one["store_id"])} for one in found.results]
        return {
            "search": found,
            "is_waiting": found.state == SearchState.WAITING,
            "fault": found.error,
            "apps": apps,
            "again_url": f"{self.url('store_found')}?search={found.pk}",
        }

    def _results(self, request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
        return TemplateResponse(request, TEMPLATE, context, headers={"Cache-Control": "no-store"})
