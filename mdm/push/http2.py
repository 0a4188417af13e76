"""One HTTP/2 connection that carries many small requests at once (RFC 9113), on asyncio and `h2`.

General HTTP clients are built for a few requests to many servers. Waking devices is thousands of tiny requests to one
server, so this module differs where it matters: the peer alone limits how many streams are open, one slow stream never
harms another, and a GOAWAY costs only the requests that the peer says it did not see.
"""

import asyncio
import json
import ssl
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions

MAX_REQUEST_BODY_BYTES = 4096
MAX_ANSWER_BODY_BYTES = 4096
FRAME_HEADER_BYTES = 9
GOAWAY_FRAME_TYPE = 0x07
# The most a peer may send to us, who announce no larger SETTINGS_MAX_FRAME_SIZE (RFC 9113, 4.2).
MAX_FRAME_BYTES = 16384

Headers = list[tuple[str, str]]


class StreamFailed(Exception):
    """No answer came; whether the peer acted on the request is unknown. `peer_reason` is the peer's own word or ""."""

    def __init__(self, message: str, peer_reason: str = "") -> None:
        super().__init__(message)
        self.peer_reason = peer_reason


class NotProcessed(StreamFailed):
    """The peer certainly did not act on the request: it may be sent again on another connection."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(eq=False)
class _Request:
    headers: Headers
    body: bytes
    timeout_seconds: float
    future: asyncio.Future[Answer]
    opened_at: float = 0.0
    timer: asyncio.TimerHandle | None = None
    status: int = 0
    answer_headers: dict[str, str] = field(default_factory=dict)
    answer_body: bytearray = field(default_factory=bytearray)


class Connection(asyncio.Protocol):
    """Use from one event loop only; made by `connect`. `ready`: the peer's first SETTINGS came. `gone`: all is over."""

    def __init__(self, *, max_streams: int, idle_seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._max_streams = max_streams
        self._idle_seconds = idle_seconds
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self._inbox = bytearray()
        self._queue: deque[_Request] = deque()
        self._streams: dict[int, _Request] = {}
        self._transport: asyncio.Transport | None = None
        self._retiring: NotProcessed | None = None
        self._pump_due = False
        self._quiet_timer: asyncio.TimerHandle | None = None
        self._is_stalled = False
        self._last_received_at = 0.0
        self.ready: asyncio.Future[None] = self._loop.create_future()
        self.gone: asyncio.Future[None] = self._loop.create_future()

    @property
    def is_open(self) -> bool:
        """Whether new requests may be given to this connection."""
        return self._transport is not None and self._retiring is None

    def request(self, headers: Headers, body: bytes, *, timeout_seconds: float) -> asyncio.Future[Answer]:
        """Queue one request. The time limit starts when its stream opens, so a long queue starves nobody.

        The future gives an Answer, or raises StreamFailed or its kind NotProcessed.
        """
        if len(body) > MAX_REQUEST_BODY_BYTES:
            raise ValueError(f"A request body is at most {MAX_REQUEST_BODY_BYTES} bytes.")
        request = _Request(headers, body, timeout_seconds, self._loop.create_future())
        if not self.is_open:
            request.future.set_exception(self._retiring or NotProcessed("The connection is closed."))
            return request.future
        self._queue.append(request)
        if not self._pump_due:
            # Once per turn of the loop: a burst of requests then leaves in one write instead of hundreds.
            self._pump_due = True
            self._loop.call_soon(self._pump)
        return request.future

    def retire(self, message: str, peer_reason: str = "") -> None:
        """Take no new requests, hand back queued ones as NotProcessed, close when the open streams are answered."""
        if self._retiring is None:
            self._retiring = NotProcessed(message, peer_reason)
        while self._queue:
            _fail(self._queue.popleft(), NotProcessed(message, peer_reason))
        self._close_if_done()

    def close(self) -> None:
        """Say goodbye and close at once; unanswered requests fail."""
        self._break_off("The connection was closed here.")

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._last_received_at = self._loop.time()
        self._h2.initiate_connection()
        self._flush()

    def data_received(self, data: bytes) -> None:
        if self._transport is None:
            return  # closing
        self._last_received_at = self._loop.time()
        self._inbox += data
        try:
            for frame in self._take_frames():
                if frame[3] == GOAWAY_FRAME_TYPE:
                    self._on_goaway(frame)
                else:
                    for event in self._h2.receive_data(frame):
                        self._on_event(event)
        except h2.exceptions.ProtocolError as error:
            self._break_off(f"The peer broke the HTTP/2 protocol: {error}")
            return
        self._pump()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        error = exc or ConnectionResetError("The peer closed the connection.")
        self._fail_everything(f"The connection was lost: {error}", error)
        self.gone.set_result(None)

    # Requests out

    def _pump(self) -> None:
        """Open as many queued streams as the peer allows, then send everything that is due."""
        self._pump_due = False
        while self._queue and self.is_open and self._has_room(len(self._queue[0].body)):
            request = self._queue.popleft()
            if not request.future.done():
                self._open(request)
        self._flush()
        self._watch_quiet()

    def _has_room(self, body_bytes: int) -> bool:
        settings = self._h2.remote_settings
        return (
            self.ready.done()
            and len(self._streams) < min(self._max_streams, settings.max_concurrent_streams)
            and min(self._h2.outbound_flow_control_window, settings.initial_window_size) >= body_bytes
        )

    def _open(self, request: _Request) -> None:
        try:
            stream_id = self._h2.get_next_available_stream_id()
        except h2.exceptions.NoAvailableStreamIDError:
            self._queue.appendleft(request)
            self.retire("All stream numbers of this connection are used.")
            return
        try:
            self._h2.send_headers(stream_id, request.headers)
            self._h2.send_data(stream_id, request.body, end_stream=True)
        except h2.exceptions.ProtocolError as error:
            _fail(request, StreamFailed(f"The request cannot be sent: {error}"))
            return
        request.opened_at = self._loop.time()
        request.timer = self._loop.call_later(request.timeout_seconds, self._on_timeout, stream_id)
        self._streams[stream_id] = request

    def _flush(self) -> None:
        data = self._h2.data_to_send()
        if data and self._transport is not None:
            self._transport.write(data)

    # Frames in

    def _take_frames(self) -> Iterator[bytes]:
        """Cut what has arrived into whole frames.

        h2 gets them one by one, because it forgets the events before a fault and, once it has seen a GOAWAY, refuses
        the answers that the peer still owes to older streams (RFC 9113, 6.8). GOAWAY is therefore handled here.
        """
        while len(self._inbox) >= FRAME_HEADER_BYTES:
            length = int.from_bytes(self._inbox[:3], "big")
            if length > MAX_FRAME_BYTES:
                raise h2.exceptions.FrameTooLargeError(f"a frame of {length} bytes")
            end = FRAME_HEADER_BYTES + length
            if len(self._inbox) < end:
                return
            frame = bytes(self._inbox[:end])
            del self._inbox[:end]
            yield frame

    def _on_event(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RemoteSettingsChanged) and not self.ready.done():
            self.ready.set_result(None)
        elif isinstance(event, h2.events.DataReceived):
            # Credit goes back even for streams that were given up, or the connection's window would leak away.
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            if (request := self._streams.get(event.stream_id)) is not None:
                request.answer_body += event.data[: MAX_ANSWER_BODY_BYTES - len(request.answer_body)]
        elif isinstance(event, h2.events.ResponseReceived):
            if (request := self._streams.get(event.stream_id)) is not None:
                request.answer_headers = dict(event.headers)
                status = request.answer_headers.get(":status", "")
                request.status = int(status) if status.isdecimal() else 0
        elif isinstance(event, h2.events.StreamEnded):
            if (request := self._take_stream(event.stream_id)) is not None and not request.future.done():
                request.future.set_result(Answer(request.status, request.answer_headers, bytes(request.answer_body)))
        elif isinstance(event, h2.events.StreamReset) and (request := self._take_stream(event.stream_id)) is not None:
            kind = NotProcessed if event.error_code == h2.errors.ErrorCodes.REFUSED_STREAM else StreamFailed
            _fail(request, kind(f"The peer reset the stream (error {event.error_code})."))

    def _on_goaway(self, frame: bytes) -> None:
        payload = frame[FRAME_HEADER_BYTES:]
        last_stream_id = int.from_bytes(payload[:4], "big") & 0x7FFFFFFF
        error_code = int.from_bytes(payload[4:8], "big")
        peer_reason = _reason(payload[8:])
        message = f"The peer ended the connection (error {error_code}{f', {peer_reason}' if peer_reason else ''})."
        for stream_id in [number for number in self._streams if number > last_stream_id]:
            if (request := self._take_stream(stream_id)) is not None:
                _fail(request, NotProcessed(message, peer_reason))
        self.retire(message, peer_reason)

    def _take_stream(self, stream_id: int) -> _Request | None:
        request = self._streams.pop(stream_id, None)
        if request is not None and request.timer is not None:
            request.timer.cancel()
        self._close_if_done()
        return request

    # Ends

    def _on_timeout(self, stream_id: int) -> None:
        request = self._streams[stream_id]
        if self._last_received_at < request.opened_at:
            # Not one byte since the request left: the path is dead (a firewall forgot the connection), not the stream.
            self._break_off("The peer fell silent.")
            return
        self._h2.reset_stream(stream_id, h2.errors.ErrorCodes.CANCEL)
        self._flush()
        self._take_stream(stream_id)
        _fail(request, StreamFailed("No answer in time."))
        self._pump()

    def _break_off(self, message: str) -> None:
        transport, self._transport = self._transport, None
        self._fail_everything(message, ConnectionAbortedError(message))
        if transport is not None:
            self._h2.close_connection()
            transport.write(self._h2.data_to_send())
            transport.close()

    def _close_if_done(self) -> None:
        if self._retiring is not None and not self._streams and self._transport is not None:
            self._break_off(str(self._retiring))

    def _fail_everything(self, message: str, error: Exception) -> None:
        if not self.ready.done():
            self.ready.set_exception(error)
            self.ready.exception()  # marks it as seen: `connect` may have given up waiting
        for stream_id in list(self._streams):
            if (request := self._take_stream(stream_id)) is not None:
                _fail(request, StreamFailed(message))
        while self._queue:
            _fail(self._queue.popleft(), NotProcessed(message))
        self._watch_quiet()

    def _watch_quiet(self) -> None:
        """While no stream is open one timer runs: to close an idle connection, or to end the wait of a queue that the
        peer lets no stream out of (it may allow none at all)."""
        is_stalled = bool(self._queue)
        is_quiet = self._transport is not None and not self._streams
        if self._quiet_timer is not None:
            if is_quiet and is_stalled == self._is_stalled:
                return
            self._quiet_timer.cancel()
            self._quiet_timer = None
        if is_quiet:
            self._is_stalled = is_stalled
            seconds = self._queue[0].timeout_seconds if is_stalled else self._idle_seconds
            message = "The peer allows no streams." if is_stalled else "Idle."
            self._quiet_timer = self._loop.call_later(seconds, self._break_off, message)


def _fail(request: _Request, error: StreamFailed) -> None:
    if not request.future.done():
        request.future.set_exception(error)


def _reason(debug_data: bytes) -> str:
    """The `reason` of the JSON dictionary that APNs may put into a GOAWAY, or ""."""
    try:
        told = json.loads(debug_data[:MAX_ANSWER_BODY_BYTES])
    except ValueError:
        return ""
    return str(told.get("reason", ""))[:100] if isinstance(told, dict) else ""


async def connect(
    host: str, port: int, *, context: ssl.SSLContext, timeout_seconds: float, max_streams: int, idle_seconds: float
) -> Connection:
    """Open a connection and wait for the peer's SETTINGS.

    With TLS 1.3 a server judges the client certificate after the client believes the handshake done: only the first
    frame proves that it was accepted. Raises ssl.SSLError, OSError (TimeoutError among them).
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(timeout_seconds):
        transport, connection = await loop.create_connection(
            lambda: Connection(max_streams=max_streams, idle_seconds=idle_seconds), host, port, ssl=context
        )
        try:
            tls = transport.get_extra_info("ssl_object")
            if tls.selected_alpn_protocol() != "h2":
                raise ConnectionError("The server does not speak HTTP/2.")
            await connection.ready
        except BaseException:
            transport.abort()
            raise
    return connection
