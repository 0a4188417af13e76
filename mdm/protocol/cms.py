"""Signatures in Cryptographic Message Syntax: those of devices over their messages, ours over configuration profiles.

Devices send BER with indefinite lengths as well as DER, so asn1crypto reads the structure and `cryptography` verifies.
Who may sign is decided elsewhere: a Signer only says which certificate did.
Source: RFC 5652; Apple, "MDM" (payload), SignMessage.
"""

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from asn1crypto import cms, core, parser
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs7

from mdm.protocol.errors import BadSignature
from mdm.protocol.signed_data import (
    CONTEXT,
    SEQUENCE,
    SET,
    UNIVERSAL,
    UNREADABLE,
    Element,
    SignedData,
    children,
    has_tag,
    octets,
    read_signed_data,
)

MAX_HEADER = 64 * 1024
MAX_CERTIFICATES = 10
CACHED_CERTIFICATES = 8192

_CONTENT_TYPE = core.ObjectIdentifier("1.2.840.113549.1.9.3").contents
_MESSAGE_DIGEST = core.ObjectIdentifier("1.2.840.113549.1.9.4").contents


@dataclass(frozen=True, slots=True)
class Signer:
    """The certificate whose key signed; fingerprint: SHA-256 of the DER in lower-case hex."""

    certificate_der: bytes = field(repr=False)
    fingerprint: str


def verify_mdm_signature(header: str, body: bytes) -> Signer:
    """Check the Mdm-Signature header of a device: base64 of a detached signature over the body. Raises BadSignature.

    On the path of every device request.
    """
    if len(header) > MAX_HEADER:
        raise BadSignature(f"The signature header is longer than {MAX_HEADER} characters.")
    try:
        encoded = base64.b64decode("".join(header.split()), validate=True)
    except ValueError as error:
        raise BadSignature("The signature header is not base64.") from error
    signed = read_signed_data(encoded)
    if signed.content and signed.content != body:
        raise BadSignature("The signature contains other content than the message.")
    return _verify(signed, body)


def open_signed(encoded: bytes) -> tuple[bytes, Signer]:
    """The content inside a signed message (BER or DER) and who signed it. Raises BadSignature."""
    signed = read_signed_data(encoded)
    if signed.content is None:
        raise BadSignature("The signed message has no content inside.")
    return signed.content, _verify(signed, signed.content)


def sign(
    content: bytes,
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    certificate: x509.Certificate,
    chain: Iterable[x509.Certificate] = (),
) -> bytes:
    """A DER signed message with the content inside, SHA-256, and the chain's certificates beside the signer's."""
    builder = pkcs7.PKCS7SignatureBuilder().set_data(content).add_signer(certificate, key, hashes.SHA256())
    for issuer in chain:
        builder = builder.add_certificate(issuer)
    # Without Binary the line ends of the content would be rewritten as in e-mail.
    return builder.sign(serialization.Encoding.DER, [pkcs7.PKCS7Options.Binary, pkcs7.PKCS7Options.NoCapabilities])


class _Certificate(NamedTuple):
    certificate: x509.Certificate
    public_key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey
    fingerprint: str
    serial: bytes
    issuer: bytes


@lru_cache(maxsize=CACHED_CERTIFICATES)
def _certificate(der: bytes) -> _Certificate:
    """What the hot path needs of a certificate, parsed once. Raises BadSignature."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        public_key = certificate.public_key()
        fields = children(children(parser.parse(der, strict=True)[4])[0].contents)
    except UNREADABLE as error:
        raise BadSignature("A certificate of the signature cannot be read.") from error
    if not isinstance(public_key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise BadSignature("A certificate of the signature has neither an RSA nor an elliptic-curve key.")
    # TBSCertificate: [0] version, left out in version 1; then serial number, algorithm, issuer.
    serial, _, issuer = fields[1:4] if fields[0].class_ == CONTEXT else fields[:3]
    return _Certificate(certificate, public_key, hashlib.sha256(der).hexdigest(), serial.contents, issuer.encoded)


def _verify(signed: SignedData, content: bytes) -> Signer:
    der = _signer_certificate(signed)
    certificate = _certificate(der)
    try:
        for data in _signed_bytes(signed, content):
            if signed.algorithm.verifies(certificate.public_key, signed.signature, data, signed.digest):
                return Signer(der, certificate.fingerprint)
    except UNREADABLE as error:
        raise BadSignature("The signature cannot be checked.") from error
    raise BadSignature("The signature does not fit the message and the signer's certificate.")


def _signer_certificate(signed: SignedData) -> bytes:
    """The DER of the certificate that the SignerInfo points to, by issuer and serial number or by key identifier."""
    if len(signed.certificates) > MAX_CERTIFICATES:
        raise BadSignature(f"The signature carries more than {MAX_CERTIFICATES} certificates.")
    matches = _matches_issuer_and_serial if has_tag(signed.signer_id, SEQUENCE) else _matches_key_identifier
    for der in signed.certificates:
        try:
            if matches(signed.signer_id, _certificate(der)):
                return der
        except UNREADABLE as error:
            raise BadSignature("The signature does not name its signer readably.") from error
    raise BadSignature("The signature does not carry the certificate of its signer.")


def _matches_issuer_and_serial(signer_id: Element, certificate: _Certificate) -> bool:
    issuer, serial = children(signer_id.contents)
    if serial.contents != certificate.serial:
        return False
    # The name may be written differently (BER, another string type) and still be the same.
    return issuer.encoded == certificate.issuer or _name(issuer.encoded) == _name(certificate.issuer)


def _name(encoded: bytes) -> asn1_x509.Name:
    # Not Name.load(): asn1crypto loses the end of a CHOICE that has an indefinite length.
    return asn1_x509.Name("", asn1_x509.RDNSequence.load(encoded))


def _matches_key_identifier(signer_id: Element, certificate: _Certificate) -> bool:
    try:
        extension = certificate.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        identifier = x509.SubjectKeyIdentifier.from_public_key(certificate.public_key).digest
    else:
        identifier = extension.value.digest
    return octets(signer_id) == identifier


def _signed_bytes(signed: SignedData, content: bytes) -> Iterable[bytes]:
    """What the signature may be over: the content, or its signed attributes as a SET (RFC 5652, section 5.4)."""
    if signed.attributes is None:
        yield content
        return
    attributes = signed.attributes
    _check_attributes(signed, content)
    as_sent = parser.emit(UNIVERSAL, 1, SET, attributes.contents)
    if not attributes.trailer:
        yield as_sent
    # Sent in BER or in another order than DER's, but signed in DER.
    in_der = cms.CMSAttributes.load(as_sent).dump(force=True)
    if in_der != as_sent or attributes.trailer:
        yield in_der


def _check_attributes(signed: SignedData, content: bytes) -> None:
    values: dict[bytes, Element] = {}
    for attribute in children(signed.attributes.contents):
        kind, members = children(attribute.contents)
        if kind.contents in (_CONTENT_TYPE, _MESSAGE_DIGEST):
            if kind.contents in values:
                raise BadSignature("The signature has a signed attribute twice.")
            (values[kind.contents],) = children(members.contents)
    if _CONTENT_TYPE not in values or values[_CONTENT_TYPE].contents != signed.content_type:
        raise BadSignature("The signed content type is missing or another one.")
    digest = hashlib.new(signed.digest.name, content).digest()
    if _MESSAGE_DIGEST not in values or octets(values[_MESSAGE_DIGEST]) != digest:
        raise BadSignature("The signed digest does not fit the message.")
