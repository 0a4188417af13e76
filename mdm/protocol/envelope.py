"""CMS EnvelopedData with RSA key transport and a CBC cipher: in SCEP, Apple's server tokens, recovery keys of Macs.

Opening is built so that a stranger learns nothing from trying: a wrong key, wrong padding or wrong length all end in
the same ValueError after the same work (RFC 3218; RFC 8017, section 7.2.2).
"""

import secrets
from dataclasses import dataclass

from asn1crypto import cms, core
from cryptography import x509
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.padding import PKCS7

from mdm.protocol.cms_structures import DIGESTS, issuer_and_serial, load_content_info, names, to_asn1


class UnsupportedEnvelope(ValueError):
    """An algorithm that we do not read; known before anything is decrypted."""


@dataclass(frozen=True)
class _ContentCipher:
    """How one content encryption is called by us and by asn1crypto; sizes in bytes."""

    name: str
    asn1_name: str
    key_size: int
    block_size: int

    def cipher(self, key: bytes, iv: bytes) -> Cipher:
        if self.name == "des":
            return Cipher(TripleDES(key * 3), modes.CBC(iv))  # three times the same key is single DES
        return Cipher(TripleDES(key) if self.name == "3des" else AES(key), modes.CBC(iv))


_CIPHERS = (
    _ContentCipher("des", "des", 8, 8),
    _ContentCipher("3des", "tripledes_3key", 24, 8),
    _ContentCipher("aes128", "aes128_cbc", 16, 16),
    _ContentCipher("aes192", "aes192_cbc", 24, 16),
    _ContentCipher("aes256", "aes256_cbc", 32, 16),
)
_BY_NAME = {cipher.name: cipher for cipher in _CIPHERS}
_BY_ASN1_NAME = {cipher.asn1_name: cipher for cipher in _CIPHERS}


def open_envelope(der: bytes, *, certificate: x509.Certificate, private_key: rsa.RSAPrivateKey) -> tuple[str, bytes]:
    """(content encryption, plaintext) of an envelope addressed to the certificate.

    Raises UnsupportedEnvelope for algorithms we do not read; any of cms_structures.MALFORMED for everything else.
    """
    info = load_content_info(der)
    if info["content_type"].native != "enveloped_data":
        raise ValueError("The content is no envelope.")
    envelope = info["content"]
    recipient = _recipient(envelope["recipient_infos"], certificate)
    content = envelope["encrypted_content_info"]
    algorithm = content["content_encryption_algorithm"]
    cipher = _BY_ASN1_NAME.get(algorithm["algorithm"].native)
    if cipher is None:
        raise UnsupportedEnvelope(f"Content encryption {algorithm['algorithm'].native} is not supported.")
    iv, ciphertext = bytes(algorithm["parameters"]), bytes(content["encrypted_content"])
    if len(iv) != cipher.block_size or not ciphertext or len(ciphertext) % cipher.block_size:
        raise ValueError("The envelope's content has an impossible length.")
    key_padding = _key_padding(recipient["key_encryption_algorithm"])
    key = _content_key(private_key, bytes(recipient["encrypted_key"]), key_padding, cipher.key_size)
    decryptor = cipher.cipher(key, iv).decryptor()
    padded = decryptor.update(ciphertext) + decryptor.finalize()
    unpadder = PKCS7(cipher.block_size * 8).unpadder()
    return cipher.name, unpadder.update(padded) + unpadder.finalize()


def seal_envelope(content: bytes, *, recipient: x509.Certificate, content_encryption: str) -> bytes:
    """Encrypt `content` to the recipient's RSA key as a ContentInfo.

    `content_encryption` is what the recipient used itself, so that it can read the answer; single DES is answered
    with 3DES, which every client of its time knows.
    """
    public_key = recipient.public_key()
    if not isinstance(public_key, rsa.RSAPublicKey):
        raise UnsupportedEnvelope("Only an RSA certificate can receive an encrypted answer.")
    cipher = _BY_NAME["3des" if content_encryption == "des" else content_encryption]
    key, iv = secrets.token_bytes(cipher.key_size), secrets.token_bytes(cipher.block_size)
    padder = PKCS7(cipher.block_size * 8).padder()
    encryptor = cipher.cipher(key, iv).encryptor()
    ciphertext = encryptor.update(padder.update(content) + padder.finalize()) + encryptor.finalize()
    transport = {
        "version": "v0",
        "rid": cms.RecipientIdentifier(name="issuer_and_serial_number", value=issuer_and_serial(recipient)),
        "key_encryption_algorithm": {"algorithm": "rsaes_pkcs1v15"},
        "encrypted_key": public_key.encrypt(key, padding.PKCS1v15()),
    }
    envelope = {
        "version": "v0",
        "recipient_infos": [cms.RecipientInfo(name="ktri", value=cms.KeyTransRecipientInfo(transport))],
        "encrypted_content_info": {
            "content_type": "data",
            "content_encryption_algorithm": {"algorithm": cipher.asn1_name, "parameters": core.OctetString(iv)},
            "encrypted_content": ciphertext,
        },
    }
    return cms.ContentInfo({"content_type": "enveloped_data", "content": cms.EnvelopedData(envelope)}).dump()


def _recipient(infos: cms.RecipientInfos, certificate: x509.Certificate) -> cms.KeyTransRecipientInfo:
    own = to_asn1(certificate)
    for info in infos:
        if info.name == "ktri" and names(info.chosen["rid"], own):
            return info.chosen
    raise ValueError("The envelope is addressed to another certificate.")


def _key_padding(algorithm: cms.KeyEncryptionAlgorithm) -> AsymmetricPadding:
    name = algorithm["algorithm"].native
    if name == "rsaes_pkcs1v15":
        return padding.PKCS1v15()
    if name != "rsaes_oaep":
        raise UnsupportedEnvelope(f"Key encryption {name} is not supported.")
    parameters = algorithm["parameters"]
    digest = DIGESTS.get(parameters["hash_algorithm"]["algorithm"].native)
    mask_digest = DIGESTS.get(parameters["mask_gen_algorithm"]["parameters"]["algorithm"].native)
    if digest is None or mask_digest is None:
        raise UnsupportedEnvelope("The envelope's OAEP digest is not supported.")
    label = bytes(parameters["p_source_algorithm"]["parameters"])
    return padding.OAEP(mgf=padding.MGF1(mask_digest), algorithm=digest, label=label or None)


def _content_key(private_key: rsa.RSAPrivateKey, encrypted: bytes, key_padding: AsymmetricPadding, size: int) -> bytes:
    """The content key, or a random one of the right size: the failure then shows only where a wrong key would."""
    substitute = secrets.token_bytes(size)
    try:
        key = private_key.decrypt(encrypted, key_padding)
    except ValueError:
        return substitute
    return key if len(key) == size else substitute
