"""Forgotten passwords: the page writes a row, a worker finds out whose it is and sends the link.

A link works once and for an hour, and using one ends all others of that person. Rows are forgotten after a day.
"""

import logging
import time
from datetime import timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from mdm.accounts.models import User
from mdm.common.leases import LEASE
from mdm.common.pauses import pause_seconds
from mdm.common.proxies import client_ip
from mdm.common.sending import NotSent, NotSentYet, send_mail
from mdm.common.tokens import digest, new_token
from mdm.sign_in import lockout
from mdm.sign_in.log import log_of
from mdm.sign_in.methods import may_use_password
from mdm.sign_in.models import PasswordReset
from mdm.sign_in.proof import prove
from mdm.sign_in.sessions import end_sessions

LIFETIME = timedelta(hours=1)
KEPT_FOR = timedelta(days=1)
MOST_OF_A_PERSON, MOST_OF_AN_ADDRESS = 3, 20  # within LIFETIME; more are taken and nothing is sent
MOST_ATTEMPTS = 10
FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 15, 600
TURN_SECONDS = 120.0
BY = "a link by e-mail"  # in the log

logger = logging.getLogger("pomona.sign_in")


def ask_for_link(email: str, request: HttpRequest) -> PasswordReset | None:
    """None when this person or this address asked too often; whoever asks is not told. Nudging the workers is the caller's."""
    email, network = email.strip().lower(), lockout.network_of(request)
    lately = PasswordReset.objects.filter(created_at__gt=timezone.now() - LIFETIME)
    if lately.filter(email=email).count() >= MOST_OF_A_PERSON:
        return None
    if lately.filter(network=network).count() >= MOST_OF_AN_ADDRESS:
        return None
    return PasswordReset.objects.create(email=email, ip=client_ip(request), network=network)


def find_link(token: str) -> tuple[PasswordReset, User] | None:
    """The row of a link that still works, and whose password it sets."""
    row = _usable().filter(digest=digest(token)).first()
    user = _person(row.email) if row else None
    return (row, user) if row and user else None


def use_link(token: str, password: str, request: HttpRequest) -> User | None:
    """Set the password and sign the person out everywhere. None if the link was used or ran out meanwhile.

    If it is the first proof that the address is theirs, second factors of before go too: somebody else may have set them up.
    """
    with transaction.atomic():
        row = _usable().filter(digest=digest(token)).select_for_update().first()
        user = _person(row.email) if row else None
        if user is None:
            return None
        PasswordReset.objects.filter(email=user.email, used_at=None).update(used_at=timezone.now(), due_at=None)
        if prove(user, request, by=BY, password=password):
            return user
        user.set_password(password)
        user.save(update_fields=["password"])
        end_sessions(user)
        lockout.let_in_again(user)
        log_of(user, "user.password_changed", request, by=BY)
    return user


def send_due() -> int:
    """Send the links that are due. Several may run at once: each claims its own rows. Returns how many were tried."""
    until = time.monotonic() + TURN_SECONDS
    count = 0
    while time.monotonic() < until and (row := _claim()):
        count += 1
        _send(row)
    return count


def forget_old() -> int:
    return PasswordReset.objects.filter(created_at__lt=timezone.now() - KEPT_FOR).delete()[0]


def _usable() -> QuerySet[PasswordReset]:
    return PasswordReset.objects.filter(used_at=None, expires_at__gt=timezone.now())


def _person(email: str) -> User | None:
    """Nobody: the address is a stranger's, the login is switched off, or passwords are."""
    user = User.objects.filter(email=email, is_active=True).first()
    return user if user and may_use_password(user) else None


def _claim() -> PasswordReset | None:
    now = timezone.now()
    with transaction.atomic():
        due = PasswordReset.objects.filter(sent_at=None, due_at__lte=now).order_by("due_at", "pk")
        row = due.select_for_update(skip_locked=True).first()
        if row is not None:
            row.due_at, row.attempts = now + LEASE, row.attempts + 1
            row.save(update_fields=["due_at", "attempts"])
    return row


def _send(row: PasswordReset) -> None:
    """One attempt. Each makes a new secret: the one before was kept nowhere."""
    user = _person(row.email)
    if user is None or row.attempts > MOST_ATTEMPTS or row.created_at < timezone.now() - LIFETIME:
        _finish(row)
        return
    token = new_token()
    row.digest, row.expires_at = digest(token), timezone.now() + LIFETIME
    row.save(update_fields=["digest", "expires_at"])
    try:
        send_mail(message_for(row, user, token))
    except NotSent as error:
        logger.warning("password reset %s was not taken: %s", row.pk, error)
        _finish(row)
    except NotSentYet as error:
        logger.warning("password reset %s could not be sent: %s", row.pk, error)
        wait = pause_seconds(row.attempts - 1, first=FIRST_RETRY_SECONDS, longest=LONGEST_RETRY_SECONDS)
        PasswordReset.objects.filter(pk=row.pk).update(due_at=timezone.now() + timedelta(seconds=wait))
    else:
        PasswordReset.objects.filter(pk=row.pk).update(sent_at=timezone.now(), due_at=None)
        log_of(user, "user.password_reset_sent", ip=row.ip)


def _finish(row: PasswordReset) -> None:
    PasswordReset.objects.filter(pk=row.pk).update(due_at=None)


def message_for(row: PasswordReset, user: User, token: str) -> EmailMultiAlternatives:
    url = f"{settings.BASE_URL}{reverse('account_reset_password_from_key', args=[token])}"
    context = {"person": user, "url": url, "ip": row.ip, "host": urlsplit(settings.BASE_URL).netloc}
    message = EmailMultiAlternatives(
        " ".join(render_to_string("emails/password_reset_subject.txt", context).split()),
        render_to_string("emails/password_reset.txt", context),
        to=[user.email],
        headers={"Auto-Submitted": "auto-generated"},
    )
    message.attach_alternative(render_to_string("emails/password_reset.html", context), "text/html")
    return message
