"""Long lists and tables in pieces: a statement takes 65,535 values on PostgreSQL and 32,766 on SQLite."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from django.db.models import Model, QuerySet

Item = TypeVar("Item")
Row = TypeVar("Row", bound=Model)

SIZE = 5000


def batches(items: Sequence[Item], size: int = SIZE) -> Iterator[Sequence[Item]]:
    """Consecutive slices of at most size items; nothing for an empty sequence."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def rows_by_key(rows: QuerySet[Row], size: int) -> Iterator[list[Row]]:
    """All rows in the order of their keys, size at a time: memory stays flat, and what is done between may commit."""
    rows = rows.order_by("pk")
    some = list(rows[:size])
    while some:
        yield some
        some = list(rows.filter(pk__gt=some[-1].pk)[:size]) if len(some) == size else []
