"""Apple's Apps and Books, played by a real HTTP server on 127.0.0.1: one location, counts that are really kept, events that take
their time.

In a test: `with FakeVpp() as vpp: ...`, VPP_URL=vpp.url and a content token of `vpp.token_file()`. For other processes:
`python -m tests.fakes.vpp --asset 361309726:5`.

Sources: Apple, "App, Book, and Subscription Management" and the pages below it.
"""

import argparse
import base64
import json
import secrets
import signal
import sys
import threading
import uuid
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from tests.fakes.http import Handler, LocalService

LIMITS = {"maxAssets": 25, "maxSerialNumbers": 1000, "maxClientUserIds": 1000, "maxNotificationLength": 512}
MESSAGES = {
    9602: "Invalid argument.",
    9603: "Internal error.",
    9621: "The token has expired.",
    9622: "Invalid token.",
    9625: "The server has revoked the cToken.",
    9646: "There are too many requests for the current Organization.",
    9650: "The provided page index must be greater than 0, and less than the total number of pages.",
    9700: "This request exceeds the maximum assets limit.",
    9702: "This request exceeds the maximum serialNumbers limit.",
    9703: "This request contains duplicate assets.",
    9705: "This request contains duplicate serialNumbers.",
    9707: "The asset in the request isn't device-assignable.",
    9708: "Unable to find eventId.",
    9709: "There aren't enough assets available to complete this association.",
    9721: "This request contains an invalid version ID.",
    9722: "This request contains an invalid authorization header.",
    9728: "The provided notification URL is unreachable.",
}
Asset = tuple[str, str]  # adamId, pricingParam


@dataclass
class Fault:
    """An answer out of turn. is_cut: the headers promise more than comes. is_done: the request is carried out all the same."""

    status: int
    number: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    is_cut: bool = False
    is_done: bool = False
    delay: float = 0.0
    body: bytes | None = None


@dataclass
class Event:
    """looks: how often it is still said to be pending before it is carried out."""

    kind: str
    assets: list[Asset]
    serials: list[str]
    looks: int
    failures: list[dict[str, Any]] = field(default_factory=list)
    is_done: bool = False


class FakeVpp(LocalService):
    """Settings are plain attributes and may change while it runs."""

    def __init__(self, *, port: int = 0, page_limit: int = 500, location: str = "Berlin") -> None:
        self.page_limit = page_limit
        self.location, self.location_id = location, str(uuid.uuid4().int % 10**16)
        self.token = secrets.token_urlsafe(40)
        self.organization = "ORG12345"
        self.expires_at = datetime.now(UTC) + timedelta(days=365)
        self.looks = 0  # of events that are made from now on
        self.limits = dict(LIMITS)
        self.names_serials = True  # in failures
        self.mdm: dict[str, str] = {}
        self.notification_url = self.notification_token = ""
        self.requests: list[str] = []  # "POST /mdm/v2/assets/associate" and so on, in their order
        self.bodies: list[dict[str, Any]] = []
        self.notified: list[int] = []  # statuses of what the receiver answered
        self.assets: dict[Asset, dict[str, Any]] = {}
        self.assigned: dict[Asset, dict[str, bool]] = defaultdict(dict)  # serial → True
        self.events: dict[str, Event] = {}
        self._version = 1
        self._faults: dict[str, deque[Fault | None]] = defaultdict(deque)
        self._port = port
        self._lock = threading.RLock()

    # --- What people do at Apple's web site ---------------------------------------------------------------------------
    def token_file(self) -> bytes:
        """As an administrator downloads it."""
        says = {"token": self.token, "expDate": _time(self.expires_at), "orgName": self.organization}
        return base64.b64encode(json.dumps(says).encode())

    def buy(self, adam_id: int | str, count: int, *, pricing: str = "STDQ", **facts: Any) -> None:
        with self._lock:
            usual = {"productType": "App", "deviceAssignable": True, "revocable": True, "supportedPlatforms": ["iOS"]}
            asset = self.assets.setdefault((str(adam_id), pricing), {"total": 0, **usual})
            asset["total"] += count
            asset.update(facts)
            self._version += 1

    def transfer(self, adam_id: int | str) -> None:
        """All of them to another location."""
        with self._lock:
            self.assets.pop((str(adam_id), "STDQ"))
            self.assigned.pop((str(adam_id), "STDQ"), None)
            self._version += 1

    def give(self, adam_id: int | str, *serials: str) -> None:
        """Somebody else assigns them."""
        with self._lock:
            self.assigned[str(adam_id), "STDQ"].update(dict.fromkeys(serials, True))
            self._version += 1

    def take(self, adam_id: int | str, *serials: str) -> None:
        with self._lock:
            for serial in serials:
                self.assigned[str(adam_id), "STDQ"].pop(serial, None)
            self._version += 1

    def serials(self, adam_id: int | str) -> set[str]:
        return set(self.assigned[str(adam_id), "STDQ"])

    # --- Faults -------------------------------------------------------------------------------------------------------
    def fail(self, path: str, status: int, number: int = 0, *, after: int = 0, **fault: Any) -> None:
        """Answer the next request to this path (below /mdm/v2) so, or the one after so many more; once for each call."""
        with self._lock:
            self._faults[path].extend([None] * after)
            self._faults[path].append(Fault(status, number, **fault))

    def forget_events(self) -> None:
        with self._lock:
            self.events.clear()

    def count(self, path: str) -> int:
        return sum(request.endswith(f" /mdm/v2{path}") for request in self.requests)

    def notify(self, kind: str, notification: dict[str, Any], *, token: str | None = None) -> int:
        """Send a notification now; returns the receiver's status."""
        body = {
            "notification": notification,
            "notificationId": str(uuid.uuid4()),
            "notificationType": kind,
            "uId": self.location_id,
        }
        headers = {"Authorization": f"Bearer {self.notification_token if token is None else token}"}
        try:
            status = httpx.post(self.notification_url, json=body, headers=headers, timeout=5).status_code
        except httpx.HTTPError:
            status = 0
        self.notified.append(status)
        return status

    # --- The service --------------------------------------------------------------------------------------------------
    def answer(self, method: str, target: str, headers: Any, body: bytes) -> Fault:
        url = urlsplit(target)
        path, query = url.path.removeprefix("/mdm/v2"), {key: value[0] for key, value in parse_qs(url.query).items()}
        with self._lock:
            self.requests.append(f"{method} {url.path}")
            fault = self._faults[path].popleft() if self._faults[path] else None
            if fault and not fault.is_done:
                return fault
            answer = self._serve(method, path, query, headers, body)
            return fault or answer

    def _serve(self, method: str, path: str, query: dict[str, str], headers: Any, body: bytes) -> Fault:
        if (method, path) == ("GET", "/service/config"):
            return _json(self._service())
        if refusal := self._check_token(headers.get("Authorization", "")):
            return refusal
        said = json.loads(body) if body else {}
        match method, path:
            case "GET", "/client/config":
                return _json(self._config())
            case "POST", "/client/config":
                return self._set_config(said)
            case "GET", "/assets":
                return self._page("assets", [self._shown(one) for one in sorted(self.assets)], query)
            case "GET", "/assignments":
                return self._assignments(query)
            case "POST", "/assets/associate":
                return self._manage("ASSOCIATE", said)
            case "POST", "/assets/disassociate":
                return self._manage("DISASSOCIATE", said)
            case "GET", "/status":
                return self._status(query.get("eventId", ""))
        return Fault(405, 9726)

    def _service(self) -> dict[str, Any]:
        base = f"{self.url}/mdm/v2"
        return {
            "limits": self.limits,
            "notificationTypes": ["ASSET_MANAGEMENT", "USER_MANAGEMENT", "USER_ASSOCIATED", "ASSET_COUNT"],
            "errorCodes": [{"errorNumber": number, "errorMessage": text} for number, text in MESSAGES.items()],
            "urls": {
                "clientConfig": f"{base}/client/config",
                "getAssets": f"{base}/assets",
                "getAssignments": f"{base}/assignments",
                "associateAssets": f"{base}/assets/associate",
                "disassociateAssets": f"{base}/assets/disassociate",
                "eventStatus": f"{base}/status",
            },
        }

    def _check_token(self, header: str) -> Fault | None:
        scheme, _, given = header.partition(" ")
        try:
            token = json.loads(base64.b64decode(given, validate=True))["token"]
        except (ValueError, KeyError, TypeError):
            return Fault(401, 9722)
        if scheme != "Bearer" or token != self.token:
            return Fault(401, 9622)
        return Fault(401, 9621) if self.expires_at <= datetime.now(UTC) else None

    def _config(self) -> dict[str, Any]:
        facts = {"countryISO2ACode": "DE", "locationName": self.location, "uId": self.location_id}
        if self.mdm:
            facts["mdmInfo"] = self.mdm
        if self.notification_url:
            facts |= {"notificationUrl": self.notification_url, "notificationAuthToken": self.notification_token}
        return facts

    def _set_config(self, said: dict[str, Any]) -> Fault:
        info = said.get("mdmInfo", {})
        if not all(isinstance(info.get(key), str) and info[key] for key in ("id", "name", "metadata")):
            return Fault(400, 9723)
        url = said.get("notificationUrl", "")
        if url:
            before = self.notification_url, self.notification_token
            self.notification_url, self.notification_token = url, said["notificationAuthToken"]
            if not 200 <= self.notify("TEST_NOTIFICATION", {}) < 300:
                self.notification_url, self.notification_token = before
                return Fault(400, 9728)
        self.mdm = dict(info)
        return _json(self._config())

    def _shown(self, asset: Asset) -> dict[str, Any]:
        facts = dict(self.assets[asset])
        total, used = facts.pop("total"), len(self.assigned[asset])
        return {
            "adamId": asset[0],
            "pricingParam": asset[1],
            "totalCount": total,
            "assignedCount": used,
            "availableCount": total - used,
            "retiredCount": 0,
            **facts,
        }

    def _assignments(self, query: dict[str, str]) -> Fault:
        since = query.get("sinceVersionId")
        if since is not None and not (since.isdecimal() and int(since) <= self._version):
            return Fault(400, 9721)
        if since == str(self._version):
            return self._page("assignments", [], query)
        items = [
            {"adamId": adam_id, "pricingParam": pricing, "serialNumber": serial}
            for (adam_id, pricing), serials in sorted(self.assigned.items())
            for serial in serials
        ]
        return self._page("assignments", items, query)

    def _page(self, name: str, items: list[dict[str, Any]], query: dict[str, str]) -> Fault:
        index, total = int(query.get("pageIndex", "0")), max(-(-len(items) // self.page_limit), 1)
        if not 0 <= index < total:
            return Fault(400, 9650)
        some = items[index * self.page_limit : (index + 1) * self.page_limit]
        following = {"nextPageIndex": index + 1} if index + 1 < total else {}
        facts = {"currentPageIndex": index, "size": len(some), "totalPages": total, "versionId": str(self._version)}
        return _json({name: some, "uId": self.location_id, "mdmInfo": self.mdm, **facts, **following})

    def _manage(self, kind: str, said: dict[str, Any]) -> Fault:
        self.bodies.append(said)
        assets = [(one["adamId"], one.get("pricingParam", "STDQ")) for one in said["assets"]]
        serials = said["serialNumbers"]
        if len(assets) > self.limits["maxAssets"]:
            return Fault(400, 9700)
        if len(serials) > self.limits["maxSerialNumbers"]:
            return Fault(400, 9702)
        if len(set(assets)) < len(assets) or len(set(serials)) < len(serials):
            return Fault(400, 9703 if len(set(assets)) < len(assets) else 9705)
        if any(one not in self.assets for one in assets):
            return Fault(400, 9602)
        if any(not self.assets[one]["deviceAssignable"] for one in assets):
            return Fault(400, 9707)
        event_id = str(uuid.uuid4())
        self.events[event_id] = Event(kind, assets, serials, self.looks)
        return _json({"eventId": event_id, "uId": self.location_id, "mdmInfo": self.mdm})

    def _status(self, event_id: str) -> Fault:
        event = self.events.get(event_id)
        if event is None:
            return Fault(400, 9708)
        if not event.is_done and event.looks > 0:
            event.looks -= 1
        elif not event.is_done:
            self._carry_out(event)
        wanted = len(event.assets) * len(event.serials)
        state = "PENDING" if not event.is_done else ("FAILED" if event.failures else "COMPLETE")
        facts = {"eventStatus": state, "eventType": event.kind, "numRequested": wanted, "numCompleted": wanted}
        return _json(facts | ({"failures": event.failures} if event.failures else {}))

    def settle(self) -> None:
        """Carry out whatever is pending, and tell of it."""
        with self._lock:
            pending = [(key, event) for key, event in self.events.items() if not event.is_done]
            for _, event in pending:
                self._carry_out(event)
        for key, event in pending:
            self.notify("ASSET_MANAGEMENT", {"eventId": key, "type": event.kind, "result": "SUCCESS"})

    def _carry_out(self, event: Event) -> None:
        short: dict[Asset, list[str]] = defaultdict(list)
        for asset in event.assets:
            holders = self.assigned[asset]
            for serial in event.serials:
                if event.kind == "DISASSOCIATE":
                    holders.pop(serial, None)
                elif serial in holders or len(holders) < self.assets[asset]["total"]:
                    holders[serial] = True
                else:
                    short[asset].append(serial)
        for (adam_id, pricing), serials in short.items():
            info: dict[str, Any] = {"assets": [{"adamId": adam_id, "pricingParam": pricing}]}
            if self.names_serials:
                info["serialNumbers"] = serials
            event.failures.append({"errorNumber": 9709, "errorMessage": MESSAGES[9709], "errorInfo": info})
        event.is_done = True
        self._version += 1

    def asked(self, path: str = "associate") -> Counter[tuple[str, str]]:
        """(adamId, serial) → how often it was asked for, over all accepted requests."""
        kind = path.upper()
        pairs = [event for event in self.events.values() if event.kind == kind]
        return Counter((asset[0], serial) for event in pairs for asset in event.assets for serial in event.serials)


class _Handler(Handler):
    service: FakeVpp

    def do_GET(self) -> None:
        found = self.service.answer(self.command, self.path, self.headers, self.body())
        content = found.body
        if content is None:
            text = MESSAGES.get(found.number, "Error.")
            content = json.dumps({"errorNumber": found.number, "errorMessage": text}).encode() if found.number else b""
        headers = {"Content-Type": "application/json", **found.headers}
        self.respond(found.status, content, headers, delay=found.delay, is_cut=found.is_cut)

    do_POST = do_GET


FakeVpp.handler = _Handler


def _json(value: dict[str, Any]) -> Fault:
    return Fault(200, body=json.dumps(value).encode())


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S+0000")


def main() -> None:
    parser = argparse.ArgumentParser(description="Play Apple's Apps and Books until interrupted.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--looks", type=int, default=1, help="how often an event is pending first")
    parser.add_argument("--asset", action="append", default=[], help="STORE_ID:COUNT")
    parser.add_argument("--given", type=int, default=0, help="so many devices have a licence of each asset already")
    parser.add_argument("--token-file", help="where to write the content token")
    given = parser.parse_args()
    with FakeVpp(port=given.port) as vpp:
        vpp.looks = given.looks
        for one in given.asset:
            adam_id, _, count = one.partition(":")
            vpp.buy(adam_id, int(count))
            vpp.give(adam_id, *(f"GIVEN{number:07d}" for number in range(given.given)))
        if given.token_file:
            with open(given.token_file, "wb") as file:
                file.write(vpp.token_file())
        print(json.dumps({"url": vpp.url, "token": vpp.token_file().decode()}), flush=True)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        threading.Event().wait()


if __name__ == "__main__":
    main()
