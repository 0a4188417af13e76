"""Sending the invitations of people; the part of the workers.

A row that waits is due at `due_at`; a worker that takes it moves that to the end of its lease, so that a lost worker delays
it and loses nothing. Sending is outside of any transaction: should the worker die right after it, the same message goes out
twice, with the same Message-ID.
"""

import logging
import time
from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from mdm.accounts.models import PersonInvitation
from mdm.common.leases import LEASE
from mdm.common.pauses import pause_seconds
from mdm.common.sending import NotSent, NotSentYet
from mdm.events.models import Level
from mdm.events.services import emit
from mdm.sign_in.invitation_mail import deliver

TURN_SECONDS = 300.0
FIRST_RETRY_SECONDS = 60
LONGEST_RETRY_SECONDS = 3600
TRIED_FOR = timedelta(days=1)
# More than the pauses of a day have room for: one that ends its worker each time is not tried for ever.
MOST_ATTEMPTS = 40
MAX_ERROR = 500

logger = logging.getLogger("pomona.invitations")


def send_due() -> int:
    """Send what is due. Several may run at once: each claims its own rows. Returns how many were tried.

    When the mail server is down, one finds out and the others wait for the next turn.
    """
    until = time.monotonic() + TURN_SECONDS
    count = 0
    while time.monotonic() < until and (invitation := _claim()):
        count += 1
        if not _send(invitation):
            break
    return count


def _claim() -> PersonInvitation | None:
    now = timezone.now()
    with transaction.atomic():
        due = _waiting().filter(due_at__lte=now).select_related("account", "invited_by")
        row = due.order_by("due_at", "pk").select_for_update(skip_locked=True, of=("self",)).first()
        if row is not None:
            # Counted now and not at the end, so that one that ends its worker is not tried for ever.
            row.due_at, row.attempts = now + LEASE, row.attempts + 1
            PersonInvitation.objects.filter(pk=row.pk).update(due_at=row.due_at, attempts=row.attempts)
    return row


def _send(invitation: PersonInvitation) -> bool:
    """One attempt, and what came of it. False when others would fare the same now."""
    try:
        if invitation.expires_at <= timezone.now():
            raise NotSent("The invitation ran out before it could be sent.")
        if invitation.attempts > MOST_ATTEMPTS:
            raise NotSent("Whoever tried to send it was interrupted again and again.")
        deliver(invitation)
    except NotSent as error:
        _fail(invitation, str(error))
    except NotSentYet as error:
        _put_off(invitation, error)
        return not error.is_down
    except Exception:  # one invitation's trouble keeps no other from being sent
        logger.exception("the invitation %s of a person could not be sent", invitation.pk)
        _put_off(invitation, NotSentYet("Something went wrong here; the server's log says what.", is_down=False))
    else:
        _mine(invitation).update(sent_at=timezone.now(), due_at=None, error="", token=None)
    return True


def _put_off(invitation: PersonInvitation, error: NotSentYet) -> None:
    wait = pause_seconds(invitation.attempts - 1, first=FIRST_RETRY_SECONDS, longest=LONGEST_RETRY_SECONDS)
    due_at = timezone.now() + timedelta(seconds=wait)
    if due_at > invitation.created_at + TRIED_FOR:
        _fail(invitation, f"It was tried for a day, the last time: {error}")
    else:
        _mine(invitation).update(due_at=due_at, error=str(error)[:MAX_ERROR])


def _fail(invitation: PersonInvitation, reason: str) -> None:
    """The end of it, and the line in the log with it. Nothing when another worker has it by now."""
    with transaction.atomic():
        if _mine(invitation).update(due_at=None, error=reason[:MAX_ERROR], token=None):
            emit(
                "member.invitation_failed",
                account_id=invitation.account_id,
                level=Level.ERROR,
                person=invitation.email,
                error=reason,
            )


def _waiting() -> QuerySet[PersonInvitation]:
    return PersonInvitation.objects.filter(sent_at=None, accepted_at=None, revoked_at=None)


def _mine(invitation: PersonInvitation) -> QuerySet[PersonInvitation]:
    """The row while our lease stands; with another due_at it is another worker's."""
    return _waiting().filter(pk=invitation.pk, due_at=invitation.due_at)
