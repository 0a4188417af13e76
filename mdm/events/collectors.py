"""Who can be sent the log: syslog by UDP, TCP or TLS, and collectors that take JSON by HTTP.

Each is a context manager with `send(records)`, which returns once the collector has taken all of them, and raises
CollectorError otherwise: then some may have arrived.

Sources: RFC 5424 (the message), RFC 6587 (octet counting), RFC 5425 (TLS), RFC 5426 (UDP).
"""

import fcntl
import json
import os
import select
import socket
import ssl
import struct
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self
from urllib.parse import SplitResult, parse_qsl, urlsplit

from django.conf import settings

from mdm.common.peers import Peer, PeerError
from mdm.events.log_settings import HTTP_SCHEMES, SYSLOG_PORTS, authorization_fault, fault

SETTING = "LOG_FORWARD_URL"
NAME = "the collector of logs"
TIMEOUT_SECONDS = 10.0
# One datagram: most receivers take 8 KB, few more.
DATAGRAM_BYTES = 8192
FACILITY = 13  # log audit
SEVERITIES = {"info": 6, "warning": 4, "error": 3}
Record = dict[str, Any]


class CollectorError(Exception):
    """It did not take everything; str(error) is a sentence for people, and nothing secret stands in it.

    retry_after_seconds: what it asked for. is_too_large: less at a time may do.
    """

    def __init__(self, sentence: str, *, retry_after_seconds: float = 0.0, is_too_large: bool = False) -> None:
        super().__init__(sentence)
        self.retry_after_seconds = retry_after_seconds
        self.is_too_large = is_too_large


class Collector(Protocol):
    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None: ...

    def send(self, records: Sequence[Record]) -> None: ...


def collector() -> Collector:
    """The one that the settings name. Raises CollectorError for settings that cannot be used."""
    wrong = fault(settings.LOG_FORWARD_URL)
    if wrong:
        raise CollectorError(f"{SETTING} cannot be used: {wrong}.")
    parts = urlsplit(settings.LOG_FORWARD_URL)
    if parts.scheme in HTTP_SCHEMES:
        wrong = authorization_fault(settings.LOG_FORWARD_AUTHORIZATION)
        if wrong:
            raise CollectorError(f"LOG_FORWARD_AUTHORIZATION cannot be used: {wrong}.")
        return HttpCollector(parts)
    if parts.scheme == "syslog+udp":
        return UdpCollector(parts)
    return TcpCollector(parts, is_tls=parts.scheme == "syslog+tls")


# --- syslog -----------------------------------------------------------------------------------------------------------
def syslog_line(record: Record, *, most_bytes: int | None = None) -> bytes:
    """One message of RFC 5424, whose text is the record as JSON: in ASCII, so that it needs no mark of its encoding."""
    priority = FACILITY * 8 + SEVERITIES[record["level"]]
    host = urlsplit(settings.BASE_URL).hostname or "-"
    head = f"<{priority}>1 {record['at']} {host[:255]} pomona - {record['event_type'][:32]} - "
    line = (head + json.dumps(record)).encode("ascii", "replace")
    if most_bytes is not None and len(line) > most_bytes:
        return (head + json.dumps(record | {"metadata": {"left_out": "too large for a datagram"}})).encode()
    return line


class UdpCollector:
    """Nobody answers: what is sent counts as taken, unless this machine hears that nobody is there."""

    def __init__(self, parts: SplitResult) -> None:
        self._address = (parts.hostname or "", parts.port or SYSLOG_PORTS[parts.scheme])

    def __enter__(self) -> Self:
        with _explained():
            family, kind, protocol, _, address = socket.getaddrinfo(*self._address, type=socket.SOCK_DGRAM)[0]
            self._socket = socket.socket(family, kind, protocol)
            self._socket.settimeout(TIMEOUT_SECONDS)
            self._socket.connect(address)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._socket.close()

    def send(self, records: Sequence[Record]) -> None:
        with _explained():
            for record in records:
                self._socket.send(syslog_line(record, most_bytes=DATAGRAM_BYTES))
            _raise_pending(self._socket)


class TcpCollector:
    """Messages with their lengths before them, over one connection.

    The protocol knows no answer either. So what counts is that the receiver's machine has acknowledged every byte and has
    not closed the connection since.
    """

    def __init__(self, parts: SplitResult, *, is_tls: bool) -> None:
        self._host, self._port = parts.hostname or "", parts.port or SYSLOG_PORTS[parts.scheme]
        self._is_tls = is_tls

    def __enter__(self) -> Self:
        with _explained():
            self._plain = socket.create_connection((self._host, self._port), timeout=TIMEOUT_SECONDS)
            self._socket: socket.socket = self._plain
            if self._is_tls:
                try:
                    context = ssl.create_default_context(cafile=settings.LOG_FORWARD_CA_FILE or None)
                    self._socket = context.wrap_socket(self._plain, server_hostname=self._host)
                except BaseException:
                    self._plain.close()
                    raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._socket.close()

    def send(self, records: Sequence[Record]) -> None:
        lines = [syslog_line(record) for record in records]
        with _explained():
            self._raise_if_closed()
            self._socket.sendall(b"".join(b"%d %b" % (len(line), line) for line in lines))
            self._wait_for_acknowledgement()
            self._raise_if_closed()

    def _wait_for_acknowledgement(self) -> None:
        ends_at = time.monotonic() + TIMEOUT_SECONDS
        while _unacknowledged(self._socket):
            if time.monotonic() > ends_at:
                raise TimeoutError
            time.sleep(0.002)

    def _raise_if_closed(self) -> None:
        """Receivers say nothing, so whatever can be read means its end; TLS has messages of its own."""
        _raise_pending(self._socket)
        readable, _, _ = select.select([self._socket], [], [], 0)
        while readable:
            if not self._read_some():
                return
            readable, _, _ = select.select([self._socket], [], [], 0)

    def _read_some(self) -> bool:
        """False: there is nothing more for us to read."""
        self._socket.setblocking(False)
        try:
            if not self._socket.recv(4096):
                raise ConnectionResetError("it closed the connection")
        except (ssl.SSLWantReadError, BlockingIOError):
            return False
        finally:
            self._socket.settimeout(TIMEOUT_SECONDS)
        return True


def _unacknowledged(connection: socket.socket) -> int:
    """Bytes that the other machine has not confirmed; 0 where the system does not tell."""
    try:
        return struct.unpack("i", fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, b"\0" * 4))[0]
    except OSError:
        return 0


def _raise_pending(connection: socket.socket) -> None:
    if number := connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        raise OSError(number, os.strerror(number))


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise CollectorError(f"{NAME.capitalize()} did not answer in time.") from error
    except ssl.SSLError as error:
        raise CollectorError(
            f"{NAME.capitalize()} has no certificate that is trusted: {error.reason or error}."
        ) from error
    except OSError as error:
        raise CollectorError(f"{NAME.capitalize()} could not be reached: {error.strerror or error}.") from error


# --- HTTP -------------------------------------------------------------------------------------------------------------
@dataclass
class HttpCollector:
    """Records as a JSON array, by POST. Any answer of 200 to 299 means that they were taken."""

    parts: SplitResult

    def __enter__(self) -> Self:
        authorization = settings.LOG_FORWARD_AUTHORIZATION
        try:
            self._peer = Peer(
                NAME,
                f"{self.parts.scheme}://{self.parts.netloc}",
                setting=SETTING,
                ca_file=settings.LOG_FORWARD_CA_FILE,
                headers={"Authorization": authorization} if authorization else {},
                deadline=TIMEOUT_SECONDS * 3,
                max_answer_bytes=64 * 1024,
            )
        except PeerError as error:
            raise CollectorError(str(error)) from error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._peer.__exit__(kind, error, at)

    def send(self, records: Sequence[Record]) -> None:
        params = dict(parse_qsl(self.parts.query, keep_blank_values=True)) or None
        try:
            answer = self._peer.ask("POST", self.parts.path or "/", params=params, json_body=list(records))
        except PeerError as error:
            raise CollectorError(str(error)) from error
        if not 200 <= answer.status < 300:
            raise CollectorError(
                f"{NAME.capitalize()} answered {answer.status}.",
                retry_after_seconds=answer.retry_after_seconds,
                is_too_large=answer.status == 413,
            )
