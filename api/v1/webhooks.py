"""Webhooks: addresses that are told of events. The secret that signs what they are told is shown once, when it is made."""

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
from mdm.common.addresses import MAX_URL_LENGTH
from mdm.events.models import Webhook, WebhookFormat
from mdm.events.outbox import REFERENCE_EVENTS, WEBHOOK_EVENTS
from mdm.events.webhook_standing import COUNTED_AT_MOST, Standing, standing, with_pending
from mdm.events.webhooks import (
    create_webhook,
    delete_webhook,
    redeliver_failed,
    resume_webhook,
    rotate_secret,
    send_test,
    update_webhook,
)

WEBHOOK = Resource(
    "Webhook",
    {
        "name": serializers.CharField(),
        "url": serializers.URLField(),
        "events": serializers.ListField(child=serializers.CharField()),
        "format": serializers.ChoiceField(WebhookFormat.choices),
        "enabled": serializers.BooleanField(),
        "state": serializers.ChoiceField(
            [one.value for one in Standing],
            help_text="untried: nothing was sent to it yet; failing: its receiver answers and refuses everything; resting: "
            "its receiver is down and is tried again later; paused: it waits for `resume`.",
        ),
        "failing_since": serializers.DateTimeField(allow_null=True, help_text="Its receiver took nothing since then."),
        "paused_at": serializers.DateTimeField(
            allow_null=True, help_text="Its receiver took nothing for long: messages wait until somebody resumes it."
        ),
        "pending": serializers.IntegerField(
            help_text=f"Messages that wait to be sent; {COUNTED_AT_MOST + 1} stands for more than {COUNTED_AT_MOST}."
        ),
        "created_at": serializers.DateTimeField(),
        "updated_at": serializers.DateTimeField(),
        "secret": serializers.CharField(
            required=False, help_text="Only in the answer that creates the webhook, or makes a new secret."
        ),
    },
)
SENDING = OpenApiResponse(description="Accepted: a worker sends it soon. No body.")


class WebhookChange(serializers.Serializer):
    url = serializers.CharField(max_length=MAX_URL_LENGTH, required=False)
    events = Names(
        max_length=100,
        required=False,
        help_text=f"Any of {', '.join(WEBHOOK_EVENTS)}; none means {', '.join(REFERENCE_EVENTS)}.",
    )
    name = serializers.CharField(max_length=200, required=False, allow_blank=True)
    format = serializers.CharField(
        max_length=20, required=False, help_text=f"{' or '.join(WebhookFormat.values)}; native if not given."
    )
    enabled = serializers.BooleanField(required=False, help_text="true also lets a paused one go on.")


class NewWebhook(WebhookChange):
    url = serializers.CharField(max_length=MAX_URL_LENGTH)


def encode_webhook(webhook: Webhook) -> dict[str, Any]:
    """Of a webhook that was fetched `with_pending`."""
    state, _ = standing(webhook)
    attributes = {
        "name": webhook.name,
        "url": webhook.url,
        "events": webhook.events or list(REFERENCE_EVENTS),
        "format": webhook.format,
        "enabled": webhook.is_enabled,
        "state": state,
        "failing_since": iso(webhook.failing_since),
        "paused_at": iso(webhook.paused_at),
        "pending": webhook.pending,
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
        return self.page(with_pending(self.rows(Webhook)).defer("secret"), encode_webhook)

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
        return self.one(self._webhook(webhook.pk), encode_with_secret, status=201)

    @describe(
        "webhooks_update",
        "Change a webhook",
        answers=WEBHOOK.one,
        takes=WebhookChange,
        example={"events": ["device.enrolled"], "enabled": True},
    )
    def update(self, request: Request, pk: int) -> Response:
        update_webhook(self._webhook(pk), **self._given(WebhookChange), actor=request.actor)
        return self.one(self._webhook(pk), encode_webhook)

    @describe("webhooks_delete", "Delete a webhook; what it was not sent yet goes with it", status=204)
    def destroy(self, request: Request, pk: int) -> HttpResponse:
        delete_webhook(self._webhook(pk), request.actor)
        return empty(204)

    @describe("webhooks_test", "Send a test_event to a webhook", answers=SENDING, status=202)
    def test(self, request: Request, pk: int) -> HttpResponse:
        send_test(self._webhook(pk), request.actor)
        return empty(202)

    @describe("webhooks_resume", "Let a paused webhook go on; what waited is sent", status=204)
    def resume(self, request: Request, pk: int) -> HttpResponse:
        resume_webhook(self._webhook(pk), request.actor)
        return empty(204)

    @describe("webhooks_rotate_secret", "Make a new secret; the answer shows it, once", answers=WEBHOOK.one)
    def rotate_secret(self, request: Request, pk: int) -> Response:
        """What is sent from now on is signed with it."""
        rotate_secret(self._webhook(pk), request.actor)
        return self.one(self._webhook(pk), encode_with_secret)

    @describe("webhooks_redeliver", "Send all failed messages of a webhook again", answers=SENDING, status=202)
    def redeliver(self, request: Request, pk: int) -> HttpResponse:
        redeliver_failed(self._webhook(pk), request.actor)
        return empty(202)

    def _webhook(self, pk: int) -> Webhook:
        return self.find(with_pending(self.rows(Webhook)), pk)

    def _given(self, shape: type[serializers.Serializer]) -> dict[str, Any]:
        given = self.read(shape)
        if "enabled" in given:
            given["is_enabled"] = given.pop("enabled")
        return given
