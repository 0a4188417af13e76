"""The CertRep: signed by the CA, meant for this request, readable by this client alone."""

import dataclasses

import pytest
from cryptography import x509

from mdm.common import certs
from mdm.protocol import scep
from mdm.protocol.scep import FailInfo, PkiMessage, ScepError
from tests.mdm.protocol import scep_client as client


def request(**options: object) -> PkiMessage:
    ca, key = client.authority()
    return scep.open_pki_message(client.make_request(**options), ca_certificate=ca, ca_key=key)


def issue(message: PkiMessage) -> x509.Certificate:
    ca, key = client.authority()
    return certs.issue_identity(ca, key, message.csr.public_key(), common_name="device", serial=certs.new_serial())


def read(answer: bytes) -> client.Answer:
    return client.read_answer(answer, ca=client.authority()[0], key=client.rsa_key("client"))


def by_ca() -> dict[str, object]:
    ca, key = client.authority()
    return {"ca_certificate": ca, "ca_key": key}


def test_success_carries_the_issued_certificate_first_and_then_the_ca() -> None:
    message = request()
    for _ in range(8):  # issued certificates differ in size and serial; DER's sorting would swap some of them
        issued = issue(message)
        assert read(scep.success(message, issued, **by_ca())).certificates == [issued, client.authority()[0]]


def test_success_echoes_transaction_and_nonce_and_has_its_own_nonce() -> None:
    message = request(transaction_id="TX-42", nonce=b"0123456789abcdef")
    first, second = (read(scep.success(message, issue(message), **by_ca())).attributes for _ in range(2))
    assert first[client.TRANSACTION_ID] == "TX-42"
    assert first[client.RECIPIENT_NONCE] == b"0123456789abcdef"
    assert first[client.MESSAGE_TYPE] == "3"
    assert first[client.PKI_STATUS] == "0"
    assert len(first[client.SENDER_NONCE]) == 16
    assert first[client.SENDER_NONCE] != second[client.SENDER_NONCE]
    assert client.FAIL_INFO not in first


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("des", "tripledes_3key"),
        ("3des", "tripledes_3key"),
        ("aes128", "aes128_cbc"),
        ("aes192", "aes192_cbc"),
        ("aes256", "aes256_cbc"),
    ],
)
@pytest.mark.parametrize("digest", ["sha1", "sha256", "sha512"])
def test_success_is_written_with_what_the_client_showed_it_can_read(asked: str, answered: str, digest: str) -> None:
    message = request(cipher=asked, digest=digest)
    answer = read(scep.success(message, issue(message), **by_ca()))
    assert (answer.content_encryption, answer.digest) == (answered, digest)


def test_a_renewal_is_answered_to_the_key_of_the_old_identity() -> None:
    ca, ca_key = client.authority()
    old_key = client.rsa_key("old")
    identity = certs.issue_identity(ca, ca_key, old_key.public_key(), common_name="d", serial=certs.new_serial())
    envelope = client.make_envelope(client.make_csr(client.rsa_key("client")))
    raw = client.sign_message(envelope, key=old_key, signer=identity, message_type=17)
    message = scep.open_pki_message(raw, **by_ca())
    issued = issue(message)
    answer = client.read_answer(scep.success(message, issued, **by_ca()), ca=ca, key=old_key)
    assert answer.certificates[0] == issued


def test_a_signer_that_cannot_decrypt_is_a_scep_error() -> None:
    message = request()
    signer = certs.self_signed("ec", key=client.ec_key("client"))
    with pytest.raises(ScepError) as caught:
        scep.success(dataclasses.replace(message, signer_certificate=signer), issue(message), **by_ca())
    assert caught.value.fail_info is FailInfo.BAD_ALG


def test_pending_has_no_content() -> None:
    answer = read(scep.pending(request(transaction_id="TX-7"), **by_ca()))
    assert answer.attributes[client.PKI_STATUS] == "3"
    assert answer.attributes[client.TRANSACTION_ID] == "TX-7"
    assert answer.attributes[client.RECIPIENT_NONCE] == client.NONCE
    assert answer.certificates == []


@pytest.mark.parametrize("fail_info", FailInfo)
def test_failure_says_why(fail_info: FailInfo) -> None:
    answer = read(scep.failure(request(digest="sha1"), fail_info, text="Ask the help desk: größer", **by_ca()))
    assert answer.attributes[client.PKI_STATUS] == "2"
    assert answer.attributes[client.FAIL_INFO] == str(int(fail_info))
    assert answer.attributes[client.FAIL_INFO_TEXT] == "Ask the help desk: größer"
    assert answer.digest == "sha1"
    assert answer.certificates == []


def test_failure_answers_a_message_that_did_not_open() -> None:
    ca, key = client.authority()
    other, _ = client.authority("other ca")
    envelope = client.make_envelope(client.make_csr(client.rsa_key("client")), recipient=other)
    with pytest.raises(ScepError) as caught:
        scep.open_pki_message(client.sign_message(envelope, transaction_id="TX-9"), ca_certificate=ca, ca_key=key)
    error = caught.value
    answer = read(scep.failure(error.partial, error.fail_info, **by_ca()))
    assert answer.attributes[client.FAIL_INFO] == "1"
    assert answer.attributes[client.TRANSACTION_ID] == "TX-9"
    assert answer.attributes[client.RECIPIENT_NONCE] == client.NONCE
    assert client.FAIL_INFO_TEXT not in answer.attributes
