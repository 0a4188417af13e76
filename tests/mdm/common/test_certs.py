"""Keys and certificates: what is made, and what is said about what others made."""

import datetime as dt
import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mdm.common import certs
from tests.mdm.protocol.scep_client import authority, ec_key, rsa_key


def issue(**options: object) -> x509.Certificate:
    ca, key = authority()
    values = {"common_name": "device", "serial": certs.new_serial()} | options
    return certs.issue_identity(ca, key, rsa_key("client").public_key(), **values)


def usage(certificate: x509.Certificate) -> x509.KeyUsage:
    return certificate.extensions.get_extension_for_class(x509.KeyUsage).value


def common_name(certificate: x509.Certificate) -> str:
    return certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value


class TestCertificateAuthority:
    def test_it_signs_certificates_and_receives_envelopes(self) -> None:
        ca, key = authority()
        assert certs.matches(ca, key)
        assert certs.is_issued_by(ca, ca)
        constraints = ca.extensions.get_extension_for_class(x509.BasicConstraints)
        assert constraints.critical
        assert constraints.value.ca
        bits = usage(ca)
        assert bits.key_cert_sign
        assert bits.crl_sign
        assert bits.digital_signature
        assert bits.key_encipherment

    def test_it_is_valid_now_and_for_the_days_asked(self) -> None:
        ca = certs.create_ca("ca", organization="org", key=rsa_key("ca"), days=10)
        now = dt.datetime.now(dt.UTC)
        assert certs.not_before(ca) < now < certs.not_after(ca) <= now + dt.timedelta(days=10)
        assert certs.not_before(ca).tzinfo is not None

    def test_long_names_are_cut_to_what_x509_allows(self) -> None:
        ca = certs.create_ca("c" * 100, organization="ö" * 100, key=rsa_key("ca"))
        assert common_name(ca) == "c" * 64


class TestIdentity:
    def test_it_is_for_client_authentication_and_no_ca(self) -> None:
        identity = issue(organization="Acme")
        usages = identity.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert list(usages) == [ExtendedKeyUsageOID.CLIENT_AUTH]
        assert not identity.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        assert not usage(identity).key_cert_sign
        assert usage(identity).key_encipherment
        assert identity.subject.rfc4514_string() == "O=Acme,CN=device"

    def test_it_points_at_its_ca(self) -> None:
        ca, _ = authority()
        identity = issue()
        assert certs.is_issued_by(identity, ca)
        assert not certs.is_issued_by(identity, authority("other ca")[0])
        authority_id = identity.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
        subject_id = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        assert authority_id.key_identifier == subject_id.digest

    def test_it_points_at_an_imported_ca_without_a_key_identifier(self) -> None:
        key, name = rsa_key("bare"), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bare")])
        now = dt.datetime.now(dt.UTC)
        ca = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + dt.timedelta(days=1)).sign(
            key, hashes.SHA256()
        )
        identity = certs.issue_identity(ca, key, rsa_key("client").public_key(), common_name="d", serial=5)
        assert certs.is_issued_by(identity, ca)
        assert identity.serial_number == 5

    def test_it_never_outlives_its_ca(self) -> None:
        ca, _ = authority()
        assert certs.not_after(issue(days=100_000)) == certs.not_after(ca)

    def test_an_ec_identity_takes_no_key_encipherment(self) -> None:
        ca, key = authority()
        identity = certs.issue_identity(ca, key, ec_key("device").public_key(), common_name="d", serial=7)
        assert not usage(identity).key_encipherment

    def test_a_forged_issuer_name_is_not_an_issue(self) -> None:
        impostor_key = rsa_key("impostor")
        impostor = certs.create_ca("Test ca", organization="Tests", key=impostor_key)
        assert impostor.subject == authority()[0].subject
        forged = certs.issue_identity(impostor, impostor_key, rsa_key("client").public_key(), common_name="d", serial=9)
        assert not certs.is_issued_by(forged, authority()[0])


def test_serials_are_positive_random_and_short_enough() -> None:
    serials = {certs.new_serial() for _ in range(1000)}
    assert len(serials) == 1000
    assert all(0 < serial < 2**159 for serial in serials)


def test_a_self_signed_certificate_is_no_ca() -> None:
    certificate = certs.self_signed("dep", key=rsa_key("client"), days=3)
    assert certs.is_issued_by(certificate, certificate)
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert usage(certificate).key_encipherment
    assert not usage(certs.self_signed("ec", key=ec_key("client"))).key_encipherment


class TestPem:
    @pytest.mark.parametrize("key", [rsa_key("client"), ec_key("client")], ids=["rsa", "ec"])
    def test_keys_survive_the_round_trip(self, key: certs.PrivateKey) -> None:
        assert certs.key_from_pem(certs.key_to_pem(key)).public_key() == key.public_key()

    def test_a_passphrase_is_needed_right_and_only_where_there_is_one(self) -> None:
        key = rsa_key("client")
        locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"open"))
        assert certs.key_from_pem(locked, b"open").public_key() == key.public_key()
        for pem, password in ((locked, None), (locked, b"wrong"), (certs.key_to_pem(key), b"open"), (b"x", None)):
            with pytest.raises(ValueError, match=r"(?i)private key|password|PEM"):
                certs.key_from_pem(pem, password)

    def test_other_kinds_of_key_are_refused(self) -> None:
        pem = ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        with pytest.raises(ValueError, match="RSA and EC"):
            certs.key_from_pem(pem)

    def test_certificates_load_from_pem_and_der(self) -> None:
        first = authority()[0]
        pem = first.public_bytes(Encoding.PEM)
        assert certs.load_certificate(pem) == first
        assert certs.load_certificate(first.public_bytes(Encoding.DER)) == first
        with pytest.raises(ValueError, match=r"(?i)pars|PEM"):
            certs.load_certificate(b"nothing")


def test_the_fingerprint_is_lowercase_sha256_of_the_der() -> None:
    ca, _ = authority()
    der = ca.public_bytes(Encoding.DER)
    assert certs.fingerprint(ca) == certs.fingerprint(der) == hashlib.sha256(der).hexdigest()


@pytest.mark.parametrize(
    ("user_id", "topic"),
    [
        ("com.apple.mgmt.External.6a53-11", "com.apple.mgmt.External.6a53-11"),
        ("com.example.app", None),
        (None, None),
    ],
)
def test_the_topic_of_a_push_certificate_is_its_user_id(user_id: str | None, topic: str | None) -> None:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, "APSP:1")]
    if user_id:
        attributes.append(x509.NameAttribute(NameOID.USER_ID, user_id))
    name, key, now = x509.Name(attributes), rsa_key("client"), dt.datetime.now(dt.UTC)
    certificate = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + dt.timedelta(days=1)).sign(
        key, hashes.SHA256()
    )
    assert certs.push_topic(certificate) == topic


def test_a_certificate_matches_its_own_key_only() -> None:
    ca, key = authority()
    assert certs.matches(ca, key)
    assert not certs.matches(ca, rsa_key("client"))
    assert not certs.matches(ca, ec_key("client"))


class TestKeyStrength:
    @pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
    def test_common_curves_are_accepted(self, curve: ec.EllipticCurve) -> None:
        key = ec.generate_private_key(curve).public_key()
        assert certs.check_key_strength(key) is key

    def test_rsa_of_2048_bits_is_accepted(self) -> None:
        key = rsa_key("client").public_key()
        assert certs.check_key_strength(key) is key

    def test_small_rsa_is_refused(self) -> None:
        with pytest.raises(certs.WeakKey, match="1024"):
            certs.check_key_strength(rsa_key("small", 1024).public_key())

    @pytest.mark.parametrize("exponent", [3, 17, 2**32 + 15])
    def test_unusual_exponents_are_refused(self, exponent: int) -> None:
        modulus = rsa_key("client").public_key().public_numbers().n
        with pytest.raises(certs.WeakKey, match="exponent"):
            certs.check_key_strength(rsa.RSAPublicNumbers(exponent, modulus).public_key())

    def test_huge_rsa_is_refused(self) -> None:
        with pytest.raises(certs.WeakKey, match="bits"):
            certs.check_key_strength(rsa.RSAPublicNumbers(65537, 2**16383 + 1).public_key())

    @pytest.mark.parametrize(
        "key",
        [
            ec.generate_private_key(ec.SECP256K1()).public_key(),
            ed25519.Ed25519PrivateKey.generate().public_key(),
            dsa.generate_private_key(2048).public_key(),
            None,
        ],
        ids=["secp256k1", "ed25519", "dsa", "nothing"],
    )
    def test_other_types_are_refused(self, key: object) -> None:
        with pytest.raises(certs.WeakKey):
            certs.check_key_strength(key)
