"""Receivers of a forwarded log: syslog by UDP, TCP and TLS, and HTTP; real ones, on this machine, that can go and come back."""

import json
import re
import socket
import socketserver
import ssl
import threading
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from tests.fakes.http import Handler, LocalService

SYSLOG = re.compile(
    rb"<(?P<priority>\d{1,3})>1 (?P<at>\S+) (?P<host>\S+) (?P<app>\S+) (?P<process>\S+) (?P<kind>\S+) - (?P<text>.*)",
    re.DOTALL,
)


class SyslogReceiver:
    """messages: whatever came, in order, parsed. It listens at the same port each time that it is entered.

    tls: certificate and key files.
    """

    def __init__(self, kind: str, *, tls: tuple[str, str] | None = None) -> None:
        self.kind, self.port = kind, 0
        self.messages: list[dict[str, Any]] = []
        self.arrived = threading.Condition()
        self._tls = tls
        self._open: set[socket.socket] = set()

    @property
    def url(self) -> str:
        host = "localhost" if self.kind == "tls" else "127.0.0.1"
        return f"syslog+{self.kind}://{host}:{self.port}"

    def __enter__(self) -> Self:
        receiver = self

        class Datagram(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                receiver._take(self.request[0])

        class Stream(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                receiver._open.add(self.request)
                try:
                    receiver._read(self.request)
                except OSError:
                    pass  # the sender, or this receiver, has gone
                finally:
                    receiver._open.discard(self.request)

        base = socketserver.ThreadingUDPServer if self.kind == "udp" else socketserver.ThreadingTCPServer
        server = type("Server", (base,), {"allow_reuse_address": True, "daemon_threads": True, "block_on_close": False})
        self._server = server(("127.0.0.1", self.port), Datagram if self.kind == "udp" else Stream)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        for one in list(self._open):  # a process that ends takes its connections along
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._thread.join()

    def wait_for(self, count: int) -> list[dict[str, Any]]:
        """What has come, once there are so many; the sender does not wait for that."""
        with self.arrived:
            if not self.arrived.wait_for(lambda: len(self.messages) >= count, timeout=30):
                raise AssertionError(f"{len(self.messages)} of {count} messages came")
            return list(self.messages)

    def _read(self, connection: socket.socket) -> None:
        """Octet counting: "123 <message of 123 bytes>", one after the other."""
        if self._tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self._tls)
            with context.wrap_socket(connection, server_side=True) as wrapped:
                self._open.add(wrapped)
                self._read_stream(wrapped)
        else:
            self._read_stream(connection)

    def _read_stream(self, connection: socket.socket) -> None:
        stream = connection.makefile("rb")
        while True:
            length = b""
            while (byte := stream.read(1)) not in (b" ", b""):
                length += byte
            if not byte:
                return
            message = stream.read(int(length))
            if len(message) == int(length):
                self._take(message)

    def _take(self, message: bytes) -> None:
        parts = SYSLOG.fullmatch(message)
        assert parts, message
        found = {name: value.decode() for name, value in parts.groupdict().items()}
        found["record"] = json.loads(found.pop("text"))
        with self.arrived:
            self.messages.append(found)
            self.arrived.notify_all()


class _Post(Handler):
    service: "HttpReceiver"

    def do_POST(self) -> None:
        status, headers = self.service.answers.pop(0) if self.service.answers else (200, {})
        body = self.body()
        self.service.requests.append((self.path, dict(self.headers.items())))
        if len(body) > self.service.most_bytes:
            status = 413
        if 200 <= status < 300:
            self.service.records += json.loads(body)
        self.respond(status, b"", headers)


class HttpReceiver(LocalService):
    """records: what was taken. answers: what the next requests are answered, (status, headers); then 200."""

    handler = _Post

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.most_bytes = 10**9

    def come_back_at_the_same_port(self) -> None:
        self._port = int(self.url.rpartition(":")[2])
