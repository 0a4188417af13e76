"""Sending what webhooks are due: the one loop that claims, sends and records. Rows say what is due.

Several workers may be at it: each has webhooks of its own (`claims.py`). The messages of one go out in lanes (`lanes.py`), so
that those of one device come in the order in which things happened. What became of them is written down many at a time
(`outcomes.py`): a worker that is killed meanwhile leaves up to half a second's messages to be sent once more, and loses none.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Collection
from queue import Empty

from django.core.cache import cache

from mdm.common.nudge import nudge_named
from mdm.events import claims
from mdm.events.lanes import Report, Threads, Turn
from mdm.events.outcomes import record
from mdm.events.sending import Outcome
from mdm.events.webhooks import DELIVER

# In the cache while a worker is at it, as slow receivers shall not take up all workers; devices wait for those. If it dies,
# another goes on soon. (The leases are what keeps things right.)
UNDER_WAY = "webhooks-under-way"
UNDER_WAY_SECONDS = 15
# A task ends long before its time limit; what is left is due for the next one.
RUN_SECONDS = 240.0
# After this a webhook lets others have its place, if any wait.
TURN_SECONDS = 20.0
LOOK_SECONDS = 1.0
GATHER_SECONDS = 0.05
RECORDED_AT_ONCE = 500
RECORDED_AFTER_SECONDS = 0.3

logger = logging.getLogger("pomona.webhooks")


def deliver_due() -> int:
    """Send every message that is due, to many receivers at once. Returns how many were tried.

    One worker does it for all; a second one has nothing to do but to take over.
    """
    if not cache.add(UNDER_WAY, True, timeout=UNDER_WAY_SECONDS):
        return 0
    try:
        with Threads() as threads:
            delivery = Delivery(threads)
            try:
                delivery.run()
            finally:
                delivery.stop()
    finally:
        cache.delete(UNDER_WAY)
    if delivery.ran_out_of_time:
        nudge_named(DELIVER)
    return delivery.tried


class Delivery:
    """One worker's run. Only its own thread asks the database; lanes report to it."""

    def __init__(self, threads: Threads) -> None:
        self.tried = 0
        self.ran_out_of_time = False
        self._threads = threads
        self._turns: set[Turn] = set()
        self._lost: set[Turn] = set()
        self._outcomes: dict[Turn, list[Outcome]] = defaultdict(list)
        self._count = 0  # of the outcomes
        self._ends_at = time.monotonic() + RUN_SECONDS
        self._looked_at = self._renewed_at = self._recorded_at = time.monotonic()

    def run(self) -> None:
        self._claim()
        while self._turns:
            self._gather()
            self._refill()
            over = [turn for turn in self._turns if self._is_over(turn)]
            now = time.monotonic()
            if self._count >= RECORDED_AT_ONCE or over or now > self._recorded_at + RECORDED_AFTER_SECONDS:
                self._record()
            if over:
                self._release(over)
            if now > self._looked_at + LOOK_SECONDS:
                self._look()
            elif over:
                self._claim()

    def stop(self) -> None:
        """Let go of what is still held, after trouble with the database; the leases end by themselves."""
        for turn in self._turns:
            turn.stop()

    def _claim(self) -> None:
        if time.monotonic() > self._ends_at:
            self.ran_out_of_time = True
            return
        for turn in claims.claim(self._turns, self._threads):
            self._turns.add(turn)
            claims.load(turn)

    def _gather(self) -> None:
        """Read what the lanes report: at once if one has ended, else a moment's worth together."""
        has_idle = any(turn.is_idle() for turn in self._turns)
        try:
            is_end = self._read(self._threads.reports.get(timeout=GATHER_SECONDS if has_idle else LOOK_SECONDS))
        except Empty:
            return
        if not is_end:
            time.sleep(GATHER_SECONDS)
        while not self._threads.reports.empty():
            self._read(self._threads.reports.get())

    def _refill(self) -> None:
        now = time.monotonic()
        for turn in self._turns:
            if now > min(turn.began_at + TURN_SECONDS, self._ends_at):
                turn.stop()
            elif claims.is_low(turn):
                claims.load(turn)

    def _is_over(self, turn: Turn) -> bool:
        return turn.is_idle() and (turn.is_stopped or not turn.has_more)

    def _read(self, report: Report) -> bool:
        turn, outcome = report
        if outcome is None:
            turn.lane_ended()
            return True
        self._outcomes[turn].append(outcome)
        self._count += 1
        return False

    def _record(self) -> None:
        self._recorded_at = time.monotonic()
        outcomes, self._outcomes, count, self._count = self._outcomes, defaultdict(list), self._count, 0
        if not outcomes:
            return
        self.tried += count
        try:
            record(outcomes)
        except Exception:  # one webhook's trouble is not that of the others
            logger.exception("the outcomes of %s messages could not be recorded together", count)
            for turn, some in outcomes.items():
                try:
                    record({turn: some})
                except Exception:
                    # Its lease is left to end by itself, or the same would be sent again at once, and again.
                    logger.exception("webhook %s could not be served", turn.webhook.pk)
                    self._lost.add(turn)
                    turn.stop()
        for turn, some in outcomes.items():
            turn.on_the_way.difference_update(outcome.delivery.pk for outcome in some)

    def _release(self, over: Collection[Turn]) -> None:
        claims.release([turn for turn in over if turn not in self._lost])
        self._turns.difference_update(over)
        for turn in over:
            turn.close()

    def _look(self) -> None:
        """Once a second: that others know we are alive, that what we hold is still ours, and what became due meanwhile."""
        self._looked_at = time.monotonic()
        cache.touch(UNDER_WAY, UNDER_WAY_SECONDS)
        renews = self._looked_at > self._renewed_at + claims.RENEWED_AFTER_SECONDS
        if renews:
            self._renewed_at = self._looked_at
        claims.keep(self._turns, renews=renews)
        self._claim()
