"""Celery tasks of the webhooks."""

from celery import shared_task

from mdm.events.delivery import deliver_due
from mdm.events.forwarding import forward_due
from mdm.events.outcomes import forget_old, give_up_unsent
from mdm.events.retention import prune


@shared_task
def deliver_webhooks() -> int:
    """Send what is due. Should several run at once, each claims its own webhooks."""
    return deliver_due()


@shared_task
def forget_deliveries() -> int:
    return forget_old()


@shared_task
def give_up_messages() -> int:
    """What waits too long for webhooks that are paused."""
    return give_up_unsent()


@shared_task
def forward_log() -> int:
    """Lines of the log for the collector, where there is one. One at a time sends, whoever runs it."""
    return forward_due()


@shared_task
def prune_log() -> int:
    return prune()
