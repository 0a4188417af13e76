"""Writing and sending the invitation e-mail; runs in a worker."""

from django.core.mail import EmailMessage
from django.template.loader import render_to_string

from enrollment.models import Enrollment
from enrollment.services.links import why_closed
from mdm.accounts.actors import Actor
from mdm.events.models import Level
from mdm.events.services import emit


def deliver(enrollment: Enrollment, contact: str, actor: Actor) -> bool:
    """Send it and log that. False, and nothing sent, when the link was closed meanwhile. Raises what the mail server raises."""
    if why_closed(enrollment):
        return False
    context = {"account": enrollment.account, "enrollment": enrollment, "device": enrollment.device}
    subject = " ".join(render_to_string("emails/invitation_subject.txt", context).split())
    EmailMessage(subject, render_to_string("emails/invitation.txt", context), to=[contact]).send()
    emit(
        "enrollment.invitation_sent",
        account_id=enrollment.account_id,
        actor=actor,
        device=enrollment.device,
        enrollment_id=enrollment.pk,
        contact=contact,
    )
    return True


def give_up(enrollment: Enrollment, contact: str, actor: Actor, error: Exception) -> None:
    """Log an invitation that no mail server took; the operator sees it and tries again."""
    emit(
        "enrollment.invitation_failed",
        account_id=enrollment.account_id,
        actor=actor,
        device=enrollment.device,
        level=Level.ERROR,
        enrollment_id=enrollment.pk,
        contact=contact,
        error=f"{type(error).__name__}: {error}",
    )
