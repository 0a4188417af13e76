"""Apps and Books: the locations of the account, and what they own."""

from django.contrib import admin
from django.db.models import Count, Q, QuerySet, Sum
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from apps_catalog.admin.content_forms import GIVE_BACK, RemoveTokenForm, TokenFileForm
from apps_catalog.admin.content_page import context_of, mark_of, standing_badge, totals_words
from apps_catalog.models import ContentToken
from apps_catalog.services.catalog import add_store_app
from apps_catalog.services.errors import CatalogError
from apps_catalog.services.licence_tokens import (
    NoContentToken,
    add_token,
    remove_token,
    renew_token,
    request_sync,
    take_over,
)
from apps_catalog.services.licence_words import standing
from mdm.accounts.admin_base import EmptyState, Page, ReadOnlyAdmin, actor_of, row_number
from mdm.accounts.admin_forms import ConfirmForm, posted, posted_files
from mdm.accounts.admin_html import time_tag, two_lines
from mdm.accounts.permissions import Action
from mdm.common.words import count_of


@admin.register(ContentToken)
class ContentTokenAdmin(ReadOnlyAdmin):
    list_title = gettext_lazy("Apps and Books")
    add_label = gettext_lazy("Add content token")
    needs = {"add": Action.CONFIGURE}
    list_display = ("location", "owns", "valid_until", "last_sync", "status")
    ordering = ("location_name", "pk")
    pages = (
        Page("<int:pk>/state/", "state_mark", Action.VIEW),
        Page("<int:pk>/renew/", "renew", Action.CONFIGURE),
        Page("<int:pk>/sync/", "sync", Action.MANAGE_DEVICES, post_only=True),
        Page("<int:pk>/take-over/", "take_over", Action.CONFIGURE),
        Page("<int:pk>/remove/", "remove", Action.CONFIGURE),
        Page("<int:pk>/add-app/", "add_app", Action.MANAGE_DEVICES, post_only=True),
    )
    empty_state = EmptyState(
        gettext_lazy("No location of Apps and Books yet"),
        gettext_lazy(
            "Licences that your organization bought in Apple Business or School Manager are given to devices "
            "before their apps are installed, without an Apple Account. Connect a location with its content "
            "token."
        ),
        gettext_lazy("Add content token"),
        "admin:apps_catalog_contenttoken_add",
        Action.CONFIGURE,
        "shopping_bag",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        found = super().get_queryset(request).defer("token", "notification_token")
        counts = {"apps": Count("assets", filter=Q(assets__product_type="App"))}
        return found.annotate(licences=Sum("assets__total"), used=Sum("assets__assigned"), **counts)

    @display(description=gettext_lazy("Location"), ordering="location_name")
    def location(self, token: ContentToken) -> str:
        return two_lines(token, token.organization_name if token.location_name else _("not read yet"))

    @display(description=gettext_lazy("Owns"))
    def owns(self, token: ContentToken) -> str:
        return two_lines(count_of(token.apps, "app"), totals_words(token))

    @display(description=gettext_lazy("Token valid until"), ordering="expires_at")
    def valid_until(self, token: ContentToken) -> str:
        return time_tag(token.expires_at)

    @display(description=gettext_lazy("Last sync"), ordering="last_synced_at")
    def last_sync(self, token: ContentToken) -> str:
        return time_tag(token.last_synced_at, _("not yet"))

    @display(description=gettext_lazy("Status"))
    def status(self, token: ContentToken) -> str:
        state, sentence = standing(token)
        return standing_badge(token) if state in ("valid", "new") else two_lines(standing_badge(token), sentence)

    # --- one location -------------------------------------------------------------------------------------------------
    def detail(self, request: HttpRequest, obj: ContentToken) -> HttpResponse:
        return self.page(request, "admin/licences/token.html", title=str(obj), **context_of(request, obj))

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: object = None) -> HttpResponse:
        self.demand(request, Action.CONFIGURE)
        form = TokenFileForm(posted(request), posted_files(request), account=request.get_account())
        if request.method == "POST" and form.is_valid():
            try:
                token = add_token(request.get_account(), form.cleaned_data["token"].read(), actor=actor_of(request))
            except NoContentToken as error:
                form.add_error("token", str(error))
            else:
                return self.done(request, _("Apple is asked what this location owns."), self.url("change", token.pk))
        return self.page(
            request, "admin/licences/add.html", title=_("Add a content token"), form=form, back=self.list_url
        )

    def state_mark(self, request: HttpRequest, token: ContentToken) -> HttpResponse:
        return JsonResponse({"mark": mark_of(token)})

    def renew(self, request: HttpRequest, token: ContentToken) -> HttpResponse:
        back = self.url("change", token.pk)
        form = TokenFileForm(posted(request), posted_files(request), account=request.get_account())
        if request.method == "POST" and form.is_valid():
            try:
                renew_token(token, form.cleaned_data["token"].read(), actor=actor_of(request))
            except NoContentToken as error:
                form.add_error("token", str(error))
            else:
                return self.done(request, _("The content token was renewed. It is checked with Apple now."), back)
        return self.form_page(
            request,
            form,
            title=_("Renew the content token of %(token)s") % {"token": token},
            intro=_(
                "Download a new content token of the same location from Apple Business or School Manager, below "
                "Preferences, Payments and Billing. Licences stay as they are."
            ),
            button=_("Renew"),
            back=back,
            crumb=(str(token), back),
        )

    def sync(self, request: HttpRequest, token: ContentToken) -> HttpResponse:
        request_sync(token, actor_of(request))
        return self.done(request, _("Apple is asked again."), self.url("change", token.pk))

    def take_over(self, request: HttpRequest, token: ContentToken) -> HttpResponse:
        back = self.url("change", token.pk)
        form = ConfirmForm(posted(request), account=request.get_account())
        if request.method == "POST" and form.is_valid():
            take_over(token, actor_of(request))
            return self.done(request, _("Pomona is entered at Apple as what manages this location."), back)
        other = token.other_mdm or _("another device management")
        return self.form_page(
            request,
            form,
            title=_("Take %(token)s over") % {"token": token},
            intro=_(
                "At Apple, %(other)s is entered as what manages this location. Pomona is entered in its place; "
                "licences that it gave out stay with their devices. Take the location out of %(other)s first, or "
                "both go on giving and taking."
            )
            % {"other": other},
            button=_("Take it over"),
            back=back,
            danger=True,
            crumb=(str(token), back),
        )

    def remove(self, request: HttpRequest, token: ContentToken) -> HttpResponse:
        back, name = self.url("change", token.pk), str(token)
        form = RemoveTokenForm(posted(request), expected=name, account=request.get_account())
        if request.method == "POST" and form.is_valid():
            gives_back = form.cleaned_data["licences"] == GIVE_BACK
            remove_token(token, actor_of(request), gives_back=gives_back)
            words = _("%(name)s goes as soon as its licences are back.") if gives_back else _("%(name)s was removed.")
            return self.done(request, words % {"name": name}, self.list_url)
        return self.form_page(
            request,
            form,
            title=_("Remove %(name)s") % {"name": name},
            intro=_(
                "Apps of this location are installed without licences from then on: free of charge, or bought by "
                "whoever uses the device. Nothing is taken off any device."
            ),
            button=_("Remove this location"),
            back=back,
            danger=True,
            crumb=(name, back),
        )

    def add_app(self, request: HttpRequest, token: ContentToken) -> HttpResponse:
        """Put an app of the location into the catalogue, from where it can be assigned."""
        back = self.url("change", token.pk)
        number = row_number(request.POST.get("store_id"))
        asset = token.assets.filter(adam_id=number, product_type="App").first() if number else None
        if asset is None:
            return self.refused(request, _("This location does not own that app."), back)
        try:
            app = add_store_app(request.get_account(), store_id=asset.adam_id, actor=actor_of(request))
        except CatalogError as error:
            return self.refused(request, str(error), back)
        return self.done(
            request,
            _("%(asset)s is in the catalogue now: assign it to groups of devices.") % {"asset": asset},
            _page_of(app.pk),
        )


def _page_of(pk: int) -> str:
    return reverse("admin:apps_catalog_app_change", args=[pk])
