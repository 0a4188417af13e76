"""The arithmetic of charts, and nothing else: what templates need to draw bars, rings and columns of numbers that lead to lists.

A number that is not zero is always seen, however small it is beside the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass

WHOLE = 100.0
SEEN = 1.5  # percent: what the smallest part of a ring or a bar gets
RING_GAP = 0.8  # percent of the ring, between two parts


@dataclass(frozen=True)
class Item:
    """A number that is drawn. key: names its colour and its element; url: the list behind it."""

    key: str
    label: str
    number: int
    url: str


@dataclass(frozen=True)
class Part:
    """One of several that make up a whole. share and start are percent of it; dash is what a ring draws of the share."""

    item: Item
    share: float
    start: float
    dash: float

    @property
    def rest(self) -> float:
        """The gap after the dash: both together are once around."""
        return round(WHOLE - self.dash, 2)

    @property
    def offset(self) -> float:
        """Where a ring's line of dashes begins, so that the first part starts at the top."""
        return round(WHOLE / 4 - self.start, 2)


@dataclass(frozen=True)
class Bar:
    """One of several side by side. size: percent of the largest."""

    item: Item
    size: float


def parts(items: Sequence[Item]) -> list[Part]:
    """Those that are not zero, in their order; together 100 percent."""
    drawn = [item for item in items if item.number > 0]
    shares = _shares([item.number for item in drawn])
    gap = RING_GAP if len(drawn) > 1 else 0.0
    found, start = [], 0.0
    for item, share in zip(drawn, shares, strict=True):
        found.append(Part(item, round(share, 2), round(start, 2), round(max(share - gap, SEEN / 2), 2)))
        start += share
    return found


def bars(items: Sequence[Item]) -> list[Bar]:
    """All of them, zeros too, in their order."""
    largest = max((item.number for item in items), default=0)
    return [Bar(item, round(max(WHOLE * item.number / largest, SEEN), 2) if item.number else 0.0) for item in items]


def _shares(numbers: Sequence[int]) -> list[float]:
    """Percent of the sum. Small ones are lifted to what can be seen, and the others give that up in proportion."""
    whole = sum(numbers)
    if not whole:
        return []
    plain = [WHOLE * number / whole for number in numbers]
    lifted = sum(SEEN for share in plain if share < SEEN)
    large = sum(share for share in plain if share >= SEEN)
    if not large:  # more parts than can be seen: all the same
        return [WHOLE / len(numbers)] * len(numbers)
    return [SEEN if share < SEEN else share * (WHOLE - lifted) / large for share in plain]
