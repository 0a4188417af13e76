"""Requests to addresses that somebody else chose: bounded in time and size, and never into our own network.

What may be asked stands in `addresses.py`. Redirects are followed only where that is asked for, each target checked like the
first; proxies are not asked. httpcore speaks HTTP; what is ours is where it connects to, and when its time is over.
"""

import select
import socket
import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

import httpcore
import httpx

from mdm.common.addresses import BadUrl, OutboundError, check_url, look_up

TIMEOUT_SECONDS = 10.0
MAX_ANSWER_BYTES = 64 * 1024
# Those that repeat the request as it was; 301, 302 and 303 would make a GET of it.
FOLLOWED = (307, 308)
MAX_REDIRECTS = 3
# Of one client: redirects lead to others than the first.
KEPT_CONNECTIONS = 4


@dataclass(frozen=True)
class Answer:
    """headers have lower-case names. is_complete: False if the body went on beyond the limit; the rest was not read."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_complete: bool


class OutboundClient:
    """Sends requests one after the other, over the same connection where it can. For one thread at a time.

    timeout_seconds is for the whole of a request, from connecting to the last byte, with its redirects, but for the lookup
    of the name. follows_redirects: up to three, and only 307 and 308; without it, redirects are answers like others.
    """

    def __init__(
        self,
        *,
        allows_private: bool,
        timeout_seconds: float = TIMEOUT_SECONDS,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
        follows_redirects: bool = False,
    ) -> None:
        self._allows_private = allows_private
        self._timeout_seconds = timeout_seconds
        self._max_answer_bytes = max_answer_bytes
        self._follows_redirects = follows_redirects
        self._clock = _Clock()
        self._pool = httpcore.ConnectionPool(
            ssl_context=_ssl_context(),
            max_connections=KEPT_CONNECTIONS,
            network_backend=_CheckedNetwork(self._clock, allows_private=allows_private),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._pool.close()

    def send(self, method: str, url: str, *, headers: Mapping[str, str], content: bytes = b"") -> Answer:
        """Raises BadUrl, AddressRefused, or OutboundError for whatever else keeps the answer away."""
        target = _target(url, allows_private=self._allows_private)
        self._clock.start(self._timeout_seconds)
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._ask(method, target, headers, content)
            if not (self._follows_redirects and answer.status in FOLLOWED):
                return answer
            target = _next(target, answer, allows_private=self._allows_private)
        raise OutboundError(f"More than {MAX_REDIRECTS} redirects, one after the other, are not followed.")

    def _ask(self, method: str, target: "_Target", headers: Mapping[str, str], content: bytes) -> Answer:
        # Compressed answers could be a thousand times larger than what is read of them.
        sent = {"Host": target.authority, "Accept-Encoding": "identity", "Content-Length": str(len(content)), **headers}
        try:
            with self._pool.stream(method, target.plain, headers=list(sent.items()), content=content) as answer:
                body, is_complete = self._read(answer.iter_stream())
                names = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
                return Answer(answer.status, names, body, is_complete)
        except httpcore.TimeoutException as error:
            raise OutboundError(f"No answer within {self._timeout_seconds:g} seconds.") from error
        except httpcore.LocalProtocolError as error:
            raise BadUrl(f"The request cannot be sent: {error}.") from error
        except httpcore.RemoteProtocolError as error:
            raise OutboundError(f"The request failed: {_what_is_wrong(error)}.") from error
        except httpcore.NetworkError as error:
            raise OutboundError(f"The request failed: {error or type(error).__name__}.") from error

    def _read(self, chunks: Iterable[bytes]) -> tuple[bytes, bool]:
        body = bytearray()
        for chunk in chunks:
            body += chunk
            if len(body) > self._max_answer_bytes:
                return bytes(body[: self._max_answer_bytes]), False
        return bytes(body), True


def _what_is_wrong(error: httpcore.RemoteProtocolError) -> str:
    """Never the error's own text: it repeats what strangers sent."""
    text = str(error)
    if text.startswith("Server disconnected"):
        return "the server closed the connection"
    return "the answer ended too early" if text.startswith("peer closed") else "the answer is not HTTP, or too long"


@dataclass(frozen=True)
class _Target:
    """A URL that was checked; plain: in the pieces that are asked for, authority: as it is named."""

    url: httpx.URL
    plain: httpcore.URL
    authority: str


@lru_cache(maxsize=1024)
def _target(url: str, *, allows_private: bool) -> _Target:
    """Raises BadUrl, AddressRefused."""
    known = check_url(url, allows_private=allows_private)
    plain = httpcore.URL(scheme=known.raw_scheme, host=known.raw_host, port=known.port, target=known.raw_path)
    return _Target(known, plain, known.netloc.decode("ascii"))


def _next(target: _Target, answer: Answer, *, allows_private: bool) -> _Target:
    """Where a redirect leads. Raises BadUrl, AddressRefused."""
    location = answer.headers.get("location", "")
    if not location:
        raise BadUrl(f"The answer {answer.status} does not say where the request should go instead.")
    try:
        url = target.url.join(location)
    except (httpx.InvalidURL, ValueError) as error:
        raise BadUrl(f"The answer {answer.status} leads to what is not a URL: {error}.") from error
    if target.url.scheme == "https" and url.scheme != "https":
        raise BadUrl(f"The answer {answer.status} leads from https to {url.scheme}, where nothing is sent.")
    return _target(str(url), allows_private=allows_private)


@lru_cache(maxsize=1)
def _ssl_context() -> ssl.SSLContext:
    return httpx.create_ssl_context()


class _Clock:
    """What is left of the time of the request that is under way."""

    def __init__(self) -> None:
        self._ends_at = 0.0

    def start(self, seconds: float) -> None:
        self._ends_at = time.monotonic() + seconds

    def left(self) -> float:
        """Raises httpcore's timeout when nothing is."""
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the time is over")
        return left


class _CheckedNetwork(httpcore.NetworkBackend):
    """Looks names up, and connects to the addresses that may be connected to."""

    def __init__(self, clock: _Clock, *, allows_private: bool) -> None:
        self._clock = clock
        self._allows_private = allows_private

    def connect_tcp(self, host: str, port: int, *_: Any, **__: Any) -> httpcore.NetworkStream:
        """To the first of its addresses that answers. Raises AddressRefused."""
        addresses = look_up(host, port, allows_private=self._allows_private)
        failed: OSError | None = None
        for others, address in zip(reversed(range(len(addresses))), addresses, strict=True):
            try:
                # An address that swallows everything leaves time for the others: IPv6 often leads nowhere.
                return _Stream(_open(address, port, self._clock.left() / (others + 1)), self._clock)
            except OSError as error:
                failed = error
        self._clock.left()
        raise httpcore.ConnectError(str(failed or f"{host} has no address")) from failed


def _open(address: str, port: int, timeout: float) -> socket.socket:
    """Without `create_connection`, which would look the address up once more."""
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout)
        # Head and body go out apart; the second would wait for the answer to the first.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.connect((address, port))
    except BaseException:
        sock.close()
        raise
    return sock


class _Stream(httpcore.NetworkStream):
    """A connection whose every step ends with the time of the request: peers that drip bytes hold nobody up."""

    def __init__(self, sock: socket.socket, clock: _Clock) -> None:
        self._socket = sock
        self._clock = clock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._socket.settimeout(self._clock.left())
        try:
            return self._socket.recv(max_bytes)
        except TimeoutError as error:
            raise httpcore.ReadTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.ReadError(str(error)) from error

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        left = memoryview(buffer)
        try:
            while left:
                self._socket.settimeout(self._clock.left())
                left = left[self._socket.send(left) :]
        except TimeoutError as error:
            raise httpcore.WriteTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.WriteError(str(error)) from error

    def close(self) -> None:
        self._socket.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        try:
            self._socket.settimeout(self._clock.left())
            return _Stream(ssl_context.wrap_socket(self._socket, server_hostname=server_hostname), self._clock)
        except TimeoutError as error:
            self.close()
            raise httpcore.ConnectTimeout(str(error)) from error
        except OSError as error:
            self.close()
            raise httpcore.ConnectError(str(error)) from error

    def get_extra_info(self, info: str) -> Any:
        if info == "ssl_object" and isinstance(self._socket, ssl.SSLSocket):
            return self._socket
        if info == "is_readable":  # before anything was asked: the end of it, or what nobody asked for
            poll = select.poll()
            poll.register(self._socket, select.POLLIN)
            return bool(poll.poll(0))
        return None
