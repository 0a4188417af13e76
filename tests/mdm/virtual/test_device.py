import json
import plistlib
import shutil
import subprocess

import httpx
import pytest

from mdm.virtual.device import VirtualDevice
from mdm.virtual.errors import BadProfile, EnrollmentRefused, ManagementRemoved, NotEnrolled, ScepError, ServerRefused
from mdm.virtual.keys import KeyPool
from mdm.virtual.mdm_signature import signature_header
from tests.mdm.virtual.reference_server import DER, TOPIC, ReferenceServer

POOL = KeyPool(2)


@pytest.fixture
def server():
    return ReferenceServer()


def enrolled(server, platform="ios", **options):
    device = VirtualDevice(platform, client=server.client(), key_source=POOL, seed="tests", **options)
    device.enroll(server.url)
    return device


def said(server, kind):
    return [row["message"] for row in server.checkins if row["message"]["MessageType"] == kind]


# Enrollment


@pytest.mark.parametrize("style", ["modern", "field"])
@pytest.mark.parametrize("platform", ["ios", "macos"])
def test_a_device_enrolls_from_the_page_to_its_first_token_update(server, platform, style):
    device = enrolled(server, platform, signature_style=style)
    assert device.is_enrolled
    kinds = [row["message"]["MessageType"] for row in server.checkins]
    assert kinds == ["Authenticate", "TokenUpdate"] + ["SetBootstrapToken"] * (platform == "macos")
    for row in server.checkins:
        assert row["content_type"] == "application/x-apple-aspen-mdm-checkin"
        assert row["signer"] == device.identity.certificate
        assert row["digest"] == ("sha256" if style == "modern" else "sha1")
    authenticate, token_update = said(server, "Authenticate")[0], said(server, "TokenUpdate")[0]
    assert authenticate["UDID"] == device.udid
    assert authenticate["SerialNumber"] == device.serial
    assert authenticate["Topic"] == TOPIC
    assert ("IMEI" in authenticate) == (platform == "ios")
    assert ("DeviceName" in authenticate) == (platform == "macos")
    assert len(token_update["Token"]) == 32
    assert ("UnlockToken" in token_update) == (platform == "ios")


def test_the_field_style_is_ber_with_indefinite_lengths_and_no_signed_attributes(server):
    device = enrolled(server, signature_style="field")
    header = server.checkins[0]["header"]
    assert header[:2] == b"\x30\x80"
    assert header.endswith(b"\0\0")
    assert server.scep_log[0]["cipher"] == "tripledes_3key"
    assert server.scep_log[0]["shape"] == "post-query"
    assert device.identity.certificate.public_bytes(DER) in header


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command")
@pytest.mark.parametrize("style", ["modern", "field"])
def test_openssl_verifies_the_signatures_of_both_styles(server, style, tmp_path):
    import base64

    device = enrolled(server)
    (tmp_path / "body").write_bytes(b"<plist/>\n")
    (tmp_path / "sig").write_bytes(base64.b64decode(signature_header(b"<plist/>\n", device.identity, style)))
    done = subprocess.run(
        [
            "openssl",
            "cms",
            "-verify",
            "-binary",
            "-inform",
            "DER",
            "-noverify",
            "-in",
            tmp_path / "sig",
            "-content",
            tmp_path / "body",
            "-out",
            tmp_path / "out",
        ],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_used_link_is_refused_with_its_status(server):
    server.one_time = True
    enrolled(server)
    second = VirtualDevice("ios", client=server.client(), key_source=POOL)
    with pytest.raises(EnrollmentRefused) as caught:
        second.enroll(server.url)
    assert caught.value.status_code == 410
    assert not second.is_enrolled


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]), "signature"),
        (lambda raw: plistlib.dumps({"PayloadType": "x"}), "PayloadIdentifier"),
        (lambda raw: b"<html>", "property list"),
    ],
)
def test_a_profile_that_a_device_would_not_install_is_refused(server, spoil, reason):
    whole = server.profile()
    server.profile = lambda: spoil(whole)
    with pytest.raises(BadProfile, match=reason):
        VirtualDevice("ios", client=server.client()).open_enrollment(server.url)


def test_an_unsigned_enrollment_profile_is_refused(server):
    plain = plistlib.dumps(server.profile_content())
    server.profile = lambda: plain
    with pytest.raises(BadProfile, match="not signed"):
        VirtualDevice("ios", client=server.client()).open_enrollment(server.url)


def test_a_refused_certificate_leaves_the_device_without_management(server):
    server.fail_info = "2"
    device = VirtualDevice("ios", client=server.client(), key_source=POOL)
    with pytest.raises(ScepError):
        device.enroll(server.url)
    assert not device.is_enrolled
    assert device.state.profiles_of("") == {}
    with pytest.raises(NotEnrolled):
        device.idle()


def test_user_enrollment_hides_udid_and_serial(server):
    server.profile_overrides = {"EnrollmentMode": "BYOD"}
    device = enrolled(server)
    authenticate = said(server, "Authenticate")[0]
    assert authenticate["EnrollmentID"] == device.enrollment_id
    assert not authenticate.keys() & {"UDID", "SerialNumber", "IMEI"}
    server.enqueue(device.enrollment_id, "DeviceInformation", Queries=["UDID", "OSVersion"])
    device.drain()
    assert server.reports[-1]["message"]["QueryResponses"].keys() == {"OSVersion"}


def test_one_url_may_serve_check_in_and_connect(server):
    server.profile_overrides = {"CheckInURL": None, "ServerURL": f"{server.base}/mdm/checkin"}
    enrolled(server)
    assert len(said(server, "TokenUpdate")) == 1


# Check-in


def test_a_rotated_push_token_comes_without_the_unlock_token(server):
    device = enrolled(server)
    device.rotate_push_token()
    first, second = said(server, "TokenUpdate")
    assert second["Token"] != first["Token"]
    assert second["PushMagic"] == first["PushMagic"]
    assert "UnlockToken" not in second


def test_a_macs_bootstrap_token_comes_back(server):
    mac = enrolled(server, "macos")
    assert mac.get_bootstrap_token() == mac.state.bootstrap_token
    mac.set_bootstrap_token(None)
    assert mac.get_bootstrap_token() is None


def test_check_out_is_the_last_word(server):
    device = enrolled(server)
    device.check_out()
    assert said(server, "CheckOut") == [{"MessageType": "CheckOut", "Topic": TOPIC, "UDID": device.udid}]
    assert not device.is_enrolled
    with pytest.raises(NotEnrolled):
        device.idle()


def test_a_user_has_a_channel_of_its_own(server):
    mac = enrolled(server, "macos")
    jane = mac.user("jane", "Jane Doe")
    jane.token_update()
    message = said(server, "TokenUpdate")[-1]
    assert message["UserShortName"] == "jane"
    assert message["UserLongName"] == "Jane Doe"
    assert message["UDID"] == mac.udid
    assert message["Token"] != mac.state.push_token
    assert mac.user("jane").user_id == jane.user_id == message["UserID"]
    server.enqueue("jane", "RestartDevice")
    server.enqueue("jane", "ProfileList")
    assert [row.status for row in jane.drain()] == ["Error", "Acknowledged"]
    with pytest.raises(ValueError, match="user channels"):
        enrolled(server, "ios").user("jane")


def test_user_authenticate_tells_a_challenge_from_a_no(server):
    jane = enrolled(server, "macos").user("jane")
    assert jane.user_authenticate() is None
    server.user_authenticate_status = 200
    assert jane.user_authenticate() == "nonce"
    server.user_authenticate_status = 500
    with pytest.raises(ServerRefused):
        jane.user_authenticate("digest")


def test_get_token_returns_the_token_data(server):
    assert enrolled(server).get_token() == b"com.apple.maid"


@pytest.mark.parametrize(
    "answer",
    [httpx.Response(401), httpx.Response(403, json={"code": "com.apple.unrecognized.device"})],
)
def test_a_device_that_is_told_to_go_takes_off_its_management(server, answer):
    device = enrolled(server)
    server.refuse_with = answer
    with pytest.raises(ManagementRemoved):
        device.idle()
    assert not device.is_enrolled


def test_any_other_refusal_keeps_it_enrolled(server):
    device = enrolled(server)
    server.refuse_with = httpx.Response(403, text="somebody else's certificate")
    with pytest.raises(ServerRefused, match="somebody else"):
        device.idle()
    assert device.is_enrolled


def test_raw_bodies_and_foreign_identities_can_be_sent(server):
    one, other = enrolled(server), enrolled(server)
    body = plistlib.dumps({"Status": "Idle", "UDID": one.udid})
    assert one.send("connect", body, identity=other.identity).status_code == 200
    assert server.reports[-1]["signer"] == other.identity.certificate


# Connect


def test_a_session_answers_until_the_server_has_nothing_more(server):
    device = enrolled(server)
    first = server.enqueue(device.udid, "DeviceInformation", Queries=["DeviceName", "SerialNumber", "Nonsense"])
    server.enqueue(device.udid, "ProfileList")
    answered = device.drain()
    assert [(row.command.request_type, row.status) for row in answered] == [
        ("DeviceInformation", "Acknowledged"),
        ("ProfileList", "Acknowledged"),
    ]
    statuses = [row["message"]["Status"] for row in server.reports]
    assert statuses == ["Idle", "Acknowledged", "Acknowledged"]
    answer = server.reports[1]["message"]
    assert answer["CommandUUID"] == first
    assert answer["QueryResponses"] == {"DeviceName": device.state.name, "SerialNumber": device.serial}
    assert {row["content_type"] for row in server.reports} == {"application/x-apple-aspen-mdm"}


def test_a_command_put_off_comes_back_in_the_next_session(server):
    device = enrolled(server)
    server.enqueue(device.udid, "InstallProfile", Payload=b"")
    server.enqueue(device.udid, "ProfileList")
    device.behaviour.not_now_for = {"InstallProfile"}
    assert [row.status for row in device.drain()] == ["NotNow", "Acknowledged"]
    device.behaviour.not_now_for = set()
    assert [row.status for row in device.drain()] == ["Error"]


def test_errors_on_demand_carry_a_chain(server):
    device = enrolled(server)
    device.behaviour.errors_for = {"ProfileList": None, "SecurityInfo": [{"ErrorDomain": "X", "ErrorCode": 7}]}
    device.behaviour.format_error_for = {"Restrictions"}
    for kind in ("ProfileList", "SecurityInfo", "Restrictions"):
        server.enqueue(device.udid, kind)
    assert [row.status for row in device.drain()] == ["Error", "Error", "CommandFormatError"]
    assert server.reports[1]["message"]["ErrorChain"][0]["ErrorDomain"] == "MCMDMErrorDomain"
    assert server.reports[2]["message"]["ErrorChain"] == [{"ErrorDomain": "X", "ErrorCode": 7}]


def test_drain_stops_at_its_limit(server):
    device = enrolled(server)
    for _ in range(5):
        server.enqueue(device.udid, "ProfileList")
    assert len(device.drain(limit=3)) == 3


def test_an_erased_device_forgets_everything_and_stops(server):
    device = enrolled(server)
    token = device.state.push_token
    server.enqueue(device.udid, "EraseDevice")
    server.enqueue(device.udid, "ProfileList")
    assert [row.status for row in device.drain()] == ["Acknowledged"]
    assert not device.is_enrolled
    assert device.state.push_token != token
    assert said(server, "CheckOut") == []


def test_removing_the_enrollment_profile_ends_in_a_check_out(server):
    device = enrolled(server)
    server.enqueue(device.udid, "RemoveProfile", Identifier="test.enrollment")
    assert [row.status for row in device.drain()] == ["Acknowledged"]
    assert len(said(server, "CheckOut")) == 1
    assert not device.is_enrolled


@pytest.mark.parametrize("style", ["quiet", "authenticate"])
def test_a_new_edition_of_the_enrollment_profile_brings_a_new_identity(server, style):
    device = enrolled(server, renewal_style=style)
    before = device.identity.certificate
    server.challenge = "second"
    server.enqueue(device.udid, "InstallProfile", Payload=server.profile())
    assert [row.status for row in device.drain()] == ["Acknowledged"]
    assert device.identity.certificate != before
    assert [row["type"] for row in server.scep_log] == ["19", "19"]
    assert server.reports[-1]["signer"] == device.identity.certificate
    assert len(said(server, "Authenticate")) == (2 if style == "authenticate" else 1)


def test_without_a_challenge_the_new_edition_is_a_renewal(server):
    device = enrolled(server)
    content = server.profile_content()
    del content["PayloadContent"][0]["PayloadContent"]["Challenge"]
    server.enqueue(device.udid, "InstallProfile", Payload=plistlib.dumps(content))
    assert [row.status for row in device.drain()] == ["Acknowledged"]
    assert server.scep_log[-1]["type"] == "17"


def test_a_new_edition_that_does_not_fit_leaves_the_old_one(server):
    device = enrolled(server)
    before = device.identity
    server.enqueue(device.udid, "InstallProfile", Payload=server.profile(topic="com.apple.mgmt.other"))
    server.fail_info = "2"
    server.enqueue(device.udid, "InstallProfile", Payload=server.profile())
    assert [row.status for row in device.drain()] == ["Error", "Error"]
    codes = [row["message"]["ErrorChain"][0]["ErrorCode"] for row in server.reports[1:]]
    assert codes == [12012, 4001]
    assert device.identity is before


# Declarative management


def test_a_declarative_management_command_starts_a_synchronization(server):
    device = enrolled(server)
    item = {"Identifier": "a", "ServerToken": "1"}
    lost = {"Identifier": "lost", "ServerToken": "1"}
    server.declarative = {
        "tokens": {"SyncTokens": {"DeclarationsToken": "T1"}},
        "declaration-items": {"Declarations": {"Configurations": [item, lost]}, "DeclarationsToken": "T1"},
        "declaration/configuration/a": {"Identifier": "a", "Type": "com.apple.configuration.management.test"},
    }
    server.enqueue(device.udid, "DeclarativeManagement")
    device.drain()
    status = json.loads(said(server, "DeclarativeManagement")[-1]["Data"])
    rows = status["StatusItems"]["management"]["declarations"]["configurations"]
    assert [(row["identifier"], row["valid"]) for row in rows] == [("a", "valid"), ("lost", "invalid")]
    assert device.sync_declarations() is False
    assert device.declarative_refusals == []


def test_a_server_without_declarations_is_remembered_not_fatal(server):
    device = enrolled(server)
    server.enqueue(device.udid, "DeclarativeManagement")
    assert [row.status for row in device.drain()] == ["Acknowledged"]
    assert [refusal.status_code for refusal in device.declarative_refusals] == [404]


# To a file and back


@pytest.mark.parametrize("platform", ["ios", "macos"])
def test_a_dumped_device_goes_on_where_it_was(server, platform):
    device = enrolled(server, platform, signature_style="field")
    if platform == "macos":
        device.user("jane").token_update()
    data = plistlib.loads(plistlib.dumps(device.dump(), fmt=plistlib.FMT_BINARY))
    again = VirtualDevice.load(data, client=server.client())
    assert again.facts == device.facts
    assert again.state == device.state
    again.idle()
    assert server.reports[-1]["signer"] == device.identity.certificate
    assert server.reports[-1]["digest"] == "sha1"


def test_the_same_seed_makes_the_same_device(server):
    one, two = (VirtualDevice("macos", client=server.client(), seed=4) for _ in range(2))
    assert one.facts == two.facts
    assert one.state.apps == two.state.apps
    assert VirtualDevice("macos", client=server.client(), seed=5).facts != one.facts


def test_a_repr_shows_no_key(server):
    device = enrolled(server)
    assert "RSAPrivateKey" not in repr(device.identity)
    assert device.serial in repr(device)
