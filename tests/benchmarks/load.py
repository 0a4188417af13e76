"""A load generator that costs little: requests are made beforehand, connections stay open, answers are hardly looked at."""

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field


@dataclass
class Tally:
    """What came back: seconds in all, the latencies, the answers by status."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    bodies: int = 0

    @property
    def count(self) -> int:
        return len(self.latencies)

    def percentile(self, share: float) -> float:
        """Milliseconds within which that share of the requests was answered."""
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def request_bytes(path: str, body: bytes, signature: str, content_type: str) -> bytes:
    head = (
        f"PUT {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {content_type}\r\n"
        f"Mdm-Signature: {signature}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def run(port: int, sequences: list[list[bytes]], *, connections: int) -> Tally:
    """Send each sequence in order (one device's requests), as many sequences at once as there are connections."""
    return asyncio.run(_run(port, deque(sequences), connections))


async def _run(port: int, waiting: deque[list[bytes]], connections: int) -> Tally:
    tally = Tally()
    begin = time.perf_counter()
    await asyncio.gather(*(_connection(port, waiting, tally) for _ in range(connections)))
    tally.seconds = time.perf_counter() - begin
    return tally


async def _connection(port: int, waiting: deque[list[bytes]], tally: Tally) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while waiting:
        for request in waiting.popleft():
            started = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = _content_length(head)
            if length:
                await reader.readexactly(length)
                tally.bodies += 1
            tally.latencies.append(time.perf_counter() - started)
            status = int(head[9:12])
            tally.statuses[status] = tally.statuses.get(status, 0) + 1
    writer.close()


def _content_length(head: bytes) -> int:
    lowered = head.lower()
    at = lowered.find(b"content-length:")
    return int(lowered[at + 15 : lowered.index(b"\r\n", at)]) if at >= 0 else 0
