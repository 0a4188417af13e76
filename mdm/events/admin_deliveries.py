"""What webhooks were sent, or are to be sent, and every try to do so."""

from typing import Any

from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from mdm.accounts.admin_base import EmptyState, EndlessPaginator, Page, ReadOnlyAdmin, actor_of, row_number
from mdm.accounts.admin_html import link, time_tag, two_lines
from mdm.accounts.permissions import Action
from mdm.events.admin_webhook_words import TOPICS, delivery_badge, event_words, message_words, pretty
from mdm.events.models import DeliveryState, Webhook, WebhookDelivery
from mdm.events.outbox import WEBHOOK_EVENTS
from mdm.events.services import emit
from mdm.events.webhook_standing import title_of, without_bodies
from mdm.events.webhooks import WebhookError, redeliver

NEWEST_ATTEMPTS = 100
SHOWN_CHARACTERS = 200_000


class WebhookFilter(admin.SimpleListFilter):
    title, parameter_name = gettext_lazy("Webhook"), "webhook"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        account = request.get_account()
        webhooks = Webhook.objects.for_account(account).only("name", "url").order_by("pk") if account else ()
        return [(str(webhook.pk), title_of(webhook)) for webhook in webhooks]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(webhook_id=row_number(self.value())) if self.value() else queryset


class StateFilter(admin.SimpleListFilter):
    title, parameter_name = gettext_lazy("State"), "state"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return list(DeliveryState.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(state=self.value()) if self.value() else queryset


class EventFilter(admin.SimpleListFilter):
    title, parameter_name = gettext_lazy("Message"), "event_type"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return [(name, event_words(name)) for name in (*WEBHOOK_EVENTS, *TOPICS)]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(event_type=self.value()) if self.value() else queryset


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnlyAdmin):
    list_title = gettext_lazy("Deliveries")
    list_display = ("what", "to", "state_badge", "answer", "made")
    list_select_related = ("webhook",)
    list_filter = (WebhookFilter, StateFilter, EventFilter)
    ordering = ("-id",)
    paginator = EndlessPaginator
    pages = (
        Page("<int:pk>/mark/", "mark", Action.VIEW),
        Page("<int:pk>/redeliver/", "redeliver", Action.CONFIGURE, post_only=True),
        Page("<int:pk>/body/", "body", Action.CONFIGURE, post_only=True),
    )
    empty_state = EmptyState(
        gettext_lazy("Nothing was sent yet"),
        gettext_lazy("What webhooks are told stands here, with every try and what the receiver answered."),
        icon="webhook",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return without_bodies(super().get_queryset(request)).defer("webhook__secret")

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        return (*self.list_display, "again") if self.may(request, Action.CONFIGURE) else self.list_display

    # --- the list -----------------------------------------------------------------------------------------------------
    @display(description=gettext_lazy("Message"))
    def what(self, delivery: WebhookDelivery) -> str:
        about = [text for text in (delivery.serial_number, delivery.event_type) if text]
        return two_lines(message_words(delivery), " · ".join(about))

    @display(description=gettext_lazy("Webhook"))
    def to(self, delivery: WebhookDelivery) -> str:
        url = reverse("admin:mdm_events_webhook_change", args=[delivery.webhook_id])
        return link(url, title_of(delivery.webhook))

    @display(description=gettext_lazy("State"))
    def state_badge(self, delivery: WebhookDelivery) -> str:
        return delivery_badge(delivery)

    @display(description=gettext_lazy("Answer"))
    def answer(self, delivery: WebhookDelivery) -> str:
        return two_lines(delivery.status_code or "—", delivery.error)

    @display(description=gettext_lazy("When"))
    def made(self, delivery: WebhookDelivery) -> str:
        return time_tag(delivery.created_at)

    @display(description="")
    def again(self, delivery: WebhookDelivery) -> str:
        """The list is a form with a token of its own: the button sends it elsewhere."""
        if delivery.state == DeliveryState.PENDING:
            return ""
        return format_html(
            '<button type="submit" class="pm-btn pm-small" formaction="{}">{}</button>',
            self.url("redeliver", delivery.pk),
            _("Send again"),
        )

    # --- one delivery -------------------------------------------------------------------------------------------------
    def home_of(self, delivery: WebhookDelivery) -> str:
        return self.url("change", delivery.pk)

    def detail(self, request: HttpRequest, obj: WebhookDelivery) -> HttpResponse:
        return self._page(request, obj, text="" if obj.is_sealed else obj.body)

    def mark(self, request: HttpRequest, delivery: WebhookDelivery) -> HttpResponse:
        """For the page that waits: `mark` changes whenever there is something new to show."""
        return JsonResponse({"mark": _mark(delivery)})

    def redeliver(self, request: HttpRequest, delivery: WebhookDelivery) -> HttpResponse:
        back = self.home_of(delivery)
        try:
            redeliver(delivery, actor_of(request))
        except WebhookError as error:
            return self.refused(request, str(error), back)
        return self.done(request, _("It is on its way again. This page follows by itself."), back)

    def body(self, request: HttpRequest, delivery: WebhookDelivery) -> HttpResponse:
        """With what a device sent, secrets and all; the log says who saw it."""
        if delivery.is_sealed:
            with transaction.atomic():
                emit(
                    "secret.viewed",
                    account_id=delivery.account_id,
                    actor=actor_of(request),
                    of="webhook message",
                    webhook_id=delivery.webhook_id,
                    message_id=delivery.message_id,
                )
        text = delivery.sealed_body if delivery.is_sealed else delivery.body
        return self._page(request, delivery, text=text, is_revealed=True)

    def _page(
        self, request: HttpRequest, delivery: WebhookDelivery, *, text: str, is_revealed: bool = False
    ) -> HttpResponse:
        webhook = delivery.webhook
        shown: dict[str, Any] = {"text": pretty(text)[:SHOWN_CHARACTERS], "is_cut": len(text) > SHOWN_CHARACTERS}
        return self.page(
            request,
            "admin/events/webhook_delivery.html",
            title=message_words(delivery),
            crumb=(title_of(webhook), reverse("admin:mdm_events_webhook_change", args=[webhook.pk])),
            delivery=delivery,
            webhook=webhook,
            state_badge=delivery_badge(delivery),
            is_hidden=delivery.is_sealed and not is_revealed,
            # Some receivers answer with what they were sent.
            shows_answers=is_revealed or not delivery.is_sealed,
            attempts=list(delivery.tries.order_by("-pk")[:NEWEST_ATTEMPTS]),
            is_waiting=delivery.state == DeliveryState.PENDING and not is_revealed,
            mark=_mark(delivery),
            **shown,
        )


def _mark(delivery: WebhookDelivery) -> str:
    return f"{delivery.state}/{delivery.attempts}/{delivery.due_at}"
