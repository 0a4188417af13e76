"""One client's connection to the fake push service.

A thread with a blocking socket each, because asyncio's TLS drops the alert that tells a client why its certificate was
refused, and that alert is one of the things to play.
"""

import heapq
import json
import socket
import ssl
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings
from cryptography import x509
from cryptography.x509.oid import NameOID
from hyperframe.frame import GoAwayFrame

if TYPE_CHECKING:
    from tests.fakes.apns import FakeApns


@dataclass(frozen=True)
class Received:
    """One push as it arrived, and the status it was answered with (None: reset, ignored or dropped)."""

    token: str
    topic: str
    payload: dict[str, object]
    headers: dict[str, str]
    connection_id: int
    status: int | None


@dataclass(frozen=True)
class Reply:
    status: int | None
    reason: str = ""
    retry_after: str | None = None
    timestamp: int | None = None
    resets_stream: bool = False


@dataclass(eq=False)
class Push:
    headers: dict[str, str]
    body: bytearray = field(default_factory=bytearray)


class Conversation(threading.Thread):
    """One client's connection, from handshake to end."""

    def __init__(self, server: "FakeApns", raw: socket.socket, context: ssl.SSLContext) -> None:
        super().__init__(name="fake-apns-connection", daemon=True)
        self._server = server
        self._socket = context.wrap_socket(raw, server_side=True, do_handshake_on_connect=False)
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self._pushes: dict[int, Push] = {}
        self._due: list[tuple[float, int]] = []
        self._replies: dict[int, Reply] = {}
        self._last_stream_id: int | None = None
        self._is_dropped = False
        self.new_limit: int | None = None

    def run(self) -> None:
        try:
            with self._socket:
                self._socket.settimeout(10)
                if self._shake_hands():
                    self._talk()
        except (OSError, h2.exceptions.ProtocolError):
            # The client vanished or misbehaved, or the server is stopping: tests see it from the client's side.
            return

    def hang_up(self) -> None:
        try:
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
        except OSError:  # already closed
            return

    def _shake_hands(self) -> bool:
        try:
            self._socket.do_handshake()
        except ssl.SSLError:
            self._server.refused_handshakes += 1
            # Closing with unread bytes would reset the connection and could overtake the alert: read to the end first.
            socket.socket.shutdown(self._socket, socket.SHUT_WR)
            while socket.socket.recv(self._socket, 65536):
                pass
            return False
        with self._server.lock:
            self._server.connections += 1
            self._id = self._server.connections
        certificate = x509.load_der_x509_certificate(self._socket.getpeercert(binary_form=True) or b"")
        names = certificate.subject.get_attributes_for_oid(NameOID.USER_ID)
        self._topic = str(names[0].value) if names else ""
        return True

    def _talk(self) -> None:
        self._h2.local_settings = h2.settings.Settings(
            client=False,
            initial_values={
                h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: self._server.max_concurrent_streams,
                h2.settings.SettingCodes.MAX_HEADER_LIST_SIZE: 65536,
            },
        )
        self._h2.initiate_connection()
        while not (self._is_dropped or (self._last_stream_id is not None and not self._due)):
            self._send()
            data = self._receive()
            if data == b"":
                return
            if self.new_limit is not None:
                self._h2.update_settings({h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: self.new_limit})
                self.new_limit = None
            for event in self._h2.receive_data(data) if data else []:
                self._on_event(event)
            self._answer_due()
        if not self._is_dropped:
            self._send()
            self._socket.unwrap()

    def _receive(self) -> bytes | None:
        """What came in, b"" at the end, None when an answer is due or some time has passed."""
        wait = 0.05 if not self._due else min(0.05, self._due[0][0] - time.monotonic())
        if wait <= 0:
            return None
        self._socket.settimeout(wait)
        try:
            return self._socket.recv(65536)
        except TimeoutError:
            return None
        finally:
            self._socket.settimeout(10)

    def _send(self) -> None:
        if data := self._h2.data_to_send():
            self._socket.sendall(data)

    def _on_event(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RequestReceived):
            self._pushes[event.stream_id] = Push(dict(event.headers))
            self._server.peak_streams = max(self._server.peak_streams, len(self._pushes))
        elif isinstance(event, h2.events.DataReceived):
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            if event.stream_id in self._pushes:
                self._pushes[event.stream_id].body += event.data
        elif isinstance(event, h2.events.StreamReset):
            self._pushes.pop(event.stream_id, None)
        elif isinstance(event, h2.events.StreamEnded):
            self._on_push(event.stream_id)

    def _on_push(self, stream_id: int) -> None:
        if self._is_dropped or (self._last_stream_id is not None and stream_id > self._last_stream_id):
            return
        goes, self._is_dropped = self._server.count_push()
        if self._is_dropped:
            return
        self._replies[stream_id] = self._server.reply(self._pushes[stream_id], self._topic)
        heapq.heappush(self._due, (time.monotonic() + self._server.latency, stream_id))
        if goes:
            # h2 answers nothing once it said goodbye itself, so the frame is made by hand, ahead of the answers.
            self._last_stream_id = stream_id
            goodbye = GoAwayFrame(0, last_stream_id=stream_id)
            if self._server.goaway_reason:
                goodbye.additional_data = json.dumps({"reason": self._server.goaway_reason}).encode()
            self._send()
            self._socket.sendall(goodbye.serialize())

    def _answer_due(self) -> None:
        while self._due and self._due[0][0] <= time.monotonic() and not self._is_dropped:
            _, stream_id = heapq.heappop(self._due)
            if stream_id in self._pushes:  # not reset by the client meanwhile
                self._answer(stream_id)

    def _answer(self, stream_id: int) -> None:
        reply = self._replies.pop(stream_id)
        push = self._pushes[stream_id]
        if reply.status is not None or reply.resets_stream:
            del self._pushes[stream_id]
        self._server.note(
            Received(
                token=push.headers[":path"].removeprefix("/3/device/"),
                topic=push.headers.get("apns-topic", ""),
                payload=json.loads(push.body or b"{}"),
                headers=push.headers,
                connection_id=self._id,
                status=reply.status,
            )
        )
        if reply.resets_stream:
            self._h2.reset_stream(stream_id, h2.errors.ErrorCodes.INTERNAL_ERROR)
        elif reply.status is not None:
            self._write_answer(stream_id, reply)

    def _write_answer(self, stream_id: int, reply: Reply) -> None:
        headers = [(":status", str(reply.status)), ("apns-id", str(uuid.uuid4()).upper())]
        if reply.retry_after is not None:
            headers.append(("retry-after", reply.retry_after))
        told: dict[str, object] = {"reason": reply.reason} if reply.reason else {}
        if reply.timestamp is not None:
            told["timestamp"] = reply.timestamp
        self._h2.send_headers(stream_id, headers, end_stream=not told)
        if told:
            self._h2.send_data(stream_id, json.dumps(told).encode(), end_stream=True)
