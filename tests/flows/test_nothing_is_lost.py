"""200 devices enroll while receivers of webhooks flap, workers are killed every few seconds and the broker forgets all it had."""

import base64
import plistlib
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path

import httpx
import pytest

from mdm.virtual.device import VirtualDevice
from mdm.virtual.simulation import Plan, Simulation, Summary
from tests.fakes.webhook_receiver import Received, Reply, WebhookReceiver, unused_url
from tests.flows.parts import Killer, running_parts
from tests.flows.server import eventually

pytestmark = pytest.mark.flow

DEVICES = 200
# Line of the log → message that goes out for it.
TOLD = {
    "device.enrolled": "device.enrolled",
    "device.unenrolled": "device.unenrolled",
    "device.changed_group": "device.changed_group",
    "command.acknowledged": "command.finished",
    "command.failed": "command.finished",
}
ANSWERED = ("command.acknowledged", "command.failed")
MOODS = (
    Reply(),
    Reply(status=503),
    Reply(),
    Reply(status=500),
    Reply(),
    Reply(status=503, headers={"Retry-After": "1"}),
)


def test_each_event_is_delivered_and_none_is_invented(tmp_path: Path) -> None:
    with (
        running_parts(tmp_path, WEBHOOK_ALLOW_PRIVATE="true") as parts,
        httpx.Client(base_url=parts.base_url, auth=(parts.api_key, ""), timeout=60) as api,
        WebhookReceiver() as steady,
        WebhookReceiver() as flapping,
        WebhookReceiver() as raw,
        unused_url() as nowhere,
    ):
        for receiver in (steady, flapping):
            add_webhook(api, receiver.url, **{"events[]": sorted(set(TOLD.values()))})
        add_webhook(api, raw.url, format="micromdm")
        add_webhook(api, nowhere)
        with flaps(flapping):
            killer = Killer(parts, every_seconds=3)
            killer.start()
            summary = let_devices_in(api)
            killer.finish()
        assert (summary.enrolled, summary.failed) == (DEVICES, 0), summary.problems
        answers = sum(summary.answers.values())
        assert {"worker-1", "worker-2"} <= set(parts.deaths)
        assert parts.deaths.get("broker") == 1, parts.deaths

        lines = eventually(lambda: all_applied(api, answers), seconds=60, message="answers were not read")
        wake_up(api)
        expected = {line["id"]: TOLD[kind(line)] for line in lines if kind(line) in TOLD}
        for receiver in (steady, flapping):
            eventually(
                lambda one=receiver: {message_id(message) for message in one.accepted} >= set(expected),
                seconds=120,
                message=f"{len(expected)} expected, {len({message_id(m) for m in receiver.accepted})} delivered",
            )
            check_received(receiver, expected, lines)
        check_raw(raw, lines, answers)


def add_webhook(api: httpx.Client, url: str, **options: object) -> None:
    created = api.post("/api/v1/webhooks", data={"url": url, **options})
    assert created.status_code == 201, created.text


@contextmanager
def flaps(receiver: WebhookReceiver) -> Iterator[None]:
    """Well for a moment, then not; in the end well."""
    enough = threading.Event()

    def change() -> None:
        for mood in cycle(MOODS):
            receiver.usual = mood
            if enough.wait(1.5):
                return

    thread = threading.Thread(target=change, daemon=True)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join(10)
        receiver.usual = Reply()


def let_devices_in(api: httpx.Client) -> Summary:
    """All enroll and answer; each tenth is moved to another group, each twentieth leaves."""
    groups = [api.post("/api/v1/device_groups", data={"name": name}).json()["data"]["id"] for name in ("In", "Other")]
    link = api.post("/api/v1/enrollments", data={"device_group_id": groups[0]}).json()["data"]["attributes"]["url"]
    plan = Plan(link, DEVICES, concurrency=6)
    number = iter(range(DEVICES))
    answered: Counter[str] = Counter()

    def happen(device: VirtualDevice) -> None:
        count = next(number)
        if count % 10 == 0:
            found = api.get("/api/v1/devices", params={"search": device.serial}).json()["data"]
            moved = api.post(f"/api/v1/device_groups/{groups[1]}/devices/{found[0]['id']}")
            assert moved.status_code == 202, moved.text
        if count % 20 == 5:
            answered.update(row.status for row in device.drain())
            device.check_out()

    with httpx.Client(timeout=60) as client:
        summary = Simulation(plan, client, on_enrolled=happen).run()
    summary.answers += answered
    return summary


def all_applied(api: httpx.Client, answers: int) -> list[dict] | None:
    """Every line of the log, once each answer of a device has its own."""
    lines: list[dict] = []
    cursor = None
    while True:
        query = {"limit": 100, "event_types": ",".join(TOLD), **({"starting_after": cursor} if cursor else {})}
        page = api.get("/api/v1/logs", params=query).json()
        lines += page["data"]
        if not page["has_more"]:
            break
        cursor = page["data"][-1]["id"]
    done = [line for line in lines if kind(line) in ANSWERED]
    return lines if len(done) >= answers else None


def wake_up(api: httpx.Client) -> None:
    """As an operator who knows that a receiver is well again: it need not wait for the end of its rest."""
    for webhook in api.get("/api/v1/webhooks").json()["data"]:
        resumed = api.post(f"/api/v1/webhooks/{webhook['id']}/resume")
        assert resumed.status_code in (200, 202, 204), resumed.text


def check_received(receiver: WebhookReceiver, expected: dict[str, str], lines: list[dict]) -> None:
    """The same ids, types and devices as in the log; nothing beside them."""
    told = {message_id(message): message.json for message in receiver.received}
    assert {id_: body["type"] for id_, body in told.items()} == expected
    assert Counter(body["type"] for body in told.values()) == Counter(expected.values())
    serials = {line["id"]: serial(line) for line in lines}
    for id_, body in told.items():
        devices = body["data"].get("devices") or [body["data"]["device"]]
        assert serials[id_] in {device["serial_number"] for device in devices}, body


def check_raw(receiver: WebhookReceiver, lines: list[dict], answers: int) -> None:
    """Each device's own words: what it answered, and how it came and went."""
    answered = {line["attributes"]["metadata"]["command_uuid"] for line in lines if kind(line) in ANSWERED}
    assert len(answered) == answers
    eventually(lambda: raw_answers(receiver.accepted) == answered, seconds=120, message="raw answers are missing")
    topics: dict[str, set[str]] = defaultdict(set)
    for message in receiver.accepted:
        event = message.json.get("checkin_event")
        if event:
            payload = plistlib.loads(base64.b64decode(event["raw_payload"]))
            assert payload["UDID"] == event["udid"]
            topics[message.json["topic"]].add(event["udid"])
    assert len(topics["mdm.Authenticate"]) == len(topics["mdm.TokenUpdate"]) == DEVICES
    assert len(topics["mdm.CheckOut"]) == sum(1 for line in lines if kind(line) == "device.unenrolled")


def raw_answers(messages: list[Received]) -> set[str]:
    events = [message.json.get("acknowledge_event") for message in list(messages)]
    return {event["command_uuid"] for event in events if event and event["status"] in ("Acknowledged", "Error")}


def message_id(message: Received) -> str:
    return message.headers["Pomona-Event-Id"]


def kind(line: dict) -> str:
    return line["attributes"]["event_type"]


def serial(line: dict) -> str:
    """Of the device that the line is about."""
    device = line["attributes"]["relationships"].get("device")
    return device["data"]["serial_number"] if device else ""
