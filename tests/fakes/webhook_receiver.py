"""An operator's server that is told of events: a real one, on this machine, that answers as it is told to."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@dataclass
class Received:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)


@dataclass
class Reply:
    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    wait_seconds: float = 0
    drips: bool = False


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256  # as servers have it; with Python's five, many that connect at once are reset


class WebhookReceiver:
    """received: every request, in order. accepted: those of them that were answered 2xx.

    replies: what the next ones are answered; then `usual`, a plain 204 unless it is set to something else.
    """

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.accepted: list[Received] = []
        self.replies: list[Reply] = []
        self.usual = Reply()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # head and body go out apart

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                received = Received(self.path, dict(self.headers.items()), body)
                reply = receiver.replies.pop(0) if receiver.replies else receiver.usual
                receiver.received.append(received)
                if reply.status < 300:
                    receiver.accepted.append(received)
                receiver._answer(self, reply)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self.server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"

    def _answer(self, handler: BaseHTTPRequestHandler, reply: Reply) -> None:
        time.sleep(reply.wait_seconds)
        try:
            handler.send_response(reply.status)
            for name, value in reply.headers.items():
                handler.send_header(name, value)
            if reply.drips:
                handler.send_header("Content-Length", "1000")
                handler.end_headers()
                for _ in range(100):
                    handler.wfile.write(b"x")
                    handler.wfile.flush()
                    time.sleep(0.1)
                return
            if reply.status != 204:
                handler.send_header("Content-Length", str(len(reply.body)))
            handler.end_headers()
            handler.wfile.write(reply.body)
        except OSError:
            handler.close_connection = True  # the sender did not wait for all of it

    def __enter__(self) -> "WebhookReceiver":
        self.thread = Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@contextmanager
def unused_url() -> Iterator[str]:
    """Where nobody listens."""
    with WebhookReceiver() as receiver:
        url = receiver.url
    yield url
