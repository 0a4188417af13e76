"""Private keys and certificates of a virtual device."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import cycle

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

KeySource = Callable[[], rsa.RSAPrivateKey]
DeviceKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def generate_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


class KeyPool:
    """A KeySource that hands out a few keys again and again.

    Making an RSA key costs some 50 ms of CPU; a load test of thousands of devices would measure nothing else.
    """

    def __init__(self, size: int = 8, keys: list[rsa.RSAPrivateKey] | None = None) -> None:
        self._keys = cycle(keys or [generate_key() for _ in range(size)])
        self._lock = threading.Lock()

    def __call__(self) -> rsa.RSAPrivateKey:
        with self._lock:
            return next(self._keys)


@dataclass(frozen=True)
class Identity:
    """A private key with its certificate. The key never shows in a repr."""

    key: DeviceKey = field(repr=False)
    certificate: x509.Certificate

    @cached_property
    def certificate_der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def dump(self) -> dict[str, bytes]:
        key = self.key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return {"key": key, "certificate": self.certificate_der}

    @classmethod
    def load(cls, data: dict[str, bytes]) -> "Identity":
        key = serialization.load_der_private_key(data["key"], password=None)
        return cls(key, x509.load_der_x509_certificate(data["certificate"]))


def throw_away_signer(key: rsa.RSAPrivateKey, subject: x509.Name) -> Identity:
    """The short-lived self-signed certificate that signs a first SCEP request (RFC 8894, section 2.3)."""
    # An empty issuer makes some servers' issuerAndSerialNumber lookups fail; devices name it after themselves.
    name = subject if list(subject) else x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "SCEP requester")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=7))
        .sign(key, hashes.SHA256())
    )
    return Identity(key, certificate)
