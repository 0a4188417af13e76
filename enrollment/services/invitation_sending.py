"""Carrying out invitations; the part of the workers.

A row that waits is due at `due_at`; a worker that takes it moves that to the end of its lease, so that a lost worker delays
it and loses nothing. Sending is outside of any transaction: should the worker die right after it, the person gets two.
"""

import logging
import time
from collections.abc import Callable, Mapping
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from enrollment.models import Invitation, InvitationKind, InvitationState
from enrollment.services import invitation_mail, invitation_sms
from enrollment.services.invitations import CLOSED_WORDS
from enrollment.services.links import why_closed
from mdm.accounts.actors import Actor, Source
from mdm.accounts.models import ApiKey, User
from mdm.common.leases import LEASE
from mdm.common.pauses import pause_seconds
from mdm.common.sending import NotSent, NotSentYet
from mdm.events.models import Level
from mdm.events.services import emit

TURN_SECONDS = 300.0
FIRST_RETRY_SECONDS = 60
LONGEST_RETRY_SECONDS = 3600
TRIED_FOR = timedelta(days=1)
# More than the pauses of a day have room for: one that ends its worker each time is not tried for ever.
MOST_ATTEMPTS = 40
MAX_ERROR = 500

_DELIVER: Mapping[str, Callable[[Invitation], str]] = {
    InvitationKind.EMAIL: invitation_mail.deliver,
    InvitationKind.SMS: invitation_sms.deliver,
}

logger = logging.getLogger("pomona.invitations")


def send_due() -> int:
    """Send what is due. Several may run at once: each claims its own rows. Returns how many were tried.

    When the mail server or the gateway is down, one of its kind finds out and the others wait for the next turn.
    """
    until = time.monotonic() + TURN_SECONDS
    kinds = [kind.value for kind in InvitationKind]
    count = 0
    while kinds and time.monotonic() < until and (invitation := _claim(kinds)):
        count += 1
        if not _send(invitation):
            kinds.remove(invitation.kind)
    return count


def forget_old() -> int:
    """Whom somebody invited long ago is nobody's business any more; the log has its own time to forget."""
    before = timezone.now() - timedelta(days=max(settings.RESULT_RETENTION_DAYS, 1))
    finished = Invitation.objects.filter(created_at__lt=before).exclude(state=InvitationState.WAITING)
    return finished.delete()[0]


def _claim(kinds: list[str]) -> Invitation | None:
    now = timezone.now()
    with transaction.atomic():
        due = Invitation.objects.filter(state=InvitationState.WAITING, due_at__lte=now, kind__in=kinds)
        with_all = due.select_related("account", "enrollment__device", "enrollment__created_by")
        row = with_all.order_by("due_at", "pk").select_for_update(skip_locked=True, of=("self",)).first()
        if row is not None:
            # Counted now and not at the end, so that one that ends its worker is not tried for ever.
            row.due_at, row.attempts = now + LEASE, row.attempts + 1
            Invitation.objects.filter(pk=row.pk).update(due_at=row.due_at, attempts=row.attempts)
    return row


def _send(invitation: Invitation) -> bool:
    """One attempt, and what came of it. False when others of its kind would fare the same now."""
    reason = why_closed(invitation.enrollment)
    try:
        if reason:
            raise NotSent(f"The enrollment link {CLOSED_WORDS[reason]}.")
        if invitation.attempts > MOST_ATTEMPTS:
            raise NotSent("Whoever tried to send it was interrupted again and again.")
        reference = _DELIVER[invitation.kind](invitation)
    except NotSent as error:
        _fail(invitation, str(error))
    except NotSentYet as error:
        _put_off(invitation, error)
        return not error.is_down
    except Exception:  # one invitation's trouble keeps no other from being sent
        logger.exception("invitation %s could not be sent", invitation.pk)
        _put_off(invitation, NotSentYet("Something went wrong here; the server's log says what.", is_down=False))
    else:
        now = timezone.now()
        _finish(invitation, state=InvitationState.SENT, reference=reference, error="", sent_at=now)
    return True


def _put_off(invitation: Invitation, error: NotSentYet) -> None:
    wait = pause_seconds(
        invitation.attempts - 1,
        first=FIRST_RETRY_SECONDS,
        longest=LONGEST_RETRY_SECONDS,
        asked_for=error.retry_after_seconds,
    )
    due_at = timezone.now() + timedelta(seconds=wait)
    if due_at > invitation.created_at + TRIED_FOR:
        _fail(invitation, f"It was tried for a day, the last time: {error}")
    else:
        _mine(invitation).update(due_at=due_at, error=str(error)[:MAX_ERROR])


def _fail(invitation: Invitation, reason: str) -> None:
    _finish(invitation, state=InvitationState.FAILED, error=reason[:MAX_ERROR])


def _finish(invitation: Invitation, *, state: InvitationState, error: str, **changes: object) -> None:
    """The end of it, and the line in the log with it. Nothing when another worker has it by now."""
    is_sent = state == InvitationState.SENT
    told = {"kind": invitation.kind, "contact": invitation.contact} | ({} if is_sent else {"error": error})
    with transaction.atomic():
        if _mine(invitation).update(state=state, error=error, due_at=None, **changes):
            emit(
                "enrollment.invitation_sent" if is_sent else "enrollment.invitation_failed",
                account_id=invitation.account_id,
                actor=_actor(invitation),
                device=invitation.enrollment.device,
                level=Level.INFO if is_sent else Level.ERROR,
                enrollment_id=invitation.enrollment_id,
                **told,
            )


def _mine(invitation: Invitation) -> QuerySet[Invitation]:
    """The row while our lease stands; with another due_at it is another worker's."""
    return Invitation.objects.filter(pk=invitation.pk, state=InvitationState.WAITING, due_at=invitation.due_at)


def _actor(invitation: Invitation) -> Actor:
    """Who invited; rows of people or keys that are gone by now cannot be named in the log, their label can."""
    given = dict(invitation.actor)
    if given["user_id"] and not User.objects.filter(pk=given["user_id"]).exists():
        given["user_id"] = None
    if given["api_key_id"] and not ApiKey.objects.filter(pk=given["api_key_id"]).exists():
        given["api_key_id"] = None
    return Actor(**given | {"source": Source(given["source"])})
