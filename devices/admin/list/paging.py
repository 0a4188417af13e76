"""Pages of the list. Each begins beside the last row of the one before, not at a number of rows: all take the same time."""

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from django.db.models import Q, QuerySet

from devices.admin.list.order import Key, Order
from devices.models import Device


@dataclass(frozen=True)
class Place:
    """Beside the row with this key and pk."""

    key: Key
    pk: int

    @property
    def token(self) -> str:
        """For the address."""
        key = self.key.isoformat() if isinstance(self.key, datetime) else self.key
        return base64.urlsafe_b64encode(json.dumps([key, self.pk]).encode()).decode().rstrip("=")

    @classmethod
    def read(cls, token: str, order: Order) -> Self | None:
        """None for a token of another order, or none of ours: the list then begins at its first page."""
        kind = order.ordering.kind
        try:
            key, pk = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
            key = _moment(key) if kind is datetime else key
            str(key).encode()  # halves of characters cannot be asked for
        except (binascii.Error, ValueError, TypeError, RecursionError, OverflowError):
            return None
        if type(key) is not kind or type(pk) is not int or not 0 < pk < 2**63:
            return None
        if (isinstance(key, str) and "\x00" in key) or (isinstance(key, int) and abs(key) >= 2**31):
            return None
        return cls(key, pk)


def _moment(text: str) -> datetime:
    """Raises ValueError, TypeError, and OverflowError for the ends of time in other zones than ours."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("no time zone")
    return moment.astimezone(UTC)


@dataclass(frozen=True)
class Slice:
    """The keys of one page's devices, in order, and the places at its two ends; None where nothing is beyond."""

    pks: list[int]
    before: Place | None
    after: Place | None


def slice_of(devices: QuerySet[Device], order: Order, *, after: str = "", before: str = "", size: int) -> Slice:
    """The page after the place, or before it; the first one without any. One statement."""
    place = Place.read(after or before, order) if after or before else None
    is_back = bool(before and not after and place)
    is_descending = order.is_descending != is_back
    keyed = _beyond(order.keyed(devices), order, place, is_descending) if place else order.keyed(devices)
    sign = "-" if is_descending else ""
    rows = (
        list(keyed.order_by(f"{sign}sort_key", f"{sign}pk")[: size + 1])
        if order.key
        else list(keyed.order_by(f"{sign}pk")[: size + 1])
    )
    has_more, rows = len(rows) > size, rows[:size]
    if is_back:
        rows.reverse()
    if not rows:
        return Slice([], None, None)
    first, last = (Place(key, pk) for pk, key in (rows[0], rows[-1]))
    has_before, has_after = (has_more, True) if is_back else (place is not None, has_more)
    return Slice([pk for pk, _key in rows], first if has_before else None, last if has_after else None)


def _beyond(keyed: QuerySet, order: Order, place: Place, is_descending: bool) -> QuerySet:
    side = "lt" if is_descending else "gt"
    by_pk = Q(**{f"pk__{side}": place.pk})
    if not order.key:
        return keyed.filter(by_pk)
    return keyed.filter(Q(**{f"sort_key__{side}": place.key}) | Q(sort_key=place.key) & by_pk)
