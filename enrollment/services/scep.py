"""SCEP for an account's CA: who gets a certificate. Source: RFC 8894; the bytes are `mdm.protocol.scep`'s.

A PKCSReq is authorized by its challenge, a RenewalReq by the device's present certificate, a CertPoll by the key of the
request it asks about. The one reason to let a client wait (PENDING): the account's last licences are held by devices that
are enrolling at this moment (`licences.py`). Its certificate is made at once and kept on hold, X.509's own word for
revoked until further notice; the poll releases it, or is told that no licence is left.
"""

import logging

from cryptography import x509
from django.db import transaction
from django.utils import timezone

from devices.models import DeviceState
from enrollment.models import CertificateAuthority, Enrollment, IdentityCertificate, ScepChallenge
from enrollment.services.ca import key_fingerprint, log_identity, open_authority, sign_identity
from enrollment.services.challenges import find_challenge, spend
from enrollment.services.licences import Licence, licence_for
from enrollment.services.links import why_closed
from mdm.accounts.actors import DEVICE
from mdm.common import certs
from mdm.common.tokens import digest
from mdm.events.models import Level
from mdm.events.services import emit
from mdm.protocol import scep
from mdm.protocol.scep import FailInfo, MessageType, PkiMessage, ScepError

logger = logging.getLogger(__name__)

# In revoked_reason, after the CRL reasons certificateHold and removeFromCRL (RFC 5280, section 5.3.1).
ON_HOLD = "on hold until a licence is free"
RELEASED = "not on hold any more"


class _Lost(Exception):
    """Another request used the challenge first."""


def find_authority(scep_id: str) -> CertificateAuthority | None:
    return CertificateAuthority.objects.select_related("account").filter(scep_id=scep_id).first()


def ca_certificate(authority: CertificateAuthority) -> tuple[bytes, str]:
    """The answer to GetCACert and its content type."""
    return scep.ca_certificates([certs.load_certificate(bytes(authority.certificate_der))])


def operate(authority: CertificateAuthority, message: bytes) -> bytes:
    """The CertRep for one pkiMessage: success, pending or failure.

    Raises ScepError when the message is such that nobody can be answered in SCEP's terms.
    """
    opened = open_authority(authority)
    signer = {"ca_certificate": opened.certificate, "ca_key": opened.key}
    try:
        request = scep.open_pki_message(message, **signer)
        identity = _decide(authority, request)
        if identity.revoked_at:
            return scep.pending(request, **signer)
        issued = certs.load_certificate(bytes(identity.certificate_der))
        return scep.success(request, issued, **signer)
    except ScepError as error:
        if error.partial is None:
            raise
        _log_refusal(authority, error)
        return scep.failure(error.partial, error.fail_info, text=str(error), **signer)


def _decide(authority: CertificateAuthority, request: PkiMessage) -> IdentityCertificate:
    """The certificate that the client may have; one on hold means that it has to wait. Raises ScepError."""
    if request.message_type == MessageType.CERT_POLL:
        return _poll(authority, request)
    if request.is_renewal:
        return _renew(authority, request)
    return _enroll(authority, request)


def _enroll(authority: CertificateAuthority, request: PkiMessage) -> IdentityCertificate:
    challenge = find_challenge(authority.account_id, request.challenge_password)
    if challenge is None:
        raise _refusal(request, "unknown challenge" if request.challenge_password else "no challenge")
    if challenge.used_at:
        return _repeat(request, challenge)
    if challenge.expires_at <= timezone.now():
        raise _refusal(request, "the challenge has expired")
    if challenge.enrollment:
        _require_open(request, challenge.enrollment)
    if challenge.device and challenge.device.removed_at:
        raise _refusal(request, "the device was removed")
    identity = sign_identity(
        authority,
        _public_key(request),
        organization=authority.account.name,
        enrollment=challenge.enrollment or _enrollment_of(challenge),
        device=challenge.device,
    )
    try:
        with transaction.atomic():
            return _store_for_challenge(request, challenge, identity)
    except _Lost:
        challenge = find_challenge(authority.account_id, request.challenge_password)
        return _repeat(request, challenge)


def _store_for_challenge(
    request: PkiMessage, challenge: ScepChallenge, identity: IdentityCertificate
) -> IdentityCertificate:
    """Take a licence, store the certificate, spend the challenge: all or nothing. Raises ScepError, _Lost."""
    if challenge.enrollment:
        _take_licence(request, challenge.enrollment, identity)
    identity.save(force_insert=True)
    if not spend(challenge, identity):
        raise _Lost
    if not identity.revoked_at:
        log_identity("certificate.renewed" if challenge.device else "certificate.issued", identity)
    return identity


def _repeat(request: PkiMessage, challenge: ScepChallenge) -> IdentityCertificate:
    """A client whose answer got lost asks again with the same key and gets the same certificate."""
    identity = challenge.certificate
    if identity is None or identity.public_key_fingerprint != key_fingerprint(_public_key(request)):
        raise _refusal(request, "the challenge was used before")
    if challenge.enrollment and why_closed(challenge.enrollment) == "revoked":
        raise _refusal(request, "the enrollment link was revoked")
    return _released(request, identity)


def _renew(authority: CertificateAuthority, request: PkiMessage) -> IdentityCertificate:
    """A new certificate for the device whose present one signed the request. Source: RFC 8894, section 3.3.1.2."""
    present = (
        IdentityCertificate.objects.select_related("device", "enrollment")
        .filter(account_id=authority.account_id, fingerprint=certs.fingerprint(request.signer_certificate))
        .first()
    )
    if present is None:
        raise _refusal(request, "the request is not signed with a certificate of this authority")
    if present.revoked_at:
        raise _refusal(request, "the present certificate is revoked")
    if present.is_expired:
        raise _refusal(request, "the present certificate has expired")
    device = present.device
    if device is None or device.removed_at or device.state == DeviceState.UNENROLLED:
        raise _refusal(request, "the present certificate belongs to no managed device")
    public_key = _public_key(request)
    newer = {"device": device, "public_key_fingerprint": key_fingerprint(public_key), "pk__gt": present.pk}
    repeated = IdentityCertificate.objects.filter(revoked_at=None, not_after__gt=timezone.now(), **newer).first()
    if repeated:
        return repeated
    identity = sign_identity(
        authority, public_key, organization=authority.account.name, enrollment=present.enrollment, device=device
    )
    with transaction.atomic():
        identity.save(force_insert=True)
        log_identity("certificate.renewed", identity, replaces=present.serial_number)
    return identity


def _poll(authority: CertificateAuthority, request: PkiMessage) -> IdentityCertificate:
    """What became of a request: known again by its transaction if it had to wait, else by its key.

    Source: RFC 8894, section 3.3.3; an unknown transaction is answered with badCertId (section 3.2.1.4).
    """
    by_key = IdentityCertificate.objects.select_related("device", "enrollment__account", "enrollment__device").filter(
        account_id=authority.account_id,
        public_key_fingerprint=key_fingerprint(request.signer_certificate.public_key()),
    )
    waiting_as = [_transaction(reason, request) for reason in (ON_HOLD, RELEASED)]
    waited = by_key.filter(revoked_reason__in=waiting_as).order_by("-pk").first()
    if waited:
        return _released(request, waited)
    known = list(by_key.filter(revoked_at=None, not_after__gt=timezone.now())[:2])
    if len(known) != 1:
        raise ScepError("This transaction is not known.", fail_info=FailInfo.BAD_CERT_ID, partial=request)
    return known[0]


def _released(request: PkiMessage, identity: IdentityCertificate) -> IdentityCertificate:
    """The certificate if it may be handed out now; one on hold is looked at again. Raises ScepError when it is revoked."""
    if not identity.revoked_at:
        return identity
    enrollment, reason = identity.enrollment, identity.revoked_reason
    if not reason.startswith(ON_HOLD) or enrollment is None:
        raise _refusal(request, "the certificate is revoked")
    _require_open(request, enrollment)
    with transaction.atomic():
        held = IdentityCertificate.objects.filter(pk=identity.pk, revoked_reason=reason)
        identity.revoked_at, identity.revoked_reason = None, _transaction(RELEASED, request)
        _take_licence(request, enrollment, identity)
        # Whoever is released holds a licence for a while from now on.
        created_at = identity.created_at if identity.revoked_at else timezone.now()
        changed = held.update(
            revoked_at=identity.revoked_at, revoked_reason=identity.revoked_reason, created_at=created_at
        )
        if changed and not identity.revoked_at:
            log_identity("certificate.issued", identity)
    return identity


def _take_licence(request: PkiMessage, enrollment: Enrollment, identity: IdentityCertificate) -> None:
    """Put the certificate on hold when it is not clear yet whether a licence is left. Raises ScepError when none is."""
    licence = licence_for(enrollment)
    if licence is Licence.NONE_LEFT:
        raise _refusal(request, "all device licences of the account are in use")
    if licence is Licence.BEING_TAKEN:
        identity.revoked_at, identity.revoked_reason = timezone.now(), _transaction(ON_HOLD, request)


def _require_open(request: PkiMessage, enrollment: Enrollment) -> None:
    reason = why_closed(enrollment)
    if reason:
        raise _refusal(request, f"the enrollment link is {reason}")


def _enrollment_of(challenge: ScepChallenge) -> Enrollment | None:
    """A device that renews stays with the enrollment by which it came."""
    latest = (
        IdentityCertificate.objects.filter(device=challenge.device, enrollment__isnull=False).order_by("-pk").first()
    )
    return latest.enrollment if latest else None


def _transaction(reason: str, request: PkiMessage) -> str:
    """How a certificate that had to wait remembers the transaction that will poll for it."""
    return f"{reason} (SCEP transaction {digest(request.transaction_id)[:32]})"


def _public_key(request: PkiMessage) -> certs.PublicKey:
    """The key to be certified; its strength was checked when the message was read."""
    csr: x509.CertificateSigningRequest = request.csr
    return csr.public_key()


def _refusal(request: PkiMessage, why: str) -> ScepError:
    """What the client reads is the same for every reason: only the log tells a guesser how near it came."""
    return ScepError("The request is not authorized.", fail_info=FailInfo.BAD_REQUEST, partial=request, detail=why)


def _log_refusal(authority: CertificateAuthority, error: ScepError) -> None:
    logger.info("SCEP request refused for account %s: %s", authority.account_id, error.detail)
    emit(
        "certificate.refused",
        account_id=authority.account_id,
        actor=DEVICE,
        level=Level.WARNING,
        why=error.detail,
        fail_info=error.fail_info.name,
        transaction_id=error.partial.transaction_id if error.partial else "",
    )
