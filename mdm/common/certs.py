"""X.509 for the whole server: keys, certificate authorities, identities, and questions about certificates.

Pure Python on `cryptography`; nothing here touches the database, files or the network.
"""

import datetime as dt
import hashlib

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

CLOCK_SKEW = dt.timedelta(
    hours=1
)  # a device that has not met a time server yet must not find its certificate "not yet valid"
PUSH_TOPIC_PREFIX = "com.apple.mgmt."

_MIN_RSA_BITS = 2048
_MAX_RSA_BITS = 8192  # larger ones only cost us time at every signature
_MIN_RSA_EXPONENT = 65537
_MAX_RSA_EXPONENT = 2**32
_CURVES = {"secp256r1", "secp384r1", "secp521r1"}
_MAX_NAME_BYTES = 64  # X.520's bound for common name and organization, which `cryptography` counts in UTF-8


class WeakKey(ValueError):
    """A public key that is too small, oddly made, or of a type nothing here can use."""


def new_rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """A new RSA key with the usual exponent."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def key_to_pem(key: PrivateKey) -> bytes:
    """PKCS#8 PEM without a passphrase: encrypting it at rest is the caller's duty."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def key_from_pem(pem: bytes, password: bytes | None = None) -> PrivateKey:
    """Load an RSA or EC private key; ValueError for anything else or a wrong passphrase."""
    try:
        key = load_pem_private_key(pem, password)
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        # TypeError: a passphrase is missing, or given for nothing.
        raise ValueError("The private key cannot be read: wrong passphrase or unsupported type.") from error
    if not isinstance(key, PrivateKey):
        raise ValueError("Only RSA and EC private keys are supported.")
    return key


def new_serial() -> int:
    """A random positive serial number of up to 159 bits (RFC 5280, section 4.1.2.2 allows 20 octets)."""
    return x509.random_serial_number()


def create_ca(common_name: str, *, organization: str, key: rsa.RSAPrivateKey, days: int = 3650) -> x509.Certificate:
    """A self-signed CA certificate for `key`.

    RSA only, and with keyEncipherment: the same certificate receives SCEP envelopes and signs their answers.
    Names longer than X.520 allows are cut.
    """
    name = _name(common_name, organization)
    builder = _builder(name, name, key.public_key(), new_serial(), days)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    usage = _key_usage(key_encipherment=True, signs_certificates=True)
    return builder.add_extension(usage, critical=True).sign(key, hashes.SHA256())


def issue_identity(
    ca_certificate: x509.Certificate,
    ca_key: PrivateKey,
    public_key: PublicKey,
    *,
    common_name: str,
    serial: int,
    organization: str = "",
    days: int = 365,
) -> x509.Certificate:
    """A device's identity certificate: client authentication only, never a CA, not valid beyond its CA."""
    builder = _builder(
        _name(common_name, organization),
        ca_certificate.subject,
        public_key,
        serial,
        days,
        until=not_after(ca_certificate),
    )
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    # Renewal answers are encrypted to this key, so an RSA identity may take key encipherment.
    usage = _key_usage(key_encipherment=isinstance(public_key, rsa.RSAPublicKey))
    builder = builder.add_extension(usage, critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    builder = builder.add_extension(_authority_identifier(ca_certificate), critical=False)
    return builder.sign(ca_key, hashes.SHA256())


def fit_name(text: str, max_bytes: int = _MAX_NAME_BYTES) -> str:
    """The text, cut so that it may stand in a certificate's name; no character is cut in half."""
    return text.encode()[:max_bytes].decode(errors="ignore")


def self_signed(common_name: str, *, key: PrivateKey, organization: str = "", days: int = 365) -> x509.Certificate:
    """A certificate that only carries a public key: for Apple's token encryption, or throw-away SCEP signers."""
    name = _name(common_name, organization)
    builder = _builder(name, name, key.public_key(), new_serial(), days)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    usage = _key_usage(key_encipherment=isinstance(key, rsa.RSAPrivateKey))
    return builder.add_extension(usage, critical=True).sign(key, hashes.SHA256())


def fingerprint(certificate: bytes | x509.Certificate) -> str:
    """SHA-256 over the DER form, lowercase hex; takes DER bytes or a certificate."""
    der = certificate if isinstance(certificate, bytes) else certificate.public_bytes(Encoding.DER)
    return hashlib.sha256(der).hexdigest()


def push_topic(certificate: x509.Certificate) -> str | None:
    """The APNs topic of an MDM push certificate (`com.apple.mgmt.External.…`, the subject's UID), None on any other."""
    for attribute in certificate.subject.get_attributes_for_oid(NameOID.USER_ID):
        if isinstance(attribute.value, str) and attribute.value.startswith(PUSH_TOPIC_PREFIX):
            return attribute.value
    return None


def not_before(certificate: x509.Certificate) -> dt.datetime:
    """Start of validity, aware UTC."""
    return certificate.not_valid_before_utc


def not_after(certificate: x509.Certificate) -> dt.datetime:
    """End of validity, aware UTC."""
    return certificate.not_valid_after_utc


def load_certificate(data: bytes) -> x509.Certificate:
    """One certificate from PEM (the first, if several) or DER; ValueError when it is neither."""
    try:
        if b"-----BEGIN" in data:
            return x509.load_pem_x509_certificate(data)
        return x509.load_der_x509_certificate(data)
    except x509.InvalidVersion as error:
        raise ValueError("The certificate has a version that does not exist.") from error


def is_issued_by(certificate: x509.Certificate, ca: x509.Certificate) -> bool:
    """Whether `ca`'s name and key signed the certificate; says nothing about dates, revocation or extensions."""
    try:
        certificate.verify_directly_issued_by(ca)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def check_key_strength(public_key: object) -> PublicKey:
    """Return the key if a device may have it, raise WeakKey otherwise.

    RSA of 2048 to 8192 bits with an odd exponent from 65537 up, or EC on P-256, P-384 or P-521.
    """
    if isinstance(public_key, rsa.RSAPublicKey):
        exponent = public_key.public_numbers().e
        if not _MIN_RSA_BITS <= public_key.key_size <= _MAX_RSA_BITS:
            raise WeakKey(f"An RSA key must have {_MIN_RSA_BITS} to {_MAX_RSA_BITS} bits, not {public_key.key_size}.")
        if exponent % 2 == 0 or not _MIN_RSA_EXPONENT <= exponent < _MAX_RSA_EXPONENT:
            raise WeakKey("The RSA key has an unusual public exponent.")
        return public_key
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        if public_key.curve.name not in _CURVES:
            raise WeakKey(f"The curve {public_key.curve.name} is not supported.")
        return public_key
    raise WeakKey("Only RSA and EC public keys are supported.")


def matches(certificate: x509.Certificate, key: PrivateKey) -> bool:
    """Whether the certificate carries the private key's public half."""
    return _spki(certificate.public_key()) == _spki(key.public_key())


def _spki(public_key: PublicKey) -> bytes:
    return public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _name(common_name: str, organization: str) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, fit_name(common_name))]
    if organization:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, fit_name(organization)))
    return x509.Name(attributes)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: PublicKey,
    serial: int,
    days: int,
    *,
    until: dt.datetime | None = None,
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    end = now + dt.timedelta(days=days)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(serial)
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(min(end, until) if until else end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _key_usage(*, key_encipherment: bool, signs_certificates: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=key_encipherment,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _authority_identifier(ca_certificate: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    """Point at the CA by its own identifier; an imported CA may have none, then by its key's digest."""
    try:
        identifier = ca_certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_certificate.public_key())
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
