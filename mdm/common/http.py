"""Requests to addresses that somebody else chose: bounded in time and size, and never into our own network.

A name is looked up once, at connecting, and the connection goes to the address that was checked: a name that changes its
meaning between the check and the use (DNS rebinding) gains nothing. Redirects are not followed, proxies are not asked.
"""

import ipaddress
import socket
import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import httpcore
import httpx

TIMEOUT_SECONDS = 10.0
MAX_ANSWER_BYTES = 64 * 1024
MAX_URL_LENGTH = 2000
SCHEMES = ("http", "https")
# At addresses that look public, clouds answer a machine's own requests with its secrets.
_METADATA = (ipaddress.ip_network("168.63.129.16"), ipaddress.ip_network("192.0.0.0/24"))
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class OutboundError(Exception):
    """There is no answer; the text says why."""


class BadUrl(OutboundError):
    """Nothing is ever sent to such a URL."""


class AddressRefused(OutboundError):
    """The name stands for an address of our own network."""


@dataclass(frozen=True)
class Answer:
    """headers have lower-case names. is_complete: False if the body went on beyond the limit; the rest was not read."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_complete: bool


class OutboundClient:
    """Sends requests one after the other, over the same connection where it can. For one thread at a time.

    timeout_seconds is for the whole of a request, from connecting to the last byte, but for the lookup of the name.
    """

    def __init__(
        self,
        *,
        allows_private: bool,
        timeout_seconds: float = TIMEOUT_SECONDS,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        self._allows_private = allows_private
        self._timeout_seconds = timeout_seconds
        self._max_answer_bytes = max_answer_bytes
        self._clock = _Clock()
        self._pool = httpcore.ConnectionPool(
            ssl_context=_ssl_context(), network_backend=_CheckedNetwork(self._clock, allows_private=allows_private)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.close()

    def send(self, method: str, url: str, *, headers: Mapping[str, str], content: bytes = b"") -> Answer:
        """Raises BadUrl, AddressRefused, or OutboundError for whatever else keeps the answer away."""
        target = check_url(url, allows_private=self._allows_private)
        self._clock.start(self._timeout_seconds)
        # Compressed answers could be a thousand times larger than what is read of them.
        sent = {"Host": target.netloc.decode(), "Accept-Encoding": "identity", "Content-Length": str(len(content))}
        plain = httpcore.URL(scheme=target.raw_scheme, host=target.raw_host, port=target.port, target=target.raw_path)
        try:
            with self._pool.stream(method, plain, headers=list((sent | headers).items()), content=content) as answer:
                body, is_complete = self._read(answer.iter_stream())
                names = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
                return Answer(answer.status, names, body, is_complete)
        except httpcore.TimeoutException as error:
            raise OutboundError(f"No answer within {self._timeout_seconds:g} seconds.") from error
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise OutboundError(f"The request failed: {error or type(error).__name__}.") from error

    def _read(self, chunks: Iterable[bytes]) -> tuple[bytes, bool]:
        body = bytearray()
        for chunk in chunks:
            body += chunk
            if len(body) > self._max_answer_bytes:
                return bytes(body[: self._max_answer_bytes]), False
        return bytes(body), True


def check_url(url: str, *, allows_private: bool) -> httpx.URL:
    """What can be said of a URL without looking up its name. Raises BadUrl, AddressRefused."""
    if len(url) > MAX_URL_LENGTH or not url.isprintable() or " " in url:
        raise BadUrl(f"A URL has at most {MAX_URL_LENGTH} characters, and no spaces.")
    try:
        target = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise BadUrl(f"This is not a URL: {error}.") from error
    if target.scheme not in SCHEMES:
        raise BadUrl("The URL must begin with https:// or http://.")
    if not target.host:
        raise BadUrl("The URL names no host.")
    if target.port is not None and not 0 < target.port < 65536:
        raise BadUrl("The URL's port is not a number from 1 to 65535.")
    if target.userinfo:
        raise BadUrl("The URL must not hold a user name or password.")
    if not allows_private and _is_known_private(target.host):
        raise AddressRefused(f"{target.host} is an address of a private network, where nothing is sent.")
    return target


def is_public(address: str) -> bool:
    """Whether an IP address is one that anybody may be asked to connect to. Raises ValueError for other text."""
    known = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(known, ipaddress.IPv6Address):
        inner = _inner(known)
        if inner is None:
            return known in _GLOBAL_UNICAST and known.is_global
        known = inner
    return known.is_global and not known.is_multicast and not any(known in network for network in _METADATA)


def _inner(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that is reached by way of this one."""
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)


def _is_known_private(host: str) -> bool:
    host = host.rstrip(".").lower()
    try:
        return not is_public(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


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
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        failed: httpcore.ConnectError | None = None
        for address in self._addresses(host, port):
            try:
                stream = self._plain.connect_tcp(address, port, self._clock.left(), local_address, socket_options)
            except httpcore.ConnectError as error:
                failed = error
            else:
                return _TimedStream(stream, self._clock)
        raise failed or httpcore.ConnectError(f"{host} has no address")

    def _addresses(self, host: str, port: int) -> list[str]:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"the name {host} is not known") from error
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        if not self._allows_private and not all(is_public(address) for address in addresses):
            raise AddressRefused(f"{host} stands for an address of a private network, where nothing is sent.")
        return addresses


class _TimedStream(httpcore.NetworkStream):
    """A connection whose every step ends with the time of the request: peers that drip bytes hold nobody up."""

    def __init__(self, stream: httpcore.NetworkStream, clock: _Clock) -> None:
        self._stream = stream
        self._clock = clock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._clock.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._clock.left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _TimedStream(self._stream.start_tls(ssl_context, server_hostname, self._clock.left()), self._clock)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)
