"""The catalogue: apps of the App Store, in-house apps and Mac packages."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from apps_catalog.admin import app_words
from apps_catalog.admin.app_configs import ConfigPages
from apps_catalog.admin.app_forms import AppNameForm
from apps_catalog.admin.app_list import FILTERS, MOST, with_counts
from apps_catalog.admin.app_page import context_of, losing
from apps_catalog.admin.app_places import PlacePages, what_goes
from apps_catalog.admin.app_store_pages import StorePages
from apps_catalog.admin.app_uploads import GONE, UploadPages
from apps_catalog.models import App
from apps_catalog.services.catalog import remove_app, update_app
from devices.models import ItemState
from mdm.accounts.admin_base import EmptyState, Page, ReadOnlyAdmin, actor_of
from mdm.accounts.admin_forms import TypedConfirmForm, posted
from mdm.accounts.admin_html import NOTHING, two_lines
from mdm.accounts.permissions import Action
from mdm.common.counts import Number

GROUPS_NAMED = 3


@admin.register(App)
class AppAdmin(UploadPages, StorePages, PlacePages, ConfigPages, ReadOnlyAdmin):
    list_title = gettext_lazy("Apps")
    add_label = gettext_lazy("Add app")
    needs = {"add": Action.MANAGE_DEVICES}
    list_display = ("app", "kind", "shown_version", "platform", "groups", "on_devices", "status")
    list_filter = FILTERS
    search_fields = ("name", "bundle_identifier")
    search_help_text = gettext_lazy("Name or bundle identifier")
    ordering = ("name", "pk")
    list_per_page = 50
    pages = (
        Page("upload/", "upload", Action.MANAGE_DEVICES),
        Page("search/", "store_search", Action.MANAGE_DEVICES, post_only=True),
        Page("search/found/", "store_found", Action.MANAGE_DEVICES),
        Page("<int:pk>/upload/", "version", Action.MANAGE_DEVICES),
        Page("<int:pk>/deploy/", "deploy", Action.MANAGE_DEVICES),
        Page("<int:pk>/edit/", "edit", Action.MANAGE_DEVICES),
        Page("<int:pk>/remove/", "remove", Action.DESTROY),
        Page("<int:pk>/totals/", "totals", Action.VIEW),
        Page("<int:pk>/devices/", "devices", Action.VIEW),
        Page("<int:pk>/assign/", "assign", Action.MANAGE_DEVICES),
        Page("<int:pk>/unassign/", "unassign", Action.MANAGE_DEVICES),
        Page("<int:pk>/install/", "install", Action.MANAGE_DEVICES),
        Page("<int:pk>/configuration/", "configuration", Action.VIEW),
        Page("<int:pk>/configuration/key/", "configuration_key", Action.MANAGE_DEVICES),
        Page("<int:pk>/configuration/delete/", "configuration_remove", Action.MANAGE_DEVICES, post_only=True),
        Page("<int:pk>/configuration/push/", "configuration_push", Action.MANAGE_DEVICES),
    )
    empty_state = EmptyState(
        gettext_lazy("No app yet"),
        gettext_lazy(
            "Find apps in the App Store by their name, or upload your own: .ipa for iPhone, iPad and Apple "
            "TV, .pkg for Macs. Then assign them to groups of devices."
        ),
        gettext_lazy("Add app"),
        "admin:apps_catalog_app_add",
        Action.MANAGE_DEVICES,
        "apps",
    )

    # --- list ---------------------------------------------------------------------------------------------------------
    def get_queryset(self, request: HttpRequest) -> QuerySet:
        queryset = super().get_queryset(request)
        is_list = request.resolver_match and request.resolver_match.url_name == "apps_catalog_app_changelist"
        return with_counts(queryset) if is_list else queryset

    @display(description=gettext_lazy("App"), ordering="name")
    def app(self, app: App) -> str:
        words = two_lines(app.name, app.bundle_identifier or _("bundle identifier not known yet"))
        return format_html('<span class="pm-app">{}{}</span>', app_words.icon(app), words)

    @display(description=gettext_lazy("Kind"), ordering="app_type")
    def kind(self, app: App) -> str:
        return app_words.kind_words(app)

    @display(description=gettext_lazy("Version"))
    def shown_version(self, app: App) -> str:
        return app.version or NOTHING

    @display(description=gettext_lazy("Platform"), ordering="platform_support")
    def platform(self, app: App) -> str:
        return app.platform_support or NOTHING

    @display(description=gettext_lazy("Groups"))
    def groups(self, app: App) -> str:
        names = [one.group.name for one in app.assignments.all()]
        if not names:
            return NOTHING
        told, more = ", ".join(names[:GROUPS_NAMED]), len(names) - GROUPS_NAMED
        return _("%(names)s and %(number)s more") % {"names": told, "number": more} if more > 0 else told

    @display(description=gettext_lazy("Devices"), ordering="installed")
    def on_devices(self, app: App) -> str:
        counts = (
            (app.installed, _("installed"), "good", ItemState.INSTALLED),
            (app.under_way, _("on the way"), "info", ItemState.PUSHED),
            (app.failed, _("failed"), "bad", ItemState.FAILED),
        )
        url = self.url("devices", app.pk)
        shown = [
            (tone, url, state, f"{Number.up_to(count, MOST)} {word}") for count, word, tone, state in counts if count
        ]
        pill = '<a class="pm-badge pm-{}" href="{}?state={}">{}</a>'
        return format_html('<span class="pm-pills">{}</span>', format_html_join("", pill, shown)) if shown else NOTHING

    @display(description=gettext_lazy("Status"), ordering="processing_status")
    def status(self, app: App) -> str:
        note = app_words.status_note(app)
        return two_lines(app_words.status_badge(app), note) if note else app_words.status_badge(app)

    # --- one app ------------------------------------------------------------------------------------------------------
    def detail(self, request: HttpRequest, obj: App) -> HttpResponse:
        return self.page(request, "admin/apps/app.html", title=str(obj), **context_of(obj))

    def edit(self, request: HttpRequest, app: App) -> HttpResponse:
        back = self.url("change", app.pk)
        first = {"name": app.name if app.has_own_name else ""}
        form = AppNameForm(posted(request), initial=first, account=request.get_account())
        if request.method == "POST" and form.is_valid():
            try:
                update_app(app, name=form.cleaned_data["name"], actor=actor_of(request))
            except App.DoesNotExist:
                return self.refused(request, GONE, self.list_url)
            return self.done(request, _("Saved."), back)
        return self.form_page(
            request, form, title=_("Rename %(app)s") % {"app": app}, button=_("Save"), back=back, crumb=(app.name, back)
        )

    def remove(self, request: HttpRequest, app: App) -> HttpResponse:
        back = self.url("change", app.pk)
        name = str(app)
        form = TypedConfirmForm(posted(request), expected=name, account=request.get_account())
        if request.method == "POST" and form.is_valid():
            remove_app(app, actor=actor_of(request))
            return self.done(request, _("%(name)s was deleted.") % {"name": name}, self.list_url)
        return self.form_page(
            request,
            form,
            title=_("Delete %(name)s") % {"name": name},
            intro=_("%(app)s No group brings it any more; its files and its configuration are deleted.")
            % {"app": what_goes(app, losing(app))},
            button=_("Delete this app"),
            back=back,
            danger=True,
            crumb=(name, back),
        )
