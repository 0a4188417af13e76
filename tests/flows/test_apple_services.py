"""One admin, one sitting: Apple's services are connected in the browser, 5,000 devices are listed and assigned, and one of them
comes out of its box. Real server, worker and schedule; Apple's services are local servers that speak the real protocols.
"""

import base64
import json
import plistlib
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.x509 import load_pem_x509_certificate
from playwright.sync_api import Page, expect, sync_playwright

from mdm.protocol.envelope import seal_envelope
from mdm.virtual.device import VirtualDevice
from mdm.virtual.device_authority import DeviceAuthority
from mdm.virtual.keys import generate_key
from tests.browser.chromium import ARGUMENTS, executable
from tests.enrollment.test_dep_tokens import HEAD
from tests.fakes.apns import FakeApns
from tests.fakes.app_store import FakeAppStore
from tests.fakes.dep import FakeDep, token_message
from tests.fakes.device_authority import Certified, make_certified
from tests.fakes.vpp import FakeVpp
from tests.flows.server import Running, eventually, running_pomona
from tests.flows.test_push_and_renewal import TOPIC, UPLOAD

pytestmark = [pytest.mark.flow, pytest.mark.browser]

LISTED = 5000
STORE_ID, BUNDLE = 361309726, "com.example.pages"
PROFILE = "com.example.office"


@dataclass
class Apple:
    apns: FakeApns
    dep: FakeDep
    vpp: FakeVpp
    store: FakeAppStore
    factory: Certified


@pytest.fixture(scope="module")
def apple() -> Iterator[Apple]:
    with FakeApns() as apns, FakeDep() as dep, FakeVpp() as vpp, FakeAppStore() as store:
        dep.assign(LISTED)
        vpp.buy(STORE_ID, 3)
        vpp.looks = 1
        store.add(STORE_ID, BUNDLE, name="Pages")
        yield Apple(apns, dep, vpp, store, make_certified("Device CA of the factory"))


@pytest.fixture(scope="module")
def server(apple: Apple, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder: Path = tmp_path_factory.mktemp("apple")
    with running_pomona(
        folder,
        APNS_URL=apple.apns.url,
        APNS_CA_FILE=str(apple.apns.ca_file),
        DEP_URL=apple.dep.url,
        VPP_URL=apple.vpp.url,
        APP_STORE_URL=apple.store.url,
        APPLE_DEVICE_CA_FILE=str(apple.factory.write(folder / "devices.pem")),
    ) as running:
        credentials = apple.apns.client_credentials(TOPIC)
        files = {"certificate": credentials.certificate_pem.decode(), "key": credentials.key_pem.decode()}
        running.manage("shell", "-c", UPLOAD.format(files=json.dumps(files)))
        yield running


def test_from_an_empty_account_to_a_licensed_app_on_a_device(server: Running, apple: Apple, tmp_path: Path) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=ARGUMENTS)
        page = browser.new_page(base_url=server.base_url)
        sign_in(page, server)
        connect_device_lists(page, tmp_path)
        connect_apps_and_books(page, apple, tmp_path)
        browser.close()
    everything_is_assigned(server, apple)
    assign_what_devices_should_have(server)
    serial = sorted(apple.dep.devices)[1234]
    with httpx.Client(timeout=60) as client:
        device = unpack(client, apple, serial)
        wait_for(device)
        assert PROFILE in device.state.profiles_of("")
        assert BUNDLE in device.state.apps
        assert apple.vpp.serials(STORE_ID) == {serial}
        row = one_device(server, serial)
        assert row["attributes"]["status"] == "enrolled"
        assert row["attributes"]["is_dep_enrollment"] is True
        eventually(lambda: pushes_to(apple, device), message="no push reached the device")
        # The assignment ends: the app goes, then its licence is free again.
        group = server.api.get("/api/v1/assignment_groups").json()["data"][0]["id"]
        server.api.delete(f"/api/v1/assignment_groups/{group}").raise_for_status()
        eventually(lambda: device.drain() is not None and BUNDLE not in device.state.apps, seconds=60)
        eventually(lambda: apple.vpp.serials(STORE_ID) == set(), seconds=90, message="the licence did not come back")
    secrets = ("CS_fake", "AS_fake", apple.vpp.token)
    assert not [secret for secret in secrets if secret in server.log()]


# --- in the browser -----------------------------------------------------------------------------------------------------
def sign_in(page: Page, server: Running) -> None:
    page.goto("/admin/")
    page.get_by_label("E-mail").fill(server.email)
    page.locator("input[name=password]").fill(server.password)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Home", level=1)).to_be_visible(timeout=30_000)


def connect_device_lists(page: Page, folder: Path) -> None:
    page.goto("/admin/enrollment/depserver/")
    page.get_by_role("link", name="Add a DEP server").first.click()
    page.get_by_role("button", name="Make the key").click()
    with page.expect_download() as download:
        page.get_by_role("link", name=re.compile("Download the certificate")).click()
    certificate = load_pem_x509_certificate(Path(download.value.path()).read_bytes())
    token = folder / "server_token.p7m"
    token.write_bytes(
        HEAD + base64.encodebytes(seal_envelope(token_message(), recipient=certificate, content_encryption="aes256"))
    )
    page.get_by_label("Name").fill("Head office")
    page.get_by_label("Server token").set_input_files(token)
    page.get_by_role("button", name="Connect the server").click()
    expect(page.get_by_role("heading", name="Head office")).to_be_visible()
    page.get_by_role("link", name="Set them up").click()
    page.locator("input[name=await_device_configured]").check()
    page.locator("input[name=skip_setup_items][value=Siri]").check()
    page.get_by_role("button", name="Store the settings").click()
    # The page follows the work by itself.
    assigned = page.locator(".pm-state-box", has_text="Assigned").filter(has_text=re.compile(r"5,?000"))
    expect(assigned).to_be_visible(timeout=120_000)


def connect_apps_and_books(page: Page, apple: Apple, folder: Path) -> None:
    token = folder / "location.vpptoken"
    token.write_bytes(apple.vpp.token_file())
    page.goto("/admin/apps_catalog/contenttoken/add/")
    page.locator("input[type=file]").set_input_files(token)
    page.locator("form button[type=submit].pm-primary").click()
    expect(page.get_by_text("Berlin").first).to_be_visible(timeout=60_000)


# --- what follows -------------------------------------------------------------------------------------------------------
def everything_is_assigned(server: Running, apple: Apple) -> None:
    given = {device.get("profile_uuid") for device in apple.dep.devices.values()}
    assert len(given) == 1
    profile = apple.dep.profiles[given.pop()]
    assert profile["await_device_configured"] is True
    assert profile["skip_setup_items"] == ["Siri"]
    listed = server.api.get("/api/v1/devices", params={"include_awaiting_enrollment": "true", "limit": 100}).json()
    assert listed["has_more"]
    assert {one["attributes"]["status"] for one in listed["data"]} == {"awaiting enrollment"}


def assign_what_devices_should_have(server: Running) -> None:
    def created(path: str, **body: Any) -> int:
        response = server.api.post(f"/api/v1/{path}", **body)
        assert response.status_code < 300, response.text
        return response.json()["data"]["id"]

    head = {"PayloadVersion": 1, "PayloadDisplayName": "Office"}
    wifi = {"PayloadType": "com.apple.wifi.managed", "PayloadIdentifier": f"{PROFILE}.wifi", "SSID_STR": "Office"}
    content = head | {"PayloadType": "Configuration", "PayloadIdentifier": PROFILE, "PayloadUUID": new_uuid()}
    content["PayloadContent"] = [head | wifi | {"PayloadUUID": new_uuid()}]
    app = created("apps", data={"app_store_id": str(STORE_ID)})
    file = {"mobileconfig": ("office.mobileconfig", plistlib.dumps(content))}
    profile = created("custom_configuration_profiles", data={"name": "Office", "user_scope": "false"}, files=file)
    group = created("assignment_groups", json={"name": "Everybody"})
    (device_group,) = server.api.get("/api/v1/device_groups").json()["data"]
    eventually(
        lambda: server.api.get(f"/api/v1/apps/{app}").json()["data"]["attributes"]["bundle_identifier"] == BUNDLE
    )
    for path in (f"profiles/{profile}", f"apps/{app}", f"device_groups/{device_group['id']}"):
        server.api.post(f"/api/v1/assignment_groups/{group}/{path}").raise_for_status()


def unpack(client: httpx.Client, apple: Apple, serial: str) -> VirtualDevice:
    """It asks Apple where to enroll, and waits in Setup Assistant afterwards."""
    device = VirtualDevice("ios", client=client, serial=serial, model="iPhone16,1")
    device.factory_identity = DeviceAuthority(apple.factory.certificate, apple.factory.key).issue(
        device.udid, generate_key()
    )
    device.store = {STORE_ID: (BUNDLE, "Pages", "14.0")}
    profile = apple.dep.profiles[apple.dep.devices[serial]["profile_uuid"]]
    device.enroll_automatically(profile["url"], awaits_configuration=profile["await_device_configured"])
    assert device.state.awaiting_configuration
    return device


def wait_for(device: VirtualDevice) -> None:
    answered: list[str] = []

    def is_set_up() -> bool:
        answered.extend(one.command.request_type for one in device.drain())
        return not device.state.awaiting_configuration and BUNDLE in device.state.apps

    eventually(is_set_up, seconds=90, message=f"it still waits: {answered}")
    assert answered.index("InstallProfile") < answered.index("DeviceConfigured"), answered
    assert answered.index("InstallApplication") < answered.index("DeviceConfigured"), answered


def one_device(server: Running, serial: str) -> dict[str, Any]:
    (found,) = server.api.get("/api/v1/devices", params={"search": serial}).json()["data"]
    return found


def pushes_to(apple: Apple, device: VirtualDevice) -> list[Any]:
    return [push for push in list(apple.apns.received) if push.token == device.state.push_token.hex()]


def new_uuid() -> str:
    return str(uuid.uuid4()).upper()
