"""The request for a push certificate, signed by the MDM vendor so that Apple's portal accepts it.

Source: Apple, "Setting Up Push Notifications for Your MDM Customers" (SHA-256 today; older papers say SHA-1).
"""

import base64
import plistlib
import textwrap
from collections.abc import Sequence
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

KEY_BITS = 2048
PEM_BEGIN = b"-----BEGIN "


class VendorBundleError(ValueError):
    """The vendor file cannot sign push certificate requests; the sentence says what is wrong with it."""


class PushRequestError(ValueError):
    """The push certificate request cannot be made or signed; the sentence says why."""


def new_push_request(common_name: str, email: str, country: str) -> tuple[bytes, bytes]:
    """A fresh RSA key (PEM, PKCS#8, unencrypted: store it encrypted) and the request for it (DER).

    `country` is the two-letter ISO code. Raises PushRequestError when a part of the name does not fit a certificate.
    """
    try:
        name = x509.Name(
            [
                x509.NameAttribute(NameOID.EMAIL_ADDRESS, email),
                x509.NameAttribute(NameOID.COMMON_NAME, common_name),
                x509.NameAttribute(NameOID.COUNTRY_NAME, country.upper()),
            ]
        )
    except ValueError as error:
        raise PushRequestError(f"The name does not fit a certificate: {error}") from error
    key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    try:
        request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    except ValueError as error:
        raise PushRequestError(f"The name does not fit a certificate: {error}") from error
    key_pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return key_pem, request.public_bytes(serialization.Encoding.DER)


def pem_of_request(csr_der: bytes) -> bytes:
    """The request in the form that most tools and vendors take."""
    lines = textwrap.wrap(base64.b64encode(csr_der).decode(), 64)
    return "\n".join(["-----BEGIN CERTIFICATE REQUEST-----", *lines, "-----END CERTIFICATE REQUEST-----", ""]).encode()


def signed_push_request(
    csr_der: bytes,
    vendor_certificate: x509.Certificate,
    vendor_chain: Sequence[x509.Certificate],
    vendor_key: rsa.RSAPrivateKey,
) -> bytes:
    """What a person uploads to Apple's push certificate portal: base64 of an XML plist, without line breaks.

    `vendor_chain` is intermediate, then root, as `load_vendor_bundle` gives it. Raises PushRequestError for a request
    that is not DER or whose own signature is wrong.
    """
    try:
        is_intact = x509.load_der_x509_csr(csr_der).is_signature_valid
    except (ValueError, UnsupportedAlgorithm) as error:
        raise PushRequestError("The certificate request is not readable.") from error
    if not is_intact:
        raise PushRequestError("The certificate request is not signed by its own key.")
    signature = vendor_key.sign(csr_der, padding.PKCS1v15(), hashes.SHA256())
    pems = [one.public_bytes(serialization.Encoding.PEM).decode() for one in (vendor_certificate, *vendor_chain)]
    request = {
        "PushCertRequestCSR": base64.b64encode(csr_der).decode(),
        "PushCertCertificateChain": "".join(pems),
        "PushCertSignature": base64.b64encode(signature).decode(),
    }
    return base64.b64encode(plistlib.dumps(request, sort_keys=False))


def load_vendor_bundle(pem_bytes: bytes) -> tuple[x509.Certificate, list[x509.Certificate], rsa.RSAPrivateKey]:
    """Vendor certificate, its chain (intermediate first, root last) and its key from one PEM file, parts in any order.

    Raises VendorBundleError, also for what has expired.
    """
    leaf, chain, key = read_vendor_bundle(pem_bytes)
    for certificate in (leaf, *chain):
        if certificate.not_valid_after_utc < datetime.now(UTC):
            raise VendorBundleError(
                f"The certificate {name_of(certificate)} expired on {certificate.not_valid_after_utc:%Y-%m-%d}."
            )
    return leaf, chain, key


def read_vendor_bundle(pem_bytes: bytes) -> tuple[x509.Certificate, list[x509.Certificate], rsa.RSAPrivateKey]:
    """The same whether or not a part of it has expired. Raises VendorBundleError."""
    key = _private_key(pem_bytes)
    try:
        certificates = x509.load_pem_x509_certificates(pem_bytes) if b"BEGIN CERTIFICATE" in pem_bytes else []
        own = [one for one in certificates if one.public_key() == key.public_key()]
        own.sort(key=lambda one: one.not_valid_after_utc)
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise VendorBundleError("A certificate in the file is not readable.") from error
    if not certificates:
        raise VendorBundleError("The file holds no certificate.")
    if not own:
        raise VendorBundleError("No certificate in the file belongs to its private key.")
    # A renewed certificate may have kept its key: take the one that lasts longer.
    return own[-1], _chain(own[-1], certificates), key


def name_of(certificate: x509.Certificate) -> str:
    """The subject's common name, or all of it if it has none."""
    return _name(certificate.subject)


def _private_key(pem_bytes: bytes) -> rsa.RSAPrivateKey:
    """The one key among the file's PEM blocks: the loader itself looks at the first block only."""
    blocks = [PEM_BEGIN + part for part in pem_bytes.split(PEM_BEGIN)[1:]]
    keys = [block for block in blocks if b"PRIVATE KEY-----" in block.split(b"\n", 1)[0]]
    if len(keys) != 1:
        found = "no private key" if not keys else f"{len(keys)} private keys"
        raise VendorBundleError(f"The file holds {found}, one is needed.")
    try:
        key = serialization.load_pem_private_key(keys[0], password=None)
    except TypeError as error:
        raise VendorBundleError("The private key is encrypted; store it without a passphrase.") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise VendorBundleError("The private key is not readable.") from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise VendorBundleError("The private key is not an RSA key; Apple's vendor certificates are RSA.")
    return key


def _chain(leaf: x509.Certificate, candidates: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    """From the leaf's issuer up to a self-signed root: Apple refuses a chain that stops short of it."""
    chain: list[x509.Certificate] = []
    current = leaf
    while not _issued(current, current):
        issuers = [one for one in candidates if one not in (leaf, *chain) and _issued(one, current)]
        if not issuers:
            raise VendorBundleError(
                f"The chain is not complete: the file lacks the certificate of {_name(current.issuer)}, "
                f"which issued {_name(current.subject)}."
            )
        # A renewed intermediate has the same name and key as the old one: take the one that lasts longer.
        current = max(issuers, key=lambda one: one.not_valid_after_utc)
        chain.append(current)
    if not chain:
        raise VendorBundleError("The vendor certificate is self-signed; Apple issues the one that is needed.")
    return chain


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _name(name: x509.Name) -> str:
    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(common[0].value) if common else name.rfc4514_string()
