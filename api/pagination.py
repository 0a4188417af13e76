"""Lists by cursor: `limit`, `starting_after`, `direction`; `page` for clients that count pages.

- limit: 1 to 100, default 10; numbers outside are moved to the nearest bound, other text is refused with 422.
- starting_after: the id of the last row seen; 0 or nothing is the start. Rows after it are found by key, not by counting,
  so a row that was deleted meanwhile does no harm where ids are numbers. Where ids are text (the log), an unknown one is 404.
- page: 1, 2, …; ignored beside a cursor. Skips rows by counting: fine for people, slow at the end of a million rows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from api.errors import ApiError

DEFAULT_LIMIT = 10
MAX_LIMIT = 100
MAX_PAGE = 10**9
MAX_ID = 2**63 - 1


@dataclass(frozen=True)
class Page:
    rows: list[Any]
    has_more: bool


def paginate(
    queryset: QuerySet, parameters: Mapping[str, Any], *, find_cursor: Callable[[str], int] | None = None
) -> Page:
    """One page in one statement (and the prefetches of the queryset), ordered by primary key.

    find_cursor: turns an id as clients see it into the primary key, where the two differ.
    """
    limit = min(max(number(parameters, "limit", DEFAULT_LIMIT), 1), MAX_LIMIT)
    after = str(parameters.get("starting_after") or "0")
    descending = _is_descending(parameters)
    start = 0
    if after != "0":
        cursor = find_cursor(after) if find_cursor else number(parameters, "starting_after", 0)
        queryset = queryset.filter(**{"pk__lt" if descending else "pk__gt": cursor})
    else:
        start = (min(max(number(parameters, "page", 1), 1), MAX_PAGE) - 1) * limit
    rows = list(queryset.order_by("-pk" if descending else "pk")[start : start + limit + 1])
    return Page(rows[:limit], len(rows) > limit)


def number(parameters: Mapping[str, Any], name: str, default: int) -> int:
    """A whole number, at most the largest id; 422 for anything else."""
    value = parameters.get(name)
    if value is None or value == "":
        return default
    text = str(value)
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 1000):
        raise ApiError(422, f"{name} must be a whole number.")
    return max(min(int(text), MAX_ID), -MAX_ID)


def _is_descending(parameters: Mapping[str, Any]) -> bool:
    direction = str(parameters.get("direction") or "asc").lower()
    if direction not in ("asc", "desc"):
        raise ApiError(422, "direction must be asc or desc.")
    return direction == "desc"
