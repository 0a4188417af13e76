"""CMS as a device reads and writes it (RFC 5652): SignedData and EnvelopedData over asn1crypto and cryptography.

Attributes are handled by their dotted OID with classes of our own: asn1crypto keeps its names in tables that any
other code of the process may extend, and a virtual device must not depend on who did.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass

from asn1crypto import cms, core
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives import padding as block_padding
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from mdm.virtual.errors import CmsError
from mdm.virtual.keys import Identity

CONTENT_TYPE, MESSAGE_DIGEST = "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4"
DATA, SIGNED_DATA, ENVELOPED_DATA = "1.2.840.113549.1.7.1", "1.2.840.113549.1.7.2", "1.2.840.113549.1.7.3"
HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "1.3.14.3.2.26": hashes.SHA1,
    "2.16.840.1.101.3.4.2.1": hashes.SHA256,
    "2.16.840.1.101.3.4.2.2": hashes.SHA384,
    "2.16.840.1.101.3.4.2.3": hashes.SHA512,
}
# name → (OID, key bytes, block bytes). Single DES is 3DES with one key three times.
CIPHERS: dict[str, tuple[str, int, int]] = {
    "des": ("1.3.14.3.2.7", 8, 8),
    "3des": ("1.2.840.113549.3.7", 24, 8),
    "aes128": ("2.16.840.1.101.3.4.1.2", 16, 16),
    "aes192": ("2.16.840.1.101.3.4.1.22", 24, 16),
    "aes256": ("2.16.840.1.101.3.4.1.42", 32, 16),
}


class Attribute(core.Sequence):
    _fields = [("type", core.ObjectIdentifier), ("values", cms.SetOfAny)]


class Attributes(core.SetOf):
    _child_spec = Attribute


@dataclass(frozen=True)
class Opened:
    """A verified SignedData: content (None when detached), dotted attribute OIDs → value, all certificates, signer."""

    content: bytes | None
    attributes: dict[str, core.Asn1Value]
    certificates: list[x509.Certificate]
    signer: x509.Certificate | None


def sign(
    content: bytes,
    identity: Identity,
    *,
    digest: str = "sha256",
    attributes: dict[str, core.Asn1Value] | None = None,
    detached: bool = False,
    signed_attributes: bool = True,
) -> bytes:
    """DER SignedData over `content` with the signer's certificate inside; RSA keys only.

    Without signed attributes the signature is over the content itself, as old iPhones do it.
    """
    algorithm = {"sha1": hashes.SHA1, "sha256": hashes.SHA256}[digest]()
    encoded = _signed_attributes(content, algorithm, attributes or {}) if signed_attributes else None
    certificate = asn1_x509.Certificate.load(identity.certificate_der)
    signer: dict[str, object] = {
        "version": "v1",
        "sid": _rid(certificate),
        "digest_algorithm": {"algorithm": digest},
        "signature_algorithm": {"algorithm": "rsassa_pkcs1v15"},
        "signature": identity.key.sign(encoded or content, padding.PKCS1v15(), algorithm),
    }
    if encoded is not None:
        signer["signed_attrs"] = cms.CMSAttributes.load(encoded)
    signed = cms.SignedData(
        {
            "version": "v1",
            "digest_algorithms": [{"algorithm": digest}],
            "encap_content_info": {"content_type": "data"} | ({} if detached else {"content": content}),
            "certificates": [certificate],
            "signer_infos": [signer],
        }
    )
    return cms.ContentInfo({"content_type": "signed_data", "content": signed}).dump()


def _signed_attributes(content: bytes, algorithm: hashes.HashAlgorithm, attributes: dict[str, core.Asn1Value]) -> bytes:
    own = {CONTENT_TYPE: core.ObjectIdentifier(DATA), MESSAGE_DIGEST: core.OctetString(_digest(content, algorithm))}
    rows = [{"type": oid, "values": [core.Any(value)]} for oid, value in (own | attributes).items()]
    return Attributes(rows).dump()


def open_signed(message: bytes, trusted: Iterable[x509.Certificate] = ()) -> Opened:
    """Take a SignedData apart and verify its one signature; no signer at all is a certificate bag.

    `trusted`: candidate signer certificates beside those inside. Who may sign is the caller's question.
    Raises CmsError.
    """
    signed = _content(message, SIGNED_DATA)
    try:
        inside = [x509.load_der_x509_certificate(choice.chosen.dump()) for choice in signed["certificates"] or []]
        content = signed["encap_content_info"]["content"].native
        infos = list(signed["signer_infos"])
        if not infos:
            return Opened(content, {}, inside, None)
        return _verify(infos[0], content or b"", [*inside, *trusted], inside)
    except (ValueError, TypeError, KeyError) as error:
        raise CmsError(f"malformed SignedData: {error}") from error


def _verify(
    info: cms.SignerInfo, content: bytes, candidates: list[x509.Certificate], inside: list[x509.Certificate]
) -> Opened:
    signer = next((c for c in candidates if _names(info["sid"], c)), None)
    if signer is None:
        raise CmsError("the signer's certificate is missing")
    oid = info["digest_algorithm"]["algorithm"].dotted
    if oid not in HASHES:
        raise CmsError(f"unknown digest {oid}")
    algorithm = HASHES[oid]()
    attributes, signed_bytes = {}, content
    if not isinstance(info["signed_attrs"], core.Void) and len(info["signed_attrs"]):
        # Signed as SET OF (0x31), sent as [0]: put the real tag back before hashing.
        signed_bytes = b"\x31" + info["signed_attrs"].dump()[1:]
        attributes = _read_attributes(signed_bytes)
        stated = attributes.get(MESSAGE_DIGEST)
        if stated is None or stated.native != _digest(content, algorithm):
            raise CmsError("the message digest does not match the content")
    _check_signature(signer, info["signature"].native, signed_bytes, algorithm)
    return Opened(content, attributes, inside, signer)


def _read_attributes(encoded: bytes) -> dict[str, core.Asn1Value]:
    return {row["type"].dotted: row["values"][0].parse() for row in Attributes.load(encoded)}


def _check_signature(signer: x509.Certificate, signature: bytes, data: bytes, algorithm: hashes.HashAlgorithm) -> None:
    key = signer.public_key()
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, data, padding.PKCS1v15(), algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, data, ec.ECDSA(algorithm))
        else:
            raise CmsError("the signer's key is neither RSA nor ECDSA")
    except InvalidSignature as error:
        raise CmsError("the signature does not verify") from error


def envelope(content: bytes, recipient: x509.Certificate, cipher: str = "aes128") -> bytes:
    """DER EnvelopedData for one RSA recipient."""
    oid, key_size, block = CIPHERS[cipher]
    key, iv = os.urandom(key_size), os.urandom(block)
    padder = block_padding.PKCS7(block * 8).padder()
    encryptor = _cipher(oid, key, iv).encryptor()
    encrypted = encryptor.update(padder.update(content) + padder.finalize()) + encryptor.finalize()
    public = recipient.public_key()
    if not isinstance(public, rsa.RSAPublicKey):
        raise CmsError("only RSA recipients can be encrypted to")
    certificate = asn1_x509.Certificate.load(recipient.public_bytes(serialization.Encoding.DER))
    enveloped = cms.EnvelopedData(
        {
            "version": "v0",
            "recipient_infos": [
                cms.KeyTransRecipientInfo(
                    {
                        "version": "v0",
                        "rid": _rid(certificate, cms.RecipientIdentifier),
                        "key_encryption_algorithm": {"algorithm": "rsaes_pkcs1v15"},
                        "encrypted_key": public.encrypt(key, padding.PKCS1v15()),
                    }
                )
            ],
            "encrypted_content_info": {
                "content_type": "data",
                "content_encryption_algorithm": {"algorithm": oid, "parameters": core.OctetString(iv)},
                "encrypted_content": encrypted,
            },
        }
    )
    return cms.ContentInfo({"content_type": "enveloped_data", "content": enveloped}).dump()


def open_envelope(message: bytes, identity: Identity) -> bytes:
    """Decrypt an EnvelopedData addressed to `identity`. Raises CmsError."""
    enveloped = _content(message, ENVELOPED_DATA)
    try:
        ours = [r.chosen for r in enveloped["recipient_infos"] if _names(r.chosen["rid"], identity.certificate)]
        if not ours:
            raise CmsError("the envelope is not addressed to this certificate")
        key = identity.key.decrypt(ours[0]["encrypted_key"].native, padding.PKCS1v15())
        info = enveloped["encrypted_content_info"]
        algorithm = info["content_encryption_algorithm"]
        oid = algorithm["algorithm"].dotted
        decryptor = _cipher(oid, key, algorithm["parameters"].native).decryptor()
        padded = decryptor.update(info["encrypted_content"].native) + decryptor.finalize()
        unpadder = block_padding.PKCS7(_block_bits(oid)).unpadder()
        return unpadder.update(padded) + unpadder.finalize()
    except (ValueError, TypeError, KeyError) as error:
        raise CmsError(f"cannot decrypt: {error}") from error


def _content(message: bytes, expected: str) -> core.Asn1Value:
    try:
        info = cms.ContentInfo.load(message)
        kind = info["content_type"].dotted
        content = info["content"]
    except (ValueError, TypeError) as error:
        raise CmsError(f"not CMS: {error}") from error
    if kind != expected:
        raise CmsError(f"CMS content type {kind}, expected {expected}")
    return content


def _cipher(oid: str, key: bytes, iv: bytes) -> Cipher:
    sizes = {row[0]: row for row in CIPHERS.values()}
    if oid not in sizes:
        raise CmsError(f"unknown cipher {oid}")
    if sizes[oid][2] == 16:
        return Cipher(algorithms.AES(key), modes.CBC(iv))
    return Cipher(TripleDES(key * 3 if len(key) == 8 else key), modes.CBC(iv))


def _block_bits(oid: str) -> int:
    return next(block * 8 for known, _, block in CIPHERS.values() if known == oid)


def _digest(content: bytes, algorithm: hashes.HashAlgorithm) -> bytes:
    digest = hashes.Hash(algorithm)
    digest.update(content)
    return digest.finalize()


def _rid(certificate: asn1_x509.Certificate, choice: type[core.Choice] = cms.SignerIdentifier) -> core.Choice:
    number = {"issuer": certificate.issuer, "serial_number": certificate.serial_number}
    return choice({"issuer_and_serial_number": cms.IssuerAndSerialNumber(number)})


def _names(rid: core.Choice, certificate: x509.Certificate) -> bool:
    chosen = rid.chosen
    if rid.name == "issuer_and_serial_number":
        same_serial = chosen["serial_number"].native == certificate.serial_number
        return same_serial and chosen["issuer"].dump() == certificate.issuer.public_bytes()
    identifier = asn1_x509.Certificate.load(certificate.public_bytes(serialization.Encoding.DER)).key_identifier
    return chosen.native == identifier
