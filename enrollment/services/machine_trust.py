"""Whether a device is one of Apple's: its certificate must come from the authority that gives every device one.

What is checked: signatures, up to a trusted authority, and that whoever stands between may sign certificates. Not checked
are dates: the authority itself ended in 2014 and goes on to sign, and devices in the field present certificates that have run
out. Nor revocation, which Apple does not publish for it. Source: Apple, "Device Identity", "Over-the-Air Profile Delivery".
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from django.conf import settings

APPLES_OWN = Path(__file__).resolve().parent.parent / "certificates" / "apple_iphone_device_ca.pem"
MAX_AUTHORITIES = 20
# Certificates between the device's own and a trusted authority.
MAX_BETWEEN = 3
HASHES = {"sha1", "sha256", "sha384", "sha512"}
_UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension)


class NotTrusted(Exception):
    """The certificate is not that of a genuine device; the text says why, for the server's log."""


def require_genuine(signer: bytes, others: Iterable[bytes]) -> None:
    """signer: the certificate (DER) that signed; others: all that came with it, some of which may stand between.

    Raises NotTrusted.
    """
    certificate = _load(signer)
    if _is_authority(certificate):
        raise NotTrusted("the message is signed with the certificate of an authority, not with that of a device")
    if not _leads_to(certificate, device_authorities(), _authorities_among(others), MAX_BETWEEN):
        raise NotTrusted("the device's certificate comes from no authority that is trusted for devices")


def device_authorities() -> Sequence[x509.Certificate]:
    """Those of APPLE_DEVICE_CA_FILE, or Apple's own. Raises OSError, ValueError for a file that holds none."""
    return load_authorities(settings.APPLE_DEVICE_CA_FILE or str(APPLES_OWN))


@lru_cache(maxsize=8)
def load_authorities(path: str) -> Sequence[x509.Certificate]:
    """The certificates of a PEM file. Raises OSError, ValueError."""
    try:
        found = x509.load_pem_x509_certificates(Path(path).read_bytes())
    except _UNREADABLE as error:
        raise ValueError("it holds no readable certificates") from error
    if len(found) > MAX_AUTHORITIES:
        raise ValueError(f"it holds more than {MAX_AUTHORITIES} certificates")
    if not all(_is_authority(certificate) for certificate in found):
        raise ValueError("it holds a certificate that is not that of an authority")
    return tuple(found)


def _leads_to(
    certificate: x509.Certificate,
    authorities: Sequence[x509.Certificate],
    between: Sequence[x509.Certificate],
    steps: int,
    below: int = 0,
) -> bool:
    """below: how many authorities stand under the next one, for its path length."""
    if any(_issued(authority, certificate, below) for authority in authorities):
        return True
    if not steps:
        return False
    return any(
        _issued(issuer, certificate, below)
        and _leads_to(issuer, authorities, [one for one in between if one != issuer], steps - 1, below + 1)
        for issuer in between
    )


def _issued(authority: x509.Certificate, certificate: x509.Certificate, below: int) -> bool:
    if authority.subject != certificate.issuer:
        return False
    limit = authority.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length
    return (limit is None or below <= limit) and _signed(authority, certificate)


def _signed(authority: x509.Certificate, certificate: x509.Certificate) -> bool:
    """By hand: `verify_directly_issued_by` knows SHA-1 no more, which Apple's authority signs with."""
    key = authority.public_key()
    try:
        algorithm = certificate.signature_hash_algorithm
        if algorithm is None or algorithm.name not in HASHES:
            return False
        signature, signed = certificate.signature, certificate.tbs_certificate_bytes
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, signed, certificate.signature_algorithm_parameters, algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, signed, ec.ECDSA(algorithm))
        else:
            return False
    except (InvalidSignature, *_UNREADABLE):
        return False
    return True


def _is_authority(certificate: x509.Certificate) -> bool:
    """Marked as one, and not forbidden to sign certificates; old authorities without any mark are none here."""
    try:
        extensions = certificate.extensions
        if not extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            return False
        return extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound as missing:
        return missing.oid == x509.KeyUsage.oid
    except _UNREADABLE:
        return False


def _authorities_among(certificates: Iterable[bytes]) -> list[x509.Certificate]:
    """Those that may have signed others; what cannot be read leads nowhere."""
    found = []
    for der in certificates:
        try:
            certificate = _load(der)
        except NotTrusted:
            continue
        if _is_authority(certificate):
            found.append(certificate)
    return found


def _load(der: bytes) -> x509.Certificate:
    """Raises NotTrusted."""
    try:
        return x509.load_der_x509_certificate(der)
    except _UNREADABLE as error:
        raise NotTrusted("a certificate of the message cannot be read") from error
