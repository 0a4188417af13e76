"""An SMS gateway, played by a real HTTP server on 127.0.0.1, in two dialects: JSON with a key in a header, and a form.

In a test: `with FakeSmsGateway() as gateway: ...`, with the settings of `gateway.json_settings()` or `.form_settings()`.
"""

import json
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from tests.fakes.http import Handler, LocalService

AUTHORIZATION = "Bearer key-of-the-tests-77"
FORM_KEY = "form-secret-of-the-tests"


@dataclass
class Fault:
    """An answer out of turn. takes_it: the message goes out all the same."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    is_cut: bool = False
    delay: float = 0.0
    takes_it: bool = False


@dataclass(frozen=True)
class Text:
    to: str
    sender: str
    text: str
    given: dict[str, Any]


class FakeSmsGateway(LocalService):
    """texts: what it has taken. asked: (path, headers, body) of each request."""

    def __init__(self) -> None:
        self.texts: list[Text] = []
        self.asked: list[tuple[str, dict[str, str], bytes]] = []
        self._faults: deque[Fault] = deque()
        self._lock = threading.RLock()

    def fail(self, status: int, body: bytes = b"", **fault: Any) -> None:
        """Answer the next request so; once for each call."""
        with self._lock:
            self._faults.append(Fault(status, body, **fault))

    def json_settings(self) -> dict[str, str]:
        fields = {"from": "{sender}", "to": ["{to}"], "message": {"body": "{text}"}, "client_ref": "{id}"}
        return {
            "SMS_URL": f"{self.url}/v2/messages",
            "SMS_FORMAT": "json",
            "SMS_FIELDS": json.dumps(fields),
            "SMS_SENDER": "Acme IT",
            "SMS_AUTHORIZATION": AUTHORIZATION,
            "SMS_REFERENCE": "messages.0.id",
        }

    def form_settings(self) -> dict[str, str]:
        fields = {"key": FORM_KEY, "number": "{digits}", "sender": "{sender}", "content": "{text}"}
        return {
            "SMS_URL": f"{self.url}/send/",
            "SMS_FORMAT": "form",
            "SMS_FIELDS": json.dumps(fields),
            "SMS_SENDER": "Acme",
            "SMS_AUTHORIZATION": "",
            "SMS_REFERENCE": "",
        }

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> Fault:
        with self._lock:
            self.asked.append((path, headers, body))
            fault = self._faults.popleft() if self._faults else None
            if fault is None:
                return self._take(path, headers, body)
            if fault.takes_it:
                self._take(path, headers, body)
            return fault

    def _take(self, path: str, headers: dict[str, str], body: bytes) -> Fault:
        if path == "/v2/messages":
            if headers.get("Authorization") != AUTHORIZATION:
                return _said(401, {"error": {"message": "Unknown key"}})
            given = json.loads(body)
            self.texts.append(Text(given["to"][0], given["from"], given["message"]["body"], given))
            return _said(202, {"messages": [{"id": f"msg-{len(self.texts)}"}]})
        if path == "/send/":
            given = dict(parse_qsl(body.decode(), strict_parsing=True))
            if given.get("key") != FORM_KEY:
                return Fault(403, b"WRONG KEY")
            self.texts.append(Text(f"+{given['number']}", given["sender"], given["content"], given))
            return Fault(200, b"OK 1")
        return Fault(404, b"<html>Not found</html>")


class _Handler(Handler):
    service: FakeSmsGateway

    def do_POST(self) -> None:
        found = self.service.answer(self.path, dict(self.headers), self.body())
        self.respond(found.status, found.body, found.headers, delay=found.delay, is_cut=found.is_cut)


FakeSmsGateway.handler = _Handler


def _said(status: int, said: dict[str, Any]) -> Fault:
    return Fault(status, json.dumps(said).encode())
