"""The certificate that signs the agent's package: Macs install by MDM only what somebody signed whom they trust.

Sources: Apple, "Developer ID"; "Install Enterprise Application Command".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from cryptography.x509.oid import NameOID
from django.db import transaction
from django.utils import timezone

from devices.models import AgentPackage, InstallerCertificate
from devices.services.errors import DeviceError
from mdm.accounts.actors import Actor
from mdm.accounts.models import Account
from mdm.common import certs
from mdm.common.nudge import nudge_named
from mdm.common.text import clean_text
from mdm.events.expiry import horizon, warn_once
from mdm.events.services import emit
from mdm.protocol.pkg import PackageSigner
from mdm.push.csr import VendorBundleError, name_of
from mdm.push.vendor_files import pem_of_files

MAX_BYTES = 256 * 1024
MOST_CERTIFICATES = 20
BUILDER = "devices.tasks.build_agent_packages"

DEVELOPER_ID_INSTALLER = "1.2.840.113635.100.4.13"
APP_STORE_INSTALLER = "1.2.840.113635.100.4.9"
_APPLE = "Apple Inc."
_UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion)


class InstallerCertificateError(DeviceError):
    """The file cannot sign packages; the sentence says what is wrong with it."""


@dataclass(frozen=True)
class Opened:
    """What was in the file: the certificate, those above it as far as they were there (nearest first), and the key."""

    certificate: x509.Certificate
    issuers: Sequence[x509.Certificate]
    key: rsa.RSAPrivateKey

    @property
    def not_after(self) -> datetime:
        """When the first of them ends."""
        return min(certs.not_after(one) for one in (self.certificate, *self.issuers))


def upload_installer_certificate(
    account: Account, *, data: bytes, password: str = "", actor: Actor
) -> InstallerCertificate:
    """Keep it in place of the one before. data: PEM with certificates and key, or PKCS #12 (.p12).

    Raises InstallerCertificateError. `concerns` tells what people should know about one that was taken.
    """
    opened = read_installer_certificate(data, password)
    key = opened.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    chain = b"".join(one.public_bytes(Encoding.PEM) for one in (opened.certificate, *opened.issuers)).decode()
    with transaction.atomic():
        # Two uploads at once: one after the other, and the last one stays.
        Account.objects.select_for_update(no_key=True).get(pk=account.pk)
        InstallerCertificate.objects.filter(account=account).delete()
        row = InstallerCertificate.objects.create(
            account=account,
            private_key=key,
            chain=chain,
            common_name=clean_text(name_of(opened.certificate), 200),
            fingerprint=certs.fingerprint(opened.certificate),
            not_after=opened.not_after,
        )
        # What the same certificate signed before may lack those above it. The file goes when packages are tidied.
        AgentPackage.objects.filter(account=account, certificate_fingerprint=row.fingerprint).delete()
        emit("installer_certificate.uploaded", account_id=account.pk, actor=actor, **_facts(row))
        transaction.on_commit(partial(nudge_named, BUILDER))
    return row


def remove_installer_certificate(certificate: InstallerCertificate, actor: Actor) -> bool:
    """Forget it with its key: the next package is not signed. False if it is gone already."""
    with transaction.atomic():
        count, _ = InstallerCertificate.objects.filter(pk=certificate.pk).delete()
        if count:
            emit("installer_certificate.removed", account_id=certificate.account_id, actor=actor, **_facts(certificate))
            transaction.on_commit(partial(nudge_named, BUILDER))
    return bool(count)


def read_installer_certificate(data: bytes, password: str = "") -> Opened:
    """Raises InstallerCertificateError."""
    if not data:
        raise InstallerCertificateError("The file is empty.")
    if len(data) > MAX_BYTES:
        raise InstallerCertificateError(f"The file is larger than {MAX_BYTES // 1024} KB: it is no certificate.")
    try:
        pem = pem_of_files([data], password)
    except VendorBundleError as error:
        raise InstallerCertificateError(str(error)) from error
    key = _key(pem)
    certificate, others = _certificates(pem, key)
    now = timezone.now()
    if certs.not_after(certificate) <= now:
        raise InstallerCertificateError(f"The certificate expired on {certs.not_after(certificate):%Y-%m-%d}.")
    if certs.not_before(certificate) > now:
        raise InstallerCertificateError(f"The certificate is valid from {certs.not_before(certificate):%Y-%m-%d} on.")
    return Opened(certificate, _issuers(certificate, others, now), key)


def signer_of(row: InstallerCertificate) -> PackageSigner:
    """Raises CannotDecrypt. The time of the upload counts as that of signing: so a package is the same whenever it is built."""
    certificate, *issuers = x509.load_pem_x509_certificates(row.chain.encode())
    key = load_der_private_key(row.private_key, None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError("the key of an installer certificate is no RSA key")
    return PackageSigner(key, certificate, issuers, row.uploaded_at.replace(microsecond=0))


def concerns(row: InstallerCertificate) -> list[str]:
    """Sentences for people about why Macs may not take what it signs; nothing for what Apple issued for this."""
    certificate, *issuers = x509.load_pem_x509_certificates(row.chain.encode())
    found = []
    if row.not_after <= timezone.now():
        found.append(f"It expired on {row.not_after:%Y-%m-%d}: Macs do not install what it signed.")
    usages = _usages(certificate)
    if APP_STORE_INSTALLER in usages:
        found.append(
            "It is for packages that are handed in to the Mac App Store: Macs do not install what it signed. Upload a "
            "Developer ID Installer certificate."
        )
    elif DEVELOPER_ID_INSTALLER not in usages or not _is_by_apple(certificate):
        found.append(
            "It is no Developer ID Installer certificate of Apple: Macs install what it signed only when a profile has "
            "them trust the CA that issued it."
        )
    top = issuers[-1] if issuers else certificate
    if not _issued(top, top):
        found.append(
            f"The certificate of {_name(top.issuer)} was not in the file: Macs have to know it by themselves. Export the "
            "certificate together with those above it if they do not."
        )
    return found


def warn_expiring() -> int:
    """One line of the log for each passed mark of a certificate; running twice adds nothing."""
    rows = InstallerCertificate.objects.filter(not_after__lte=horizon()).defer("private_key", "chain")
    return sum(
        warn_once(
            "installer_certificate.expiring",
            row.account_id,
            row.not_after,
            which={"fingerprint": row.fingerprint},
            name=row.common_name,
            not_after=row.not_after.isoformat(),
        )
        for row in rows
    )


def _facts(row: InstallerCertificate) -> dict[str, str]:
    return {"name": row.common_name, "fingerprint": row.fingerprint, "expires": row.not_after.isoformat()}


def _key(pem: bytes) -> rsa.RSAPrivateKey:
    """The one key among the blocks: the loader itself looks at the first block only."""
    blocks = [b"-----BEGIN " + part for part in pem.split(b"-----BEGIN ")[1:]]
    keys = [block for block in blocks if b"PRIVATE KEY-----" in block.split(b"\n", 1)[0]]
    if len(keys) != 1:
        found = "no private key" if not keys else f"{len(keys)} private keys"
        raise InstallerCertificateError(
            f"The file holds {found}, one is needed: export the certificate together with its key."
        )
    try:
        key = certs.key_from_pem(keys[0])
    except ValueError as error:
        raise InstallerCertificateError(
            "The private key cannot be read: it is neither an RSA nor an EC key."
        ) from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise InstallerCertificateError("The private key is not an RSA key: packages of macOS are signed with RSA.")
    try:
        certs.check_key_strength(key.public_key())
    except certs.WeakKey as error:
        raise InstallerCertificateError(str(error)) from error
    return key


def _certificates(pem: bytes, key: rsa.RSAPrivateKey) -> tuple[x509.Certificate, list[x509.Certificate]]:
    """The key's own, and the others."""
    try:
        found = x509.load_pem_x509_certificates(pem) if b"BEGIN CERTIFICATE" in pem else []
        own = [one for one in found if one.public_key() == key.public_key()]
    except _UNREADABLE as error:
        raise InstallerCertificateError("A certificate in the file is not readable.") from error
    if not found:
        raise InstallerCertificateError("The file holds no certificate.")
    if len(found) > MOST_CERTIFICATES:
        raise InstallerCertificateError(f"The file holds more than {MOST_CERTIFICATES} certificates.")
    if not own:
        raise InstallerCertificateError("No certificate in the file belongs to its private key.")
    # A renewed certificate may have kept its key: take the one that lasts longer.
    own.sort(key=certs.not_after)
    return own[-1], [one for one in found if one not in own]


def _issuers(
    certificate: x509.Certificate, others: Sequence[x509.Certificate], now: datetime
) -> list[x509.Certificate]:
    """From the one that issued it upwards, as far as the file goes. Raises InstallerCertificateError for one that expired."""
    chain: list[x509.Certificate] = []
    current = certificate
    while not _issued(current, current):
        above = [one for one in others if one not in chain and _issued(one, current)]
        if not above:
            break
        current = max(above, key=certs.not_after)
        if certs.not_after(current) <= now:
            raise InstallerCertificateError(
                f"The certificate of {_name(current.subject)} expired on {certs.not_after(current):%Y-%m-%d}."
            )
        chain.append(current)
    return chain


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    return certs.is_issued_by(certificate, issuer)


def _usages(certificate: x509.Certificate) -> set[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except (x509.ExtensionNotFound, *_UNREADABLE):
        return set()
    return {usage.dotted_string for usage in extension.value}


def _is_by_apple(certificate: x509.Certificate) -> bool:
    names = certificate.issuer.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return any(name.value == _APPLE for name in names)


def _name(name: x509.Name) -> str:
    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return clean_text(str(common[0].value) if common else name.rfc4514_string(), 200)
