"""The account's push certificate: asking for one, and taking it in."""

from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from mdm.accounts.actors import SYSTEM, Actor
from mdm.accounts.models import Account
from mdm.channels.models import GONE, Channel
from mdm.common import certs
from mdm.common.certs import fit_name
from mdm.common.words import count_of
from mdm.events.models import Level
from mdm.events.services import emit
from mdm.push.csr import new_push_request
from mdm.push.models import PushCertificate, PushRequest

KEPT_REQUESTS = 5
MAX_TOPIC = 255


class BadPushCertificate(Exception):
    """The uploaded certificate or key cannot be used; the text says why."""


class OtherTopic(BadPushCertificate):
    """It is not the renewed certificate, but a new one."""


@dataclass(frozen=True)
class _Read:
    certificate: x509.Certificate
    topic: str


def request_certificate(account: Account, *, email: str, actor: Actor = SYSTEM) -> PushRequest:
    """A new key and CSR for the account. The keys of the last KEPT_REQUESTS unanswered requests stay good.

    Raises PushRequestError.
    """
    key_pem, csr_der = new_push_request(fit_name(account.name), email, account.apple_store_country_code)
    with transaction.atomic():
        request = PushRequest.objects.create(account=account, key_pem=key_pem.decode(), csr_der=csr_der, email=email)
        kept = PushRequest.objects.filter(account=account).order_by("-pk").values_list("pk", flat=True)[:KEPT_REQUESTS]
        PushRequest.objects.filter(account=account).exclude(pk__in=list(kept)).delete()
        emit("push_certificate.requested", account_id=account.pk, actor=actor)
    return request


def waiting_request(account: Account) -> PushRequest | None:
    """The newest request that no certificate has answered."""
    return PushRequest.objects.filter(account=account).order_by("-pk").first()


def count_enrolled(account: Account, topic: str) -> int:
    """Devices that are woken by this topic and no other, or are about to be."""
    return _enrolled(account, topic).count()


def has_enrolled(account: Account, topic: str) -> bool:
    """Whether there is any."""
    return _enrolled(account, topic).exists()


def _enrolled(account: Account, topic: str) -> QuerySet[Channel]:
    open_ones = Channel.objects.for_account(account).filter(user_key="", topic=topic, device__removed_at=None)
    return open_ones.exclude(state__in=GONE)


def upload_certificate(
    account: Account,
    *,
    certificate_pem: bytes,
    key_pem: bytes | None = None,
    apple_id: str = "",
    give_up_topic: str = "",
    actor: Actor = SYSTEM,
) -> PushCertificate:
    """Take Apple's certificate; the key is the uploaded one, that of one of the last requests, or the present one's.

    give_up_topic: the present topic, typed by a person who wants to begin anew with another one; it is possible only while
    no device is enrolled with it.
    Raises BadPushCertificate: unreadable, not a device-management push certificate, expired, older than the present one,
    without its key; OtherTopic: of another topic than the devices enrolled with (they would never be woken again).
    """
    read = _read_certificate(certificate_pem)
    certificate = read.certificate
    if certs.not_after(certificate) <= timezone.now():
        raise BadPushCertificate("This certificate has expired.")
    with transaction.atomic():
        present = PushCertificate.objects.filter(account=account).select_for_update().first()
        if present and present.topic != read.topic:
            _check_other_topic(account, present, read.topic, give_up_topic)
        elif present and certs.not_after(certificate) < present.not_after:
            raise BadPushCertificate(
                "This certificate ends before the one in use: it is an older one. Upload the newest from Apple's portal."
            )
        key = _matching_key(account, certificate, key_pem, present)
        row = _store(account, read, key, apple_id, present)
        expires = row.not_after.isoformat()
        if present and present.topic != read.topic:
            emit(
                "push_certificate.replaced",
                account_id=account.pk,
                actor=actor,
                level=Level.WARNING,
                topic=row.topic,
                former_topic=present.topic,
                expires=expires,
            )
        else:
            emit("push_certificate.uploaded", account_id=account.pk, actor=actor, topic=row.topic, expires=expires)
    return row


def _store(
    account: Account, read: _Read, key: bytes, apple_id: str, present: PushCertificate | None
) -> PushCertificate:
    """The one row; requests are answered by it."""
    request = waiting_request(account)
    same = present if present and present.topic == read.topic else None
    row, _ = PushCertificate.objects.update_or_create(
        account=account,
        defaults={
            "topic": read.topic,
            "certificate_pem": read.certificate.public_bytes(Encoding.PEM).decode(),
            "key_pem": key.decode(),
            "apple_id": apple_id or (same.apple_id if same else ""),
            "request_email": (request.email if request else "") or (present.request_email if present else ""),
            "not_before": certs.not_before(read.certificate),
            "not_after": certs.not_after(read.certificate),
            "rejected_at": None,
            "rejected_reason": "",
        },
    )
    PushRequest.objects.filter(account=account).delete()
    return row


def _check_other_topic(account: Account, present: PushCertificate, topic: str, give_up_topic: str) -> None:
    """Raises OtherTopic unless there is nobody to lose and a person said that it is meant."""
    enrolled = count_enrolled(account, present.topic)
    if not enrolled and give_up_topic.strip() == present.topic:
        return
    made_with = f" ({present.apple_id})" if present.apple_id else ""
    sentence = (
        f"This certificate has the topic {topic}, the one in use has {present.topic}. Renew the existing certificate with "
        f"the same Apple Account{made_with} instead of making a new one"
    )
    if enrolled:
        have = "has" if enrolled == 1 else "have"
        raise OtherTopic(
            f"{sentence}: {count_of(enrolled, 'device')} {have} enrolled with the present topic, could never be woken "
            "again, and would have to be enrolled anew."
        )
    raise OtherTopic(
        f"{sentence}. No device is enrolled with the present topic, so an administrator can give it up: by typing it beside "
        "the upload in the admin."
    )


def _read_certificate(data: bytes) -> _Read:
    """Every part that is looked at later is read here: a strange certificate fails where it is first looked at."""
    if b"CERTIFICATE REQUEST-----" in data or b"PushCertRequestCSR" in data or data.startswith(b"PD94bWwg"):
        raise BadPushCertificate(
            "This is the request, not the certificate. Upload it at Apple's portal, and here the .pem file that you get there."
        )
    try:
        certificate = certs.load_certificate(data)
        certificate.public_key()
        certs.not_after(certificate)
        topic = certs.push_topic(certificate)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadPushCertificate("This file is not a certificate. Upload the .pem file that Apple gave you.") from error
    if not topic or len(topic) > MAX_TOPIC or not topic.isprintable():
        raise BadPushCertificate("This is not a push certificate for device management: it names no push topic.")
    return _Read(certificate, topic)


def _matching_key(
    account: Account, certificate: x509.Certificate, uploaded: bytes | None, present: PushCertificate | None
) -> bytes:
    waiting = PushRequest.objects.filter(account=account).order_by("-pk")
    candidates = [uploaded] if uploaded else []
    candidates += [row.key_pem.encode() for row in (*waiting, present) if row]
    for pem in candidates:
        try:
            key = certs.key_from_pem(pem)
        except (ValueError, TypeError) as error:
            raise BadPushCertificate("The private key cannot be read. Upload it unencrypted, in PEM form.") from error
        if certs.matches(certificate, key):
            return certs.key_to_pem(key)
    if uploaded:
        raise BadPushCertificate("The private key does not belong to this certificate.")
    raise BadPushCertificate(
        "The private key does not belong to this certificate: it was made of another request than the last ones of this "
        "account. Make it again from the present request, or upload its key as well."
    )
