"""Sending one message of a webhook, and what came of it. Runs beside others in threads: touches no database."""

import hashlib
import hmac
import logging
import time
from dataclasses import dataclass, replace
from datetime import datetime

from django.conf import settings
from django.utils import timezone

from mdm.common.addresses import OutboundError
from mdm.common.http import FOLLOWED, Answer, OutboundClient
from mdm.common.peers import seconds_until
from mdm.common.text import clean_text
from mdm.events.models import Webhook, WebhookDelivery
from mdm.events.webhooks import refusal_words

TIMEOUT_SECONDS = 10.0
EXCERPT_CHARACTERS = 1000
# "Come back later", rather than "I do not want this".
OVERLOADED = (429, 502, 503, 504)

logger = logging.getLogger("pomona.webhooks")


@dataclass(frozen=True, slots=True)
class Outcome:
    """status: the receiver's answer; None if there was none. error: "" when it was delivered. excerpt: of the answer.

    is_down: it is the receiver that has trouble, not the message.
    """

    delivery: WebhookDelivery
    at: datetime
    status: int | None = None
    error: str = ""
    excerpt: str = ""
    latency_ms: int = 0
    is_down: bool = False
    retry_after_seconds: float = 0.0


def new_client() -> OutboundClient:
    """For one thread at a time, as long as its connection is of use."""
    return OutboundClient(
        allows_private=settings.WEBHOOK_ALLOW_PRIVATE, timeout_seconds=TIMEOUT_SECONDS, follows_redirects=True
    )


def send(client: OutboundClient, webhook: Webhook, delivery: WebhookDelivery) -> Outcome:
    """Whatever happens is an outcome: a message or an answer that cannot even be read delays no other."""
    at, begin = timezone.now(), time.monotonic()
    try:
        body = (delivery.sealed_body or delivery.body).encode()
        answer = client.send("POST", webhook.url, headers=headers(webhook, delivery, body), content=body)
        outcome = _understood(answer, delivery, at)
    except OutboundError as error:
        outcome = Outcome(delivery, at, error=refusal_words(error), is_down=True)
    except Exception:
        logger.exception("message %s of webhook %s could not be sent", delivery.pk, webhook.pk)
        outcome = Outcome(delivery, at, error="It could not be sent, or its answer not be understood.")
    return replace(outcome, latency_ms=round((time.monotonic() - begin) * 1000))


def _understood(answer: Answer, delivery: WebhookDelivery, at: datetime) -> Outcome:
    # Receivers often repeat what they got; that is not to be kept in the open if it was sealed.
    text = "" if delivery.sealed_body else excerpt(answer.body)
    if 200 <= answer.status < 300:
        return Outcome(delivery, at, answer.status, excerpt=text)
    error = f"The receiver answered {answer.status}."
    if 300 <= answer.status < 400:
        followed = " and ".join(str(status) for status in FOLLOWED)
        error = f"The receiver answered {answer.status}; of redirects only {followed} are followed."
    is_down = answer.status in OVERLOADED
    asked = seconds_until(answer.headers.get("retry-after", "")) if is_down else 0.0
    return Outcome(delivery, at, answer.status, error, text, is_down=is_down, retry_after_seconds=asked)


def headers(webhook: Webhook, delivery: WebhookDelivery, body: bytes) -> dict[str, str]:
    """The signature covers the time, so that nobody can send the same again later."""
    timestamp = str(int(time.time()))
    signature = hmac.digest(webhook.secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hex()
    return {
        "Content-Type": "application/json",
        "User-Agent": "Pomona",
        "Pomona-Event-Id": delivery.message_id,
        "Pomona-Timestamp": timestamp,
        "Pomona-Signature": f"sha256={signature}",
    }


def excerpt(body: bytes) -> str:
    """How an answer begins, as text that can be stored and shown: strangers wrote it."""
    # A character has four bytes at the most.
    text = body[: 4 * EXCERPT_CHARACTERS].decode("utf-8", "replace")
    if not text.isprintable():
        text = "".join(one if one.isprintable() or one in "\n\t" else " " for one in text)
    return clean_text(text, EXCERPT_CHARACTERS)
