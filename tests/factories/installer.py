"""Identities that sign packages, of a CA of ours, and the rows that keep them."""

import datetime as dt
from dataclasses import dataclass
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import NameOID, ObjectIdentifier

from devices.models import InstallerCertificate
from devices.services.installer_certificate import DEVELOPER_ID_INSTALLER, upload_installer_certificate
from mdm.accounts.actors import SYSTEM
from mdm.accounts.models import Account
from mdm.common import certs
from tests.factories.numbers import number


@dataclass(frozen=True)
class InstallerIdentity:
    key: rsa.RSAPrivateKey
    certificate: x509.Certificate
    issuer: x509.Certificate

    def pem(self, *, with_issuer: bool = True, key: bytes | None = None) -> bytes:
        parts = [self.certificate, *([self.issuer] if with_issuer else [])]
        pem = b"".join(one.public_bytes(Encoding.PEM) for one in parts)
        return pem + (certs.key_to_pem(self.key) if key is None else key)

    def p12(self, password: str) -> bytes:
        locked = BestAvailableEncryption(password.encode()) if password else NoEncryption()
        return pkcs12.serialize_key_and_certificates(b"installer", self.key, self.certificate, [self.issuer], locked)

    def encrypted_pem(self, password: str) -> bytes:
        key = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password.encode()))
        return self.pem(key=key)


@lru_cache(maxsize=1)
def _keys() -> tuple[rsa.RSAPrivateKey, rsa.RSAPrivateKey]:
    """Making keys takes long: one for all CAs and one for all identities."""
    return certs.new_rsa_key(), certs.new_rsa_key()


def make_installer_identity(
    common_name: str = "",
    *,
    usage: str = DEVELOPER_ID_INSTALLER,
    organization: str = "Apple Inc.",
    begins: dt.timedelta = dt.timedelta(days=-1),
    ends: dt.timedelta = dt.timedelta(days=365),
) -> InstallerIdentity:
    """Named and marked as Apple's are; with another organization or usage ("" for none) it is of another kind."""
    ca_key, key = _keys()
    ca = certs.create_ca("Developer ID Certification Authority", organization=organization, key=ca_key)
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    name = common_name or f"Developer ID Installer: Example {number()}"
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(ca.subject)
        .public_key(key.public_key())
        .serial_number(certs.new_serial())
        .not_valid_before(now + begins)
        .not_valid_after(now + ends)
    )
    if usage:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ObjectIdentifier(usage)]), critical=True)
    return InstallerIdentity(key, builder.sign(ca_key, hashes.SHA256()), ca)


def make_installer_certificate(account: Account, **options: object) -> InstallerCertificate:
    """Uploaded; options as for `make_installer_identity`."""
    return upload_installer_certificate(account, data=make_installer_identity(**options).pem(), actor=SYSTEM)
