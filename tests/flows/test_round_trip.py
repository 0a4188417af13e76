"""The whole way, over real sockets and through real processes: enroll, command, answer, inventory, log."""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from mdm.protocol.request_types import REQUEST_TYPES
from mdm.virtual.device import VirtualDevice
from mdm.virtual.errors import DeviceError, ManagementRemoved
from tests.flows.samples import in_order, sample
from tests.flows.server import Running, eventually, pretty

pytestmark = pytest.mark.flow


def new_device(server: Running, platform: str, client: httpx.Client) -> tuple[int, VirtualDevice]:
    """Announce a device through the API and enroll a virtual one with its URL."""
    created = server.api.post("/api/v1/devices", data={"name": f"Flow {platform} {time.monotonic_ns()}"})
    assert created.status_code == 201, created.text
    data = created.json()["data"]
    device = VirtualDevice(platform, client=client)
    device.enroll(data["attributes"]["enrollment_url"])
    return data["id"], device


def attributes(server: Running, device_id: int) -> dict:
    return server.api.get(f"/api/v1/devices/{device_id}").json()["data"]["attributes"]


def answered(server: Running, serial: str) -> dict[str, str]:
    """From CommandUUID to event type, for the device's answers in the log."""
    found, cursor = {}, None
    while True:
        query = {"serial_number": serial, "limit": 100, **({"starting_after": cursor} if cursor else {})}
        page = server.api.get("/api/v1/logs", params=query).json()
        for entry in page["data"]:
            cursor = entry["id"]
            kind = entry["attributes"]["event_type"]
            if kind in ("command.acknowledged", "command.failed"):
                found[entry["attributes"]["metadata"]["command_uuid"]] = kind
        if not page["has_more"]:
            return found


def test_twenty_devices_enroll_and_their_inventory_arrives(server: Running) -> None:
    with httpx.Client(timeout=60) as client:
        platforms = ["ios", "macos"] * 10
        with ThreadPoolExecutor(5) as pool:
            devices = list(pool.map(lambda platform: new_device(server, platform, client), platforms))
            list(pool.map(lambda pair: pair[1].drain(), devices))
        for device_id, device in devices:
            facts = eventually(
                lambda one=device_id: (
                    (a := attributes(server, one))["os_version"] and a["model_name"] and a["wifi_mac"] and a
                ),
                message=f"no inventory of {device.serial}",
            )
            assert facts["status"] == "enrolled"
            assert facts["serial_number"] == device.serial
            assert facts["unique_identifier"] == device.udid
            apps = eventually(
                lambda one=device_id: server.api.get(f"/api/v1/devices/{one}/installed_apps").json()["data"]
            )
            assert apps[0]["attributes"]["identifier"]
    listed = server.api.get("/api/v1/devices", params={"limit": 100}).json()
    assert len(listed["data"]) == 20
    assert listed["has_more"] is False


@pytest.mark.parametrize("platform", ["ios", "macos"])
def test_every_request_type_is_answered_and_recorded(server: Running, platform: str) -> None:
    """What the platform does not have goes as a raw plist past the catalogue's refusal: the device's Error is recorded."""
    with httpx.Client(timeout=60) as client:
        _, device = new_device(server, platform, client)
        device.drain()
        sent: dict[str, str] = {}
        for name in in_order(list(REQUEST_TYPES)):
            body = {"udid": device.udid, "request_type": name, **sample(name, platform)}
            response = server.raw.post("/v1/commands", json=body)
            if response.status_code == 201:
                sent[response.json()["payload"]["command_uuid"]] = name
            else:
                assert 400 <= response.status_code < 500, f"{name}: {response.status_code} {response.text}"
                sent[raw_command(server, device, name)] = name
            device.drain()
            if not device.is_enrolled:
                break
        assert set(sent.values()) == set(REQUEST_TYPES)
        log = eventually(
            lambda: (found := answered(server, device.serial)) and set(sent) <= set(found) and found,
            seconds=60,
            message="answers are missing in the log",
        )
    failed = sorted(sent[one] for one, kind in log.items() if kind == "command.failed" and one in sent)
    done = sorted(sent[one] for one, kind in log.items() if kind == "command.acknowledged" and one in sent)
    assert {"DeviceInformation", "SecurityInfo", "ProfileList", "InstallProfile", "DeviceLock"} <= set(done), pretty(
        failed
    )


def raw_command(server: Running, device: VirtualDevice, name: str) -> str:
    plist = (
        '<?xml version="1.0" encoding="UTF-8"?><plist version="1.0"><dict><key>Command</key><dict>'
        f"<key>RequestType</key><string>{name}</string></dict></dict></plist>"
    )
    response = server.raw.post(f"/v1/commands/{device.udid}", content=plist.encode())
    assert response.status_code == 201, response.text
    return response.json()["payload"]["command_uuid"]


def test_a_one_time_link_enrolls_exactly_one_of_twenty(server: Running) -> None:
    created = server.api.post("/api/v1/devices", data={"name": "Contested"}).json()["data"]
    url = created["attributes"]["enrollment_url"]
    with httpx.Client(timeout=120, limits=httpx.Limits(max_connections=20)) as client:
        devices = [VirtualDevice("ios", client=client) for _ in range(20)]

        def enroll(device: VirtualDevice) -> bool:
            try:
                device.enroll(url)
            except DeviceError:
                return False
            return True

        with ThreadPoolExecutor(20) as pool:
            outcomes = list(pool.map(enroll, devices))
        assert outcomes.count(True) == 1
        page = client.get(url)
        assert page.status_code == 410
    winner = devices[outcomes.index(True)]
    assert attributes(server, created["id"])["serial_number"] == winner.serial


def test_not_now_and_error_are_followed_to_the_end(server: Running) -> None:
    with httpx.Client(timeout=60) as client:
        _, device = new_device(server, "ios", client)
        device.drain()
        for name in ("ProfileList", "CertificateList"):
            assert server.raw.post("/v1/commands", json={"udid": device.udid, "request_type": name}).status_code == 201
        first = device.idle()
        second = device.not_now(first)
        assert (first.request_type, second.request_type) == ("ProfileList", "CertificateList")
        assert device.error(second) is None
        waiting = server.raw.get(f"/v1/commands/{device.udid}").json()["commands"]
        assert [one["uuid"] for one in waiting] == [first.uuid]
        assert device.idle().uuid == first.uuid
        device.drain()
        assert server.raw.get(f"/v1/commands/{device.udid}").json()["commands"] == []


def test_a_removed_device_is_told_to_leave(server: Running) -> None:
    with httpx.Client(timeout=60) as client:
        device_id, device = new_device(server, "macos", client)
        device.drain()
        assert server.api.delete(f"/api/v1/devices/{device_id}").status_code == 204
        assert server.api.get(f"/api/v1/devices/{device_id}").status_code == 404
        with pytest.raises(ManagementRemoved):
            device.drain()
        assert not device.is_enrolled


@pytest.mark.parametrize(
    "scep",
    [
        {"cipher": "3des", "digest": "sha1", "transport": "post-query"},
        {"cipher": "aes256", "digest": "sha256", "transport": "get"},
        {"cipher": "aes128", "digest": "sha256", "transport": "get-urlsafe"},
    ],
    ids=lambda scep: scep["transport"],
)
def test_an_old_device_enrolls_its_own_way(server: Running, scep: dict) -> None:
    """BER signatures with SHA-1 and no attributes; SCEP messages in request lines of 6,000 characters and more."""
    created = server.api.post("/api/v1/devices", data={"name": "Old"}).json()["data"]
    with httpx.Client(timeout=60) as client:
        device = VirtualDevice("ios", client=client, signature_style="field", scep=scep)
        device.enroll(created["attributes"]["enrollment_url"])
        assert {one.status for one in device.drain()} == {"Acknowledged"}
    assert eventually(lambda: attributes(server, created["id"])["wifi_mac"])
