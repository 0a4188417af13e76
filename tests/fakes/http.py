"""What the fake services share: a real HTTP server on 127.0.0.1, in a thread of its own, for as long as the `with` lasts."""

import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import ClassVar, Self


class Handler(BaseHTTPRequestHandler):
    """service: the fake that answers."""

    service: "LocalService"
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body go out apart

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def respond(
        self, status: int, body: bytes, headers: Mapping[str, str], *, delay: float = 0.0, is_cut: bool = False
    ) -> None:
        """is_cut: the headers promise more than comes. delay: seconds before anything does."""
        time.sleep(delay)
        try:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body) + (10 if is_cut else 0)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:  # whoever asked has not waited for it
            self.close_connection = True
        if is_cut:
            self.close_connection = True

    def log_message(self, format: str, *arguments: object) -> None:
        """Not on the tests' output."""


class LocalService:
    """handler: answers one request each. url: where it listens, while it does."""

    handler: ClassVar[type[Handler]]
    _port = 0

    def __enter__(self) -> Self:
        handler = type("BoundHandler", (self.handler,), {"service": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", self._port), handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, name=type(self).__name__, daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
