"""Counting no further than people read, so that a page stays quick however much there is."""

from dataclasses import dataclass

from django.db.models import IntegerField, QuerySet, Subquery

MOST = 10_000  # counted no further: nobody reads such a list to its end


@dataclass(frozen=True)
class Number:
    """Exact up to `most`; beyond it, "10,000+"."""

    value: int
    has_more: bool = False

    @classmethod
    def up_to(cls, found: int, most: int = MOST) -> "Number":
        """found: as counted, by looking at one more than `most` at the most."""
        return cls(min(found, most), found > most)

    def __str__(self) -> str:
        return f"{self.value:,}+" if self.has_more else f"{self.value:,}"

    def __bool__(self) -> bool:
        return self.value > 0


def count_up_to(rows: QuerySet, most: int = MOST) -> Number:
    """How many rows there are, looking at one more than `most` of them at the most. One statement."""
    return Number.up_to(rows.order_by().values("pk")[: most + 1].count(), most)


class BoundedCount(Subquery):
    """How many rows the query has; it ends with a LIMIT, so that no more are looked at."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) counted)"
    output_field = IntegerField()
