"""Apple's device assignment service, played by a real HTTP server on 127.0.0.1 that checks the OAuth signature.

It keeps enrollment profiles as well, and gives them to devices; what was assigned shows as "modified" in the list of changes.

In a test: `with FakeDep() as dep: ...` and DEP_URL=dep.url. For other processes: `python -m tests.fakes.dep --devices 50`.

Sources: Apple, "Device assignment"; RFC 5849. Cursors are hex of "fetch:<list>:<offset>" and "sync:<operation>".
"""

import argparse
import base64
import hashlib
import hmac
import json
import re
import secrets
import signal
import sys
import threading
import time
from collections import defaultdict, deque
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from tests.fakes.dep_profiles import Fault, Profiles, json_answer
from tests.fakes.http import Handler, LocalService

CONSUMER = ("CK_fake", "CS_fake")
ACCESS = ("AT_fake", "AS_fake")
CLOCK_SKEW_SECONDS = 300
ACCOUNT = {
    "server_name": "Fake MDM server",
    "server_uuid": "677cab70fe18e4b2c3f1a8d4",
    "admin_id": "admin@example.com",
    "org_name": "Example Inc",
    "org_email": "org@example.com",
    "org_phone": "+1 555 0100",
    "org_address": "1 Example Way",
    "org_id": "1234",
    "org_type": "org",
    "org_version": "v2",
}


class FakeDep(LocalService, Profiles):
    """Settings are plain attributes and may change while it runs."""

    def __init__(self, *, port: int = 0, page_limit: int = 1000) -> None:
        self.page_limit = page_limit
        self.account: dict[str, Any] = dict(ACCOUNT)
        self.rotates_sessions = False
        self.requests: list[str] = []  # "POST /devices/sync" and so on, in their order
        self.devices: dict[str, dict[str, Any]] = {}
        self.profiles: dict[str, dict[str, Any]] = {}
        self.assigned: list[list[str]] = []  # the serial numbers of every request that assigned a profile
        self.refuses: dict[str, str] = {}  # serial number → what is answered instead of SUCCESS
        self.retry_after_seconds: int | None = None  # said when a device is THROTTLED
        self.assign_methods = ("POST", "PUT")
        self._operations: list[dict[str, Any]] = []
        self._lists: list[tuple[list[dict[str, Any]], int]] = []  # a list in the making, and the operations before it
        self._expired_cursors = 0
        self._sessions: set[str] = set()
        self._nonces: set[str] = set()
        self._session_uses: int | None = None
        self._faults: dict[str, deque[Fault | None]] = defaultdict(deque)
        self._clock = datetime.now(UTC)
        self._port = port
        self._lock = threading.RLock()

    # --- What people do at Apple's web site ---------------------------------------------------------------------------
    def assign(self, count: int = 1, **fields: Any) -> list[str]:
        """Assign new devices to the server; returns their serial numbers."""
        with self._lock:
            start = len(self._operations)
            return [self._assign_one(f"FAKE{start + n:08d}", fields) for n in range(count)]

    def modify(self, serial: str, **fields: Any) -> None:
        with self._lock:
            self.devices[serial] |= fields
            self._operate("modified", self.devices[serial])

    def release(self, *serials: str) -> None:
        with self._lock:
            for serial in serials:
                self._operate("deleted", self.devices.pop(serial))

    def restore(self, serial: str, **fields: Any) -> None:
        """Assign a device that was released."""
        with self._lock:
            self._assign_one(serial, fields)

    # --- Faults -------------------------------------------------------------------------------------------------------
    def fail(self, path: str, status: int, body: bytes = b"", *, after: int = 0, **fault: Any) -> None:
        """Answer the next request to this path so, or the one after so many more; once for each call."""
        with self._lock:
            self._faults[path].extend([None] * after)
            self._faults[path].append(Fault(status, body, **fault))

    def end_sessions(self, *, after: int = 0) -> None:
        """Forget all sessions after so many more requests with one."""
        with self._lock:
            self._session_uses = after

    def forget_profiles(self) -> None:
        """Devices lose them as well."""
        with self._lock:
            self.profiles.clear()
            for serial, device in self.devices.items():
                if device.get("profile_uuid"):
                    self.modify(serial, profile_uuid="", profile_status="empty")

    def expire_cursors(self) -> None:
        """Every cursor handed out up to now."""
        with self._lock:
            self._expired_cursors += 1

    def count(self, path: str) -> int:
        return sum(request.endswith(f" {path}") for request in self.requests)

    # --- The service --------------------------------------------------------------------------------------------------
    def answer(self, method: str, target: str, headers: Any, body: bytes) -> Fault:
        with self._lock:
            path = urlsplit(target).path
            self.requests.append(f"{method} {path}")
            fault = self._faults[path].popleft() if self._faults[path] else None
            if fault and not fault.is_late:
                return fault
            if not headers.get("User-Agent") or int(headers.get("X-Server-Protocol-Version", "0")) < 3:
                return Fault(400, b"USER_AGENT_MISSING")
            if path == "/session" and method == "GET":
                answer = self._open_session(headers)
                return fault or answer
            refusal = self._check_session(headers)
            if refusal:
                return refusal
            answer = self._serve(method, target, body)
            if fault:
                return fault
            if self.rotates_sessions:  # the old one ends with it
                self._sessions.clear()
                answer.headers["X-ADM-Auth-Session"] = self._new_session()
            return answer

    def _serve(self, method: str, target: str, body: bytes) -> Fault:
        path, query = urlsplit(target).path, parse_qs(urlsplit(target).query)
        if (method, path) == ("GET", "/account"):
            return json_answer(self.account)
        if path == "/profile":
            return self._define(json.loads(body)) if method == "POST" else self._profile(query)
        if path == "/profile/devices":
            return self._profile_devices(method, json.loads(body))
        if method != "POST" or path not in ("/server/devices", "/devices/sync"):
            return Fault(404, b"NOT_FOUND")
        asked = json.loads(body)
        limit = min(asked.get("limit", 100), self.page_limit)
        return (self._fetch if path == "/server/devices" else self._sync)(asked.get("cursor"), limit)

    def _fetch(self, cursor: str | None, limit: int) -> Fault:
        if cursor is None:
            self._lists.append((list(self.devices.values()), len(self._operations)))
            number, offset = len(self._lists) - 1, 0
        else:
            try:
                number, offset = self._position(cursor, "fetch")
            except ValueError as error:
                return Fault(400, str(error).encode())
        listed, operation = self._lists[number]
        devices, end = listed[offset : offset + limit], offset + limit
        if end < len(listed):
            return json_answer(_page(devices, self._cursor("fetch", number, end), True))
        return json_answer(_page(devices, self._cursor("sync", operation, 0), False))

    def _sync(self, cursor: str | None, limit: int) -> Fault:
        if cursor is None:
            return Fault(400, b"CURSOR_REQUIRED")
        try:
            start, _ = self._position(cursor, "sync")
        except ValueError as error:
            return Fault(400, str(error).encode())
        end = min(start + limit, len(self._operations))
        is_more = end < len(self._operations)
        return json_answer(_page(self._operations[start:end], self._cursor("sync", end, 0), is_more))

    def _cursor(self, kind: str, first: int, second: int) -> str:
        return f"{kind}:{first}:{second}:{self._expired_cursors}".encode().hex()

    def _position(self, cursor: str, kind: str) -> tuple[int, int]:
        parts = bytes.fromhex(cursor).decode().split(":")
        if parts[0] != kind:
            raise ValueError("INVALID_CURSOR")
        if int(parts[3]) < self._expired_cursors:
            raise ValueError("EXPIRED_CURSOR")
        return int(parts[1]), int(parts[2])

    def _open_session(self, headers: Any) -> Fault:
        problem = self._oauth_problem(headers.get("Authorization", ""))
        return Fault(401, problem.encode()) if problem else json_answer({"auth_session_token": self._new_session()})

    def _new_session(self) -> str:
        session = f"{int(time.time() * 1000)}O1:{secrets.token_hex(20)}"
        self._sessions.add(session)
        return session

    def _check_session(self, headers: Any) -> Fault | None:
        if self._session_uses is not None:
            if self._session_uses == 0:
                self._sessions.clear()
            self._session_uses = self._session_uses - 1 if self._session_uses else None
        if headers.get("X-ADM-Auth-Session") not in self._sessions:
            return Fault(401, b'"UNAUTHORIZED"')
        return None

    def _oauth_problem(self, header: str) -> str:
        """Worked out apart from the product's signer: a fault in one must not hide in the other."""
        given = {name: unquote(value) for name, value in re.findall(r'(\w+)="([^"]*)"', header)}
        signed = {name: value for name, value in given.items() if name not in ("realm", "oauth_signature")}
        if signed.get("oauth_consumer_key") != CONSUMER[0] or signed.get("oauth_token") != ACCESS[0]:
            return "token_rejected"
        if abs(int(signed.get("oauth_timestamp", "0")) - time.time()) > CLOCK_SKEW_SECONDS:
            return "timestamp_refused"
        if signed["oauth_nonce"] in self._nonces:
            return "nonce_used"
        self._nonces.add(signed["oauth_nonce"])
        pairs = "&".join(f"{quote(n, safe='')}={quote(signed[n], safe='')}" for n in sorted(signed))
        base = f"GET&{quote(f'{self.url}/session', safe='')}&{quote(pairs, safe='')}"
        key = f"{CONSUMER[1]}&{ACCESS[1]}".encode()
        expected = base64.b64encode(hmac.new(key, base.encode(), hashlib.sha1).digest()).decode()
        is_right = header.startswith("OAuth ") and hmac.compare_digest(given.get("oauth_signature", ""), expected)
        return "" if is_right else "signature_invalid"

    def _assign_one(self, serial: str, fields: dict[str, Any]) -> str:
        self.devices[serial] = {
            "serial_number": serial,
            "model": "iPhone 14",
            "description": "IPHONE 14 BLACK 128GB-USA",
            "color": "BLACK",
            "asset_tag": "",
            "os": "iOS",
            "device_family": "iPhone",
            "profile_status": "empty",
            "device_assigned_date": self._now(),
            "device_assigned_by": "admin@example.com",
        } | fields
        self._operate("added", self.devices[serial])
        return serial

    def _operate(self, kind: str, device: dict[str, Any]) -> None:
        self._operations.append(device | {"op_type": kind, "op_date": self._now()})

    def _now(self) -> str:
        """A second later at each call, so that the order of operations shows in their dates."""
        self._clock += timedelta(seconds=1)
        return self._clock.strftime("%Y-%m-%dT%H:%M:%SZ")


class _Handler(Handler):
    service: FakeDep

    def do_GET(self) -> None:
        found = self.service.answer(self.command, self.path, self.headers, self.body())
        self.respond(found.status, found.body, found.headers, delay=found.delay, is_cut=found.is_cut)

    do_POST = do_PUT = do_DELETE = do_GET


FakeDep.handler = _Handler


def _page(devices: list[dict[str, Any]], cursor: str, is_more: bool) -> dict[str, Any]:
    return {"devices": devices, "cursor": cursor, "more_to_follow": is_more, "fetched_until": "2024-01-01T00:00:00Z"}


def token_message(*, expires_at: datetime | None = None, **changes: Any) -> bytes:
    """What stands inside a server token for this service."""
    expires_at = expires_at or datetime.now(UTC) + timedelta(days=365)
    values = {
        "consumer_key": CONSUMER[0],
        "consumer_secret": CONSUMER[1],
        "access_token": ACCESS[0],
        "access_secret": ACCESS[1],
        "access_token_expiry": expires_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    } | changes
    values = {name: value for name, value in values.items() if value is not None}
    head = b"Content-Type: text/plain;charset=UTF-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
    return head + b"-----BEGIN MESSAGE-----\r\n" + json.dumps(values).encode() + b"\r\n-----END MESSAGE-----\r\n"


def main() -> None:
    """Print one JSON line with the url, then serve until stopped."""
    parser = argparse.ArgumentParser(description="A stand-in for Apple's device assignment service.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--devices", type=int, default=0, help="how many are assigned at the start")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with FakeDep(port=options.port) as dep:
        dep.assign(options.devices)
        print(json.dumps({"url": dep.url}), flush=True)
        signal.pause()


if __name__ == "__main__":
    main()
