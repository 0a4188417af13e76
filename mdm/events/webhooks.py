"""Webhooks: addresses of operators that are told of events."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from httpx import URL

from mdm.accounts.actors import Actor
from mdm.accounts.models import Account
from mdm.common.addresses import AddressRefused, OutboundError, check_url
from mdm.common.nudge import nudge_named
from mdm.common.tokens import new_token
from mdm.events import micromdm
from mdm.events.models import DeliveryState, Event, Webhook, WebhookDelivery, WebhookFormat
from mdm.events.outbox import TEST_EVENT, WEBHOOK_EVENTS, body, delivery_of, write_rows
from mdm.events.services import emit

# Each one costs every event a look and a row.
MAX_WEBHOOKS = 50
DELIVER = "mdm.events.tasks.deliver_webhooks"


class WebhookError(Exception):
    """A webhook cannot be like that; the text says why."""


def refusal_words(error: OutboundError) -> str:
    """Why nothing goes to an address; of a private one also who can change that, as the form cannot."""
    if isinstance(error, AddressRefused):
        return f"{error} Whoever runs the server can allow it: WEBHOOK_ALLOW_PRIVATE."
    return str(error)


def create_webhook(
    account: Account,
    *,
    url: str,
    events: Sequence[str] = (),
    name: str = "",
    format: str = WebhookFormat.NATIVE,
    is_enabled: bool = True,
    actor: Actor,
) -> Webhook:
    """Its secret, which is to be shown this once, is `webhook.secret`. events: names of messages; none means all.

    Raises WebhookError.
    """
    _check(url, events, format)
    with transaction.atomic():
        # Two at the same time would both find room for the last one.
        Account.objects.select_for_update(no_key=True).get(pk=account.pk)
        if Webhook.objects.for_account(account).count() >= MAX_WEBHOOKS:
            raise WebhookError(f"An account has at most {MAX_WEBHOOKS} webhooks.")
        webhook = Webhook.objects.create(
            account=account,
            url=url,
            name=name,
            events=_unique(events),
            format=format,
            is_enabled=is_enabled,
            secret=new_token(32),
        )
        emit("webhook.created", account_id=account.pk, actor=actor, **facts_of(webhook), events=webhook.events)
    return webhook


def update_webhook(
    webhook: Webhook,
    *,
    url: str | None = None,
    events: Sequence[str] | None = None,
    name: str | None = None,
    format: str | None = None,
    is_enabled: bool | None = None,
    actor: Actor,
) -> Webhook:
    """Whatever is not None. One that is disabled gives up what it had not sent yet; is_enabled=True also lets a paused
    one go on, as does another address. Raises WebhookError."""
    _check(url, events or (), format)
    given = {"url": url, "name": name, "format": format, "is_enabled": is_enabled}
    given["events"] = None if events is None else _unique(events)
    changed = [field for field, value in given.items() if value is not None and value != getattr(webhook, field)]
    goes_on = webhook.paused_at is not None and (bool(is_enabled) or "url" in changed)
    if not changed:
        return resume_webhook(webhook, actor) if goes_on else webhook
    for field in changed:
        setattr(webhook, field, given[field])
    facts: dict[str, Any] = {"changed": changed}
    with transaction.atomic():
        if goes_on or "url" in changed or "is_enabled" in changed:
            # The new address is not the one that was down.
            changed = [*changed, *_forgive(webhook)]
        webhook.save(update_fields=[*changed, "updated_at"])
        if "is_enabled" in changed and not webhook.is_enabled:
            facts["given_up"] = webhook.deliveries.filter(state=DeliveryState.PENDING).update(
                state=DeliveryState.FAILED, due_at=None, error="The webhook was disabled."
            )
        emit("webhook.updated", account_id=webhook.account_id, actor=actor, **facts_of(webhook), **facts)
        if webhook.is_enabled:
            _deliver_soon()
    return webhook


def delete_webhook(webhook: Webhook, actor: Actor) -> None:
    """What it had not sent yet goes with it."""
    with transaction.atomic():
        # Before its messages, as a worker does that writes down what became of them.
        Webhook.objects.select_for_update().filter(pk=webhook.pk).first()
        emit("webhook.removed", account_id=webhook.account_id, actor=actor, **facts_of(webhook))
        webhook.delete()


def resume_webhook(webhook: Webhook, actor: Actor) -> Webhook:
    """Send at once what waits, after a pause or in the rest of a receiver that was down. Raises WebhookError."""
    if not webhook.is_enabled:
        raise WebhookError("The webhook is disabled; enable it to let it go on.")
    with transaction.atomic():
        webhook.save(update_fields=[*_forgive(webhook), "updated_at"])
        emit("webhook.resumed", account_id=webhook.account_id, actor=actor, **facts_of(webhook))
        _deliver_soon()
    return webhook


def rotate_secret(webhook: Webhook, actor: Actor) -> Webhook:
    """Sign with a new secret from now on; it is `webhook.secret`, to be shown this once."""
    webhook.secret = new_token(32)
    with transaction.atomic():
        webhook.save(update_fields=["secret", "updated_at"])
        emit("webhook.secret_rotated", account_id=webhook.account_id, actor=actor, **facts_of(webhook))
    return webhook


def send_test(webhook: Webhook, actor: Actor) -> WebhookDelivery:
    """Queue a message of no meaning, whatever events the webhook wants. Raises WebhookError if it sends nothing now."""
    _check_is_sending(webhook)
    with transaction.atomic():
        _end_rest(webhook)
        event: Event = emit("test_event", account_id=webhook.account_id, actor=actor, **facts_of(webhook))
        is_native = webhook.format == WebhookFormat.NATIVE
        text = body(TEST_EVENT, [event]) if is_native else micromdm.body_of_test(event)
        (delivery,) = write_rows([delivery_of(webhook, TEST_EVENT, event, text)])
    return delivery


def redeliver(delivery: WebhookDelivery, actor: Actor) -> WebhookDelivery:
    """Send a message once more, delivered or not: the same one, word for word, with the id that it had.

    It is tried like a new one, for three days. Raises WebhookError if its webhook sends nothing now.
    """
    webhook = delivery.webhook
    _check_is_sending(webhook)
    with transaction.atomic():
        if not _send_again(webhook, webhook.deliveries.filter(pk=delivery.pk)):
            raise WebhookError("The message is kept no longer.")
        facts = {"count": 1, "delivery_id": delivery.pk, "message_id": delivery.message_id}
        emit("webhook.redelivered", account_id=webhook.account_id, actor=actor, **facts_of(webhook), **facts)
        _deliver_soon()
    delivery.refresh_from_db(fields=["state", "due_at", "renewed_at", "attempts", "delivered_at", "error"])
    return delivery


def redeliver_failed(webhook: Webhook, actor: Actor) -> int:
    """Send again whatever was given up and is still kept. Returns how many. Raises WebhookError."""
    _check_is_sending(webhook)
    with transaction.atomic():
        count = _send_again(webhook, webhook.deliveries.filter(state=DeliveryState.FAILED))
        if count:
            facts = facts_of(webhook) | {"count": count}
            emit("webhook.redelivered", account_id=webhook.account_id, actor=actor, **facts)
            _deliver_soon()
    return count


def _send_again(webhook: Webhook, deliveries: QuerySet[WebhookDelivery]) -> int:
    now = timezone.now()
    _end_rest(webhook)
    return deliveries.update(
        state=DeliveryState.PENDING, due_at=now, renewed_at=now, attempts=0, delivered_at=None, error=""
    )


def _end_rest(webhook: Webhook) -> None:
    """Somebody waits for it."""
    Webhook.objects.filter(pk=webhook.pk).update(rests_until=None)


def _deliver_soon() -> None:
    # By name: this module is below the tasks.
    transaction.on_commit(partial(nudge_named, DELIVER))


def _check_is_sending(webhook: Webhook) -> None:
    if not webhook.is_enabled:
        raise WebhookError("The webhook is disabled; enable it to send by it.")
    if webhook.paused_at is not None:
        raise WebhookError("The webhook is paused after long failure; let it go on to send by it.")


def _forgive(webhook: Webhook) -> tuple[str, ...]:
    """As if the receiver had never been down. Returns the fields to save."""
    webhook.rests_until, webhook.failures, webhook.failing_since, webhook.paused_at = None, 0, None, None
    return "rests_until", "failures", "failing_since", "paused_at"


def _check(url: str | None, events: Sequence[str], format: str | None) -> None:
    if url is not None:
        try:
            check_url(url, allows_private=settings.WEBHOOK_ALLOW_PRIVATE)
        except OutboundError as error:
            raise WebhookError(refusal_words(error)) from error
    unknown = [name for name in events if name not in WEBHOOK_EVENTS]
    if unknown:
        raise WebhookError(f"There is no event {unknown[0]!r}; there are {', '.join(WEBHOOK_EVENTS)}.")
    if format is not None and format not in WebhookFormat.values:
        raise WebhookError(f"There is no format {format!r}; there are {', '.join(WebhookFormat.values)}.")


def _unique(events: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(events))


def facts_of(webhook: Webhook) -> dict[str, Any]:
    """For the log. Of the URL only the host: paths and queries often hold what the receiver takes for a password."""
    return {"webhook_id": webhook.pk, "name": webhook.name, "host": URL(webhook.url).host}
