"""The account's certificate authority: its key, the identities it issues, and whose certificate one is.

Whom an account believes besides its own CA: `trust.py`.
"""

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from devices.models import Device
from enrollment.models import CertificateAuthority, Enrollment, IdentityCertificate
from enrollment.services.trust import find_trusted_issuer, trust_authority
from mdm.accounts.actors import DEVICE, Actor
from mdm.accounts.models import Account
from mdm.channels.services import unbind_identity
from mdm.common import certs, rows
from mdm.common.certs import new_rsa_key
from mdm.common.tokens import new_token
from mdm.events.services import emit

__all__ = [
    "Authority",
    "IdentityFound",
    "authority_of",
    "identify_certificate",
    "issue",
    "key_fingerprint",
    "open_authority",
    "revoke_identity",
    "sign_identity",
    "trust_authority",
]

CA_KEY_BITS = 3072  # it has to last as long as the CA
CA_LIFETIME_DAYS = 10 * 365


@dataclass(frozen=True)
class Authority:
    """A CA ready to sign."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey = field(repr=False)


@dataclass(frozen=True)
class IdentityFound:
    """Who a certificate says that a device is. identity and enrollment are None for an external CA's.

    why_not: a few words (“it was revoked”) when the certificate must not be accepted now, else ''.
    """

    account_id: int
    identity: IdentityCertificate | None
    enrollment: Enrollment | None
    is_valid_now: bool
    why_not: str = ""


def authority_of(account: Account) -> CertificateAuthority:
    """The account's CA; made when it is first needed."""
    present = CertificateAuthority.objects.filter(account=account).first()
    if present:
        return present
    key = new_rsa_key(CA_KEY_BITS)
    certificate = certs.create_ca(
        f"{certs.fit_name(account.name, 50)} Device CA", organization=account.name, key=key, days=CA_LIFETIME_DAYS
    )
    authority = CertificateAuthority(
        account=account,
        scep_id=new_token(12),
        certificate_der=certificate.public_bytes(Encoding.DER),
        key_pem=certs.key_to_pem(key).decode(),
        not_after=certs.not_after(certificate),
    )
    try:
        with transaction.atomic():
            authority.save(force_insert=True)
    except IntegrityError:
        return CertificateAuthority.objects.get(account=account)  # another process made one at the same moment
    return authority


def open_authority(authority: CertificateAuthority) -> Authority:
    """The CA's certificate and key, loaded once per process."""
    return _load(authority.pk, bytes(authority.certificate_der), authority.key_pem)


def sign_identity(
    authority: CertificateAuthority,
    public_key: certs.PublicKey,
    *,
    organization: str,
    enrollment: Enrollment | None = None,
    device: Device | None = None,
) -> IdentityCertificate:
    """A signed certificate as a row that is not stored yet: signing takes time and needs no lock.

    The subject is ours, a random name: nothing that a request claims about itself goes into a certificate. device is given
    for a renewal only; a certificate for a link belongs to whichever device first comes with it.
    """
    opened = open_authority(authority)
    common_name = str(uuid.uuid4()).upper()
    certificate = certs.issue_identity(
        opened.certificate,
        opened.key,
        public_key,
        common_name=common_name,
        organization=organization,
        serial=certs.new_serial(),
        days=settings.IDENTITY_LIFETIME_DAYS,
    )
    return IdentityCertificate(
        account_id=authority.account_id,
        enrollment=enrollment,
        device=device,
        serial_number=f"{certificate.serial_number:X}",
        fingerprint=certs.fingerprint(certificate),
        public_key_fingerprint=key_fingerprint(public_key),
        common_name=common_name,
        certificate_der=certificate.public_bytes(Encoding.DER),
        not_before=certs.not_before(certificate),
        not_after=certs.not_after(certificate),
    )


def issue(
    account: Account,
    public_key: certs.PublicKey,
    *,
    enrollment: Enrollment | None = None,
    device: Device | None = None,
    actor: Actor = DEVICE,
) -> IdentityCertificate:
    """Sign, store and log an identity without SCEP."""
    authority = authority_of(account)
    identity = sign_identity(authority, public_key, organization=account.name, enrollment=enrollment, device=device)
    with transaction.atomic():
        identity.save(force_insert=True)
        log_identity("certificate.issued", identity, actor)
    return identity


def log_identity(event_type: str, identity: IdentityCertificate, actor: Actor = DEVICE, **metadata: object) -> None:
    """One line of the log about an identity certificate, for the device that has it or is meant to get it."""
    meant_for = identity.enrollment.device if identity.enrollment else None
    emit(
        event_type,
        account_id=identity.account_id,
        actor=actor,
        device=identity.device or meant_for,
        common_name=identity.common_name,
        serial_number=identity.serial_number,
        not_after=identity.not_after.isoformat(),
        enrollment_id=identity.enrollment_id,
        **metadata,
    )


def revoke_identity(identity: IdentityCertificate, reason: str, actor: Actor) -> bool:
    """From now on the certificate opens nothing. False if it was revoked before."""
    with transaction.atomic():
        now = timezone.now()
        rows = IdentityCertificate.objects.filter(pk=identity.pk, revoked_at=None)
        done = rows.update(revoked_at=now, revoked_reason=reason[:200])
        if done:
            identity.revoked_at, identity.revoked_reason = now, reason[:200]
            unbind_identity(identity.fingerprint)
            log_identity("certificate.revoked", identity, actor, reason=reason)
    return bool(done)


def identify_certificate(
    certificate_der: bytes, fingerprint: str, *, account_id: int | None = None
) -> IdentityFound | None:
    """Whose identity a certificate is: one that we issued, or one of an external CA that an account trusts.

    None if it is nobody's. account_id narrows the search to an account that is known otherwise (by the token in the
    URL); without it an external certificate whose CA several accounts trust is nobody's, as it names no account.
    fingerprint: lowercase hex SHA-256 of certificate_der.
    """
    identity = next(iter(rows.select(IdentityCertificate, "fingerprint = %s", fingerprint)), None)
    if identity is None:
        return _identify_external(certificate_der, account_id)
    if account_id not in (None, identity.account_id):
        return None
    why_not = "it was revoked" if identity.revoked_at else _outside(identity.not_before, identity.not_after)
    return IdentityFound(identity.account_id, identity, identity.enrollment, not why_not, why_not)


def key_fingerprint(public_key: certs.PublicKey) -> str:
    """SHA-256 of the public key (SubjectPublicKeyInfo), lowercase hex."""
    return certs.fingerprint(public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def _identify_external(certificate_der: bytes, account_id: int | None) -> IdentityFound | None:
    try:
        certificate = certs.load_certificate(certificate_der)
        issuers = find_trusted_issuer(certificate, account_id)
    except ValueError:
        return None
    if len({issuer.account_id for issuer in issuers}) != 1:
        return None
    why_not = _outside(certs.not_before(certificate), certs.not_after(certificate))
    if not why_not and all(issuer.not_after <= timezone.now() for issuer in issuers):
        why_not = "its CA has expired"
    return IdentityFound(issuers[0].account_id, None, None, not why_not, why_not)


def _outside(not_before: datetime, not_after: datetime) -> str:
    now = timezone.now()
    if now < not_before:
        return "it is not valid yet"
    return "it has expired" if now >= not_after else ""


@lru_cache(maxsize=256)
def _load(_authority_id: int, certificate_der: bytes, key_pem: str) -> Authority:
    key = certs.key_from_pem(key_pem.encode())
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("SCEP needs a CA with an RSA key.")
    return Authority(certs.load_certificate(certificate_der), key)
