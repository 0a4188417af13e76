"""A SCEP client for tests: builds pkiMessages in every dialect seen in the field, and reads the server's answers."""

import os
from dataclasses import dataclass
from functools import cache

from asn1crypto import algos, cms, core, csr, keys, parser
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mdm.common import certs

HASHES = {"md5": hashes.MD5(), "sha1": hashes.SHA1(), "sha256": hashes.SHA256(), "sha512": hashes.SHA512()}
CIPHERS = {
    "des": ("des", 8, 8),
    "3des": ("tripledes_3key", 24, 8),
    "aes128": ("aes128_cbc", 16, 16),
    "aes192": ("aes192_cbc", 24, 16),
    "aes256": ("aes256_cbc", 32, 16),
}
CONTENT_TYPE, MESSAGE_DIGEST = "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4"
MESSAGE_TYPE, PKI_STATUS, FAIL_INFO, SENDER_NONCE, RECIPIENT_NONCE, TRANSACTION_ID = (
    f"2.16.840.1.113733.1.9.{number}" for number in range(2, 8)
)
FAIL_INFO_TEXT = "1.3.6.1.5.5.7.24.1"
NONCE = bytes(range(16))


@cache
def rsa_key(label: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """One key per label for the whole run: making RSA keys is slow."""
    return certs.new_rsa_key(bits)


@cache
def ec_key(label: str) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@cache
def authority(label: str = "ca") -> tuple[x509.Certificate, rsa.RSAPrivateKey]:
    key = rsa_key(label)
    return certs.create_ca(f"Test {label}", organization="Tests", key=key), key


@cache
def throw_away(label: str = "client") -> x509.Certificate:
    return certs.self_signed("SCEP client", key=rsa_key(label))


def make_csr(
    key: certs.PrivateKey,
    *,
    challenge: core.Asn1Value | None = core.PrintableString("secret"),  # noqa: B008  (read only)
    signing_key: certs.PrivateKey | None = None,
    digest: str = "sha256",
    common_name: bytes = b"device",
) -> bytes:
    """A CSR for `key`, signed by another key or with an old digest where the test wants that."""
    attributes = []
    if challenge is not None:
        attributes.append(csr.Attribute({"type": "1.2.840.113549.1.9.7", "values": [challenge]}))
    public_key = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    info = csr.CertificationRequestInfo(
        {
            "version": "v1",
            "subject": _name(common_name),
            "subject_pk_info": keys.PublicKeyInfo.load(public_key),
            "attributes": csr.CRIAttributes.load(csr.SetOfAttributes(attributes).dump()),
        }
    )
    signer = signing_key or key
    if isinstance(signer, rsa.RSAPrivateKey):
        algorithm, signature = f"{digest}_rsa", signer.sign(info.dump(), padding.PKCS1v15(), HASHES[digest])
    else:
        algorithm, signature = f"{digest}_ecdsa", signer.sign(info.dump(), ec.ECDSA(HASHES[digest]))
    return csr.CertificationRequest(
        {
            "certification_request_info": info,
            "signature_algorithm": algos.SignedDigestAlgorithm({"algorithm": algorithm}),
            "signature": signature,
        }
    ).dump()


def make_envelope(
    content: bytes,
    *,
    recipient: x509.Certificate | None = None,
    cipher: str = "aes256",
    oaep: str | None = None,
    by_key_identifier: bool = False,
    with_padding: bool = True,
    content_key: bytes | None = None,
) -> bytes:
    recipient = recipient or authority()[0]
    name, key_size, block = CIPHERS[cipher]
    key, iv = os.urandom(key_size), os.urandom(block)
    algorithm = AES(key) if name.startswith("aes") else TripleDES(key * 3 if cipher == "des" else key)
    padder = PKCS7(block * 8).padder()
    padded = padder.update(content) + padder.finalize() if with_padding else content
    encryptor = Cipher(algorithm, modes.CBC(iv)).encryptor()
    parsed = asn1_x509.Certificate.load(recipient.public_bytes(Encoding.DER))
    if by_key_identifier:
        rid = cms.RecipientIdentifier(name="subject_key_identifier", value=parsed.key_identifier)
    else:
        rid = cms.RecipientIdentifier(name="issuer_and_serial_number", value=_issuer_and_serial(parsed))
    if oaep:
        digest = {"algorithm": oaep}
        parameters = {
            "hash_algorithm": digest,
            "mask_gen_algorithm": {"algorithm": "mgf1", "parameters": algos.DigestAlgorithm(digest)},
        }
        key_algorithm = {"algorithm": "rsaes_oaep", "parameters": algos.RSAESOAEPParams(parameters)}
        key_padding = padding.OAEP(mgf=padding.MGF1(HASHES[oaep]), algorithm=HASHES[oaep], label=None)
    else:
        key_algorithm, key_padding = {"algorithm": "rsaes_pkcs1v15"}, padding.PKCS1v15()
    transport = {
        "version": "v0",
        "rid": rid,
        "key_encryption_algorithm": key_algorithm,
        "encrypted_key": recipient.public_key().encrypt(content_key or key, key_padding),
    }
    envelope = {
        "version": "v0",
        "recipient_infos": [cms.RecipientInfo(name="ktri", value=cms.KeyTransRecipientInfo(transport))],
        "encrypted_content_info": {
            "content_type": "data",
            "content_encryption_algorithm": {"algorithm": name, "parameters": core.OctetString(iv)},
            "encrypted_content": encryptor.update(padded) + encryptor.finalize(),
        },
    }
    return cms.ContentInfo({"content_type": "enveloped_data", "content": cms.EnvelopedData(envelope)}).dump()


def sign_message(
    envelope: bytes,
    *,
    key: certs.PrivateKey | None = None,
    signer: x509.Certificate | None = None,
    message_type: int | str = 19,
    digest: str = "sha256",
    transaction_id: str = "4A5B6C",
    nonce: bytes | None = NONCE,
    without_null: bool = False,
    named_hash: bool = False,
    unsorted: bool = False,
    drop: str | None = None,
    message_digest: bytes | None = None,
) -> bytes:
    """Wrap an envelope as the client does; the options are the dialects and the lies."""
    key, signer = key or rsa_key("client"), signer or throw_away()
    hasher = hashes.Hash(HASHES[digest])
    hasher.update(envelope)
    values = {
        CONTENT_TYPE: "data",
        MESSAGE_DIGEST: message_digest or hasher.finalize(),
        MESSAGE_TYPE: core.PrintableString(str(message_type)),
        TRANSACTION_ID: core.PrintableString(transaction_id),
    }
    if nonce is not None:
        values[SENDER_NONCE] = core.OctetString(nonce)
    attributes = cms.CMSAttributes(
        [cms.CMSAttribute({"type": oid, "values": [value]}) for oid, value in values.items() if oid != drop]
    )
    if unsorted:
        contents = b"".join(sorted((child.dump() for child in attributes), reverse=True))
        attributes = cms.CMSAttributes.load(parser.emit(0, 1, 17, contents))
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(attributes.dump(), padding.PKCS1v15(), HASHES[digest])
        algorithm = f"{digest}_rsa" if named_hash else "rsassa_pkcs1v15"
    else:
        signature, algorithm = key.sign(attributes.dump(), ec.ECDSA(HASHES[digest])), f"{digest}_ecdsa"
    digest_algorithm = algos.DigestAlgorithm({"algorithm": digest})
    if without_null:
        digest_algorithm = algos.DigestAlgorithm.load(parser.emit(0, 1, 16, algos.DigestAlgorithmId(digest).dump()))
    parsed = asn1_x509.Certificate.load(signer.public_bytes(Encoding.DER))
    signed_data = {
        "version": "v1",
        "digest_algorithms": [digest_algorithm],
        "encap_content_info": {"content_type": "data", "content": envelope},
        "certificates": [cms.CertificateChoices(name="certificate", value=parsed)],
        "signer_infos": [
            {
                "version": "v1",
                "sid": cms.SignerIdentifier(name="issuer_and_serial_number", value=_issuer_and_serial(parsed)),
                "digest_algorithm": digest_algorithm,
                "signed_attrs": attributes,
                "signature_algorithm": {"algorithm": algorithm},
                "signature": signature,
            }
        ],
    }
    return cms.ContentInfo({"content_type": "signed_data", "content": cms.SignedData(signed_data)}).dump()


def make_request(*, cipher: str = "aes256", challenge: core.Asn1Value | None = None, **options: object) -> bytes:
    """The ordinary PKCSReq of a new device."""
    challenge = challenge or core.PrintableString("secret")
    return sign_message(make_envelope(make_csr(rsa_key("client"), challenge=challenge), cipher=cipher), **options)


def to_ber(der: bytes, *, keep: set[bytes]) -> bytes:
    """The same message with indefinite lengths and chunked strings, as a real iPhone sends; `keep` stays as it is.

    Certificates have to stay DER, for their own signatures cover those bytes.
    """
    if der in keep:
        return der
    class_, method, tag, header, contents, _trailer = parser.parse(der)
    if method == 0:
        if (class_, tag) == (0, 4) or (class_, tag, len(contents) > 64) == (2, 0, True):
            pieces = [contents[start : start + 100] for start in range(0, len(contents), 100)] or [b""]
            chunks = b"".join(parser.emit(0, 0, 4, piece) for piece in pieces)
            return bytes([der[0] | 0x20, 0x80]) + chunks + b"\0\0"
        return der
    children, offset = [], 0
    while offset < len(contents):
        _, _, _, child_header, child_contents, _ = parser.parse(contents[offset:])
        length = len(child_header) + len(child_contents)
        children.append(to_ber(contents[offset : offset + length], keep=keep))
        offset += length
    return header[:1] + b"\x80" + b"".join(children) + b"\0\0"


@dataclass(frozen=True)
class Answer:
    """A CertRep whose signature has been verified; certificates are those of the decrypted envelope, in order."""

    attributes: dict[str, object]
    digest: str
    content_encryption: str | None
    certificates: list[x509.Certificate]


def read_answer(der: bytes, *, ca: x509.Certificate, key: rsa.RSAPrivateKey) -> Answer:
    data = cms.ContentInfo.load(der, strict=True)["content"]
    signer = data["signer_infos"][0]
    digest = signer["digest_algorithm"]["algorithm"].native
    signed = signer["signed_attrs"].untag().dump()
    ca.public_key().verify(signer["signature"].native, signed, padding.PKCS1v15(), HASHES[digest])
    attributes = {
        attribute["type"].dotted: (
            attribute["values"][0].parse() if isinstance(attribute["values"][0], core.Any) else attribute["values"][0]
        ).native
        for attribute in signer["signed_attrs"]
    }
    content = data["encap_content_info"]["content"]
    envelope = b"" if isinstance(content, core.Void) else content.native
    hasher = hashes.Hash(HASHES[digest])
    hasher.update(envelope)
    assert attributes[MESSAGE_DIGEST] == hasher.finalize()
    if not envelope:
        return Answer(attributes, digest, None, [])
    cipher, certificates = _open(envelope, key)
    return Answer(attributes, digest, cipher, certificates)


def _open(der: bytes, key: rsa.RSAPrivateKey) -> tuple[str, list[x509.Certificate]]:
    envelope = cms.ContentInfo.load(der, strict=True)["content"]
    content_key = key.decrypt(envelope["recipient_infos"][0].chosen["encrypted_key"].native, padding.PKCS1v15())
    info = envelope["encrypted_content_info"]
    algorithm = info["content_encryption_algorithm"]
    name, _, block = next(row for row in CIPHERS.values() if row[0] == algorithm["algorithm"].native)
    cipher = AES(content_key) if name.startswith("aes") else TripleDES(content_key)
    decryptor = Cipher(cipher, modes.CBC(algorithm["parameters"].native)).decryptor()
    unpadder = PKCS7(block * 8).unpadder()
    padded = decryptor.update(info["encrypted_content"].native) + decryptor.finalize()
    plain = unpadder.update(padded) + unpadder.finalize()
    return name, certificates_of(plain)


def certificates_of(degenerate: bytes) -> list[x509.Certificate]:
    """The certificates of a certs-only PKCS#7, in the order of their bytes."""
    info = cms.ContentInfo.load(degenerate, strict=True)
    assert info["content_type"].native == "signed_data"
    return [x509.load_der_x509_certificate(choice.chosen.dump()) for choice in info["content"]["certificates"]]


def _name(common_name: bytes) -> asn1_x509.Name:
    """A name whose UTF-8 may be none."""
    ordinary = asn1_x509.Name.build({"common_name": "x" * len(common_name)}).dump()
    return asn1_x509.Name.load(ordinary.replace(b"x" * len(common_name), common_name))


def _issuer_and_serial(certificate: asn1_x509.Certificate) -> cms.IssuerAndSerialNumber:
    return cms.IssuerAndSerialNumber({"issuer": certificate.issuer, "serial_number": certificate.serial_number})
