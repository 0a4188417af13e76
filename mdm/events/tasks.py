"""Celery tasks of the webhooks."""

from celery import shared_task

from mdm.events.delivery import deliver_due, forget_old


@shared_task
def deliver_webhooks() -> int:
    """Send what is due. Several may run at once: each claims its own webhooks."""
    return deliver_due()


@shared_task
def forget_deliveries() -> int:
    return forget_old()
