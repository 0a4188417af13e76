"""An authority that gives virtual devices the certificate that real ones get from Apple when they are made."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from mdm.virtual.errors import DeviceError
from mdm.virtual.keys import DeviceKey, Identity


@dataclass(frozen=True)
class DeviceAuthority:
    certificate: x509.Certificate
    key: DeviceKey = field(repr=False)

    @classmethod
    def load(cls, pem: bytes) -> "DeviceAuthority":
        """Its certificate and its key, in one PEM file. Raises DeviceError."""
        try:
            key = serialization.load_pem_private_key(pem, password=None)
            certificate = x509.load_pem_x509_certificate(pem)
        except (ValueError, TypeError) as error:
            raise DeviceError(f"the device authority's certificate and key cannot be read: {error}") from error
        if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            raise DeviceError("the device authority's key is neither RSA nor elliptic-curve")
        return cls(certificate, key)

    def issue(self, name: str, key: rsa.RSAPrivateKey) -> Identity:
        """As Apple's: some letters and digits as the name, and never a CA."""
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(self.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=365))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .sign(self.key, hashes.SHA256())
        )
        return Identity(key, certificate)
