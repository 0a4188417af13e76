"""Webhooks: addresses that are told of events. The secret that signs what they are told is shown once, at creation."""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.schema import LIST_PARAMETERS, Resource, describe
from api.times import iso
from api.v1.base import ResourceView, resource
from api.v1.fields import Names
from api.views import empty
from mdm.common.http import MAX_URL_LENGTH
from mdm.events.models import Webhook
from mdm.events.outbox import WEBHOOK_EVENTS
from mdm.events.webhooks import create_webhook, delete_webhook, send_test, update_webhook

WEBHOOK = Resource(
    "Webhook",
    {
        "name": serializers.CharField(),
        "url": serializers.URLField(),
        "events": serializers.ListField(child=serializers.CharField()),
        "format": serializers.CharField(),
        "enabled": serializers.BooleanField(),
        "created_at": serializers.DateTimeField(),
        "updated_at": serializers.DateTimeField(),
        "secret": serializers.CharField(required=False, help_text="Only in the answer that creates the webhook."),
    },
)
SENDING = OpenApiResponse(description="Accepted: a worker sends it soon. No body.")


class WebhookChange(serializers.Serializer):
    url = serializers.CharField(max_length=MAX_URL_LENGTH, required=False)
    events = Names(max_length=100, required=False, help_text=f"Any of {', '.join(WEBHOOK_EVENTS)}; none means all.")
    name = serializers.CharField(max_length=200, required=False, allow_blank=True)
    format = serializers.CharField(max_length=20, required=False, help_text="native, the only one so far.")
    enabled = serializers.BooleanField(required=False)


class NewWebhook(WebhookChange):
    url = serializers.CharField(max_length=MAX_URL_LENGTH)


def encode_webhook(webhook: Webhook) -> dict[str, Any]:
    attributes = {
        "name": webhook.name,
        "url": webhook.url,
        "events": webhook.events or list(WEBHOOK_EVENTS),
        "format": webhook.format,
        "enabled": webhook.is_enabled,
        "created_at": iso(webhook.created_at),
        "updated_at": iso(webhook.updated_at),
    }
    return resource("webhook", webhook.pk, attributes)


def encode_with_secret(webhook: Webhook) -> dict[str, Any]:
    body = encode_webhook(webhook)
    body["attributes"]["secret"] = webhook.secret
    return body


class WebhooksView(ResourceView):
    section = "webhooks"

    @describe("webhooks_list", "List webhooks", answers=WEBHOOK.many, query=[*LIST_PARAMETERS])
    def list(self, request: Request) -> Response:
        return self.page(self.rows(Webhook).defer("secret"), encode_webhook)

    @describe("webhooks_retrieve", "Show a webhook", answers=WEBHOOK.one)
    def retrieve(self, request: Request, pk: int) -> Response:
        return self.one(self._webhook(pk), encode_webhook)

    @describe(
        "webhooks_create",
        "Add a webhook; the answer shows its secret, once",
        answers=WEBHOOK.one,
        status=201,
        takes=NewWebhook,
        example={"url": "https://example.com/hook", "events": ["device.enrolled"]},
    )
    def create(self, request: Request) -> Response:
        webhook = create_webhook(request.account, **self._given(NewWebhook), actor=request.actor)
        return self.one(webhook, encode_with_secret, status=201)

    @describe(
        "webhooks_update",
        "Change a webhook",
        answers=WEBHOOK.one,
        takes=WebhookChange,
        example={"events": ["device.enrolled"], "enabled": True},
    )
    def update(self, request: Request, pk: int) -> Response:
        webhook = self._webhook(pk)
        update_webhook(webhook, **self._given(WebhookChange), actor=request.actor)
        return self.one(webhook, encode_webhook)

    @describe("webhooks_delete", "Delete a webhook; what it was not sent yet goes with it", status=204)
    def destroy(self, request: Request, pk: int) -> HttpResponse:
        delete_webhook(self._webhook(pk), request.actor)
        return empty(204)

    @describe("webhooks_test", "Send a test_event to a webhook", answers=SENDING, status=202)
    def test(self, request: Request, pk: int) -> HttpResponse:
        send_test(self._webhook(pk), request.actor)
        return empty(202)

    def _webhook(self, pk: int) -> Webhook:
        return self.find(self.rows(Webhook), pk)

    def _given(self, shape: type[serializers.Serializer]) -> dict[str, Any]:
        given = self.read(shape)
        if "enabled" in given:
            given["is_enabled"] = given.pop("enabled")
        return given
