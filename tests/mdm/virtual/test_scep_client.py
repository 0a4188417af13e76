from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from mdm.virtual.device import VirtualDevice
from mdm.virtual.errors import ScepError
from mdm.virtual.keys import KeyPool
from mdm.virtual.scep_client import ScepClient
from tests.mdm.virtual.reference_server import DER, ReferenceServer

POOL = KeyPool(2)
SUBJECT = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Device")])


def scep(server, **options):
    slept = []
    client = ScepClient(server.client(), f"{server.base}/scep?t=token", sleep=slept.append, **options)
    client.slept = slept
    return client


@pytest.mark.parametrize("with_ra", [False, True])
def test_a_request_with_the_challenge_ends_in_a_certificate_for_our_key(with_ra):
    server = ReferenceServer(with_ra=with_ra)
    key = POOL()
    identity = scep(server).enroll(key, SUBJECT, server.challenge)
    assert identity.certificate.public_key() == key.public_key()
    identity.certificate.verify_directly_issued_by(server.ca)
    assert [row["type"] for row in server.scep_log] == ["19"]


@pytest.mark.parametrize(
    ("caps", "cipher", "digest", "shape"),
    [
        ("POSTPKIOperation\nSHA-256\nAES\n", "aes128_cbc", "sha256", "post"),
        ("SCEPStandard\n", "aes128_cbc", "sha256", "post"),
        ("", "tripledes_3key", "sha1", "get"),
        ("SHA-256\r\nDES3\r\n", "tripledes_3key", "sha256", "get"),
    ],
)
def test_algorithms_and_transport_follow_what_the_server_says_it_can(caps, cipher, digest, shape):
    server = ReferenceServer()
    server.caps = caps
    scep(server).enroll(POOL(), SUBJECT, server.challenge)
    assert {k: server.scep_log[0][k] for k in ("cipher", "digest", "shape")} == {
        "cipher": cipher,
        "digest": digest,
        "shape": shape,
    }


@pytest.mark.parametrize(
    ("transport", "shape"), [("post", "post"), ("post-query", "post-query"), ("get", "get"), ("get-urlsafe", "get")]
)
def test_every_shape_of_pkioperation_carries_the_same_message(transport, shape):
    server = ReferenceServer()
    scep(server, transport=transport, cipher="aes256").enroll(POOL(), SUBJECT, server.challenge)
    assert server.scep_log[0]["shape"] == shape
    assert server.scep_log[0]["cipher"] == "aes256_cbc"


def test_single_des_is_spoken_for_the_oldest_servers():
    server = ReferenceServer()
    scep(server, cipher="des").enroll(POOL(), SUBJECT, server.challenge)
    assert server.scep_log[0]["cipher"] == "des"


def test_a_reply_that_does_not_start_with_our_certificate_is_refused():
    server = ReferenceServer()
    server.issue = lambda request: server.ca
    with pytest.raises(ScepError, match="not for our key"):
        scep(server).enroll(POOL(), SUBJECT, server.challenge)


@pytest.mark.parametrize("attribute", ["2", "6", "7"])
def test_a_reply_to_something_else_is_refused(attribute):
    server = ReferenceServer()
    server.reply_overrides = {attribute: "99"}
    with pytest.raises(ScepError, match=r"attribute 2\.16"):
        scep(server).enroll(POOL(), SUBJECT, server.challenge)


def test_a_pending_request_is_polled_until_granted():
    server = ReferenceServer()
    server.pending = 2
    client = scep(server, retry_delay_seconds=7)
    client.enroll(POOL(), SUBJECT, server.challenge)
    assert [row["type"] for row in server.scep_log] == ["19", "20", "20"]
    assert client.slept == [7, 7]


def test_a_request_pending_for_too_long_is_given_up():
    server = ReferenceServer()
    server.pending = 9
    with pytest.raises(ScepError, match="still pending after 2 polls"):
        scep(server, retries=2).enroll(POOL(), SUBJECT, server.challenge)


def test_a_refusal_carries_the_servers_fail_info():
    server = ReferenceServer()
    server.fail_info = "2"
    with pytest.raises(ScepError) as caught:
        scep(server).enroll(POOL(), SUBJECT, server.challenge)
    assert caught.value.fail_info == "2"


def test_a_reply_signed_by_a_stranger_is_not_believed():
    server, stranger = ReferenceServer(), ReferenceServer(with_ra=True)
    server.ra, server.ra_key = stranger.ra, stranger.ra_key
    server.decrypt = lambda envelope: ReferenceServer.decrypt(server_with(server, server.ca, server.ca_key), envelope)
    with pytest.raises(ScepError, match="stranger"):
        scep(server).enroll(POOL(), SUBJECT, server.challenge)


def server_with(server, ra, ra_key):
    copy = ReferenceServer()
    copy.ra, copy.ra_key = ra, ra_key
    return copy


def test_a_renewal_is_signed_with_the_present_certificate():
    server = ReferenceServer()
    client = scep(server)
    first = client.enroll(POOL(), SUBJECT, server.challenge)
    second = client.renew(first, POOL())
    assert server.scep_log[1]["type"] == "17"
    assert server.scep_log[1]["signer"] == first.certificate
    assert second.certificate.serial_number != first.certificate.serial_number
    assert second.certificate.subject == first.certificate.subject


@pytest.mark.parametrize("digest", [hashes.SHA1(), hashes.SHA256()])
def test_the_profiles_ca_fingerprint_is_checked(digest):
    server = ReferenceServer()
    assert scep(server, ca_fingerprint=server.ca.fingerprint(digest)).authorities() == [server.ca]
    with pytest.raises(ScepError, match="fingerprint"):
        scep(server, ca_fingerprint=b"\0" * digest.digest_size).authorities()


def test_a_content_type_with_a_charset_is_refused():
    server = ReferenceServer()
    answer = server.ca_answer()
    answer.headers["content-type"] += "; charset=utf-8"
    server.ca_answer = lambda: answer
    with pytest.raises(ScepError, match="content type"):
        scep(server).authorities()


def test_a_device_renews_by_itself_and_goes_on_with_the_new_identity():
    server = ReferenceServer()
    device = VirtualDevice("ios", client=server.client(), key_source=POOL)
    device.enroll(server.url)
    before = device.identity
    assert device.renew() is not before
    device.idle()
    assert server.reports[-1]["signer"] == device.identity.certificate
    assert device.identity.certificate.not_valid_after_utc - before.certificate.not_valid_after_utc < timedelta(days=1)
    assert device.identity.certificate.public_bytes(DER) != before.certificate.public_bytes(DER)
