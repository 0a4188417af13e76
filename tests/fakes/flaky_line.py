"""The line between an agent and its server, which loses what it is told to lose, or changes it: a proxy on 127.0.0.1."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.fakes.http import Handler, LocalService

HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "host", "date", "server", "keep-alive"}


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


Change = Callable[[Answer], Answer]


@dataclass
class Rule:
    """What becomes of the next `times` requests whose path ends as `path`: no change means that the answer gets lost."""

    path: str
    times: int
    change: Change | None = None


class _Handler(Handler):
    service: "FlakyLine"

    def do_POST(self) -> None:
        line = self.service
        if line.is_down:
            self.close_connection = True
            return
        answer = line.forward(self.command, self.path, self.body(), dict(self.headers))
        rule = line.rule_for(self.path)
        line.seen.append((self.command, self.path, answer.status))
        if rule and rule.change is None:
            # It got there, and nothing comes back.
            self.close_connection = True
            return
        if rule and rule.change:
            answer = rule.change(answer)
        self.respond(answer.status, answer.body, answer.headers)

    do_GET = do_POST


@dataclass
class FlakyLine(LocalService):
    """target: the server's address. seen: (method, path, the server's status) of what got there."""

    target: str
    is_down: bool = False
    seen: list[tuple[str, str, int]] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)

    handler = _Handler

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._client = httpx.Client(timeout=60)

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._client.close()

    def lose(self, path: str, times: int = 1) -> None:
        self.rules.append(Rule(path, times))

    def change(self, path: str, how: Change, times: int = 1) -> None:
        self.rules.append(Rule(path, times, how))

    def count(self, path: str) -> int:
        return sum(path_seen.partition("?")[0].endswith(path) for _, path_seen, _ in self.seen)

    def rule_for(self, path: str) -> Rule | None:
        with self._lock:
            for rule in self.rules:
                if rule.times and path.partition("?")[0].endswith(rule.path):
                    rule.times -= 1
                    return rule
        return None

    def forward(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        passed = {name: value for name, value in headers.items() if name.lower() not in HOP_BY_HOP}
        with_body = {"content": body} if method == "POST" else {}
        response = self._client.request(method, f"{self.target}{path}", headers=passed, **with_body)
        kept = {name: value for name, value in response.headers.items() if name.lower() not in HOP_BY_HOP}
        return Answer(response.status_code, kept, response.content)
