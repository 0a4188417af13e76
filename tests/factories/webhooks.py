"""Webhooks and what is on its way to them."""

from django.utils import timezone

from mdm.accounts.models import Account
from mdm.events.models import Webhook, WebhookDelivery
from tests.factories.accounts import make_account
from tests.factories.events import make_event
from tests.factories.numbers import number


def make_webhook(account: Account | None = None, **fields: object) -> Webhook:
    """Enabled, for every event; its secret is "s3cret"."""
    values = {"url": f"https://hooks.example.com/{number()}", "secret": "s3cret"}
    return Webhook.objects.create(account=account or make_account(), **(values | fields))


def make_delivery(webhook: Webhook, *, event_type: str = "test_event", **fields: object) -> WebhookDelivery:
    """A message that is due now. created_at may be given."""
    created_at = fields.pop("created_at", None)
    values: dict[str, object] = {
        "body": f'{{"type": "{event_type}", "at": "2026-01-01T12:00:00.000Z", "data": {{}}}}',
        "due_at": timezone.now(),
    }
    if "event" not in fields:
        values["event"] = make_event(webhook.account, "test_event")
    delivery = WebhookDelivery.objects.create(
        account=webhook.account, webhook=webhook, event_type=event_type, **(values | fields)
    )
    if created_at:
        WebhookDelivery.objects.filter(pk=delivery.pk).update(created_at=created_at)
    return delivery
