"""Celery tasks of enrollment: invitations, renewals, tidying up."""

from smtplib import SMTPException
from typing import Any

from celery import Task, shared_task

from enrollment.models import Enrollment
from enrollment.services.challenges import forget_old_challenges
from enrollment.services.invitation_mail import deliver, give_up
from enrollment.services.renewal import ask_for_renewals
from mdm.accounts.actors import Actor, Source

MAIL_RETRIES = 5
MAIL_RETRY_SECONDS = 60


@shared_task(bind=True, max_retries=MAIL_RETRIES)
def send_invitation(task: Task, enrollment_id: int, contact: str, actor: dict[str, Any]) -> bool:
    """E-mail an enrollment link. A mail server that does not take it is asked again, less and less often."""
    enrollment = Enrollment.objects.select_related("account", "device", "created_by").filter(pk=enrollment_id).first()
    if enrollment is None:
        return False
    sender = Actor(**actor | {"source": Source(actor["source"])})
    try:
        return deliver(enrollment, contact, sender)
    except (SMTPException, OSError) as error:
        if task.request.retries >= MAIL_RETRIES:
            give_up(enrollment, contact, sender, error)
            return False
        raise task.retry(exc=error, countdown=MAIL_RETRY_SECONDS * 2**task.request.retries) from error


@shared_task
def renew_identities() -> int:
    """Ask devices whose identity certificate runs out soon to renew it, and forget challenges of long ago."""
    forget_old_challenges()
    return ask_for_renewals()
