"""How long to wait before something is tried again."""

import random


def pause_seconds(attempts: int, *, first: float, longest: float, asked_for: float = 0.0) -> float:
    """Doubling with every attempt that failed before, from `first` to `longest` seconds, a tenth more or less.

    The difference keeps those that failed together from coming back together. What the peer asked for (Retry-After) is the
    least, and none comes before it.
    """
    pause = min(first * 2 ** min(attempts, 30), longest)
    return max(pause * random.uniform(0.9, 1.1), asked_for * random.uniform(1.0, 1.1))  # noqa: S311 - no secret
