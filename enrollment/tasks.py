"""Celery tasks of enrollment: invitations, renewals, tidying up."""

from smtplib import SMTPException
from typing import Any

from celery import Task, shared_task

from enrollment.models import Enrollment
from enrollment.services.ade_profiles import forget_unused
from enrollment.services.challenges import forget_old_challenges
from enrollment.services.dep_assign import assign_due
from enrollment.services.dep_sync import sync_due
from enrollment.services.dep_watch import warn_expiring_tokens
from enrollment.services.invitation_mail import deliver, give_up
from enrollment.services.renewal import ask_for_renewals
from enrollment.services.setup_assistant import release_due
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
    """Ask devices whose identity certificate runs out soon to renew it, and forget challenges and invitations of long ago."""
    forget_old_challenges()
    forget_unused()
    return ask_for_renewals()


@shared_task
def sync_dep_servers() -> int:
    """Sync the DEP servers that are due with Apple. Several may run at once: each claims its own servers."""
    return sync_due()


@shared_task
def assign_dep_profiles() -> int:
    """Bring the enrollment settings that are due to Apple and to the devices. Several may run at once, as above."""
    return assign_due()


@shared_task
def watch_dep_tokens() -> int:
    """Warn of server tokens that run out soon."""
    return warn_expiring_tokens()


@shared_task
def release_waiting_devices() -> int:
    """Let devices in Setup Assistant go on that have got everything, or have waited long enough. Several may run at once."""
    return release_due()
