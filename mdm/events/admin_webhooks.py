"""Webhooks: added, tested, looked at, let go on, given another secret, removed."""

from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from mdm.accounts.admin_base import EmptyState, Page, ReadOnlyAdmin, actor_of
from mdm.accounts.admin_forms import posted
from mdm.accounts.admin_html import badge, time_tag, two_lines
from mdm.accounts.admin_once import MadeBefore, made_before_words, made_once, once_token
from mdm.accounts.permissions import Action
from mdm.events.admin_webhook_deeds import WebhookDeeds
from mdm.events.admin_webhook_forms import WebhookForm
from mdm.events.admin_webhook_words import (
    FORMAT_WORDS,
    STATE_TONES,
    chosen_events,
    delivery_badge,
    event_words,
    events_in_short,
    message_words,
    standing_badge,
)
from mdm.events.models import DeliveryState, Webhook, WebhookDelivery, WebhookFormat
from mdm.events.webhook_standing import (
    Standing,
    host_of,
    pending_of,
    standing,
    title_of,
    troubled,
    with_pending,
    without_bodies,
)
from mdm.events.webhooks import (
    WebhookError,
    create_webhook,
    rotate_secret,
    update_webhook,
)

NEWEST = 15
SENDING = (Standing.UNTRIED, Standing.WORKING, Standing.FAILING, Standing.RESTING)


@admin.register(Webhook)
class WebhookAdmin(WebhookDeeds, ReadOnlyAdmin):
    list_title = gettext_lazy("Webhooks")
    add_label = gettext_lazy("Add a webhook")
    needs = {"add": Action.CONFIGURE}
    change_list_template = "admin/events/webhooks.html"
    list_display = ("webhook", "told", "state", "newest", "waiting")
    ordering = ("pk",)
    pages = (
        Page("<int:pk>/mark/", "mark", Action.VIEW),
        Page("<int:pk>/test/", "test", Action.CONFIGURE, post_only=True),
        Page("<int:pk>/resume/", "resume", Action.CONFIGURE, post_only=True),
        Page("<int:pk>/enable/", "enable", Action.CONFIGURE, post_only=True),
        Page("<int:pk>/disable/", "disable", Action.CONFIGURE),
        Page("<int:pk>/redeliver/", "redeliver", Action.CONFIGURE, post_only=True),
        Page("<int:pk>/edit/", "edit", Action.CONFIGURE),
        Page("<int:pk>/rotate/", "rotate", Action.CONFIGURE),
        Page("<int:pk>/remove/", "remove", Action.CONFIGURE),
    )
    empty_state = EmptyState(
        gettext_lazy("No webhook yet"),
        gettext_lazy(
            "A webhook tells a program of yours what happens, at the moment it happens: a chat that hears of "
            "each new device, a help desk that opens a ticket, an inventory that stays up to date without "
            "asking."
        ),
        gettext_lazy("Add a webhook"),
        "admin:mdm_events_webhook_add",
        Action.CONFIGURE,
        "webhook",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        # A range of one: only the index of webhooks has that order. By the key alone, all messages of others might be read first.
        of_this = {"webhook__gte": OuterRef("pk"), "webhook__lte": OuterRef("pk")}
        messages = WebhookDelivery.objects.filter(**of_this).order_by("webhook_id", "-pk")
        newest = {f"newest_{name}": Subquery(messages.values(name)[:1]) for name in ("state", "created_at")}
        return with_pending(super().get_queryset(request)).defer("secret").annotate(**newest)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        account = request.get_account()
        found = troubled(Webhook.objects.for_account(account)) if account else ()
        alerts = [(webhook, title_of(webhook), *standing(webhook)) for webhook in found]
        return super().changelist_view(request, {"troubled": alerts, **(extra_context or {})})

    # --- the list -----------------------------------------------------------------------------------------------------
    @display(description=gettext_lazy("Webhook"), ordering="name")
    def webhook(self, webhook: Webhook) -> str:
        return two_lines(title_of(webhook), host_of(webhook) if webhook.name else "")

    @display(description=gettext_lazy("Is told"))
    def told(self, webhook: Webhook) -> str:
        return two_lines(*events_in_short(webhook))

    @display(description=gettext_lazy("State"))
    def state(self, webhook: Webhook) -> str:
        return standing_badge(webhook)

    @display(description=gettext_lazy("Newest message"))
    def newest(self, webhook: Webhook) -> str:
        if not webhook.newest_state:
            return _("none yet")
        state = DeliveryState(webhook.newest_state)
        return two_lines(badge(state.label, STATE_TONES[state]), time_tag(webhook.newest_created_at))

    @display(description=gettext_lazy("Waiting"))
    def waiting(self, webhook: Webhook) -> str:
        return str(pending_of(webhook))

    # --- adding and changing ------------------------------------------------------------------------------------------
    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """The answer to the form shows the secret: the session never holds it."""
        self.demand(request, self.needs["add"])
        account = request.get_account()
        form = WebhookForm(posted(request), account=account)
        if request.method == "POST" and form.is_valid():
            try:
                with made_once(request):
                    webhook = create_webhook(account, **form.cleaned_data, actor=actor_of(request))
            except MadeBefore:
                return self.refused(request, made_before_words(), self.list_url)
            except WebhookError as error:
                form.add_error(None, str(error))
            else:
                return self._secret_page(request, webhook, _("%(webhook)s is added") % {"webhook": title_of(webhook)})
        intro = _("The secret that signs its messages is shown once, on the next page.")
        return self._webhook_form(
            request,
            form,
            title=_("Add a webhook"),
            button=_("Add the webhook"),
            back=self.list_url,
            intro=intro,
            hidden=[once_token()],
        )

    def edit(self, request: HttpRequest, webhook: Webhook) -> HttpResponse:
        form = WebhookForm(posted(request), initial=WebhookForm.values_of(webhook), account=request.get_account())
        if request.method == "POST" and form.is_valid():
            try:
                update_webhook(webhook, **form.cleaned_data, actor=actor_of(request))
            except WebhookError as error:
                form.add_error(None, str(error))
            else:
                return self.done(request, _("Stored. What happens from now on goes there."), self.home_of(webhook))
        return self._webhook_form(
            request,
            form,
            title=_("Edit %(webhook)s") % {"webhook": title_of(webhook)},
            button=_("Store the changes"),
            back=self.home_of(webhook),
            intro=_("Messages that wait go to the new address; what they tell stays as it is."),
        )

    def rotate(self, request: HttpRequest, webhook: Webhook) -> HttpResponse:
        if request.method == "POST":
            try:
                with made_once(request):
                    rotate_secret(webhook, actor_of(request))
            except MadeBefore:
                return self.refused(request, made_before_words(), self.home_of(webhook))
            return self._secret_page(
                request, webhook, _("%(webhook)s has a new secret") % {"webhook": title_of(webhook)}
            )
        return self._confirm(
            request,
            webhook,
            title=_("New secret for %(webhook)s") % {"webhook": title_of(webhook)},
            button=_("Make a new secret"),
            hidden=[once_token()],
            intro=_(
                "Everything that is sent from now on is signed with the new secret, which is shown once, on the "
                "next page. The receiver refuses messages until it knows it; those are tried again."
            ),
        )

    # --- one webhook --------------------------------------------------------------------------------------------------
    def home_of(self, webhook: Webhook) -> str:
        return self.url("change", webhook.pk)

    def detail(self, request: HttpRequest, obj: Webhook) -> HttpResponse:
        state, sentence = standing(obj)
        deliveries = without_bodies(WebhookDelivery.objects.filter(webhook=obj)).order_by("-pk")[:NEWEST]
        return self.page(
            request,
            "admin/events/webhook.html",
            title=title_of(obj),
            webhook=obj,
            host=host_of(obj),
            state=state.value,
            state_badge=standing_badge(obj),
            sentence=sentence,
            format_words=FORMAT_WORDS[WebhookFormat(obj.format)],
            events=[(name, event_words(name)) for name in chosen_events(obj)],
            pending=pending_of(obj),
            deliveries=[(one, message_words(one), delivery_badge(one)) for one in deliveries],
            deliveries_url=f"{reverse('admin:mdm_events_webhookdelivery_changelist')}?webhook={obj.pk}",
            states=DeliveryState.choices,
            may_send=self.may(request, Action.CONFIGURE) and state in SENDING,
            is_moving=bool(obj.pending and state in SENDING),
            mark=_mark(obj),
        )

    def mark(self, request: HttpRequest, webhook: Webhook) -> HttpResponse:
        """For the page that waits: `mark` changes whenever there is something new to show."""
        return JsonResponse({"mark": _mark(webhook)})

    # --- parts --------------------------------------------------------------------------------------------------------
    def _secret_page(self, request: HttpRequest, webhook: Webhook, title: str) -> HttpResponse:
        return self.page(
            request,
            "admin/events/webhook_secret.html",
            title=title,
            webhook=webhook,
            secret=webhook.secret,
            home=self.home_of(webhook),
        )

    def _webhook_form(self, request: HttpRequest, form: WebhookForm, **context: Any) -> HttpResponse:
        status = 422 if request.method == "POST" else 200
        return self.page(request, "admin/events/webhook_form.html", status=status, form=form, **context)


def _mark(webhook: Webhook) -> str:
    """Of a webhook with what the list annotates."""
    newest = webhook.newest_created_at
    parts = (
        standing(webhook)[0],
        webhook.failures,
        webhook.pending,
        webhook.newest_state,
        newest and newest.timestamp(),
    )
    return "/".join(str(part) for part in parts)
