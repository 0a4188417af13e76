"""Celery tasks that wake devices and watch the push certificates."""

from celery import shared_task

from mdm.common.nudge import nudge
from mdm.push.certificates import warn_expiring
from mdm.push.services import send_due


@shared_task
def send_due_pushes() -> int:
    """Send what is due. Several may run at once: each claims its own rows."""
    return send_due()


@shared_task
def watch_certificates() -> int:
    """Log a warning for each push certificate that comes near its end."""
    return warn_expiring()


def wake_soon() -> None:
    """Ask the workers to send due pushes; call after the commit that made them due."""
    nudge(send_due_pushes)
