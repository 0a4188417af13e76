"""Read a client's pkiMessage: header, signature, envelope, certificate request.

1. The outer SignedData is decoded (BER or DER) and its header read: from here on a failure has an answer in SCEP.
2. The digest of the content and the signature over the signed attributes must verify with the enclosed certificate.
3. The envelope is opened with the CA's key.
4. The certificate request inside must be signed by its own key; that key must be strong enough, and the signer's own
   where the signer is self-signed.

Until 4 has shown that the client itself wrote the content, every failure looks the same from outside.
"""

import hmac
from dataclasses import dataclass

from asn1crypto import cms, core
from asn1crypto import csr as asn1_csr
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from mdm.common.certs import WeakKey, check_key_strength
from mdm.protocol.cms_structures import DIGESTS, MALFORMED, load_content_info, names
from mdm.protocol.envelope import UnsupportedEnvelope, open_envelope
from mdm.protocol.scep.messages import (
    AttributeOid,
    FailInfo,
    IssuerAndSubject,
    MessageType,
    PkiMessage,
    RequestHeader,
    ScepError,
    is_self_issued,
)
from mdm.protocol.scep.structures import IssuerAndSubjectName
from mdm.protocol.scep.transport import MAX_MESSAGE_BYTES

_MAX_TRANSACTION_ID_CHARS = 255
_MAX_NONCE_BYTES = 64  # RFC 8894 says 16
_MAX_CHALLENGE_CHARS = 1024
_CHALLENGE_OID = "1.2.840.113549.1.9.7"
_CSR_TYPES = {MessageType.PKCS_REQ, MessageType.RENEWAL_REQ, MessageType.UPDATE_REQ}
_SERVED_TYPES = _CSR_TYPES | {MessageType.CERT_POLL}
_UNREADABLE = "The message cannot be opened: it was altered, or is meant for another certificate authority."


@dataclass(frozen=True)
class _SignedMessage:
    """The outer layer, decoded but not verified.

    signed_forms are the encodings of the signed attributes that the signature may cover; signature_hash is None when
    the signature algorithm leaves it to the digest algorithm.
    """

    content: bytes
    content_type: str
    message_digest: bytes
    digest_name: str
    signature_scheme: str
    signature_hash: str | None
    signature: bytes
    signed_forms: tuple[bytes, ...]


def open_pki_message(der: bytes, *, ca_certificate: x509.Certificate, ca_key: rsa.RSAPrivateKey) -> PkiMessage:
    """Read and verify a request addressed to the CA.

    Who may have a certificate is left to the caller: see `PkiMessage.signer_is_self_signed`.
    Raises ScepError and nothing else. Source: RFC 8894, sections 3.1 to 3.3.
    """
    header, signed = _read_outer(der)
    _verify_signature(header, signed)
    if header.message_type not in _SERVED_TYPES:
        detail = f"Message type {header.message_type} is not served."
        raise ScepError("This type of message is not served.", partial=header, detail=detail)
    encryption, plaintext = _decrypt(header, signed.content, ca_certificate, ca_key)
    csr = challenge = wanted = None
    if header.message_type in _CSR_TYPES:
        csr, challenge = _read_csr(header, plaintext)
    else:
        wanted = _read_issuer_and_subject(header, plaintext)
    return PkiMessage(
        message_type=MessageType(header.message_type),
        transaction_id=header.transaction_id,
        sender_nonce=header.sender_nonce,
        signer_certificate=header.signer_certificate,
        digest_algorithm=header.digest_algorithm,
        content_encryption=encryption,
        csr=csr,
        challenge_password=challenge,
        issuer_and_subject=wanted,
    )


def _read_outer(der: bytes) -> tuple[RequestHeader, _SignedMessage]:
    if len(der) > MAX_MESSAGE_BYTES:
        raise ScepError("The SCEP message is too large.")
    try:
        return _decode_outer(der)
    except MALFORMED as error:
        raise ScepError("This is no SCEP message.", detail=f"Not a readable SCEP message: {error}"[:500]) from error


def _decode_outer(der: bytes) -> tuple[RequestHeader, _SignedMessage]:
    info = load_content_info(der)
    if info["content_type"].native != "signed_data":
        raise ValueError("not SignedData")
    data = info["content"]
    if len(data["signer_infos"]) != 1:
        raise ValueError("not exactly one signer")
    signer = data["signer_infos"][0]
    attributes = _attributes(signer["signed_attrs"])
    algorithm, digest_name = signer["signature_algorithm"], signer["digest_algorithm"]["algorithm"].native
    scheme = algorithm.signature_algo
    attribute_set = signer["signed_attrs"].untag()
    signed = _SignedMessage(
        content=_content(data["encap_content_info"]["content"]),
        content_type=attributes[AttributeOid.CONTENT_TYPE].native,
        message_digest=bytes(attributes[AttributeOid.MESSAGE_DIGEST]),
        digest_name=digest_name,
        signature_scheme=scheme,
        signature_hash=None if algorithm["algorithm"].native in ("rsassa_pkcs1v15", "ecdsa") else algorithm.hash_algo,
        signature=bytes(signer["signature"]),
        # The signature covers the DER form, but some clients sign what they send, in their own order.
        signed_forms=(attribute_set.dump(), attribute_set.dump(force=True)),
    )
    header = RequestHeader(
        message_type=_message_type(attributes[AttributeOid.MESSAGE_TYPE].native),
        transaction_id=_transaction_id(attributes[AttributeOid.TRANSACTION_ID].native),
        sender_nonce=_nonce(bytes(attributes[AttributeOid.SENDER_NONCE])),
        signer_certificate=_signer_certificate(data["certificates"], signer["sid"]),
        digest_algorithm=digest_name if digest_name in DIGESTS else "sha256",
    )
    return header, signed


def _attributes(signed_attributes: cms.CMSAttributes) -> dict[str, core.Asn1Value]:
    """The single value of each attribute by dotted OID; an attribute with several values, or sent twice, is refused."""
    found: dict[str, core.Asn1Value] = {}
    for attribute in signed_attributes:
        oid, values = attribute["type"].dotted, attribute["values"]
        if oid in found or len(values) != 1:
            raise ValueError("an ambiguous attribute")
        found[oid] = values[0].parse() if isinstance(values[0], core.Any) else values[0]
    return found


def _content(content: core.Asn1Value) -> bytes:
    if not isinstance(content, core.OctetString | core.ParsableOctetString):
        raise TypeError("no signed content")
    return bytes(content)


def _message_type(value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= 3):
        raise ValueError("the message type is no number")
    return int(value)


def _transaction_id(value: str) -> str:
    if not (0 < len(value) <= _MAX_TRANSACTION_ID_CHARS and value.isascii() and value.isprintable()):
        raise ValueError("the transaction id is empty, too long or not printable")
    return value


def _nonce(value: bytes) -> bytes:
    if not 0 < len(value) <= _MAX_NONCE_BYTES:
        raise ValueError("the sender nonce is empty or too long")
    return value


def _signer_certificate(certificates: cms.CertificateSet, identifier: cms.SignerIdentifier) -> x509.Certificate:
    for choice in certificates:
        if choice.name == "certificate" and names(identifier, choice.chosen):
            certificate = x509.load_der_x509_certificate(choice.chosen.dump())
            is_self_issued(certificate)  # names are decoded at first use: unreadable ones must fail here, not later
            return certificate
    raise ValueError("the signer's certificate is not enclosed")


def _verify_signature(header: RequestHeader, signed: _SignedMessage) -> None:
    digest, hash_name = DIGESTS.get(signed.digest_name), signed.signature_hash or signed.digest_name
    signature_hash = DIGESTS.get(hash_name)
    if digest is None or signature_hash is None or signed.signature_scheme != "rsassa_pkcs1v15":
        detail = f"Digest {signed.digest_name}, signature {signed.signature_scheme} with {hash_name}."
        raise _unsupported(header, "The signature algorithm is not supported.", detail)
    try:
        public_key = header.signer_certificate.public_key()
    except MALFORMED as error:
        raise _unsupported(header, "The signer's key is not supported.", str(error)) from error
    if not isinstance(public_key, rsa.RSAPublicKey):
        # Besides, the answer has to be encrypted to this key.
        raise _unsupported(header, "The signer's certificate must have an RSA key.", type(public_key).__name__)
    hasher = hashes.Hash(digest)
    hasher.update(signed.content)
    if signed.content_type != "data" or not hmac.compare_digest(hasher.finalize(), signed.message_digest):
        raise _unreadable(header, "The content does not match its signed digest or type.")
    if not any(_verifies(public_key, signed.signature, form, signature_hash) for form in signed.signed_forms):
        raise _unreadable(header, "The signature does not verify with the signer's certificate.")


def _verifies(key: rsa.RSAPublicKey, signature: bytes, data: bytes, algorithm: hashes.HashAlgorithm) -> bool:
    try:
        key.verify(signature, data, padding.PKCS1v15(), algorithm)
    except InvalidSignature:
        return False
    return True


def _decrypt(
    header: RequestHeader, content: bytes, ca_certificate: x509.Certificate, ca_key: rsa.RSAPrivateKey
) -> tuple[str, bytes]:
    try:
        return open_envelope(content, certificate=ca_certificate, private_key=ca_key)
    except UnsupportedEnvelope as error:
        raise _unsupported(header, "The envelope's encryption is not supported.", str(error)) from error
    except MALFORMED as error:
        raise _unreadable(header, f"The envelope does not open: {error}") from error


def _read_csr(header: RequestHeader, der: bytes) -> tuple[x509.CertificateSigningRequest, str | None]:
    """The request and its challenge, after proof of possession and the key's own checks."""
    try:
        csr = x509.load_der_x509_csr(der)
        public_key, is_signed_by_it = csr.public_key(), _proves_possession(csr)
        challenge, _subject = _challenge_password(der), csr.subject  # decoded here, so that no caller meets a bad one
    except MALFORMED as error:
        raise _unreadable(header, f"The certificate request is malformed: {error}") from error
    if not is_signed_by_it:
        raise _unreadable(header, "The certificate request is not signed by its own key.")
    signer = header.signer_certificate
    if is_self_issued(signer) and signer.public_key() != public_key:
        raise _unreadable(header, "The self-signed signer does not hold the key of the certificate request.")
    try:
        check_key_strength(public_key)
    except WeakKey as error:
        raise _unsupported(header, "The requested key is too weak or of an unsupported kind.", str(error)) from error
    return csr, challenge


def _proves_possession(csr: x509.CertificateSigningRequest) -> bool:
    """Whether the CSR is signed by its own key; unlike `csr.is_signature_valid` this takes SHA-1 from older clients."""
    key, parameters, algorithm = csr.public_key(), csr.signature_algorithm_parameters, csr.signature_hash_algorithm
    if algorithm is None or algorithm.name not in DIGESTS:
        return False
    try:
        if isinstance(key, rsa.RSAPublicKey) and isinstance(parameters, padding.PKCS1v15 | padding.PSS):
            key.verify(csr.signature, csr.tbs_certrequest_bytes, parameters, algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey) and isinstance(parameters, ec.ECDSA):
            key.verify(csr.signature, csr.tbs_certrequest_bytes, parameters)
        else:
            return False
    except InvalidSignature:
        return False
    return True


def _challenge_password(der: bytes) -> str | None:
    """The challengePassword attribute, in any of the string types that clients use; None when absent or empty."""
    attributes = asn1_csr.CertificationRequest.load(der)["certification_request_info"]["attributes"]
    if isinstance(attributes, core.Void):
        return None
    # Read as plain attributes: asn1crypto's own type for this one knows no IA5String.
    for attribute in asn1_csr.SetOfAttributes.load(attributes.untag().dump()):
        if attribute["type"].dotted != _CHALLENGE_OID:
            continue
        value = attribute["values"][0].parse().native
        if not isinstance(value, str) or len(value) > _MAX_CHALLENGE_CHARS:
            raise ValueError("the challenge is no string, or too long")
        return value or None
    return None


def _read_issuer_and_subject(header: RequestHeader, der: bytes) -> IssuerAndSubject:
    try:
        parsed = IssuerAndSubjectName.load(der)
        return IssuerAndSubject(parsed["issuer"].dump(), parsed["subject"].dump())
    except MALFORMED as error:
        raise _unreadable(header, f"The poll's names are malformed: {error}") from error


def _unreadable(header: RequestHeader, detail: str) -> ScepError:
    return ScepError(_UNREADABLE, fail_info=FailInfo.BAD_MESSAGE_CHECK, partial=header, detail=detail[:500])


def _unsupported(header: RequestHeader, message: str, detail: str) -> ScepError:
    return ScepError(message, fail_info=FailInfo.BAD_ALG, partial=header, detail=detail[:500])
