"""Requests to addresses that somebody else chose: bounded in time and size, and never into our own network.

What may be asked stands in `addresses.py`. Redirects are followed only where that is asked for, each
target checked like the first; proxies are not asked.

`http.client` reads the answers, at less than half of what httpx and httpcore cost: thousands of webhooks feel it.
"""

import io
import select
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from http.client import HTTPException, HTTPResponse, IncompleteRead
from typing import Any, Self

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
        self._kept: dict[tuple[str, str, int], _Connection] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        while self._kept:
            self._kept.popitem()[1].close()

    def send(self, method: str, url: str, *, headers: Mapping[str, str], content: bytes = b"") -> Answer:
        """Raises BadUrl, AddressRefused, or OutboundError for whatever else keeps the answer away."""
        target = _target(url, allows_private=self._allows_private)
        self._clock.start(self._timeout_seconds)
        for _ in range(MAX_REDIRECTS + 1):
            try:
                answer = self._exchange(method, target, headers, content)
            except TimeoutError as error:
                raise OutboundError(f"No answer within {self._timeout_seconds:g} seconds.") from error
            except (OSError, HTTPException) as error:
                raise OutboundError(f"The request failed: {error or type(error).__name__}.") from error
            if not (self._follows_redirects and answer.status in FOLLOWED):
                return answer
            target = _next(target, answer, allows_private=self._allows_private)
        raise OutboundError(f"More than {MAX_REDIRECTS} redirects, one after the other, are not followed.")

    def _exchange(self, method: str, target: "_Target", headers: Mapping[str, str], content: bytes) -> Answer:
        request = _request(method, target, headers, content)
        kept = self._kept.pop(target.origin, None)
        if kept is not None:
            # A server may close it at this very moment, before it sees the request; then it takes another connection.
            with suppress(ConnectionError):
                kept.check()
                return self._ask(kept, method, target, request)
        return self._ask(_connect(target, self._clock, allows_private=self._allows_private), method, target, request)

    def _ask(self, connection: "_Connection", method: str, target: "_Target", request: bytes) -> Answer:
        is_kept = False
        try:
            connection.write(request)
            response = HTTPResponse(connection, method=method)  # type: ignore[arg-type]
            response.begin()
            body = response.read(self._max_answer_bytes + 1)
            is_complete = len(body) <= self._max_answer_bytes
            if is_complete and response.length:
                raise IncompleteRead(body, response.length)
            is_kept = is_complete and not response.will_close and len(self._kept) < KEPT_CONNECTIONS
        finally:
            if is_kept:
                self._kept[target.origin] = connection
            else:
                connection.close()
        names = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, names, body[: self._max_answer_bytes], is_complete)


@dataclass(frozen=True)
class _Target:
    """A URL that was checked, in the pieces that a request needs. host: as it is looked up. authority: as it is named."""

    url: httpx.URL
    origin: tuple[str, str, int]
    authority: str
    path: str


@lru_cache(maxsize=1024)
def _target(url: str, *, allows_private: bool) -> _Target:
    """Raises BadUrl, AddressRefused."""
    known = check_url(url, allows_private=allows_private)
    port = known.port or (443 if known.scheme == "https" else 80)
    origin = (known.scheme, known.raw_host.decode("ascii"), port)
    return _Target(known, origin, known.netloc.decode("ascii"), known.raw_path.decode("ascii"))


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


def _request(method: str, target: _Target, headers: Mapping[str, str], content: bytes) -> bytes:
    # Compressed answers could be a thousand times larger than what is read of them.
    sent = {"Host": target.authority, "Accept-Encoding": "identity", "Content-Length": str(len(content)), **headers}
    lines = [f"{method} {target.path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items())]
    if any("\n" in line or "\r" in line for line in lines):
        raise BadUrl("A line break in a header would end it.")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + content


@lru_cache(maxsize=1)
def _ssl_context() -> ssl.SSLContext:
    context = httpx.create_ssl_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


class _Clock:
    """What is left of the time of the request that is under way."""

    def __init__(self) -> None:
        self._ends_at = 0.0

    def start(self, seconds: float) -> None:
        self._ends_at = time.monotonic() + seconds

    def left(self) -> float:
        """Raises TimeoutError when nothing is."""
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class _Connection:
    """A connection whose every step ends with the time of the request: peers that drip bytes hold nobody up."""

    def __init__(self, sock: socket.socket, clock: _Clock) -> None:
        self._socket = sock
        self._clock = clock

    def check(self) -> None:
        """What can be read before anything was asked is the end of it, or what nobody asked for. Raises ConnectionError."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        if poll.poll(0):
            self.close()
            raise ConnectionError("the server closed the connection")

    def write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            self._socket.settimeout(self._clock.left())
            left = left[self._socket.send(left) :]

    def makefile(self, *_: Any) -> io.BufferedReader:
        """What HTTPResponse asks a socket for."""
        return io.BufferedReader(_Incoming(self._socket, self._clock))

    def close(self) -> None:
        self._socket.close()


class _Incoming(io.RawIOBase):
    """The bytes of one answer; closing it leaves the connection open."""

    def __init__(self, sock: socket.socket, clock: _Clock) -> None:
        self._socket = sock
        self._clock = clock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._socket.settimeout(self._clock.left())
        return self._socket.recv_into(buffer)


def _connect(target: _Target, clock: _Clock, *, allows_private: bool) -> _Connection:
    """To the first of its addresses that answers. Raises AddressRefused, OSError."""
    scheme, host, port = target.origin
    failed = OSError(f"{host} has no address")
    for address in look_up(host, port, allows_private=allows_private):
        try:
            sock = _open(address, port, clock.left())
        except TimeoutError:
            raise
        except OSError as error:
            failed = error
            continue
        try:
            # Head and body go out at once, but an answer to the last piece would wait for the next one.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if scheme == "https":
                sock.settimeout(clock.left())
                sock = _ssl_context().wrap_socket(sock, server_hostname=host)
        except BaseException:
            sock.close()
            raise
        return _Connection(sock, clock)
    raise failed


def _open(address: str, port: int, timeout: float) -> socket.socket:
    """Without `create_connection`, which would look the address up once more."""
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout)
        sock.connect((address, port))
    except BaseException:
        sock.close()
        raise
    return sock
