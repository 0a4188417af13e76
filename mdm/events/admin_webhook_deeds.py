"""What is done with a webhook by its buttons: a test, going on, sending again, switching it off, deleting it."""

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from mdm.accounts.admin_base import actor_of
from mdm.accounts.admin_forms import ConfirmForm, TypedConfirmForm, posted
from mdm.common.words import count_of
from mdm.events.models import Webhook
from mdm.events.webhook_standing import (
    pending_of,
    title_of,
)
from mdm.events.webhooks import (
    WebhookError,
    delete_webhook,
    redeliver_failed,
    resume_webhook,
    send_test,
    update_webhook,
)


class WebhookDeeds:
    """For the admin of webhooks (which brings `page`, `form_page`, `done`, `refused` and `home_of`)."""

    def test(self, request: HttpRequest, webhook: Webhook) -> HttpResponse:
        return self._do(request, webhook, send_test, _("A test is on its way. This page follows by itself."))

    def resume(self, request: HttpRequest, webhook: Webhook) -> HttpResponse:
        return self._do(request, webhook, resume_webhook, _("It goes on: what waited is sent, the oldest first."))

    def enable(self, request: HttpRequest, webhook: Webhook) -> HttpResponse:
        update_webhook(webhook, is_enabled=True, actor=actor_of(request))
        return self.done(request, _("It is told again what happens from now on."), self.home_of(webhook))

    def disable(self, request: HttpRequest, webhook: Webhook) -> HttpResponse:
        if request.method == "POST":
            update_webhook(webhook, is_enabled=False, actor=actor_of(request))
            return self.done(request, _("Nothing is sent to it any more."), self.home_of(webhook))
        waiting = count_of(pending_of(webhook), "message")
        given_up = [_("%(waiting)s that wait are given up.") % {"waiting": waiting}] if webhook.pending else []
        return self._confirm(
            request,
            webhook,
            title=_("Disable %(webhook)s") % {"webhook": title_of(webhook)},
            button=_("Disable"),
            intro=" ".join(
                [
                    _("Nothing is sent until it is enabled again, and what happens meanwhile is not kept for it."),
                    *given_up,
                ]
            ),
        )

    def redeliver(self, request: HttpRequest, webhook: Webhook) -> HttpResponse:
        try:
            count = redeliver_failed(webhook, actor_of(request))
        except WebhookError as error:
            return self.refused(request, str(error), self.home_of(webhook))
        return self.done(
            request,
            _("Sent again: %(failed_messages)s.") % {"failed_messages": count_of(count, "failed message")},
            self.home_of(webhook),
        )

    def remove(self, request: HttpRequest, webhook: Webhook) -> HttpResponse:
        title = title_of(webhook)
        form = TypedConfirmForm(posted(request), expected=title, account=request.get_account())
        if request.method == "POST" and form.is_valid():
            delete_webhook(webhook, actor_of(request))
            return self.done(request, _("%(title)s was deleted.") % {"title": title}, self.list_url)
        return self._form(
            request,
            webhook,
            form,
            title=_("Delete %(title)s") % {"title": title},
            button=_("Delete this webhook"),
            intro=_(
                "It is told nothing any more. Its secret goes, and the record of what it was sent. Messages that "
                "wait are not sent. What happened stays in the log."
            ),
            danger=True,
        )

    def _do(self, request: HttpRequest, webhook: Webhook, service: Any, sentence: str) -> HttpResponse:
        try:
            service(webhook, actor_of(request))
        except WebhookError as error:
            return self.refused(request, str(error), self.home_of(webhook))
        return self.done(request, sentence, self.home_of(webhook))

    def _confirm(self, request: HttpRequest, webhook: Webhook, **context: Any) -> HttpResponse:
        return self._form(request, webhook, ConfirmForm(account=request.get_account()), **context)

    def _form(self, request: HttpRequest, webhook: Webhook, form: forms.Form, **context: Any) -> HttpResponse:
        back = self.home_of(webhook)
        return self.form_page(request, form, back=back, crumb=(title_of(webhook), back), **context)
