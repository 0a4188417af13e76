"""The account's push certificate: asking for one, taking it in, watching its end."""

from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from django.db import transaction
from django.utils import timezone

from mdm.accounts.actors import SYSTEM, Actor
from mdm.accounts.models import Account
from mdm.common import certs
from mdm.events.models import Event, Level
from mdm.events.services import emit
from mdm.push.csr import new_push_request
from mdm.push.models import PushCertificate, PushRequest

WARN_DAYS = (30, 14, 7, 1)


class BadPushCertificate(Exception):
    """The uploaded certificate or key cannot be used; the text says why."""


def request_certificate(account: Account, *, email: str, actor: Actor = SYSTEM) -> PushRequest:
    """A new key and CSR for the account. The key of an earlier, unanswered request is replaced."""
    key_pem, csr_der = new_push_request(account.name, email, account.apple_store_country_code)
    with transaction.atomic():
        request, _ = PushRequest.objects.update_or_create(
            account=account, defaults={"key_pem": key_pem.decode(), "csr_der": csr_der}
        )
        emit("push_certificate.requested", account_id=account.pk, actor=actor)
    return request


def upload_certificate(
    account: Account, *, certificate_pem: bytes, key_pem: bytes | None = None, apple_id: str = "", actor: Actor = SYSTEM
) -> PushCertificate:
    """Take Apple's certificate; the key is the uploaded one, that of the last request, or the present one's.

    Raises BadPushCertificate: unreadable, not a device-management push certificate, expired, without its key, or of
    another topic than the devices enrolled with (they would never be woken again).
    """
    certificate = _read_certificate(certificate_pem)
    topic = certs.push_topic(certificate)
    if not topic:
        raise BadPushCertificate("This is not a push certificate for device management: it names no push topic.")
    if certs.not_after(certificate) <= timezone.now():
        raise BadPushCertificate("This certificate has expired.")
    present = PushCertificate.objects.filter(account=account).first()
    if present and present.topic != topic:
        raise BadPushCertificate(
            f"This certificate has the topic {topic}, but the devices enrolled with {present.topic}. "
            "Renew the existing certificate with the same Apple Account instead of making a new one."
        )
    key = _matching_key(account, certificate, key_pem, present)
    with transaction.atomic():
        row, _ = PushCertificate.objects.update_or_create(
            account=account,
            defaults={
                "topic": topic,
                "certificate_pem": certificate.public_bytes(Encoding.PEM).decode(),
                "key_pem": key.decode(),
                "apple_id": apple_id or (present.apple_id if present else ""),
                "not_before": certs.not_before(certificate),
                "not_after": certs.not_after(certificate),
                "rejected_at": None,
                "rejected_reason": "",
            },
        )
        PushRequest.objects.filter(account=account).delete()
        emit(
            "push_certificate.uploaded",
            account_id=account.pk,
            actor=actor,
            topic=topic,
            expires=row.not_after.isoformat(),
        )
    return row


def warn_expiring() -> int:
    """One log entry for each passed mark (30, 14, 7, 1 days) of a certificate; running twice adds nothing."""
    now = timezone.now()
    count = 0
    for certificate in PushCertificate.objects.filter(not_after__lte=now + timedelta(days=WARN_DAYS[0])):
        mark = min(days for days in WARN_DAYS if certificate.days_left <= days)
        marked = {"not_after": certificate.not_after.isoformat(), "mark_days": mark}
        known = Event.objects.for_account(certificate.account_id).filter(
            event_type="push_certificate.expiring", metadata__not_after=marked["not_after"], metadata__mark_days=mark
        )
        if not known.exists():
            level = Level.ERROR if mark <= 7 else Level.WARNING
            emit(
                "push_certificate.expiring",
                account_id=certificate.account_id,
                level=level,
                days_left=certificate.days_left,
                **marked,
            )
            count += 1
    return count


def _read_certificate(data: bytes) -> x509.Certificate:
    try:
        return certs.load_certificate(data)
    except ValueError as error:
        raise BadPushCertificate("This file is not a certificate. Upload the .pem file that Apple gave you.") from error


def _matching_key(
    account: Account, certificate: x509.Certificate, uploaded: bytes | None, present: PushCertificate | None
) -> bytes:
    waiting = PushRequest.objects.filter(account=account).first()
    candidates = [uploaded] if uploaded else []
    candidates += [row.key_pem.encode() for row in (waiting, present) if row]
    for pem in candidates:
        try:
            key = certs.key_from_pem(pem)
        except (ValueError, TypeError) as error:
            raise BadPushCertificate("The private key cannot be read. Upload it unencrypted, in PEM form.") from error
        if certs.matches(certificate, key):
            return certs.key_to_pem(key)
    raise BadPushCertificate("The private key does not belong to this certificate.")
