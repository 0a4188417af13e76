"""Waking devices through APNs, and renewing their certificates in time, with the real worker in between."""

import json
import plistlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from mdm.virtual.device import VirtualDevice
from tests.fakes.apns import FakeApns
from tests.flows.server import Running, eventually, running_pomona

pytestmark = pytest.mark.flow

TOPIC = "com.apple.mgmt.External.11111111-2222-4333-8444-555555555555"

UPLOAD = """
import json, sys
from mdm.accounts.models import Account
from mdm.push.certificates import upload_certificate
files = json.loads({files!r})
upload_certificate(Account.objects.get(), certificate_pem=files["certificate"].encode(), key_pem=files["key"].encode())
"""
RENEW = """
from datetime import timedelta
from django.utils import timezone
from enrollment.models import IdentityCertificate
from enrollment.tasks import renew_identities
IdentityCertificate.objects.update(not_after=timezone.now() + timedelta(days=5))
print(renew_identities())
"""


@pytest.fixture(scope="module")
def apns() -> Iterator[FakeApns]:
    with FakeApns() as fake:
        yield fake


@pytest.fixture(scope="module")
def server(apns: FakeApns, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    data_dir: Path = tmp_path_factory.mktemp("pomona")
    with running_pomona(data_dir, APNS_URL=apns.url, APNS_CA_FILE=str(apns.ca_file)) as running:
        credentials = apns.client_credentials(TOPIC)
        files = {"certificate": credentials.certificate_pem.decode(), "key": credentials.key_pem.decode()}
        running.manage("shell", "-c", UPLOAD.format(files=json.dumps(files)))
        yield running


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=60) as http:
        yield http


def enrolled(server: Running, client: httpx.Client, platform: str = "ios") -> VirtualDevice:
    created = server.api.post("/api/v1/devices", data={"name": "Pushed"}).json()["data"]
    device = VirtualDevice(platform, client=client)
    device.enroll(created["attributes"]["enrollment_url"])
    device.drain()
    return device


def pushes(apns: FakeApns, device: VirtualDevice) -> list:
    return [push for push in list(apns.received) if push.token == device.state.push_token.hex()]


def test_a_command_wakes_the_device_with_its_own_token_and_magic(
    server: Running, apns: FakeApns, client: httpx.Client
) -> None:
    device = enrolled(server, client)
    assert device.topic == TOPIC
    eventually(lambda: pushes(apns, device), message="no push after the enrollment")
    before = len(pushes(apns, device))
    for name in ("ProfileList", "CertificateList", "SecurityInfo"):
        server.raw.post("/v1/commands", json={"udid": device.udid, "request_type": name}).raise_for_status()
    eventually(lambda: len(pushes(apns, device)) > before, message="no push for the commands")
    push = pushes(apns, device)[-1]
    assert push.topic == TOPIC
    assert push.payload == {"mdm": device.state.push_magic}
    # Three commands within a second or two are one or two wake-ups, not three.
    assert len(pushes(apns, device)) - before <= 2
    assert len(device.drain()) == 3


def test_a_dead_token_is_logged_and_the_next_token_update_revives_it(
    server: Running, apns: FakeApns, client: httpx.Client
) -> None:
    device = enrolled(server, client)
    eventually(lambda: pushes(apns, device))
    apns.respond(device.state.push_token, 410, "Unregistered")
    server.raw.post("/v1/commands", json={"udid": device.udid, "request_type": "ProfileList"}).raise_for_status()

    def logged() -> bool:
        page = server.api.get("/api/v1/logs", params={"serial_number": device.serial, "limit": 100}).json()
        return "push.token_dead" in {entry["attributes"]["event_type"] for entry in page["data"]}

    eventually(logged, message="the dead token is not in the log")
    assert server.raw.get(f"/push/{device.udid}").status_code == 422
    device.rotate_push_token()
    assert server.raw.get(f"/push/{device.udid}").status_code == 200
    eventually(lambda: pushes(apns, device), message="no push with the new token")


def test_an_identity_that_runs_out_is_renewed_and_the_old_one_speaks_no_more(
    server: Running, apns: FakeApns, client: httpx.Client
) -> None:
    device = enrolled(server, client, "macos")
    former = device.require_identity()
    assert int(server.manage("shell", "-v0", "-c", RENEW).split()[-1]) >= 1
    answered = device.drain()
    assert [(one.command.request_type, one.status) for one in answered] == [("InstallProfile", "Acknowledged")]
    renewed = device.require_identity()
    assert renewed.certificate.serial_number != former.certificate.serial_number
    assert device.idle() is None
    idle = device.channel_ids() | {"Status": "Idle"}
    body = plistlib.dumps(idle)
    assert device.send("connect", body).status_code == 200
    assert device.send("connect", body, identity=former).status_code == 403
