"""The address of the list: all that is chosen stands in it, so that it can be kept, sent to a colleague, and gone back to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlencode

from django.http import QueryDict

from devices.admin.list.search import PARAMETERS, read
from devices.admin.list.version_range import VERSION_RANGE

ORDER, VIEW, COLUMNS = "o", "view", "columns"
ALL = "all"  # as the view: none, also where another one opens first
MOST_CHARACTERS = 1200


@dataclass(frozen=True)
class Address:
    """values: words and filters. columns: keys with commas between, where they differ from those of the view."""

    values: Mapping[str, str]
    order: str = ""
    view: str = ""
    columns: str = ""

    @classmethod
    def of(cls, query: QueryDict) -> Self:
        rest = {
            "order": query.get(ORDER, "")[:100],
            "view": query.get(VIEW, "")[:20],
            "columns": query.get(COLUMNS, "")[:MOST_CHARACTERS],
        }
        return cls(read(query), **rest)

    def parameters(self) -> dict[str, str]:
        own = {ORDER: self.order, VIEW: self.view, COLUMNS: self.columns}
        return {**self.values, **{name: value for name, value in own.items() if value}}

    @property
    def filters(self) -> str:
        """Words and filters alone."""
        return urlencode(self.values)

    @property
    def kept(self) -> str:
        """What a view keeps."""
        return urlencode(self.values | ({ORDER: self.order} if self.order else {}))

    def with_(self, **changes: str) -> str:
        """The link to the list with these parameters changed; an empty one goes. Always to the first page."""
        parameters = {name: value for name, value in {**self.parameters(), **changes}.items() if value}
        # Without any parameter the view that opens first would come.
        return f"?{urlencode(parameters or {VIEW: ALL})}"

    def without(self, *names: str) -> str:
        return self.with_(**dict.fromkeys(names, ""))

    @property
    def cleared(self) -> str:
        return self.without(*PARAMETERS)

    def others(self, *names: str) -> list[tuple[str, str]]:
        """What a form has to send along that asks for these parameters."""
        return [(name, value) for name, value in self.parameters().items() if name not in names]

    def for_platform(self, platform: str) -> str:
        """Another platform: a version of the one before makes no sense any more."""
        return self.with_(platform=platform, **dict.fromkeys((*VERSION_RANGE.parameters, "os"), ""))
