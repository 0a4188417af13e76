"""Reading a client's pkiMessage: every dialect is understood, every lie is refused, and strangers learn nothing."""

import contextlib
import dataclasses

import pytest
from asn1crypto import cms, core
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from mdm.common import certs
from mdm.protocol import scep
from mdm.protocol.errors import ProtocolError
from mdm.protocol.scep import FailInfo, MessageType, PkiMessage, ScepError
from tests.mdm.protocol import scep_client as client


def open_message(message: bytes) -> PkiMessage:
    ca, key = client.authority()
    return scep.open_pki_message(message, ca_certificate=ca, ca_key=key)


def refused(message: bytes) -> ScepError:
    with pytest.raises(ScepError) as caught:
        open_message(message)
    return caught.value


def flip(message: bytes, part: bytes) -> bytes:
    """The message with the last bit of `part` turned over."""
    assert message.count(part) == 1
    return message.replace(part, part[:-1] + bytes([part[-1] ^ 1]))


def parts(message: bytes) -> cms.SignedData:
    return cms.ContentInfo.load(message)["content"]


class TestWhatIsUnderstood:
    @pytest.mark.parametrize("cipher", client.CIPHERS)
    @pytest.mark.parametrize("digest", ["sha1", "sha256", "sha512"])
    def test_every_cipher_with_every_digest(self, cipher: str, digest: str) -> None:
        message = open_message(client.make_request(cipher=cipher, digest=digest))
        assert (message.content_encryption, message.digest_algorithm) == (cipher, digest)
        assert message.csr is not None
        assert message.csr.public_key() == client.rsa_key("client").public_key()

    def test_it_tells_who_asks_for_what(self) -> None:
        message = open_message(client.make_request(transaction_id="TX-1"))
        assert message.message_type is MessageType.PKCS_REQ
        assert message.transaction_id == "TX-1"
        assert message.sender_nonce == client.NONCE
        assert message.signer_certificate == client.throw_away()
        assert message.challenge_password == "secret"
        assert message.signer_is_self_signed
        assert message.signer_holds_csr_key
        assert not message.is_renewal

    @pytest.mark.parametrize("cipher", ["3des", "aes128"])
    def test_indefinite_lengths_in_both_layers_and_chunked_strings(self, cipher: str) -> None:
        ca, _ = client.authority()
        keep = {certificate.public_bytes(Encoding.DER) for certificate in (ca, client.throw_away())}
        csr = client.make_csr(client.rsa_key("client"))
        envelope = client.to_ber(client.make_envelope(csr, cipher=cipher), keep=keep)
        message = client.to_ber(client.sign_message(envelope, digest="sha1"), keep=keep)
        assert message[:2] == b"\x30\x80"
        assert open_message(message).challenge_password == "secret"

    @pytest.mark.parametrize("dialect", [{"without_null": True}, {"named_hash": True}, {"unsorted": True}])
    def test_algorithms_without_null_or_with_the_hash_named_and_attributes_in_any_order(
        self, dialect: dict[str, bool]
    ) -> None:
        assert open_message(client.make_request(**dialect)).csr is not None

    @pytest.mark.parametrize("digest", ["sha1", "sha256"])
    def test_an_oaep_envelope(self, digest: str) -> None:
        envelope = client.make_envelope(client.make_csr(client.rsa_key("client")), oaep=digest)
        assert open_message(client.sign_message(envelope)).csr is not None

    def test_an_envelope_that_names_the_ca_by_its_key_identifier(self) -> None:
        envelope = client.make_envelope(client.make_csr(client.rsa_key("client")), by_key_identifier=True)
        assert open_message(client.sign_message(envelope)).csr is not None

    @pytest.mark.parametrize("digest", ["sha1", "sha512"])
    def test_a_csr_signed_with_an_older_or_newer_digest(self, digest: str) -> None:
        envelope = client.make_envelope(client.make_csr(client.rsa_key("client"), digest=digest))
        assert open_message(client.sign_message(envelope)).csr is not None

    @pytest.mark.parametrize("string", [core.PrintableString, core.UTF8String, core.IA5String, core.BMPString])
    def test_a_challenge_in_any_string_type(self, string: type[core.AbstractString]) -> None:
        assert open_message(client.make_request(challenge=string("k9-Zx"))).challenge_password == "k9-Zx"

    def test_a_missing_challenge_is_told_as_none(self) -> None:
        envelope = client.make_envelope(client.make_csr(client.rsa_key("client"), challenge=None))
        assert open_message(client.sign_message(envelope)).challenge_password is None

    def test_an_ec_key_is_certified_when_an_rsa_identity_asks(self) -> None:
        ca, ca_key = client.authority()
        identity = certs.issue_identity(
            ca, ca_key, client.rsa_key("client").public_key(), common_name="d", serial=certs.new_serial()
        )
        envelope = client.make_envelope(client.make_csr(client.ec_key("device")))
        message = open_message(client.sign_message(envelope, signer=identity, message_type=17))
        assert not message.signer_is_self_signed
        assert not message.signer_holds_csr_key

    @pytest.mark.parametrize("number", [17, 18])
    def test_a_renewal_is_signed_by_the_earlier_identity_with_another_key(self, number: int) -> None:
        ca, ca_key = client.authority()
        old_key = client.rsa_key("old")
        identity = certs.issue_identity(
            ca, ca_key, old_key.public_key(), common_name="device", serial=certs.new_serial()
        )
        envelope = client.make_envelope(client.make_csr(client.rsa_key("client")))
        message = open_message(client.sign_message(envelope, key=old_key, signer=identity, message_type=number))
        assert message.is_renewal
        assert message.signer_certificate == identity
        assert not message.signer_is_self_signed

    def test_a_poll_names_issuer_and_subject(self) -> None:
        ca, _ = client.authority()
        issuer = asn1_x509.Name.load(ca.subject.public_bytes())
        subject = asn1_x509.Name.build({"common_name": "device"})
        content = scep.request.IssuerAndSubjectName({"issuer": issuer, "subject": subject}).dump()
        message = open_message(client.sign_message(client.make_envelope(content), message_type=20))
        assert message.message_type is MessageType.CERT_POLL
        assert message.csr is None
        assert message.issuer_and_subject is not None
        assert message.issuer_and_subject.issuer_der == ca.subject.public_bytes()
        assert message.issuer_and_subject.subject_der == subject.dump()

    def test_the_challenge_stays_out_of_the_repr(self) -> None:
        message = open_message(client.make_request(challenge=core.UTF8String("hush-hush")))
        assert "hush-hush" not in repr(message)
        with pytest.raises(dataclasses.FrozenInstanceError):
            message.transaction_id = "other"  # type: ignore[misc]


class TestWhatIsRefused:
    def assert_unreadable(self, error: ScepError) -> None:
        assert error.fail_info is FailInfo.BAD_MESSAGE_CHECK
        assert str(error) == scep.request._UNREADABLE
        assert error.partial is not None
        assert error.partial.sender_nonce == client.NONCE

    def test_a_changed_signature(self) -> None:
        message = client.make_request()
        self.assert_unreadable(refused(flip(message, parts(message)["signer_infos"][0]["signature"].native)))

    def test_a_changed_attribute(self) -> None:
        error = refused(client.make_request(transaction_id="ABCDEFGH").replace(b"ABCDEFGH", b"ABCDEFGI"))
        assert error.fail_info is FailInfo.BAD_MESSAGE_CHECK
        assert error.partial is not None
        assert error.partial.transaction_id == "ABCDEFGI"

    def test_a_changed_envelope(self) -> None:
        message = client.make_request()
        envelope = cms.ContentInfo.load(parts(message)["encap_content_info"]["content"].native)["content"]
        ciphertext = envelope["encrypted_content_info"]["encrypted_content"].native
        self.assert_unreadable(refused(flip(message, ciphertext)))

    def test_a_signed_digest_of_other_content(self) -> None:
        self.assert_unreadable(refused(client.make_request(message_digest=b"\0" * 32)))

    def test_a_signer_certificate_of_another_key(self) -> None:
        self.assert_unreadable(refused(client.make_request(signer=client.throw_away("somebody else"))))

    def test_an_envelope_for_another_ca(self) -> None:
        other, _ = client.authority("other ca")
        envelope = client.make_envelope(client.make_csr(client.rsa_key("client")), recipient=other)
        self.assert_unreadable(refused(client.sign_message(envelope)))

    def test_a_csr_signed_by_another_key(self) -> None:
        csr = client.make_csr(client.rsa_key("client"), signing_key=client.rsa_key("somebody else"))
        self.assert_unreadable(refused(client.sign_message(client.make_envelope(csr))))

    def test_a_csr_signed_with_md5(self) -> None:
        csr = client.make_csr(client.rsa_key("client"), digest="md5")
        self.assert_unreadable(refused(client.sign_message(client.make_envelope(csr))))

    def test_a_changed_csr(self) -> None:
        csr = client.make_csr(client.rsa_key("client")).replace(b"device", b"devicf")
        self.assert_unreadable(refused(client.sign_message(client.make_envelope(csr))))

    def test_a_captured_envelope_signed_by_a_strangers_throw_away_key(self) -> None:
        envelope = client.make_envelope(client.make_csr(client.rsa_key("client")))
        stranger, certificate = client.rsa_key("stranger"), client.throw_away("stranger")
        self.assert_unreadable(refused(client.sign_message(envelope, key=stranger, signer=certificate)))

    @pytest.mark.parametrize(
        "options",
        [{"with_padding": False}, {"content_key": b"short"}, {"content_key": b"k" * 16}, {"content_key": b"k" * 32}],
        ids=["padding", "short key", "key of another cipher", "wrong key"],
    )
    def test_bad_padding_and_bad_keys_look_the_same(self, options: dict[str, object]) -> None:
        content = client.make_csr(client.rsa_key("client")).ljust(1024, b"\0")
        self.assert_unreadable(refused(client.sign_message(client.make_envelope(content, **options))))

    def test_an_envelope_that_does_not_decrypt_at_all(self) -> None:
        message = client.make_request()
        envelope = parts(message)["encap_content_info"]["content"].native
        transport = cms.ContentInfo.load(envelope)["content"]["recipient_infos"][0].chosen["encrypted_key"].native
        self.assert_unreadable(refused(client.sign_message(envelope.replace(transport, b"\0" * len(transport)))))

    def test_content_that_is_no_csr(self) -> None:
        self.assert_unreadable(refused(client.sign_message(client.make_envelope(b"hello"))))

    def test_content_that_is_no_envelope(self) -> None:
        self.assert_unreadable(refused(client.sign_message(client.make_csr(client.rsa_key("client")))))

    def test_a_csr_with_an_unreadable_subject(self) -> None:
        csr = client.make_csr(client.rsa_key("client"), common_name=b"\xff\xfe")
        self.assert_unreadable(refused(client.sign_message(client.make_envelope(csr))))

    def test_a_poll_without_names(self) -> None:
        self.assert_unreadable(refused(client.sign_message(client.make_envelope(b"hello"), message_type=20)))

    def test_the_log_alone_learns_the_reason(self) -> None:
        other, _ = client.authority("other ca")
        envelope = client.make_envelope(client.make_csr(client.rsa_key("client")), recipient=other)
        assert "another certificate" in refused(client.sign_message(envelope)).detail

    def test_a_key_of_1024_bits(self) -> None:
        key = client.rsa_key("small", 1024)
        signer = certs.self_signed("small", key=key)
        envelope = client.make_envelope(client.make_csr(key))
        error = refused(client.sign_message(envelope, key=key, signer=signer))
        assert error.fail_info is FailInfo.BAD_ALG
        assert error.partial is not None
        assert "1024" in error.detail

    def test_a_signer_with_an_ec_key_which_could_not_read_the_answer(self) -> None:
        key = client.ec_key("client")
        signer = certs.self_signed("ec", key=key)
        error = refused(client.sign_message(client.make_envelope(client.make_csr(key)), key=key, signer=signer))
        assert error.fail_info is FailInfo.BAD_ALG
        assert error.partial is not None

    def test_md5(self) -> None:
        error = refused(client.make_request(digest="md5"))
        assert error.fail_info is FailInfo.BAD_ALG
        assert error.partial is not None
        assert error.partial.digest_algorithm == "sha256"

    def test_a_cipher_that_nobody_should_use(self) -> None:
        envelope = client.make_envelope(client.make_csr(client.rsa_key("client")), cipher="aes128")
        ofb = envelope.replace(
            core.ObjectIdentifier("2.16.840.1.101.3.4.1.2").dump(),
            core.ObjectIdentifier("2.16.840.1.101.3.4.1.3").dump(),
        )
        assert refused(client.sign_message(ofb)).fail_info is FailInfo.BAD_ALG

    @pytest.mark.parametrize("number", [3, 21, 22, 99])
    def test_message_types_that_are_not_served(self, number: int) -> None:
        error = refused(client.make_request(message_type=number))
        assert error.fail_info is FailInfo.BAD_REQUEST
        assert error.partial is not None
        assert error.partial.message_type == number


class TestWhatCannotBeAnswered:
    @pytest.mark.parametrize(
        "attribute", [client.CONTENT_TYPE, client.MESSAGE_DIGEST, client.MESSAGE_TYPE, client.TRANSACTION_ID]
    )
    def test_a_message_without_a_needed_attribute(self, attribute: str) -> None:
        assert refused(client.make_request(drop=attribute)).partial is None

    @pytest.mark.parametrize(
        "options",
        [
            {"nonce": None},
            {"nonce": b""},
            {"nonce": b"n" * 65},
            {"transaction_id": ""},
            {"transaction_id": "x" * 256},
            {"transaction_id": "line\nbreak"},
            {"message_type": "PKCSReq"},
            {"message_type": "1900"},
        ],
    )
    def test_attributes_out_of_bounds(self, options: dict[str, object]) -> None:
        assert refused(client.make_request(**options)).partial is None

    def test_a_signer_certificate_with_an_unreadable_name(self) -> None:
        message = client.make_request()
        assert message.count(b"SCEP client") == 3  # subject, issuer and the signer's identifier
        assert refused(message.replace(b"SCEP client", b"SCEP \xff\xfeient")).partial is None

    def test_bytes_that_are_no_cms(self) -> None:
        for message in (b"", b"\x30", b"\x30\x80\0\0", b"hello", client.make_csr(client.rsa_key("client"))):
            assert refused(message).partial is None

    def test_an_envelope_alone(self) -> None:
        assert refused(client.make_envelope(b"hello")).partial is None

    def test_a_message_over_the_limit(self) -> None:
        assert "too large" in str(refused(b"\x30" * (scep.MAX_MESSAGE_BYTES + 1)))

    def test_a_swarm_of_tiny_elements_and_a_very_deep_nest(self) -> None:
        assert refused(core.SequenceOf([core.Null()] * 60_000, spec=core.Null).dump()).partial is None
        nest = b""
        for _ in range(2000):
            nest = core.Asn1Value.load(b"\x30\x00").__class__(contents=nest).dump()
        assert refused(nest).partial is None

    def test_it_is_a_protocol_error(self) -> None:
        assert isinstance(refused(b"hello"), ProtocolError)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_random_bytes_raise_nothing_but_scep_error(message: bytes) -> None:
    refused(message)


@settings(max_examples=300, deadline=None)
@given(position=st.integers(0, 5000), value=st.integers(0, 255), layer=st.sampled_from(["der", "ber", "inner"]))
def test_any_changed_byte_raises_nothing_but_scep_error(position: int, value: int, layer: str) -> None:
    def change(data: bytes) -> bytes:
        at = position % len(data)
        return data[:at] + bytes([value]) + data[at + 1 :]

    if layer == "inner":
        envelope = client.make_envelope(client.make_csr(client.rsa_key("client")))
        message = client.sign_message(change(envelope))
    else:
        message = client.make_request()
        if layer == "ber":
            message = client.to_ber(message, keep={client.throw_away().public_bytes(Encoding.DER)})
        message = change(message)
    with contextlib.suppress(ScepError):  # a byte may be changed into itself, or into another form of the same
        open_message(message)
