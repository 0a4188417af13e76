"""Apple's push service, played by a real TLS HTTP/2 server on 127.0.0.1 that demands client certificates.

In a test: `with FakeApns() as apns: ...`. For other processes: `python -m tests.fakes.apns --topic TOPIC`.

"""

import argparse
import json
import os
import shutil
import signal
import socket
import ssl
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self

from cryptography.x509.oid import NameOID

from mdm.push.apns import Credentials
from tests.fakes.apns_conversation import Conversation, Push, Received, Reply
from tests.fakes.authority import Authority

MAX_PAYLOAD_BYTES = 4096


class FakeApns:
    """Settings are plain attributes and may change while it runs; the limit on streams holds for new connections."""

    def __init__(
        self,
        *,
        port: int = 0,
        directory: Path | None = None,
        max_concurrent_streams: int = 1000,
        latency: float = 0.0,
        reject_certificates: bool = False,
        on_push: Callable[[Received], None] | None = None,
        authority: Authority | None = None,
    ) -> None:
        self.max_concurrent_streams = max_concurrent_streams
        self.latency = latency
        self.reject_certificates = reject_certificates
        self.received: list[Received] = []
        self.connections = 0
        self.refused_handshakes = 0
        self.peak_streams = 0
        self._port = port
        self._own_directory = directory is None
        self.directory = Path(directory or tempfile.mkdtemp(prefix="fake-apns-"))
        self._on_push = on_push
        self.lock = threading.Lock()
        self._replies: dict[str, Reply] = {}
        self._goaway_in: int | None = None
        self.goaway_reason = ""
        self._drop_in: int | None = None
        self._conversations: list[Conversation] = []
        self._authority = authority or Authority("Fake Apple CA")
        self.ca_file = str(self.directory / "ca.pem")
        Path(self.ca_file).write_bytes(self._authority.certificate_pem)

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self.url = f"https://127.0.0.1:{self._listener.getsockname()[1]}"
        self.tls = self._make_tls_context()
        self._acceptor = threading.Thread(target=self._accept, name="fake-apns", daemon=True)
        self._acceptor.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join()
        for conversation in self._conversations:
            conversation.hang_up()
        for conversation in self._conversations:
            conversation.join()
        if self._own_directory:
            shutil.rmtree(self.directory)

    def client_credentials(self, topic: str, *, days: int = 365) -> Credentials:
        """A push certificate for this topic, signed by this server's CA; a negative number of days: expired."""
        certificate_pem, key_pem = self._authority.issue(
            [(NameOID.USER_ID, topic), (NameOID.COMMON_NAME, "APSP:fake")], days=days
        )
        return Credentials(topic, certificate_pem, key_pem)

    def respond(
        self,
        token: bytes,
        status: int,
        reason: str = "",
        *,
        retry_after: int | str | None = None,
        timestamp: int | None = None,
    ) -> None:
        """Answer pushes to this token so from now on."""
        self._replies[token.hex()] = Reply(status, reason, None if retry_after is None else str(retry_after), timestamp)

    def reset(self, token: bytes) -> None:
        """Reset the streams of pushes to this token."""
        self._replies[token.hex()] = Reply(None, resets_stream=True)

    def stay_silent(self, token: bytes) -> None:
        """Never answer pushes to this token."""
        self._replies[token.hex()] = Reply(None)

    def goaway_after(self, pushes: int, reason: str = "") -> None:
        """After so many more pushes say GOAWAY, ignore newer ones, answer the older, then close. Happens once."""
        with self.lock:
            self._goaway_in, self.goaway_reason = pushes, reason

    def drop_after(self, pushes: int) -> None:
        """Cut the connection without a word instead of answering the next push after so many. Happens once."""
        with self.lock:
            self._drop_in = pushes

    def change_max_concurrent_streams(self, limit: int) -> None:
        """Tell open connections of a new limit."""
        self.max_concurrent_streams = limit
        for conversation in list(self._conversations):
            conversation.new_limit = limit

    def _make_tls_context(self) -> ssl.SSLContext:
        certificate_pem, key_pem = self._authority.issue([(NameOID.COMMON_NAME, "127.0.0.1")], days=30, server=True)
        file = self.directory / "server.pem"
        file.write_bytes(certificate_pem + key_pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        context.load_verify_locations(self.ca_file)
        context.verify_mode = ssl.CERT_REQUIRED
        context.set_alpn_protocols(["h2"])
        return context

    def _accept(self) -> None:
        while True:
            try:
                raw, _ = self._listener.accept()
            except OSError:  # the listener was closed
                return
            conversation = Conversation(self, raw, self.tls)
            self._conversations.append(conversation)
            conversation.start()

    def count_push(self) -> tuple[bool, bool]:
        """Whether this push is followed by a GOAWAY, and whether the connection drops instead of an answer."""
        with self.lock:
            goes, drops = self._goaway_in == 1, self._drop_in == 0
            self._goaway_in = None if self._goaway_in is None or goes else self._goaway_in - 1
            self._drop_in = None if self._drop_in is None or drops else self._drop_in - 1
            return goes, drops

    def reply(self, push: Push, certificate_topic: str) -> Reply:
        """Source: Apple, "Handling notification responses from APNs"."""
        headers = push.headers
        token = headers[":path"].removeprefix("/3/device/")
        checks = [
            (headers[":method"] != "POST", 405, "MethodNotAllowed"),
            (not headers[":path"].startswith("/3/device/"), 404, "BadPath"),
            (self.reject_certificates, 403, "BadCertificate"),
            ("apns-topic" not in headers, 400, "MissingTopic"),
            (not headers.get("apns-topic", "").startswith("com.apple.mgmt."), 400, "BadTopic"),
            (headers.get("apns-topic") != certificate_topic, 400, "TopicDisallowed"),
            (headers.get("apns-push-type") != "mdm", 400, "InvalidPushType"),
            (headers.get("apns-priority", "10") not in ("1", "5", "10"), 400, "BadPriority"),
            (not headers.get("apns-expiration", "0").isdecimal(), 400, "BadExpirationDate"),
            (not push.body, 400, "PayloadEmpty"),
            (len(push.body) > MAX_PAYLOAD_BYTES, 413, "PayloadTooLarge"),
            (not token, 400, "MissingDeviceToken"),
            (not set(token) <= set("0123456789abcdef"), 400, "BadDeviceToken"),
        ]
        for is_wrong, status, reason in checks:
            if is_wrong:
                return Reply(status, reason)
        return self._replies.get(token, Reply(200))

    def note(self, received: Received) -> None:
        self.received.append(received)
        if self._on_push is not None:
            self._on_push(received)


def main() -> None:
    """Print one JSON line with url, ca_file and credentials, then one line per push, until stopped."""
    parser = argparse.ArgumentParser(description="A stand-in for Apple's push service.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--topic", action="append", default=[], help="make credentials for this topic (repeatable)")
    parser.add_argument("--directory", type=Path, help="for certificates; by default temporary")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--quiet", action="store_true", help="print no pushes")
    options = parser.parse_args()
    if options.directory is not None:
        options.directory.mkdir(parents=True, exist_ok=True)

    def report(received: Received) -> None:
        print(json.dumps(asdict(received)), flush=True)

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    on_push = None if options.quiet else report
    with FakeApns(port=options.port, directory=options.directory, latency=options.latency, on_push=on_push) as apns:
        credentials = {}
        for topic in options.topic:
            made = apns.client_credentials(topic)
            certificate, key = apns.directory / f"{topic}.pem", apns.directory / f"{topic}.key"
            certificate.write_bytes(made.certificate_pem)
            key.touch(mode=0o600)
            key.write_bytes(made.key_pem)
            credentials[topic] = {"certificate": str(certificate), "key": str(key)}
        facts = {"url": apns.url, "ca_file": apns.ca_file, "credentials": credentials, "pid": os.getpid()}
        print(json.dumps(facts), flush=True)
        signal.pause()


if __name__ == "__main__":
    main()
