"""An MDM vendor of Apple's: its certificate, the intermediate that issued it, the root, and its key."""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
PEM = serialization.Encoding.PEM


def certificate(name: str, key: Key, issuer: str, issuer_key: Key, *, is_ca: bool, days: int = 30) -> x509.Certificate:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=100))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .sign(issuer_key, hashes.SHA256())
    )


def key_pem(key: Key, passphrase: bytes | None = None) -> bytes:
    encryption = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, encryption)


class Vendor:
    """days: how long the vendor certificate itself lasts; the others last longer."""

    def __init__(self, name: str = "MDM Vendor", *, days: int = 30) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.middle_key = ec.generate_private_key(ec.SECP256R1())
        self.root_key = ec.generate_private_key(ec.SECP256R1())
        longer = max(days, 0) + 30
        self.root = certificate("Root", self.root_key, "Root", self.root_key, is_ca=True, days=longer)
        self.middle = certificate("WWDR", self.middle_key, "Root", self.root_key, is_ca=True, days=longer)
        self.leaf = certificate(name, self.key, "WWDR", self.middle_key, is_ca=False, days=days)

    def bundle(self, *certificates: x509.Certificate, keys: bytes | None = None) -> bytes:
        chosen = certificates or (self.leaf, self.middle, self.root)
        return b"".join(one.public_bytes(PEM) for one in chosen) + (key_pem(self.key) if keys is None else keys)
