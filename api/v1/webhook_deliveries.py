"""Deliveries of a webhook: what it was sent, or is to be sent, and every try to do so."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.schema import LIST_PARAMETERS, Resource, describe, reference, shape
from api.times import iso
from api.v1.base import ResourceView, link, resource
from api.v1.fields import choice
from api.v1.webhooks import SENDING
from api.views import empty
from mdm.events.models import DeliveryState, Webhook, WebhookAttempt, WebhookDelivery
from mdm.events.webhook_standing import without_bodies
from mdm.events.webhooks import redeliver

NEWEST_ATTEMPTS = 100
SEALED = "It holds what a device sent, secrets and all: only administrators see it, in the admin."

_ATTRIBUTES = {
    "event": serializers.CharField(help_text="The name of the message, such as device.enrolled."),
    "message_id": serializers.CharField(help_text="What the receiver knows it by; the same each time it is sent."),
    "log_id": serializers.CharField(allow_null=True, help_text="Its entry in the log, as long as that is kept."),
    "state": serializers.ChoiceField(DeliveryState.choices),
    "attempt_count": serializers.IntegerField(help_text="Since it was made, or since it was sent again."),
    "status_code": serializers.IntegerField(allow_null=True, help_text="The receiver's last answer."),
    "error": serializers.CharField(help_text="Why it is not delivered; empty if it is."),
    "created_at": serializers.DateTimeField(),
    "due_at": serializers.DateTimeField(allow_null=True, help_text="When it is tried next."),
    "delivered_at": serializers.DateTimeField(allow_null=True),
}
_ATTEMPT = shape(
    "WebhookAttempt",
    at=serializers.DateTimeField(),
    status_code=serializers.IntegerField(allow_null=True, help_text="null: there was no answer."),
    latency_ms=serializers.IntegerField(),
    error=serializers.CharField(),
    excerpt=serializers.CharField(help_text="How the receiver's answer begins; not told where the body is not."),
)
_LINKS = {"webhook": reference("webhook")}
DELIVERIES = Resource("WebhookDelivery", _ATTRIBUTES, _LINKS)
DELIVERY = Resource(
    "WebhookDeliveryInFull",
    _ATTRIBUTES
    | {
        "body": serializers.CharField(allow_null=True, help_text="What is sent, word for word."),
        "body_note": serializers.CharField(allow_null=True, help_text="Why the body is not told."),
        "attempts": _ATTEMPT(many=True, help_text=f"The newest {NEWEST_ATTEMPTS}, newest first."),
    },
    _LINKS,
    type_name="webhook_delivery",
)


class DeliveryFilter(serializers.Serializer):
    state = choice(DeliveryState.choices, required=False)
    event = serializers.CharField(required=False, allow_blank=True, max_length=80, help_text="Such as device.enrolled.")


def encode_delivery(delivery: WebhookDelivery) -> dict[str, Any]:
    return resource(
        "webhook_delivery", delivery.pk, _attributes(delivery), {"webhook": link("webhook", delivery.webhook_id)}
    )


def encode_in_full(delivery: WebhookDelivery) -> dict[str, Any]:
    """Tries come with a second statement. Of a sealed one the receiver's answers are kept back too: some echo what they got."""
    is_sealed = delivery.is_sealed
    found = encode_delivery(delivery)
    found["attributes"] |= {
        "body": None if is_sealed else delivery.body,
        "body_note": SEALED if is_sealed else None,
        "attempts": [
            _encode_attempt(attempt, is_sealed) for attempt in delivery.tries.order_by("-pk")[:NEWEST_ATTEMPTS]
        ],
    }
    return found


def _attributes(delivery: WebhookDelivery) -> dict[str, Any]:
    return {
        "event": delivery.event_type,
        "message_id": delivery.message_id,
        "log_id": delivery.log_id,
        "state": delivery.state,
        "attempt_count": delivery.attempts,
        "status_code": delivery.status_code,
        "error": delivery.error,
        "created_at": iso(delivery.created_at),
        "due_at": iso(delivery.due_at),
        "delivered_at": iso(delivery.delivered_at),
    }


def _encode_attempt(attempt: WebhookAttempt, is_sealed: bool) -> dict[str, Any]:
    return {
        "at": iso(attempt.at),
        "status_code": attempt.status_code,
        "latency_ms": attempt.latency_ms,
        "error": attempt.error,
        "excerpt": "" if is_sealed else attempt.excerpt,
    }


class WebhookDeliveriesView(ResourceView):
    section = "webhooks"

    def deliveries(self, pk: int) -> QuerySet:
        webhook = self.find(self.rows(Webhook).only("pk"), pk)
        return without_bodies(self.rows(WebhookDelivery).filter(webhook=webhook))

    @describe(
        "webhook_deliveries_list",
        "List what a webhook was sent, or is to be sent; kept for 30 days",
        answers=DELIVERIES.many,
        query=[DeliveryFilter, *LIST_PARAMETERS],
    )
    def list(self, request: Request, pk: int) -> Response:
        wanted = self.read(DeliveryFilter)
        deliveries = self.deliveries(pk)
        if state := wanted.get("state"):
            deliveries = deliveries.filter(state=state)
        if event := wanted.get("event"):
            deliveries = deliveries.filter(event_type=event)
        return self.page(deliveries, encode_delivery)

    @describe("webhook_deliveries_retrieve", "Show a delivery with its body and every try", answers=DELIVERY.one)
    def retrieve(self, request: Request, pk: int, delivery_id: int) -> Response:
        """The body of a message that holds what a device sent (the format micromdm) is not told: secrets may be in it."""
        return self.one(self._delivery(pk, delivery_id), encode_in_full)

    @describe("webhook_deliveries_redeliver", "Send a message again, under the same id", answers=SENDING, status=202)
    def redeliver(self, request: Request, pk: int, delivery_id: int) -> HttpResponse:
        redeliver(self._delivery(pk, delivery_id), request.actor)
        return empty(202)

    def _delivery(self, pk: int, delivery_id: int) -> WebhookDelivery:
        return self.find(self.deliveries(pk), delivery_id)
