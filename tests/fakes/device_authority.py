"""Authorities for devices' own certificates, in the ways of Apple's: RSA of 1024 bits, SHA-1, and long past their end."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from asn1crypto import algos
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from mdm.virtual.keys import Identity

BEGIN, END = datetime(2007, 4, 16, tzinfo=UTC), datetime(2014, 4, 16, tzinfo=UTC)


@dataclass(frozen=True)
class Certified:
    """A certificate with its key: an authority, or a device."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey = field(repr=False)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def identity(self) -> Identity:
        return Identity(self.key, self.certificate)

    def write(self, path: Path, *, with_key: bool = False) -> Path:
        """For APPLE_DEVICE_CA_FILE; with the key for virtual devices."""
        key = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) if with_key else b""
        path.write_bytes(self.pem + key)
        return path

    def issue(
        self, name: str, *, is_ca: bool = False, path_length: int | None = None, sha1: bool = False, bits: int = 2048
    ) -> "Certified":
        return make_certified(name, self, is_ca=is_ca, path_length=path_length, sha1=sha1, bits=bits)


def make_certified(
    name: str,
    issuer: Certified | None = None,
    *,
    is_ca: bool = True,
    path_length: int | None = None,
    sha1: bool = False,
    bits: int = 2048,
) -> Certified:
    """Signed by the issuer, or by itself; over since 2014 whatever it is."""
    key = rsa.generate_private_key(65537, bits)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer = issuer.key if issuer else key
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(BEGIN)
        .not_valid_after(END)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=path_length), critical=True)
        .sign(signer, hashes.SHA256())
    )
    return Certified(_with_sha1(certificate, signer) if sha1 else certificate, key)


def _with_sha1(certificate: x509.Certificate, signer: rsa.RSAPrivateKey) -> x509.Certificate:
    """Signed anew: `cryptography` verifies such signatures and makes none."""
    parsed = asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER))
    algorithm = algos.SignedDigestAlgorithm({"algorithm": "sha1_rsa"})
    body = parsed["tbs_certificate"]
    body["signature"] = algorithm
    signature = signer.sign(body.dump(force=True), padding.PKCS1v15(), hashes.SHA1())
    parsed = asn1_x509.Certificate(
        {"tbs_certificate": body, "signature_algorithm": algorithm, "signature_value": signature}
    )
    return x509.load_der_x509_certificate(parsed.dump(force=True))
