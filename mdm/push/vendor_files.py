"""A vendor certificate as people have it: one PEM file, Apple's .cer files beside a key, or a .p12 of a Mac's keychain."""

from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_pem_private_key,
    pkcs12,
)

from mdm.push.csr import PEM_BEGIN, VendorBundleError

_ENCRYPTED = (b"ENCRYPTED PRIVATE KEY-----", b"Proc-Type: 4,ENCRYPTED")
_UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm)
_WRONG_PASSPHRASE = "The private key cannot be opened with this passphrase."  # noqa: S105


def pem_of_files(files: Sequence[bytes], passphrase: str = "") -> bytes:
    """Everything in the files as one PEM text with an unencrypted key, for `load_vendor_bundle`.

    Raises VendorBundleError for a file that is nothing of the kind, or a key that the passphrase does not open.
    """
    secret = passphrase.encode() or None
    return b"".join(_of_pem(file, secret) if PEM_BEGIN in file else _of_der(file, secret) for file in files)


def _of_pem(text: bytes, secret: bytes | None) -> bytes:
    blocks = [PEM_BEGIN + part.rstrip() + b"\n" for part in text.split(PEM_BEGIN)[1:]]
    return b"".join(_opened(block, secret) if any(mark in block for mark in _ENCRYPTED) else block for block in blocks)


def _opened(block: bytes, secret: bytes | None) -> bytes:
    if secret is None:
        raise VendorBundleError("The private key is encrypted: enter its passphrase.")
    try:
        key = load_pem_private_key(block, secret)
    except _UNREADABLE as error:
        raise VendorBundleError(_WRONG_PASSPHRASE) from error
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _of_der(data: bytes, secret: bytes | None) -> bytes:
    """A certificate, a key, or PKCS#12: they do not say which, so each is tried."""
    try:
        return x509.load_der_x509_certificate(data).public_bytes(Encoding.PEM)
    except (*_UNREADABLE, x509.InvalidVersion):
        return _of_der_key(data, secret)


def _of_der_key(data: bytes, secret: bytes | None) -> bytes:
    for password in {None, secret}:
        try:
            key = load_der_private_key(data, password)
        except _UNREADABLE:
            continue
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return _of_pkcs12(data, secret)


def _of_pkcs12(data: bytes, secret: bytes | None) -> bytes:
    try:
        held = pkcs12.load_pkcs12(data, secret)
    except _UNREADABLE as error:
        if "password" in str(error).lower() and data[:1] == b"\x30":
            raise VendorBundleError(
                _WRONG_PASSPHRASE if secret else "A file needs a passphrase, or is neither certificate nor key."
            ) from error
        raise VendorBundleError("A file is neither a certificate nor a key, in PEM, DER or PKCS#12 form.") from error
    parts = [one.certificate.public_bytes(Encoding.PEM) for one in (held.cert, *held.additional_certs) if one]
    if held.key:
        parts.append(held.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return b"".join(parts)
