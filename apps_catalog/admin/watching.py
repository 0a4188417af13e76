"""Numbers that follow by themselves while something is on its way, so that nobody has to load the page again."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.utils.http import urlencode

from devices.models import ItemState

UNDER_WAY = (ItemState.PENDING, ItemState.PUSHED, ItemState.REMOVING)
SECONDS = 5
SECONDS_OF_MANY = 30  # where counting takes longer


@dataclass(frozen=True)
class Watch:
    """From where a part of a page comes anew, and how often it is asked for. The answer is empty while nothing has changed."""

    url: str
    seconds: int


def watch(url: str, *totals: Mapping[ItemState, int], seconds: int = SECONDS) -> Watch | None:
    """None when nothing is on its way. url: without a query, or with one."""
    if not any(one.get(state) for one in totals for state in UNDER_WAY):
        return None
    return Watch(f"{url}{'&' if '?' in url else '?'}{urlencode({'mark': mark_of(*totals)})}", seconds)


def answer_if_unchanged(request: HttpRequest, *totals: Mapping[ItemState, int]) -> HttpResponse | None:
    """The empty answer, by which the page stays as it is; None when there is something new to show."""
    if request.GET.get("mark") != mark_of(*totals) or not is_part(request):
        return None
    return HttpResponse(status=204)


def is_part(request: HttpRequest) -> bool:
    """Whether a script asks for a part of a page."""
    return request.headers.get("HX-Request") == "true"


def mark_of(*totals: Mapping[ItemState, int]) -> str:
    return "-".join(".".join(str(one.get(state, 0)) for state in ItemState) for one in totals)
