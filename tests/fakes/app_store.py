"""The App Store's public lookup service and its pictures, played by a real HTTP server on 127.0.0.1.

In a test: `with FakeAppStore() as store: ...`, with the setting APP_STORE_URL at `store.url`.
"""

import json
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.fakes.http import Handler, LocalService

# Begins and ends as a JPEG does; nothing here draws it.
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00\xff\xd9"
PIECES = 10


class FakeAppStore(LocalService):
    """questions: the query of each lookup as it came. Settings are plain attributes and may change while it runs.

    status, headers, body: answer so instead of looking; delay: seconds before anything is answered.
    pictures: the path of each picture that was fetched; icon, icon_status, icon_headers: what comes for each of them;
    icon_delay: seconds before each of its PIECES.
    """

    def __init__(self) -> None:
        self.questions: list[dict[str, str]] = []
        self.status = 200
        self.headers: dict[str, str] = {}
        self.body: bytes | None = None
        self.delay = 0.0
        self.pictures: list[str] = []
        self.icon = JPEG
        self.icon_status = 200
        self.icon_headers: dict[str, str] = {}
        self.icon_delay = 0.0
        self._apps: list[tuple[dict[str, Any], frozenset[str]]] = []

    def add(
        self,
        store_id: int,
        bundle_id: str,
        *,
        name: str = "",
        kind: str = "software",
        countries: tuple[str, ...] = ("US",),
        **more: Any,
    ) -> dict[str, Any]:
        """Sell an app in these countries; more: further keys of the result, or other values."""
        result = {
            "wrapperType": "software",
            "kind": kind,
            "trackId": store_id,
            "trackName": name or f"App {store_id}",
            "bundleId": bundle_id,
            "version": "3.2.1",
            "minimumOsVersion": "15.0",
            "artworkUrl100": f"{self.url}/image/thumb/{store_id}/100x100bb.jpg",
            "supportedDevices": ["iPhone13-iPhone13", "iPadAir-iPadAir"] if kind == "software" else [],
        } | more
        self._apps.append((result, frozenset(countries)))
        return result

    def answer(self, question: dict[str, str]) -> bytes:
        self.questions.append(question)
        if self.body is not None:
            return self.body
        country = question.get("country", "US")
        if "term" in question:
            kind = "mac-software" if question.get("entity") == "macSoftware" else "software"
            found = [
                result
                for result, countries in self._apps
                if country in countries and result["kind"] == kind and question["term"] in result["trackName"].lower()
            ]
            return json.dumps({"resultCount": len(found), "results": found}).encode()
        found = [
            result
            for result, countries in self._apps
            if country in countries
            and (str(result["trackId"]) == question.get("id") or result["bundleId"] == question.get("bundleId"))
        ]
        # Apple's own begins with empty lines.
        return b"\n\n\n" + json.dumps({"resultCount": len(found), "results": found}).encode()


class _Handler(Handler):
    service: FakeAppStore

    def do_GET(self) -> None:
        store, address = self.service, urlsplit(self.path)
        time.sleep(store.delay)
        if address.path.startswith("/image/"):
            store.pictures.append(address.path)
            self._drip(store.icon_status, store.icon, store.icon_headers, delay=store.icon_delay)
        elif address.path not in ("/lookup", "/search"):
            self._drip(404, b"", {})
        else:
            question = {key: values[-1] for key, values in parse_qs(address.query).items()}
            self._drip(store.status, store.answer(question), store.headers)

    def _drip(self, status: int, body: bytes, headers: dict[str, str], *, delay: float = 0.0) -> None:
        self.send_response(status)
        for key, value in {"Content-Type": "text/javascript; charset=utf-8", **headers}.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            for number in range(PIECES):
                time.sleep(delay)
                self.wfile.write(body[len(body) * number // PIECES : len(body) * (number + 1) // PIECES])
        except OSError:
            self.close_connection = True  # who asked has enough


FakeAppStore.handler = _Handler
