"""Webhooks: addresses of operators that are told of events."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db import transaction
from httpx import URL

from mdm.accounts.actors import Actor
from mdm.accounts.models import Account
from mdm.common.http import OutboundError, check_url
from mdm.common.tokens import new_token
from mdm.events.models import DeliveryState, Event, Webhook, WebhookDelivery, WebhookFormat
from mdm.events.outbox import TEST_EVENT, WEBHOOK_EVENTS, body, delivery_of, write_rows
from mdm.events.services import emit

# Each one costs every event a look and a row.
MAX_WEBHOOKS = 50


class WebhookError(Exception):
    """A webhook cannot be like that; the text says why."""


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
        emit("webhook.created", account_id=account.pk, actor=actor, **_facts(webhook), events=webhook.events)
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
    """Whatever is not None. One that is disabled gives up what it had not sent yet. Raises WebhookError."""
    _check(url, events or (), format)
    given = {"url": url, "name": name, "format": format, "is_enabled": is_enabled}
    given["events"] = None if events is None else _unique(events)
    changed = [field for field, value in given.items() if value is not None and value != getattr(webhook, field)]
    if not changed:
        return webhook
    for field in changed:
        setattr(webhook, field, given[field])
    facts: dict[str, Any] = {"changed": changed}
    with transaction.atomic():
        # The new address is not the one that was down.
        webhook.rests_until, webhook.failures = None, 0
        webhook.save(update_fields=[*changed, "rests_until", "failures", "updated_at"])
        if "is_enabled" in changed and not webhook.is_enabled:
            facts["given_up"] = webhook.deliveries.filter(state=DeliveryState.PENDING).update(
                state=DeliveryState.FAILED, due_at=None, error="The webhook was disabled."
            )
        emit("webhook.updated", account_id=webhook.account_id, actor=actor, **_facts(webhook), **facts)
    return webhook


def delete_webhook(webhook: Webhook, actor: Actor) -> None:
    """What it had not sent yet goes with it."""
    with transaction.atomic():
        emit("webhook.removed", account_id=webhook.account_id, actor=actor, **_facts(webhook))
        webhook.delete()


def send_test(webhook: Webhook, actor: Actor) -> WebhookDelivery:
    """Queue a message of no meaning, whatever events the webhook wants. Raises WebhookError for a disabled one."""
    if not webhook.is_enabled:
        raise WebhookError("The webhook is disabled; enable it to test it.")
    with transaction.atomic():
        event: Event = emit("test_event", account_id=webhook.account_id, actor=actor, **_facts(webhook))
        (delivery,) = write_rows([delivery_of(webhook, TEST_EVENT, event, body(TEST_EVENT, [event]))])
    return delivery


def _check(url: str | None, events: Sequence[str], format: str | None) -> None:
    if url is not None:
        try:
            check_url(url, allows_private=settings.WEBHOOK_ALLOW_PRIVATE)
        except OutboundError as error:
            raise WebhookError(str(error)) from error
    unknown = [name for name in events if name not in WEBHOOK_EVENTS]
    if unknown:
        raise WebhookError(f"There is no event {unknown[0]!r}; there are {', '.join(WEBHOOK_EVENTS)}.")
    if format == WebhookFormat.MICROMDM:
        # Its messages hold the devices' own answers, of which the log keeps only what operators need.
        raise WebhookError("The format micromdm is not served yet; use native.")
    if format is not None and format not in WebhookFormat.values:
        raise WebhookError(f"There is no format {format!r}; use native.")


def _unique(events: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(events))


def _facts(webhook: Webhook) -> dict[str, Any]:
    """For the log. Of the URL only the host: paths and queries often hold what the receiver takes for a password."""
    return {"webhook_id": webhook.pk, "name": webhook.name, "host": URL(webhook.url).host}
