"""Numbers that lead to lists, counted so that the page stays quick however much there is."""

from dataclasses import dataclass

from django.db.models import QuerySet

MOST = 10_000  # counted no further: nobody reads such a list to its end


@dataclass(frozen=True)
class Number:
    """Exact up to `most`; beyond it, "10,000+"."""

    value: int
    has_more: bool = False

    def __str__(self) -> str:
        return f"{self.value:,}+" if self.has_more else f"{self.value:,}"

    def __bool__(self) -> bool:
        return self.value > 0


def count_up_to(rows: QuerySet, most: int = MOST) -> Number:
    """How many rows there are, looking at one more than `most` of them at the most. One statement."""
    found = rows.order_by().values("pk")[: most + 1].count()
    return Number(min(found, most), found > most)
