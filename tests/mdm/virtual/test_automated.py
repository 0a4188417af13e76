"""Virtual devices of Apple's lists: what they sign, which answers they take, how long they stay in Setup Assistant."""

import plistlib
from pathlib import Path

import httpx
import pytest
from django.core.management import CommandError, call_command

from mdm.virtual import cms
from mdm.virtual.automated import PROFILE_TYPE
from mdm.virtual.device import VirtualDevice
from mdm.virtual.device_authority import DeviceAuthority
from mdm.virtual.errors import BadProfile, DeviceError, EnrollmentRefused, NotEnrolled
from mdm.virtual.keys import KeyPool
from tests.fakes.device_authority import Certified, make_certified
from tests.mdm.virtual.reference_server import ReferenceServer

POOL = KeyPool(2)
URL = "/e/ade/token"


@pytest.fixture(scope="module")
def factory() -> Certified:
    return make_certified("Device CA")


class Door(httpx.MockTransport):
    """The reference server, with an address for automated enrollment. requests: what came there."""

    def __init__(self, server: ReferenceServer) -> None:
        self.requests: list[httpx.Request] = []
        self.server = server
        self.answer = lambda: httpx.Response(200, content=server.profile(), headers={"content-type": PROFILE_TYPE})
        super().__init__(self.handle)

    def handle(self, request: httpx.Request) -> httpx.Response:
        if not request.url.path.startswith(URL):
            return self.server.handle(request)
        self.requests.append(request)
        return self.answer()


@pytest.fixture
def door() -> Door:
    return Door(ReferenceServer())


def make(door: Door, factory: Certified, platform: str = "ios", **options: object) -> VirtualDevice:
    client = httpx.Client(transport=door, base_url=door.server.base)
    device = VirtualDevice(platform, client=client, key_source=POOL, **options)
    device.factory_identity = DeviceAuthority(factory.certificate, factory.key).issue(device.udid, POOL())
    return device


def last_token_update(door: Door) -> dict:
    return next(one for one in reversed(door.server.checkins) if one["message"]["MessageType"] == "TokenUpdate")[
        "message"
    ]


def test_it_says_who_it_is_and_signs_that(door, factory):
    device = make(door, factory, serial="C02AUTO00001")
    device.enroll_automatically(URL)
    (request,) = door.requests
    opened = cms.open_signed(request.content)
    assert opened.signer.issuer == factory.certificate.subject
    assert plistlib.loads(opened.content)["SERIAL"] == "C02AUTO00001"
    assert request.headers["content-type"] == "application/pkcs7-signature"


def test_it_waits_until_it_is_told_to_go_on(door, factory):
    device = make(door, factory)
    device.enroll_automatically(URL)
    assert last_token_update(door)["AwaitingConfiguration"] is True
    device.rotate_push_token()
    assert last_token_update(door)["AwaitingConfiguration"] is True
    door.server.enqueue(device.udid, "DeviceConfigured")
    device.drain()
    device.rotate_push_token()
    assert "AwaitingConfiguration" not in last_token_update(door)


def test_a_new_mac_has_no_accounts_before_setup_assistant_ends(door, factory):
    mac = make(door, factory, "macos")
    mac.enroll_automatically(URL)
    assert mac.state.users == {}
    door.server.enqueue(mac.udid, "DeviceConfigured")
    mac.drain()
    (user,) = mac.state.users.values()
    assert (user["UID"], user["IsLoggedIn"], user["IsAdmin"]) == (501, True, True)


def test_a_refusal_leaves_it_without_management(door, factory):
    door.answer = lambda: httpx.Response(403, json={"code": "com.apple.unrecognized.device"})
    device = make(door, factory)
    with pytest.raises(EnrollmentRefused) as caught:
        device.enroll_automatically(URL)
    assert caught.value.status_code == 403
    assert not device.is_enrolled


def test_a_page_where_a_profile_should_be_is_a_refusal(door, factory):
    door.answer = lambda: httpx.Response(200, html="<html>")
    with pytest.raises(EnrollmentRefused):
        make(door, factory).enroll_automatically(URL)
    with pytest.raises(BadProfile):
        make(door, factory).open_sign_in(URL)


def test_without_a_certificate_from_the_factory_it_cannot(door, factory):
    device = make(door, factory)
    device.factory_identity = None
    with pytest.raises(NotEnrolled):
        device.enroll_automatically(URL)


def test_the_certificate_is_saved_with_the_device(door, factory):
    device = make(door, factory)
    device.enroll_automatically(URL)
    again = VirtualDevice.load(device.dump(), client=device.client)
    assert again.factory_identity.certificate == device.factory_identity.certificate
    assert again.state.awaiting_configuration


@pytest.mark.parametrize("content", [b"", b"nonsense"])
def test_a_file_without_an_authority_is_refused(content):
    with pytest.raises(DeviceError):
        DeviceAuthority.load(content)


def test_the_command_wants_everything_it_needs(tmp_path: Path, factory: Certified):
    authority = factory.write(tmp_path / "ca.pem", with_key=True)
    half = factory.write(tmp_path / "half.pem")
    url = ("--ade-url", "http://127.0.0.1:1/e/ade/x")
    serial = ("--serial", "C02")
    for arguments in (
        (),
        ("--enrollment-url", "http://127.0.0.1:1/e/"),
        url,
        (*url, *serial),
        (*url, *serial, "--device-ca", str(tmp_path / "missing.pem")),
        (*url, *serial, "--device-ca", str(half)),
        (*url, *serial, "--device-ca", str(authority), "--sign-in", "jane@example.com"),
        (*url, "--enrollment-url", "http://127.0.0.1:1/e/", "--count", "1"),
    ):
        with pytest.raises(CommandError):
            call_command("simulate_devices", *arguments)
