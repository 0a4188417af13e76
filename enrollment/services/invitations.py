"""Inviting somebody to enroll a device: the order is a row, `invitation_sending.py` carries it out."""

from dataclasses import asdict
from datetime import timedelta
from functools import partial

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from devices.services.devices import update_device
from enrollment.models import Enrollment, Invitation, InvitationKind
from enrollment.services.contacts import read_contact
from enrollment.services.errors import EnrollmentError, TooManyInvitations
from enrollment.services.links import why_closed
from enrollment.services.sms_gateway import BadGatewaySettings, gateway
from mdm.accounts.actors import Actor
from mdm.accounts.models import Account
from mdm.common.nudge import nudge_named
from mdm.common.words import count_of, duration
from mdm.sign_in.methods import has_mail_server

TASK = "enrollment.tasks.send_invitations"
WINDOW = timedelta(hours=1)
NO_MAIL = "This server sends no e-mail (EMAIL_URL is not set): hand over the link yourself."
CLOSED_WORDS = {"revoked": "was revoked", "spent": "is spent (its device has used it)", "expired": "has expired"}


def send_invitation(enrollment: Enrollment, contact: str, actor: Actor) -> Invitation:
    """Order the enrollment link to be sent to an e-mail address or phone number; a worker does it after the commit.

    Raises EnrollmentError for what is neither, an address without a mail server, a phone number without a gateway, or a
    closed link; TooManyInvitations.
    """
    if len(contact) > 1000:
        raise EnrollmentError("This is neither an e-mail address nor a phone number.")
    found = read_contact(contact)
    if found.kind == InvitationKind.SMS:
        _check_gateway()
    elif not sends_mail():
        raise EnrollmentError(NO_MAIL)
    reason = why_closed(enrollment)
    if reason:
        raise EnrollmentError(f"This enrollment link {CLOSED_WORDS[reason]}. Nobody can be invited with it.")
    with transaction.atomic():
        _check_rate(enrollment.account_id)
        invitation = Invitation.objects.create(
            account_id=enrollment.account_id,
            enrollment=enrollment,
            kind=found.kind,
            contact=found.value,
            actor=asdict(actor),
        )
        transaction.on_commit(partial(nudge_named, TASK))
    device = enrollment.device
    # By itself: others lock devices before the account's row.
    if found.kind == InvitationKind.EMAIL and device is not None and not device.email:
        update_device(device, email=found.value, actor=actor)
    return invitation


def sends_mail() -> bool:
    """Whether e-mail addresses can be invited."""
    return has_mail_server()


def sends_texts() -> bool:
    """Whether phone numbers can be invited."""
    try:
        return gateway() is not None
    except BadGatewaySettings:
        return False


def _check_gateway() -> None:
    try:
        found = gateway()
    except BadGatewaySettings as error:
        raise EnrollmentError(
            f"Text messages are not set up rightly on this server ({error}): give an e-mail address."
        ) from error
    if found is None and not sends_mail():
        raise EnrollmentError("This server sends neither text messages nor e-mail: hand over the link yourself.")
    if found is None:
        raise EnrollmentError(
            "Text messages are not set up on this server: give an e-mail address, not a phone number."
        )


def _check_rate(account_id: int) -> None:
    """Under the account's lock, so that many at once do not all count the same rows."""
    most = settings.INVITATIONS_PER_HOUR
    if not most:
        return
    Account.objects.select_for_update(no_key=True).get(pk=account_id)
    since = timezone.now() - WINDOW
    recent = Invitation.objects.filter(account_id=account_id, created_at__gt=since).order_by("-created_at")
    last = recent.values_list("created_at", flat=True)[most - 1 : most].first()
    if last is not None:
        wait = max(last - since, timedelta(seconds=1))
        raise TooManyInvitations(
            f"This account may send {count_of(most, 'invitation')} in an hour, and has. The next one can be sent in "
            f"{duration(wait)}.",
            wait.total_seconds(),
        )
