"""What a group should have reaches its devices by itself: real server, worker and schedule; the devices only ask for work."""

import plistlib
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from mdm.virtual.device import VirtualDevice
from tests.factories.packages import build_ipa, build_pkg
from tests.flows.server import Running, eventually

pytestmark = pytest.mark.flow

PROFILE, APP, BROUGHT = "com.example.wanted", "com.example.surf", "com.example.app"


def mobileconfig(text: str) -> bytes:
    payload = {
        "PayloadType": "com.apple.wifi.managed",
        "PayloadVersion": 1,
        "PayloadIdentifier": f"{PROFILE}.payload",
        "PayloadUUID": str(uuid.uuid4()).upper(),
        "SSID_STR": text,
    }
    top = {
        "PayloadType": "Configuration",
        "PayloadVersion": 1,
        "PayloadIdentifier": PROFILE,
        "PayloadUUID": str(uuid.uuid4()).upper(),
        "PayloadDisplayName": "Wanted",
        "PayloadContent": [payload],
    }
    return plistlib.dumps(top)


class Group:
    """An assignment group with one profile and two apps, on a running server."""

    def __init__(self, server: Running) -> None:
        self.api = server.api
        self.pk = self.created("assignment_groups", json={"name": "Everybody"})
        form = {"name": "Wanted", "user_scope": "false", "attribute_support": "true"}
        self.profile = self.created(
            "custom_configuration_profiles", data=form, files=self.file("first {{serial_number}}")
        )
        self.app = self.created("apps", files={"binary": ("surf.ipa", build_ipa(APP, "1.0", "1.0"))})
        self.package = self.created("apps", files={"binary": ("tool.pkg", build_pkg())})
        for path in (f"profiles/{self.profile}", f"apps/{self.app}", f"apps/{self.package}"):
            self.ok(self.api.post(f"/api/v1/assignment_groups/{self.pk}/{path}"))

    def created(self, path: str, **body: Any) -> int:
        return self.ok(self.api.post(f"/api/v1/{path}", **body)).json()["data"]["id"]

    def file(self, text: str) -> dict[str, tuple[str, bytes]]:
        return {"mobileconfig": ("wanted.mobileconfig", mobileconfig(text))}

    def ok(self, response: httpx.Response) -> httpx.Response:
        assert 200 <= response.status_code < 300, response.text
        return response

    def enroll(self, platform: str, client: httpx.Client) -> tuple[int, VirtualDevice]:
        data = self.ok(self.api.post("/api/v1/devices", json={"name": platform, "static_group_ids": [self.pk]})).json()[
            "data"
        ]
        device = VirtualDevice(platform, client=client)
        device.packages["com.example.tool"] = ((BROUGHT, "Example", "1.2"),)
        device.enroll(data["attributes"]["enrollment_url"])
        return data["id"], device

    def states(self, device_id: int) -> dict[str, int]:
        """State → number of items, as the API tells."""
        items = self.ok(self.api.get(f"/api/v1/devices/{device_id}/assigned")).json()["data"]
        states = [item["attributes"]["state"] for item in items]
        return {state: states.count(state) for state in states}


def text_on(device: VirtualDevice) -> str:
    row = device.state.profiles_of("").get(PROFILE)
    return row["content"]["PayloadContent"][0]["SSID_STR"] if row else ""


def polled(devices: list[VirtualDevice], is_reached: Callable[[], bool], what: str) -> None:
    def check() -> bool:
        for device in devices:
            device.drain()
        return is_reached()

    eventually(check, seconds=30, message=what)


def test_a_group_brings_changes_and_takes_back_what_its_devices_have(server: Running) -> None:
    group = Group(server)
    with httpx.Client(timeout=60) as client:
        (phone_id, phone), (mac_id, mac) = (group.enroll(platform, client) for platform in ("ios", "macos"))
        both = [phone, mac]

        polled(
            both,
            lambda: (
                all(text_on(one) == f"first {one.serial}" for one in both)
                and APP in phone.state.apps
                and BROUGHT in mac.state.apps
                and group.states(phone_id) == group.states(mac_id) == {"installed": 2, "not_applicable": 1}
            ),
            f"it did not come: {group.states(phone_id)}, {group.states(mac_id)}",
        )
        assert phone.state.managed_apps[APP]["Status"] == "Managed"

        url = f"/api/v1/custom_configuration_profiles/{group.profile}"
        group.ok(group.api.patch(url, files=group.file("second {{serial_number}}")))
        newer = {"binary": ("surf.ipa", build_ipa(APP, "2.0", "2.0"))}
        group.ok(group.api.patch(f"/api/v1/apps/{group.app}", files=newer, data={"deploy_to": "outdated"}))
        polled(
            both,
            lambda: (
                all(text_on(one) == f"second {one.serial}" for one in both)
                and phone.state.apps[APP]["Version"] == "2.0"
            ),
            "the new versions did not come",
        )

        group.ok(group.api.delete(f"/api/v1/assignment_groups/{group.pk}"))
        polled(
            both,
            lambda: (
                not any(text_on(one) for one in both)
                and APP not in phone.state.apps
                and group.states(phone_id) == group.states(mac_id) == {}
            ),
            f"it did not leave: {group.states(phone_id)}, {group.states(mac_id)}",
        )
        assert BROUGHT in mac.state.apps  # what a package put there stays
        assert [one.command.request_type for device in both for one in device.drain()] == []
