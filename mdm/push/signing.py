"""Requests on their way through mdmcert.download: ordered here, sent by a worker, opened when a person uploads the mail.

A row in state `waiting` is due at `due_at`; a worker that takes it moves that to the end of its lease, so that a lost worker
delays it and loses nothing. The service may have taken a request whose answer was lost: a second mail does no harm, as both
are opened by the same key.
"""

import logging
import time
from datetime import timedelta
from functools import partial

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from mdm.accounts.actors import SYSTEM, Actor
from mdm.accounts.models import Account
from mdm.common import certs
from mdm.common.nudge import nudge_named
from mdm.common.pauses import pause_seconds
from mdm.events.models import Level
from mdm.events.services import emit
from mdm.protocol.cms_structures import MALFORMED
from mdm.protocol.envelope import UnsupportedEnvelope, open_envelope
from mdm.push.certificates import request_certificate, waiting_request
from mdm.push.mailed import MailedFileError, SignedRequest, envelope_of, read_signed_request
from mdm.push.mdmcert import SigningError, SigningRefused, SigningUnavailable, ask_for_signature
from mdm.push.models import OrderState, SigningAccess, SigningOrder

LEASE = timedelta(minutes=5)  # longer than one request may take
TURN_SECONDS = 600.0
FIRST_RETRY_SECONDS = 60
LONGEST_RETRY_SECONDS = 3600
MOST_ATTEMPTS = 12  # some six hours
KEPT_ORDERS = 5
KEY_DAYS = 365

logger = logging.getLogger("pomona.push")


class OrderError(Exception):
    """Nothing was ordered; the text says why."""


class NoSigningKey(OrderError):
    """Neither the account nor the installation has a key for the service."""


def order_signature(account: Account, *, email: str, api_key: str = "", actor: Actor = SYSTEM) -> SigningOrder:
    """Have the account's request signed; without one it is made, with that address.

    email: registered at the service. api_key: kept from now on; empty: the one kept before, else the installation's.
    Raises OrderError, PushRequestError.
    """
    key = certs.new_rsa_key()
    certificate = certs.self_signed("Pomona", key=key, organization=account.name, days=KEY_DAYS)
    try:
        with transaction.atomic():
            access = _keep_access(account, email, api_key, actor)
            if not _api_key(access):
                raise NoSigningKey(
                    "A key for the API of mdmcert.download is needed: ask its makers for one of your own."
                )
            request = waiting_request(account) or request_certificate(account, email=email, actor=actor)
            order = SigningOrder.objects.create(
                account=account,
                request=request,
                email=email,
                certificate_pem=certificate.public_bytes(Encoding.PEM).decode(),
                key_pem=certs.key_to_pem(key).decode(),
                due_at=timezone.now(),
            )
            kept = SigningOrder.objects.filter(account=account).order_by("-pk").values_list("pk", flat=True)
            SigningOrder.objects.filter(account=account).exclude(pk__in=list(kept[:KEPT_ORDERS])).delete()
            emit("push_certificate.signing_requested", account_id=account.pk, actor=actor, email=email)
            transaction.on_commit(partial(nudge_named, "mdm.push.tasks.send_signing_orders"))
    except IntegrityError as error:
        raise OrderError("A request is on its way to mdmcert.download already: wait for it or cancel it.") from error
    return order


def cancel_order(account: Account, *, actor: Actor) -> bool:
    """Try no further to send what waits; should the service have it already, its mail can still be opened."""
    with transaction.atomic():
        changed = SigningOrder.objects.filter(account=account, state=OrderState.WAITING).update(
            state=OrderState.FAILED, due_at=None, error="It was cancelled.", changed_at=timezone.now()
        )
        if changed:
            emit("push_certificate.signing_cancelled", account_id=account.pk, actor=actor)
    return bool(changed)


def forget_api_key(account: Account, *, actor: Actor) -> bool:
    """False when the account keeps none."""
    with transaction.atomic():
        access = SigningAccess.objects.filter(account=account).exclude(api_key=None).select_for_update().first()
        if access is None:
            return False
        access.api_key = ""
        access.save(update_fields=["api_key"])
        emit("push_certificate.signing_key_removed", account_id=account.pk, actor=actor)
    return True


def newest_order(account: Account, *, is_answered: bool = False) -> SigningOrder | None:
    orders = SigningOrder.objects.filter(account=account).select_related("request").defer("key_pem", "request__key_pem")
    if is_answered:
        orders = orders.filter(state=OrderState.ANSWERED)
    return orders.order_by("-pk").first()


# --- The worker's part ------------------------------------------------------------------------------------------------
def send_due() -> int:
    """Send what is due. Several may run at once: each claims its own rows. Returns how many were tried."""
    until = time.monotonic() + TURN_SECONDS
    count = 0
    while time.monotonic() < until and (order := _claim()):
        count += 1
        try:
            _send(order)
        except Exception:  # one account's trouble delays nobody else; the lease ends and it is tried again
            logger.exception("signing order %s could not be sent", order.pk)
    return count


def _claim() -> SigningOrder | None:
    now = timezone.now()
    with transaction.atomic():
        due = SigningOrder.objects.filter(state=OrderState.WAITING, due_at__lte=now).order_by("due_at", "pk")
        order = due.select_for_update(skip_locked=True).first()
        if order is not None:
            # Counted now and not at the end, so that one that kills its worker is not tried for ever.
            order.due_at, order.attempts = now + LEASE, order.attempts + 1
            SigningOrder.objects.filter(pk=order.pk).update(due_at=order.due_at, attempts=order.attempts)
    return order


def _send(order: SigningOrder) -> None:
    """The request to the service, outside of any transaction, and what came of it."""
    access = SigningAccess.objects.filter(account_id=order.account_id).first()
    api_key = _api_key(access)
    try:
        if not api_key:
            raise SigningRefused("There is no key for the API of mdmcert.download any more.")
        ask_for_signature(
            settings.MDMCERT_URL,
            csr_der=bytes(order.request.csr_der),
            email=order.email,
            api_key=api_key,
            certificate_pem=order.certificate_pem,
            ca_file=settings.MDMCERT_CA_FILE,
        )
    except SigningUnavailable as error:
        if order.attempts >= MOST_ATTEMPTS:
            _fail(order, SigningError(f"It was tried {order.attempts} times, the last time: {error}"))
        else:
            _put_off(order, error)
    except SigningRefused as error:
        _fail(order, error)
    else:
        _finish(order, "push_certificate.signing_sent", Level.INFO, state=OrderState.SENT, error="")


def _put_off(order: SigningOrder, error: SigningUnavailable) -> None:
    wait = pause_seconds(
        order.attempts - 1,
        first=FIRST_RETRY_SECONDS,
        longest=LONGEST_RETRY_SECONDS,
        asked_for=error.retry_after_seconds,
    )
    _mine(order).update(due_at=timezone.now() + timedelta(seconds=wait), error=str(error)[:400])


def _fail(order: SigningOrder, error: SigningError) -> None:
    reason = str(error)[:400]
    _finish(
        order, "push_certificate.signing_failed", Level.WARNING, state=OrderState.FAILED, error=reason, reason=reason
    )


def _finish(order: SigningOrder, event_type: str, level: Level, *, state: OrderState, error: str, **told: str) -> None:
    with transaction.atomic():
        if _mine(order).update(state=state, error=error, due_at=None, changed_at=timezone.now()):
            emit(event_type, account_id=order.account_id, level=level, email=order.email, **told)


def _mine(order: SigningOrder) -> QuerySet[SigningOrder]:
    """The row while our lease stands: cancelled, answered or taken over meanwhile, it is no longer ours to change."""
    return SigningOrder.objects.filter(pk=order.pk, state=OrderState.WAITING, due_at=order.due_at)


# --- The mail ---------------------------------------------------------------------------------------------------------
def take_mailed_file(account: Account, data: bytes, *, actor: Actor = SYSTEM) -> SigningOrder:
    """Open the file that the service mailed and keep the signed request in it for Apple's portal.

    Raises MailedFileError: not such a file, for another key, or with another request than the one that was sent.
    """
    envelope = envelope_of(data)
    orders = SigningOrder.objects.filter(account=account).select_related("request").order_by("-pk")
    for order in orders[:KEPT_ORDERS]:
        content = _open(order, envelope)
        if content is not None:
            return _keep_answer(order, read_signed_request(content), actor)
    raise MailedFileError(
        "No key of this account opens the file: it answers another request, or was damaged on its way. Take the newest "
        "e-mail, or have the request signed again."
    )


def _open(order: SigningOrder, envelope: bytes) -> bytes | None:
    key = certs.key_from_pem(order.key_pem.encode())
    if not isinstance(key, rsa.RSAPrivateKey):
        return None
    certificate = x509.load_pem_x509_certificate(order.certificate_pem.encode())
    try:
        return open_envelope(envelope, certificate=certificate, private_key=key)[1]
    except UnsupportedEnvelope as error:
        raise MailedFileError(f"The file is encrypted in a way that is not supported: {error}") from error
    except MALFORMED:
        return None


def _keep_answer(order: SigningOrder, signed: SignedRequest, actor: Actor) -> SigningOrder:
    if signed.csr_der != bytes(order.request.csr_der):
        raise MailedFileError(
            "The file holds another certificate request than the one that was sent, so its certificate would be of no use "
            "here. Have the request signed again."
        )
    with transaction.atomic():
        mine = SigningOrder.objects.filter(pk=order.pk).exclude(
            state=OrderState.ANSWERED, signed_request=signed.for_portal
        )
        changed = mine.update(
            state=OrderState.ANSWERED,
            signed_request=signed.for_portal,
            error="",
            due_at=None,
            changed_at=timezone.now(),
        )
        if changed:
            emit("push_certificate.signing_received", account_id=order.account_id, actor=actor, email=order.email)
    order.refresh_from_db()
    return order


def _keep_access(account: Account, email: str, api_key: str, actor: Actor) -> SigningAccess:
    access, _ = SigningAccess.objects.get_or_create(account=account)
    access.email = email
    if api_key and api_key != access.api_key:
        access.api_key = api_key
        emit("push_certificate.signing_key_stored", account_id=account.pk, actor=actor)
    access.save()
    return access


def _api_key(access: SigningAccess | None) -> str:
    return (access.api_key if access else "") or settings.MDMCERT_API_KEY
