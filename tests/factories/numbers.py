"""A running number, so that made-up names and identifiers never collide within a test run."""

from itertools import count

_numbers = count(1)


def number() -> int:
    return next(_numbers)
