"""One page of the list, with all that its template shows."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from devices.admin.list.address import ALL, Address
from devices.admin.list.columns import BY_KEY, FIRST, Column, columns_of
from devices.admin.list.facts import Facts, load
from devices.admin.list.known import Known
from devices.admin.list.order import Order
from devices.admin.list.paging import slice_of
from devices.admin.list.search import WORDS, chips_of, narrowed
from devices.models import Device, SavedView
from mdm.common.counts import Number, count_up_to
from mdm.common.words import count_of

PAGE_SIZE = 100
LATEST_FIRST = ("seen", "enrolled")  # what is asked of these columns at first


@dataclass(frozen=True)
class Header:
    """direction: as aria-sort has it, or empty. url: orders by it, or turns the order round; empty where that is not possible."""

    key: str
    title: str | Promise
    url: str
    direction: str
    is_number: bool


@dataclass(frozen=True)
class Cell:
    key: str
    title: str | Promise
    shown: SafeString | str
    is_number: bool


@dataclass(frozen=True)
class Row:
    device: Device
    cells: list[Cell]
    box_label: str


class Listing:
    """The devices that fit the address, in its order and columns. `result_list` has those of this page."""

    def __init__(
        self, known: Known, address: Address, *, columns: Sequence[str], after: str = "", before: str = ""
    ) -> None:
        self.known, self.address = known, address
        self.columns = columns_of(known, columns or FIRST)
        self.order = order_of(address.order, known, self.columns)
        self.devices = narrowed(known, address.values)
        self.slice = slice_of(self.devices, self.order, after=after, before=before, size=PAGE_SIZE)
        fields = [name for column in self.columns for name in column.fields]
        with_answers = any(column.key in ("storage", "battery") for column in self.columns)
        self.result_list = load(self.slice.pks, fields, with_answers=with_answers)
        self.facts = Facts(self.result_list, known)
        self.chips = chips_of(known, address.values)
        self.number = self._number()

    def _number(self) -> Number:
        """Nothing is asked where one page shows them all."""
        if self.slice.before is None and self.slice.after is None:
            return Number(len(self.result_list))
        return count_up_to(self.devices)

    @property
    def words(self) -> str:
        return self.address.values.get(WORDS, "")

    @property
    def is_narrowed(self) -> bool:
        return bool(self.address.values)

    @property
    def has_every_row(self) -> bool:
        """Whether this page shows all that fit."""
        return self.number.value <= len(self.result_list)

    @property
    def sentence(self) -> str:
        text = count_of(self.number, "device")
        return text if not self.is_narrowed else _("%(devices)s found") % {"devices": text}

    @property
    def headers(self) -> list[Header]:
        return [self._header(column) for column in self.columns]

    def _header(self, column: Column) -> Header:
        direction = ""
        if column.key == self.order.key:
            direction = "descending" if self.order.is_descending else "ascending"
        url = ""
        if column.ordering:
            is_next_descending = direction == "ascending" or (not direction and column.key in LATEST_FIRST)
            url = self.address.with_(o=f"-{column.key}" if is_next_descending else column.key)
        return Header(column.key, column.title, url, direction, column.is_number)

    @property
    def rows(self) -> list[Row]:
        titles = {one.key: str(one.title) for one in self.columns}
        box_label = _("Choose %(device)s")
        return [
            Row(
                device,
                [Cell(one.key, titles[one.key], one.shown(device, self.facts), one.is_number) for one in self.columns],
                box_label % {"device": device},
            )
            for device in self.result_list
        ]

    @property
    def previous_url(self) -> str:
        return self.address.with_(before=self.slice.before.token) if self.slice.before else ""

    @property
    def next_url(self) -> str:
        return self.address.with_(after=self.slice.after.token) if self.slice.after else ""

    @property
    def first_url(self) -> str:
        return self.address.with_() if self.slice.before else ""


def order_of(text: str, known: Known, columns: Sequence[Column]) -> Order:
    """By a column that is there; else those that were added last come first."""
    key = text.removeprefix("-")
    column = next((one for one in (*columns, *BY_KEY.values()) if one.key == key), None)
    if column is None or column.ordering is None:
        return Order()
    return Order(key, column.ordering(known), text.startswith("-"))


@dataclass(frozen=True)
class ViewTab:
    """A saved view above the list. title says whose it is, where it is another's."""

    pk: int | str
    name: str
    url: str
    is_open: bool
    is_shared: bool = False


def tabs_of(views: Sequence[SavedView], chosen: SavedView | None) -> list[ViewTab]:
    own = [ViewTab(one.pk, one.name, link_to(one), one == chosen, one.is_shared) for one in views]
    return [ViewTab(ALL, _("All devices"), f"?view={ALL}", chosen is None), *own]


def link_to(view: SavedView) -> str:
    return f"?{view.query}&view={view.pk}" if view.query else f"?view={view.pk}"


def differs(view: SavedView, address: Address, keys: Sequence[str]) -> bool:
    """Whether the list shows something else by now than the view keeps."""
    return address.kept != view.query or list(keys) != list(view.columns or FIRST)
