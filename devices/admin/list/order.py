"""By what the list can be ordered."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import (
    Case,
    Exists,
    F,
    FilteredRelation,
    Func,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    TextField,
    Value,
    When,
)
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce, Lower

from devices.admin.list.known import Known
from devices.models import Device
from mdm.channels.models import Channel

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
Key = str | int | datetime


class VersionRank(Func):
    """The place of a device's system among those that the account has: versions as numbers, not as texts."""

    def __init__(self, *expressions: Any, **options: Any) -> None:
        super().__init__(*expressions, output_field=IntegerField(), **options)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, Sequence[Any]]:
        template = "COALESCE((%(expressions)s)::integer, 0)"
        return self.as_sql(compiler, connection, template=template, arg_joiner="::jsonb ->> ", **context)

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, Sequence[Any]]:
        # Not json_extract: its path breaks at the quotes that a device may have in what it calls its version.
        template = "COALESCE((SELECT value FROM json_each(%(expressions)s), 0)"
        return self.as_sql(compiler, connection, template=template, arg_joiner=") WHERE key = ", **context)


@dataclass(frozen=True)
class Ordering:
    """What a column is ordered by: an expression that is never null, and of which type. None: when it was last seen."""

    kind: type[str] | type[int] | type[datetime]
    expression: Combinable | None


@dataclass(frozen=True)
class Order:
    """By a column, and by the key among equal ones. Without a column by the key alone: those that were added last come first.

    key: of the column, as it stands in the address; `-` before it: the largest first.
    """

    key: str = ""
    ordering: Ordering = Ordering(int, Value(0))
    is_descending: bool = True

    @property
    def address(self) -> str:
        return f"-{self.key}" if self.key and self.is_descending else self.key

    def keyed(self, devices: QuerySet[Device]) -> QuerySet:
        """(pk, sort_key) of each; in no order yet."""
        expression = self.ordering.expression
        if expression is not None:
            return devices.order_by().annotate(sort_key=expression).values_list("pk", "sort_key")
        own = FilteredRelation("channels", condition=Q(channels__user_key=""))
        joined = devices.order_by().alias(own=own)
        # A device that enrolled again may have several channels of its own: the one that was seen last counts.
        newer = Channel.objects.filter(
            device=OuterRef("pk"), user_key="", last_seen_at__gt=OuterRef("own__last_seen_at")
        )
        newest = joined.filter(~Exists(newer)).annotate(sort_key=Coalesce("own__last_seen_at", Value(LONG_AGO)))
        return newest.values_list("pk", "sort_key")


def by_text(column: str) -> Ordering:
    return Ordering(str, Lower(column))


def by_time(column: str) -> Ordering:
    return Ordering(datetime, Coalesce(column, Value(LONG_AGO)))


def by_answer(column: str) -> Ordering:
    """Not known, no, yes."""
    answers = (When(**{column: True}, then=Value(2)), When(**{column: False}, then=Value(1)))
    return Ordering(int, Case(*answers, default=Value(0), output_field=IntegerField()))


def by_version(known: Known) -> Ordering:
    oldest_first = reversed(known.versions)
    ranks = {f"{platform} {version}": place for place, (platform, version) in enumerate(oldest_first, 1)}
    name = Func(
        F("platform"),
        F("os_version"),
        template="(%(expressions)s)",
        arg_joiner=" || ' ' || ",
        output_field=TextField(),
    )
    return Ordering(int, VersionRank(Value(json.dumps(ranks)), name))


BY_LAST_SEEN = Ordering(datetime, None)
