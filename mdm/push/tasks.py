"""Celery tasks that wake devices and watch the push certificates."""

from celery import shared_task

from mdm.common.nudge import nudge, nudge_later
from mdm.push import signing
from mdm.push.expiry import warn_expiring
from mdm.push.services import seconds_to_next, send_due

SCHEDULE_SECONDS = 15  # see `mdm/celery.py`


@shared_task
def send_due_pushes() -> int:
    """Send what is due. Several may run at once: each claims its own rows.

    Pushes that a bulk operation spreads over time come second by second: the schedule alone would send them in bursts.
    """
    count = send_due()
    wait = seconds_to_next()
    if wait is not None and wait < SCHEDULE_SECONDS:
        nudge_later(send_due_pushes, max(wait, 1.0))
    return count


@shared_task
def watch_certificates() -> int:
    """Log a warning for each push or vendor certificate that comes near its end."""
    return warn_expiring()


@shared_task
def send_signing_orders() -> int:
    """Hand requests that are due to mdmcert.download. Several may run at once: each claims its own rows."""
    return signing.send_due()


def wake_soon() -> None:
    """Ask the workers to send due pushes; call after the commit that made them due."""
    nudge(send_due_pushes)
