"""A webhook's messages on their way: lanes side by side, each in its order. Runs in threads: touches no database."""

import time
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from queue import SimpleQueue
from threading import Lock
from types import TracebackType
from typing import Self

from mdm.common.http import OutboundClient
from mdm.events.models import SEVERAL_DEVICES, Webhook, WebhookDelivery
from mdm.events.sending import Outcome, new_client, send

# Requests at a time to one receiver. Devices are spread over them; all messages of a device are in the same.
LANES = 16
# A message about several devices goes alone: after all before it about any device, and before all behind it.
ALONE = "alone"
# Of all receivers together. Those that are down or slow have threads of their own, so that they take none from others.
QUICK_THREADS = 96
SLOW_THREADS = 16
SLOW_MS = 2000
# One that has not answered yet is taken for slow after this.
SILENT_SECONDS = 1.0
# A lane then lets others that wait for a thread go first.
SLICE_SECONDS = 1.0
# A message that failed so often with a receiver that seems down may be what brings it down: then the next one is tried as well.
SUSPECT_AFTER = 5

Report = tuple["Turn", Outcome | None]  # None: a lane has come to its end


class Threads:
    """Where lanes run. reports: what comes of it, each message's outcome before the end of its lane."""

    def __init__(self) -> None:
        self.reports: SimpleQueue[Report] = SimpleQueue()
        self.quick = ThreadPoolExecutor(QUICK_THREADS, "webhooks")
        self.slow = ThreadPoolExecutor(SLOW_THREADS, "slow-webhooks")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.quick.shutdown()
        self.slow.shutdown()


@dataclass
class _Lane:
    """Its messages wait for each other. client: has the connection that they share."""

    waiting: deque[WebhookDelivery] = field(default_factory=deque)
    is_running: bool = False
    client: OutboundClient | None = None


class Turn:
    """A webhook that is this worker's for a while.

    lease: as it is stored. begins_until: no message is begun later (monotonic seconds), as another worker might have the
    webhook before this one is done. Only one lane runs until the receiver has answered for the first time: many that hang
    at the same moment then take one thread each.
    """

    def __init__(self, webhook: Webhook, lease: datetime, begins_until: float, threads: Threads) -> None:
        self.webhook = webhook
        self.lease = lease
        self.begins_until = begins_until
        self.began_at = time.monotonic()
        self.on_the_way: set[int] = set()  # keys of messages that are loaded and not yet recorded
        self.has_more = True
        self.is_slow = False
        self.is_down = False
        self._threads = threads
        self._lanes: dict[int | str | None, _Lane] = {}
        self._held: deque[WebhookDelivery] = deque()  # not in a lane yet, as one that goes alone is before them
        self._lock = Lock()
        self._running = 0
        self._is_stopped = False
        self.is_open = False

    @property
    def is_trouble(self) -> bool:
        """It is down as far as we know, or slow: it gets a share that is too small to disturb others."""
        if self.is_open:
            return self.is_slow
        return self.webhook.failures > 0 or time.monotonic() > self.began_at + SILENT_SECONDS

    @property
    def is_stopped(self) -> bool:
        return self._is_stopped

    @property
    def waiting(self) -> int:
        return len(self._held) + sum(len(lane.waiting) for lane in self._lanes.values())

    def is_idle(self) -> bool:
        """Nothing is left to send, and whatever was sent has been reported."""
        with self._lock:
            return not self._running

    def lane_ended(self) -> None:
        """To be called for each report of it: only then all reports before have been read as well."""
        with self._lock:
            self._running -= 1

    def add(self, deliveries: Iterable[WebhookDelivery]) -> None:
        """Oldest first, and younger than those that are on their way already."""
        with self._lock:
            for delivery in deliveries:
                if self._is_stopped:
                    return
                self.on_the_way.add(delivery.pk)
                self._held.append(delivery)
            self._start()

    def stop(self) -> None:
        """Begin no further message; what waits stays due in the database."""
        with self._lock:
            self._is_stopped = True
            self._held.clear()
            for lane in self._lanes.values():
                lane.waiting.clear()

    def close(self) -> None:
        """When it is idle."""
        for lane in self._lanes.values():
            if lane.client is not None:
                lane.client.close()

    def _start(self) -> None:
        """Let lanes run that have something to send. With the lock held."""
        self._fill_lanes()
        lanes = [lane for lane in self._lanes.values() if lane.waiting]
        if not self.is_open:
            if any(lane.is_running for lane in self._lanes.values()):
                return
            lanes = sorted(lanes, key=lambda lane: lane.waiting[0].pk)[:1]
        for lane in lanes:
            if not lane.is_running:
                lane.is_running = True
                self._running += 1
                self._pool().submit(self._run, lane)

    def _fill_lanes(self) -> None:
        """With what is held, as far as it may go now. With the lock held."""
        if self._is_stopped:
            self._held.clear()
        while self._held and not self._is_busy([ALONE]):
            key = self._held[0].order_key
            goes_alone = key == SEVERAL_DEVICES
            if goes_alone and self._is_busy([one for one in self._lanes if one is not None]):
                return
            lane = ALONE if goes_alone else None if key is None else key % LANES
            self._lanes.setdefault(lane, _Lane()).waiting.append(self._held.popleft())

    def _is_busy(self, keys: Iterable[int | str | None]) -> bool:
        lanes = [self._lanes[key] for key in keys if key in self._lanes]
        return any(lane.waiting or lane.is_running for lane in lanes)

    def _pool(self) -> Executor:
        return self._threads.slow if self.is_trouble else self._threads.quick

    def _run(self, lane: _Lane) -> None:
        ends_at = time.monotonic() + SLICE_SECONDS
        suspect: Outcome | None = None
        while (delivery := self._next(lane)) is not None or suspect is not None:
            if delivery is None:
                self._report(suspect)
                suspect = None
                continue
            if lane.client is None:
                lane.client = new_client()
            outcome = send(lane.client, self.webhook, delivery)
            if outcome.is_down and suspect is None and delivery.attempts >= SUSPECT_AFTER:
                suspect = outcome
                continue
            if suspect is not None:
                # Had the receiver taken the other message, this one is refused, whatever the answer was called.
                self._report(suspect if outcome.is_down else replace(suspect, is_down=False))
                suspect = None
            self._report(outcome)
            if time.monotonic() > ends_at:
                self._pool().submit(self._run, lane)
                return
        self._end(lane)

    def _next(self, lane: _Lane) -> WebhookDelivery | None:
        with self._lock:
            if time.monotonic() > self.begins_until:
                self._is_stopped = True
            if self._is_stopped:
                lane.waiting.clear()
            return lane.waiting.popleft() if lane.waiting else None

    def _end(self, lane: _Lane) -> None:
        with self._lock:
            if lane.waiting:  # it was given more at this very moment
                self._pool().submit(self._run, lane)
                return
            lane.is_running = False
            self._start()  # whatever had to wait for this one; before it is told, so that the turn is not taken for idle
        self._threads.reports.put((self, None))

    def _report(self, outcome: Outcome) -> None:
        self.is_slow = outcome.latency_ms > SLOW_MS
        self._threads.reports.put((self, outcome))
        if outcome.is_down:
            self.stop()
        elif not self.is_open:
            with self._lock:
                self.is_open = True
                self._start()
