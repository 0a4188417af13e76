"""Requests to services that the settings name: Apple's, and those that sign for Apple. No ORM, no settings.

One way for all of them: bounded in time and size, no redirects, and a line in the server's log for each exchange that holds
the method, the path, the status and the time, but never a header, a query or a body. Nothing is repeated here: the row that
stands behind a request says when it is to be tried again (`pauses.py`).
"""

import json
import logging
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

import httpx

TIMEOUT_SECONDS = 30.0
# Of one whole request: an answer that trickles in must not hold a worker for ever.
DEADLINE_SECONDS = 120.0
MAX_ANSWER_BYTES = 16 * 1024 * 1024
MAX_RETRY_AFTER_SECONDS = 24 * 3600.0
MAX_LOGGED_PATH = 200

logger = logging.getLogger("pomona.peers")


class PeerError(Exception):
    """There is no answer that could be used; str(error) is a sentence for people, and nothing secret stands in it."""


class PeerUnreachable(PeerError):
    """The same request may work later."""


class PeerAnswerUnreadable(PeerError):
    """An answer that makes no sense."""


@dataclass(frozen=True)
class PeerAnswer:
    """headers: of httpx, without regard to case."""

    status: int
    headers: httpx.Headers = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def retry_after_seconds(self) -> float:
        """Retry-After as seconds from now: a number or an HTTP date; 0 for neither."""
        return seconds_until(self.headers.get("Retry-After", ""))

    def json_object(self) -> dict[str, Any]:
        """Raises PeerAnswerUnreadable."""
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise PeerAnswerUnreadable("The answer cannot be read.") from error
        if not isinstance(value, dict):
            raise PeerAnswerUnreadable("The answer cannot be read.")
        return value


class Peer:
    """Requests to one service, one after the other, over the same connection where it can: `with Peer(…) as peer`.

    name: as people call it, for sentences ("Apple's enrollment service"). setting: which one holds base_url.
    ca_file: PEM of the authorities that are trusted instead of the system's; empty for those.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        *,
        setting: str,
        ca_file: str = "",
        headers: Mapping[str, str] | None = None,
        timeout: float = TIMEOUT_SECONDS,
        deadline: float | None = None,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        """timeout: seconds for each read; deadline: for the whole answer, DEADLINE_SECONDS if it is not given.

        Raises PeerUnreachable for an address that is none, or a file that holds no certificates.
        """
        self._name = name
        self._max_answer_bytes = max_answer_bytes
        self._deadline = deadline
        try:
            self.base_url = str(httpx.URL(base_url)).rstrip("/")
        except httpx.InvalidURL as error:
            raise PeerUnreachable(f"The address of {name} ({setting}) is not valid.") from error
        try:
            verify = _tls(ca_file)
        except (OSError, ValueError) as error:
            raise PeerUnreachable(f"The authorities that {name} is trusted by cannot be read: {error}.") from error
        sent = {"User-Agent": "Pomona", "Accept": "application/json"} | dict(headers or {})
        self._http = httpx.Client(timeout=timeout, headers=sent, follow_redirects=False, verify=verify)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._http.close()

    def ask(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        json_body: Any = None,
        form_body: Mapping[str, str] | None = None,
    ) -> PeerAnswer:
        """Any status is an answer. form_body: sent as a web form, where json_body is not given.

        Raises PeerUnreachable, PeerAnswerUnreadable (too large).
        """
        sent = dict(headers or {})
        content = None
        if form_body is not None:
            content = urlencode(form_body).encode()
            sent.setdefault("Content-Type", "application/x-www-form-urlencoded")
        if json_body is not None:
            content = json.dumps(json_body).encode()
            sent.setdefault("Content-Type", "application/json;charset=UTF8")
        with self._logged(method, path) as outcome:
            try:
                url = f"{self.base_url}{path}"
                with self._http.stream(method, url, headers=sent, params=params, content=content) as response:
                    body = self._read(response)
            except httpx.TimeoutException as error:
                raise PeerUnreachable(f"{self._name} did not answer in time.") from error
            except httpx.LocalProtocolError as error:
                # Its text would repeat the header that is wrong, which may be the secret.
                raise PeerUnreachable(
                    f"{self._name} cannot be asked: a header, or another part of the request, is not valid."
                ) from error
            except httpx.ConnectError as error:
                raise PeerUnreachable(f"{self._name} could not be reached: there is no connection to it.") from error
            except httpx.HTTPError as error:
                reason = str(error)[:200] or type(error).__name__
                raise PeerUnreachable(f"{self._name} could not be reached: {reason}") from error
            outcome.append(str(response.status_code))
        return PeerAnswer(response.status_code, response.headers, body)

    def _read(self, response: httpx.Response) -> bytes:
        deadline = time.monotonic() + (DEADLINE_SECONDS if self._deadline is None else self._deadline)
        pieces, size = [], 0
        for piece in response.iter_bytes():
            size += len(piece)
            if size > self._max_answer_bytes:
                raise PeerAnswerUnreadable(f"{self._name} sent an answer that is too large.")
            if time.monotonic() > deadline:
                raise PeerUnreachable(f"{self._name} did not answer in time.")
            pieces.append(piece)
        return b"".join(pieces)

    @contextmanager
    def _logged(self, method: str, path: str) -> Iterator[list[str]]:
        """One line for each exchange, whatever its end; statuses of trouble stand out by their level."""
        outcome: list[str] = []
        begin = time.monotonic()
        try:
            yield outcome
        finally:
            status = outcome[0] if outcome else "no answer"
            level = logging.INFO if status.startswith("2") else logging.WARNING
            took_ms = round((time.monotonic() - begin) * 1000)
            shown = path[:MAX_LOGGED_PATH]
            logger.log(level, "peer=%r method=%s path=%s status=%s ms=%s", self._name, method, shown, status, took_ms)


def seconds_until(retry_after: str) -> float:
    """A Retry-After header as seconds from now, a day at most; 0 for text that is neither a number nor an HTTP date."""
    if retry_after.strip().isdecimal():
        return min(float(retry_after), MAX_RETRY_AFTER_SECONDS)
    try:
        at = parsedate_to_datetime(retry_after)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return min(max((at - datetime.now(UTC)).total_seconds(), 0.0), MAX_RETRY_AFTER_SECONDS)


@lru_cache(maxsize=8)
def _tls(ca_file: str) -> ssl.SSLContext:
    """A context costs tens of milliseconds to make, so it is kept."""
    return ssl.create_default_context(cafile=ca_file) if ca_file else httpx.create_ssl_context()
