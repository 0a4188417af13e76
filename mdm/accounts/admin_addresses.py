"""The address of a list: which parameters it knows, and where it leads without the others.

Django answers a parameter that no filter knows with an error. An old bookmark or a typing error leads to the list without it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib.admin.views.main import ALL_VAR, ERROR_FLAG, ORDER_VAR, PAGE_VAR, SEARCH_VAR
from django.http import HttpRequest, HttpResponse

OF_EVERY_LIST = {PAGE_VAR, ORDER_VAR, ALL_VAR, ERROR_FLAG}


def parameters_of(filters: Iterable[Any]) -> set[str]:
    """filters: classes, with one `parameter_name`, or `parameters` where they read several."""
    return {name for one in filters for name in getattr(one, "parameters", ()) or (one.parameter_name,)}


@dataclass(frozen=True)
class ListAddress:
    """filters: those of the list. has_search: words can be looked for in it."""

    request: HttpRequest
    filters: Iterable[Any]
    has_search: bool

    @property
    def narrowing(self) -> set[str]:
        return parameters_of(self.filters) | ({SEARCH_VAR} if self.has_search else set())

    @property
    def unknown(self) -> set[str]:
        return set(self.request.GET) - OF_EVERY_LIST - self.narrowing

    @property
    def is_narrowed(self) -> bool:
        """It asks for some of the rows: that none is shown does not mean that there is none."""
        return any(self.request.GET.get(name) for name in self.narrowing)

    @property
    def known(self) -> str:
        return self._without(self.unknown)

    @property
    def first_page(self) -> str:
        return self._without((PAGE_VAR,))

    def leads_nowhere(self, response: HttpResponse) -> bool:
        """It asks for a page that the list does not have: one beyond the last, or none at all."""
        if self.request.method not in ("GET", "HEAD") or PAGE_VAR not in self.request.GET:
            return False
        changelist = (getattr(response, "context_data", None) or {}).get("cl")  # none: Django did not take the number
        return changelist is None or not changelist.result_list

    def _without(self, names: Iterable[str]) -> str:
        query = self.request.GET.copy()
        for name in names:
            query.pop(name, None)
        return f"{self.request.path}?{query.urlencode()}" if query else self.request.path
