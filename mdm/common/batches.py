"""Long lists in pieces: a statement takes 65,535 values on PostgreSQL and 32,766 on SQLite."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")

SIZE = 5000


def batches(items: Sequence[Item], size: int = SIZE) -> Iterator[Sequence[Item]]:
    """Consecutive slices of at most size items; nothing for an empty sequence."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
