"""A device of Apple's list, from its box to its desk: real server, worker and schedule, and a device that only does as told."""

import json
import plistlib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from mdm.virtual.device import VirtualDevice
from mdm.virtual.device_authority import DeviceAuthority
from mdm.virtual.errors import EnrollmentRefused
from mdm.virtual.keys import generate_key
from tests.factories.packages import build_ipa
from tests.fakes.device_authority import Certified, make_certified
from tests.flows.server import Running, eventually, running_pomona

pytestmark = pytest.mark.flow

PROFILE, APP = "com.example.ade", "com.example.surf"
PHONE, MAC = "C02FLOWPHONE", "C02FLOWMAC01"
# Rows as a sync with Apple and the admin's form leave them.
SETUP = """
import json
from django.utils import timezone
from datetime import timedelta
from devices.services.groups import default_group
from enrollment.models import DepDevice, DepKey, DepServer, DepSettings
from mdm.accounts.models import Account
account = Account.objects.get()
key = DepKey.objects.create(account=account, certificate_pem="none", key_pem="none")
server = DepServer.objects.create(account=account, name="Office", key=key, consumer_key="CK{number}", consumer_secret="CS",
    access_token="AT", access_secret="AS", token_expires_at=timezone.now() + timedelta(days=300))
settings = DepSettings.objects.create(account=account, server=server, device_group=default_group(account),
    options={{"profile_name": "Office", "is_mdm_removable": False}}, minimum_os={{"iOS": "18.0"}},
    requires_sign_in={requires_sign_in},
    admin_short_name="itadmin", admin_password="a password of the administrator", primary_full_name="Jane Doe")
for serial in {serials}:
    DepDevice.objects.create(account=account, server=server, serial_number=serial, model="Test")
print(json.dumps({{"token": settings.token, "group": settings.device_group_id}}))
"""


@pytest.fixture(scope="module")
def factory() -> Certified:
    return make_certified("Device CA of a flow")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, factory: Certified) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("ade")
    authorities = factory.write(folder / "devices.pem")
    with running_pomona(folder, APPLE_DEVICE_CA_FILE=str(authorities)) as running:
        yield running


def prepared(server: Running, serials: list[str], *, requires_sign_in: bool = False) -> dict[str, Any]:
    script = SETUP.format(serials=serials, requires_sign_in=requires_sign_in, number=serials[0])
    return json.loads(server.manage("shell", "-v", "0", "-c", script).splitlines()[-1])


def assign(server: Running, device_group: int) -> None:
    """A profile and an app to whatever belongs to the device group."""

    def created(path: str, **body: Any) -> int:
        response = server.api.post(f"/api/v1/{path}", **body)
        assert response.status_code < 300, response.text
        return response.json()["data"]["id"]

    content = payload("Configuration", PROFILE)
    content["PayloadContent"] = [payload("com.apple.wifi.managed", f"{PROFILE}.wifi") | {"SSID_STR": "Office"}]
    group = created("assignment_groups", json={"name": "Everybody"})
    file = {"mobileconfig": ("first.mobileconfig", plistlib.dumps(content))}
    profile = created("custom_configuration_profiles", data={"name": "First", "user_scope": "false"}, files=file)
    app = created("apps", files={"binary": ("surf.ipa", build_ipa(APP, "1.0", "1.0"))})
    for path in (f"profiles/{profile}", f"apps/{app}", f"device_groups/{device_group}"):
        response = server.api.post(f"/api/v1/assignment_groups/{group}/{path}")
        assert response.status_code < 300, response.text


def payload(kind: str, identifier: str) -> dict[str, Any]:
    uuid_ = str(uuid.uuid4()).upper()
    head = {"PayloadType": kind, "PayloadVersion": 1, "PayloadIdentifier": identifier, "PayloadUUID": uuid_}
    return head | {"PayloadDisplayName": identifier}


def answered_until_it_goes_on(device: VirtualDevice) -> list[str]:
    """Request types in the order in which it answered them, up to the end of Setup Assistant."""
    answered: list[str] = []

    def went_on() -> bool:
        answered.extend(one.command.request_type for one in device.drain())
        return not device.state.awaiting_configuration

    eventually(went_on, seconds=60, message=f"it still waits: {answered}")
    return answered


def events(server: Running, kind: str) -> list[dict[str, Any]]:
    found = server.api.get("/api/v1/logs", params={"limit": 100}).json()["data"]
    return [one["attributes"] for one in found if one["attributes"]["event_type"] == kind]


def test_devices_get_everything_before_they_leave_setup_assistant(server: Running, factory: Certified) -> None:
    place = prepared(server, [PHONE, MAC])
    assign(server, place["group"])
    authority = DeviceAuthority(factory.certificate, factory.key)
    url = f"{server.base_url}/e/ade/{place['token']}"
    with httpx.Client(timeout=60) as client:
        for platform, serial in (("ios", PHONE), ("macos", MAC)):
            device = VirtualDevice(platform, client=client, serial=serial)
            device.factory_identity = authority.issue(device.udid, generate_key())
            device.enroll_automatically(url)
            assert device.require_enrollment().content["PayloadRemovalDisallowed"] is True
            answered = answered_until_it_goes_on(device)
            before = answered[: answered.index("DeviceConfigured")]
            assert "InstallProfile" in before, answered
            assert PROFILE in device.state.profiles_of("")
            if platform == "ios":
                assert "InstallApplication" in before, answered
                assert APP in device.state.apps
            else:
                assert before[0] == "AccountConfiguration", answered
                assert list(device.state.users) == ["itadmin", "janedoe"]
            eventually(lambda: len(events(server, "setup.finished")) == (1 if platform == "ios" else 2))  # noqa: B023
        assert events(server, "setup.released_early") == []

        stranger = VirtualDevice("ios", client=client, serial="C02NOTLISTED")
        stranger.factory_identity = authority.issue(stranger.udid, generate_key())
        with pytest.raises(EnrollmentRefused, match=r"com\.apple\.unrecognized\.device"):
            stranger.enroll_automatically(url)
    listed = server.api.get("/api/v1/devices", params={"search": PHONE}).json()["data"]
    assert [one["attributes"]["is_dep_enrollment"] for one in listed] == [True]
    assert "janedoe" not in server.log()


def test_the_command_sets_devices_up_whose_people_sign_in(server: Running, factory: Certified, tmp_path: Path) -> None:
    serials = ["C02SIGNIN001", "C02SIGNIN002"]
    place = prepared(server, serials, requires_sign_in=True)
    password = tmp_path / "password"
    password.write_text(f"{server.password}\n")
    said = server.manage(
        *("simulate_devices", "--ade-url", f"{server.base_url}/e/ade/{place['token']}/sign-in"),
        *("--serial", ",".join(serials), "--device-ca", str(factory.write(tmp_path / "ca.pem", with_key=True))),
        *("--sign-in", server.email, "--password-file", str(password), "--answer-for", "5", "--poll-seconds", "0.5"),
    )
    assert "2 of 2 enrolled, 0 failed" in said
    assert server.password not in said + server.log().split("API key", 1)[1]
    signed_in = events(server, "ade.signed_in")
    assert [one["metadata"]["email"] for one in signed_in] == [server.email] * 2
