"""SCEP over HTTP: capabilities, CA certificates, and messages wherever clients put them."""

import base64
from urllib.parse import parse_qs, quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from mdm.protocol import scep
from mdm.protocol.scep import ScepError
from tests.mdm.protocol import scep_client as client

# Encodes with "+" and "/" and needs padding, so that every variant differs from the plain one.
MESSAGE = b"\x30\x82\x01\x00" + bytes(range(256)) + b"\xfb\xef\xbe\xff\xff"
STANDARD = base64.b64encode(MESSAGE).decode()


def test_capabilities_are_one_word_a_line() -> None:
    words = scep.CAPABILITIES.decode().split("\n")
    assert {"AES", "SHA-256", "POSTPKIOperation", "Renewal", "SCEPStandard", "DES3", "SHA-1"} <= set(words)


def test_one_ca_certificate_is_bare_der() -> None:
    ca, _ = client.authority()
    assert scep.ca_certificates([ca]) == (ca.public_bytes(Encoding.DER), "application/x-x509-ca-cert")


def test_several_ca_certificates_come_in_a_degenerate_pkcs7_in_their_order() -> None:
    chain = [client.authority(label)[0] for label in ("ca", "other ca", "third ca")]
    for order in (chain, chain[::-1]):
        body, content_type = scep.ca_certificates(order)
        assert content_type == "application/x-x509-ca-ra-cert"
        assert client.certificates_of(body) == order
    certificates: list[x509.Certificate] = []
    with pytest.raises(ValueError, match="at least one"):
        scep.ca_certificates(certificates)


def test_post_carries_the_message_in_its_body() -> None:
    assert scep.read_transport(method="POST", query_message=None, body=MESSAGE) == MESSAGE


def test_post_may_repeat_the_message_in_the_query() -> None:
    assert scep.read_transport(method="POST", query_message=STANDARD, body=MESSAGE) == MESSAGE


@pytest.mark.parametrize("body", [b"", b"operation=PKIOperation", b"\r\n"])
def test_post_may_have_the_message_only_in_the_query(body: bytes) -> None:
    assert scep.read_transport(method="POST", query_message=STANDARD, body=body) == MESSAGE


@pytest.mark.parametrize(
    "text",
    [
        STANDARD,
        STANDARD.rstrip("="),
        STANDARD.replace("+", " "),
        base64.urlsafe_b64encode(MESSAGE).decode(),
        base64.urlsafe_b64encode(MESSAGE).decode().rstrip("="),
        base64.encodebytes(MESSAGE).decode(),
        base64.encodebytes(MESSAGE).decode().replace("\n", "\r\n"),
        quote(STANDARD, safe=""),
    ],
    ids=["standard", "unpadded", "spaces", "url-safe", "url-safe unpadded", "wrapped", "wrapped crlf", "still encoded"],
)
def test_get_has_base64_in_every_dialect(text: str) -> None:
    assert {"+", "/", "="} < set(STANDARD)
    assert scep.read_transport(method="GET", query_message=text, body=b"") == MESSAGE


@given(st.binary(min_size=1, max_size=300))
def test_get_survives_a_query_string_that_was_not_percent_encoded(message: bytes) -> None:
    text = parse_qs("message=" + base64.b64encode(message).decode())["message"][0]
    assert scep.read_transport(method="GET", query_message=text, body=b"") == message


@pytest.mark.parametrize("text", [None, "", "A", "AAAAA", "not base64!", "ärger", "AA=AA"])
def test_no_message_or_no_base64_is_refused_without_an_answer_in_scep(text: str | None) -> None:
    with pytest.raises(ScepError) as caught:
        scep.read_transport(method="GET", query_message=text, body=b"")
    assert caught.value.partial is None


def test_get_does_not_read_a_body() -> None:
    with pytest.raises(ScepError):
        scep.read_transport(method="GET", query_message=None, body=MESSAGE)


def test_messages_are_bounded_wherever_they_are() -> None:
    big = b"\x30" * (scep.MAX_MESSAGE_BYTES + 1)
    for method, query, body in (
        ("POST", None, big),
        ("GET", base64.b64encode(big).decode(), b""),
        ("GET", "A" * 4 * scep.MAX_MESSAGE_BYTES, b""),
    ):
        with pytest.raises(ScepError, match="too large"):
            scep.read_transport(method=method, query_message=query, body=body)
