"""Wake devices through the Apple Push Notification service. No ORM and no settings: everything is passed in.

Source: Apple, "Sending notification requests to APNs", "Handling notification responses from APNs", "Setting Up Push
Notifications for Your MDM Customers" (certificates only: MDM knows no provider tokens).
"""

import asyncio
import hashlib
import json
import os
import ssl
import tempfile
import threading
import time
import weakref
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from urllib.parse import urlsplit

from cryptography import x509
from hpack import NeverIndexedHeaderTuple

from mdm.push.http2 import MAX_REQUEST_BODY_BYTES, Connection, Headers, connect
from mdm.push.outcomes import (
    CertificateUnusable,
    Kind,
    Outcome,
    may_be_sent_again,
    outcome_of_failed_connection,
    outcome_of_result,
)

MAX_STREAMS = 500
IDLE_SECONDS = 300
GOODBYE_SECONDS = 1
KEEP_SECONDS = 7 * 86400  # how long Apple keeps a push for a device that is switched off
MAX_CONNECTIONS_PER_SEND = 3
MAX_TOKEN_BYTES = 256
MAX_TOPIC_LENGTH = 255


@dataclass(frozen=True)
class Credentials:
    """A push certificate (PEM, leaf first) and its unencrypted private key."""

    topic: str
    certificate_pem: bytes = field(repr=False)
    key_pem: bytes = field(repr=False)

    @cached_property
    def fingerprint(self) -> str:
        """Changes with certificate and key; stands for them wherever a key is needed."""
        parts = (self.topic.encode(), self.certificate_pem, self.key_pem)
        return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


@dataclass(frozen=True)
class Wake:
    """One push. `id` is the caller's; topic, token and push magic are what the device reported in its TokenUpdate."""

    id: int
    topic: str
    token: bytes = field(repr=False)
    push_magic: str = field(repr=False)


class Pusher:
    """Keeps one HTTP/2 connection per push certificate, on a thread of its own, for all threads of the process.

    Starts anew in a forked child: the parent's thread and sockets are no use there.
    """

    def __init__(self, *, max_streams: int = MAX_STREAMS, idle_seconds: float = IDLE_SECONDS) -> None:
        self._max_streams = max_streams
        self._idle_seconds = idle_seconds
        self._lock = threading.Lock()
        self._worker: _Worker | None = None
        self._inherited: list[_Worker] = []
        _pushers.add(self)

    def send(
        self, credentials: Credentials, wakes: Sequence[Wake], *, base_url: str, ca_file: str | None, timeout: float
    ) -> list[Outcome]:
        """Push all wakes at once, block until each has an outcome, and return them in the same order.

        `timeout` (seconds) bounds connecting, and each answer from the moment its push leaves. `ca_file` replaces the
        system's trust; None keeps it. Raises ValueError if base_url is not an https URL; whatever happens to a push is
        an outcome.
        """
        target = _Target.parse(base_url, ca_file, timeout)
        with self._lock:
            if self._worker is None:
                self._worker = _Worker(self._max_streams, self._idle_seconds)
            sending = self._worker.submit(credentials, list(wakes), target)
        try:
            return sending.result()
        finally:
            sending.cancel()  # the caller may be interrupted (a task's time limit): stop what has not left yet

    def close(self) -> None:
        """Close all connections and end the thread; what is still waiting gets `retry`. A later `send` starts again."""
        with self._lock:
            worker, self._worker = self._worker, None
        if worker is not None:
            worker.stop()

    def start_afresh(self) -> None:
        """For a forked child. The old lock may be held by a thread that does not exist here."""
        self._lock = threading.Lock()
        if self._worker is not None:
            # Never finalised: closing an inherited loop would take sockets out of the parent's epoll, which is shared.
            self._inherited.append(self._worker)
            self._worker = None


_pushers: "weakref.WeakSet[Pusher]" = weakref.WeakSet()


def _after_fork() -> None:
    for pusher in list(_pushers):
        pusher.start_afresh()


os.register_at_fork(after_in_child=_after_fork)


class _Worker:
    """The event loop on its thread, and the connections that live there."""

    def __init__(self, max_streams: int, idle_seconds: float) -> None:
        self._max_streams = max_streams
        self._idle_seconds = idle_seconds
        self._connections: dict[tuple[str, ...], asyncio.Task[Connection]] = {}
        self._sends: set[asyncio.Task[list[Outcome]]] = set()
        self._is_stopping = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="apns", daemon=True)
        self._thread.start()

    def submit(self, credentials: Credentials, wakes: list[Wake], target: "_Target") -> Future[list[Outcome]]:
        return asyncio.run_coroutine_threadsafe(self._send(credentials, wakes, target), self._loop)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._wind_up(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # On the loop's thread

    async def _send(self, credentials: Credentials, wakes: list[Wake], target: "_Target") -> list[Outcome]:
        self._sends.add(task := asyncio.current_task())
        task.add_done_callback(self._sends.discard)
        outcomes: dict[int, Outcome] = {}
        requests: dict[int, tuple[Headers, bytes]] = {}
        for index, wake in enumerate(wakes):
            body = json.dumps({"mdm": wake.push_magic}).encode()
            if (unfit := _unfit(wake, body)) is not None:
                outcomes[index] = unfit
            else:
                requests[index] = (_headers(wake, target.authority), body)
        for attempt in range(1, MAX_CONNECTIONS_PER_SEND + 1):
            if not requests:
                break
            try:
                connection = await self._connection(credentials, target)
            except (OSError, ValueError) as error:
                outcomes |= {index: outcome_of_failed_connection(wakes[index].id, error) for index in requests}
                break
            futures = [
                connection.request(headers, body, timeout_seconds=target.timeout) for headers, body in requests.values()
            ]
            results = await asyncio.gather(*futures, return_exceptions=True)
            again: dict[int, tuple[Headers, bytes]] = {}
            for (index, request), result in zip(requests.items(), results, strict=True):
                # What the peer certainly never looked at goes out again at once, over a new connection.
                if may_be_sent_again(result) and attempt < MAX_CONNECTIONS_PER_SEND:
                    again[index] = request
                else:
                    outcomes[index] = outcome_of_result(wakes[index].id, result)
            requests = again
            if any(outcome.kind is Kind.CERTIFICATE_REJECTED for outcome in outcomes.values()):
                connection.retire("Apple rejected the certificate.")
        return [outcomes[index] for index in range(len(wakes))]

    async def _connection(self, credentials: Credentials, target: "_Target") -> Connection:
        """The open connection of these credentials, or a new one; callers that come meanwhile wait for the same."""
        for key, task in list(self._connections.items()):
            if task.done() and (task.cancelled() or task.exception() is not None or not task.result().is_open):
                del self._connections[key]
        if self._is_stopping:
            raise ConnectionAbortedError("The pusher is closing.")
        key = (target.authority, target.ca_file or "", credentials.fingerprint)
        task = self._connections.get(key)
        if task is None:
            task = self._connections[key] = asyncio.create_task(self._connect(credentials, target))
        await asyncio.wait([task])  # unlike awaiting it, leaves it alive for others if this caller is cancelled
        if task.cancelled():
            raise ConnectionAbortedError("The pusher is closing.")
        return task.result()

    async def _connect(self, credentials: Credentials, target: "_Target") -> Connection:
        return await connect(
            target.host,
            target.port,
            context=_tls_context(credentials, target.ca_file),
            timeout_seconds=target.timeout,
            max_streams=self._max_streams,
            idle_seconds=self._idle_seconds,
        )

    async def _wind_up(self) -> None:
        self._is_stopping = True
        tasks = list(self._connections.values())
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        connections = [result for result in results if isinstance(result, Connection)]
        for connection in connections:
            connection.close()
        if self._sends:
            await asyncio.wait(self._sends)
        if connections:
            await asyncio.wait([connection.gone for connection in connections], timeout=GOODBYE_SECONDS)


@dataclass(frozen=True)
class _Target:
    host: str
    port: int
    ca_file: str | None
    timeout: float

    @classmethod
    def parse(cls, base_url: str, ca_file: str | None, timeout: float) -> "_Target":
        parts = urlsplit(base_url)
        if parts.scheme != "https" or not parts.hostname:
            raise ValueError(f"APNs is reached over https only, not {base_url!r}.")
        return cls(parts.hostname, parts.port or 443, ca_file or None, timeout)

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == 443 else f"{host}:{self.port}"


def _tls_context(credentials: Credentials, ca_file: str | None) -> ssl.SSLContext:
    """Client TLS with the push certificate. Raises CertificateUnusable, or OSError when ca_file cannot be read."""
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    try:
        expires_at = x509.load_pem_x509_certificate(credentials.certificate_pem).not_valid_after_utc
    except ValueError as error:
        raise CertificateUnusable("The push certificate is not readable.") from error
    if expires_at < datetime.now(UTC):
        raise CertificateUnusable(f"The push certificate expired on {expires_at:%Y-%m-%d}.")
    # The ssl module takes a file name only; a temporary file is 0600 and gone a moment later.
    with tempfile.NamedTemporaryFile(prefix="apns-") as file:
        file.write(credentials.certificate_pem.rstrip() + b"\n" + credentials.key_pem)
        file.flush()
        try:
            # Without a password argument OpenSSL would ask for one on the terminal, and the thread would hang.
            context.load_cert_chain(file.name, password="")
        except ssl.SSLError as error:
            raise CertificateUnusable("The push certificate and its private key do not fit together.") from error
    return context


def _headers(wake: Wake, authority: str) -> Headers:
    return [
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", authority),
        # Never indexed: a token is nobody else's business, and it would push the constant headers out of the table.
        NeverIndexedHeaderTuple(":path", f"/3/device/{wake.token.hex()}"),
        ("apns-topic", wake.topic),
        ("apns-push-type", "mdm"),
        ("apns-priority", "10"),
        # Rounded to an hour, so that header compression sends it once per connection.
        ("apns-expiration", str((int(time.time()) + KEEP_SECONDS) // 3600 * 3600)),
        ("content-type", "application/json"),
    ]


def _unfit(wake: Wake, body: bytes) -> Outcome | None:
    """The outcome of a wake that must not be sent: its parts come from a device and are not to be trusted."""
    if not 1 <= len(wake.token) <= MAX_TOKEN_BYTES:
        return Outcome(wake.id, Kind.TOKEN_DEAD, reason="BadDeviceToken")
    if (
        len(wake.topic) > MAX_TOPIC_LENGTH
        or not wake.topic.isascii()
        or not wake.topic.replace(" ", "\0").isprintable()
    ):
        return Outcome(wake.id, Kind.REFUSED, reason="BadTopic")
    if not wake.topic:
        return Outcome(wake.id, Kind.REFUSED, reason="MissingTopic")
    if len(body) > MAX_REQUEST_BODY_BYTES:
        return Outcome(wake.id, Kind.REFUSED, reason="PayloadTooLarge")
    return None
