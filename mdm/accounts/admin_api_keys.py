"""API keys: making one, what it may do, revoking it."""

from typing import Any

from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from mdm.accounts.admin_api_key import ApiKeyForm, access_help, access_words, scope_words, scopes_in_short
from mdm.accounts.admin_base import EmptyState, Page, ReadOnlyAdmin, actor_of
from mdm.accounts.admin_forms import ConfirmForm, posted
from mdm.accounts.admin_html import badge, time_tag, two_lines
from mdm.accounts.admin_once import MadeBefore, made_before_words, made_once, once_token
from mdm.accounts.models import ApiKey
from mdm.accounts.permissions import Action
from mdm.accounts.services import create_api_key, revoke_api_key
from mdm.events.services import emit


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    list_title = gettext_lazy("API keys")
    add_label = gettext_lazy("New API key")
    needs = {"add": Action.CONFIGURE}
    list_display = ("key_name", "access_badge", "last_used", "made", "key_state")
    list_select_related = ("created_by",)
    search_fields = ("name", "prefix")
    search_help_text = gettext_lazy("Name or beginning of the key")
    ordering = ("revoked_at", "-pk")
    pages = (Page("<int:pk>/revoke/", "revoke", Action.CONFIGURE),)
    empty_state = EmptyState(
        gettext_lazy("No API key yet"),
        gettext_lazy("Scripts sign in with an API key. Make one for each script, so that you can revoke it alone."),
        gettext_lazy("New API key"),
        "admin:mdm_accounts_apikey_add",
        Action.CONFIGURE,
        "key",
    )

    @display(description=gettext_lazy("Name"), ordering="name")
    def key_name(self, key: ApiKey) -> str:
        return two_lines(key.name, f"{key.prefix}…")

    @display(description=gettext_lazy("Access"), ordering="access")
    def access_badge(self, key: ApiKey) -> str:
        """A limited key's sections below: what most people look for in this list."""
        if not key.scopes:
            return badge(access_words(key))
        return two_lines(badge(access_words(key)), scopes_in_short(key))

    @display(description=gettext_lazy("Last used"), ordering="last_used_at")
    def last_used(self, key: ApiKey) -> str:
        return time_tag(key.last_used_at, _("never"))

    @display(description=gettext_lazy("Created"), ordering="created_at")
    def made(self, key: ApiKey) -> str:
        return two_lines(time_tag(key.created_at), key.created_by or "")

    @display(description=gettext_lazy("State"), ordering="revoked_at")
    def key_state(self, key: ApiKey) -> str:
        return badge(_("Revoked"), "revoked") if key.is_revoked else badge(_("Valid"), "valid")

    def detail(self, request: HttpRequest, obj: ApiKey) -> HttpResponse:
        return self.page(
            request,
            "admin/accounts/api_key.html",
            title=obj.name,
            key=obj,
            access=access_words(obj),
            access_help=access_help(obj),
            scopes=scope_words(obj),
        )

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """The answer to the form shows the key: it stands nowhere else, not in the session either."""
        self.demand(request, self.needs["add"])
        account = request.get_account()
        form = ApiKeyForm(posted(request), account=account)
        if request.method == "POST" and form.is_valid():
            try:
                with made_once(request), transaction.atomic():
                    key, secret = create_api_key(account, created_by=request.user, **form.cleaned_data)
                    self._log(request, "api_key.created", key)
            except MadeBefore:
                return self.refused(request, made_before_words(), self.url("changelist"))
            return self.page(request, "admin/accounts/api_key_made.html", title=key.name, key=key, secret=secret)
        intro = _("The key itself is shown once, on the next page.")
        return self.page(
            request,
            "admin/accounts/api_key_new.html",
            title=_("New API key"),
            form=form,
            button=_("Create the key"),
            back=self.url("changelist"),
            intro=intro,
            hidden=[once_token()],
        )

    def revoke(self, request: HttpRequest, key: ApiKey) -> HttpResponse:
        back = self.url("change", key.pk)
        if request.method == "POST":
            with transaction.atomic():
                if revoke_api_key(key):
                    self._log(request, "api_key.revoked", key)
            return self.done(request, _("“%(name)s” no longer works.") % {"name": key.name}, self.url("changelist"))
        return self.form_page(
            request,
            ConfirmForm(account=request.get_account()),
            title=_("Revoke “%(name)s”") % {"name": key.name},
            intro=_("Whatever uses this key is refused from now on. This cannot be taken back."),
            button=_("Revoke"),
            back=back,
            danger=True,
        )

    def _log(self, request: HttpRequest, event_type: str, key: ApiKey) -> None:
        emit(
            event_type,
            account_id=key.account_id,
            actor=actor_of(request),
            name=key.name,
            access=key.access,
            prefix=key.prefix,
            **({"scopes": key.scopes} if key.scopes else {}),
        )
