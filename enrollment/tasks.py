"""Celery tasks of enrollment: invitations, renewals, tidying up."""

from celery import shared_task

from enrollment.services.ade_profiles import forget_unused
from enrollment.services.authority_watch import warn_expiring_authorities
from enrollment.services.challenges import forget_old_challenges
from enrollment.services.dep_assign import assign_due
from enrollment.services.dep_sync import sync_due
from enrollment.services.dep_watch import warn_expiring_tokens
from enrollment.services.invitation_sending import forget_old, send_due
from enrollment.services.renewal import ask_for_renewals
from enrollment.services.setup_assistant import release_due


@shared_task
def send_invitations() -> int:
    """Send the invitations that are due. Several may run at once: each claims its own rows."""
    return send_due()


@shared_task
def renew_identities() -> int:
    """Ask devices whose identity certificate runs out soon to renew it, and forget challenges and invitations of long ago."""
    forget_old_challenges()
    forget_unused()
    forget_old()
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
def watch_trusted_authorities() -> int:
    """Warn of external CAs whose certificate runs out soon."""
    return warn_expiring_authorities()


@shared_task
def release_waiting_devices() -> int:
    """Let devices in Setup Assistant go on that have got everything, or have waited long enough. Several may run at once."""
    return release_due()
