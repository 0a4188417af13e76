"""DEP servers: set up in three steps, looked at, synced, renewed, removed; and the enrollment settings of each."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from enrollment.admin.dep_forms import NameForm, ServerForm, TokenForm
from enrollment.admin.dep_settings_form import SettingsForm
from enrollment.admin.dep_standing import overview, server_badge, server_mark
from enrollment.models import DepServer
from enrollment.services.dep import add_server, remove_server, rename_server, renew_server, request_sync
from enrollment.services.dep_settings import BadSettings, assign_again, remove_settings, settings_of, update_settings
from enrollment.services.dep_tokens import make_key, newest_key
from enrollment.services.errors import EnrollmentError
from mdm.accounts.admin_base import EmptyState, Page, ReadOnlyAdmin, actor_of
from mdm.accounts.admin_forms import ConfirmForm, TypedConfirmForm, posted, posted_files
from mdm.accounts.admin_html import link, time_tag, two_lines
from mdm.accounts.permissions import Action
from mdm.common.words import count_of


@admin.register(DepServer)
class DepServerAdmin(ReadOnlyAdmin):
    list_title = gettext_lazy("DEP servers")
    add_label = gettext_lazy("Add a DEP server")
    needs = {"add": Action.CONFIGURE}
    list_display = ("server", "state", "devices", "token_end", "synced")
    search_fields = ("name", "server_name", "organization_name")
    search_help_text = gettext_lazy("Name or organization")
    ordering = ("name", "pk")
    pages = (
        Page("key/", "make_key", Action.CONFIGURE, post_only=True),
        Page("certificate/", "certificate", Action.CONFIGURE),
        Page("<int:pk>/state/", "state_mark", Action.VIEW),
        Page("<int:pk>/sync/", "sync", Action.MANAGE_DEVICES, post_only=True),
        Page("<int:pk>/assign-again/", "assign_again", Action.MANAGE_DEVICES, post_only=True),
        Page("<int:pk>/rename/", "rename", Action.CONFIGURE),
        Page("<int:pk>/renew/", "renew", Action.CONFIGURE),
        Page("<int:pk>/settings/", "settings", Action.CONFIGURE),
        Page("<int:pk>/settings/remove/", "remove_settings", Action.CONFIGURE),
        Page("<int:pk>/remove/", "remove", Action.CONFIGURE),
    )
    empty_state = EmptyState(
        gettext_lazy("No DEP server yet"),
        gettext_lazy(
            "Connect Apple Business or School Manager: the devices that your organization buys appear here "
            "by themselves, and enroll when they are switched on for the first time."
        ),
        gettext_lazy("Add a DEP server"),
        "admin:enrollment_depserver_add",
        Action.CONFIGURE,
        "cloud_sync",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        secrets = ("consumer_secret", "access_token", "access_secret")
        return super().get_queryset(request).defer(*secrets).annotate(device_total=Count("dep_devices"))

    # --- the list -----------------------------------------------------------------------------------------------------
    @display(description=gettext_lazy("Server"), ordering="name")
    def server(self, server: DepServer) -> str:
        return two_lines(server.name, server.organization_name or server.server_name)

    @display(description=gettext_lazy("State"))
    def state(self, server: DepServer) -> str:
        return server_badge(server)

    @display(description=gettext_lazy("Devices"), ordering="device_total")
    def devices(self, server: DepServer) -> str:
        url = f"{reverse('admin:enrollment_depdevice_changelist')}?server={server.pk}"
        return link(url, count_of(server.device_total, "device"))

    @display(description=gettext_lazy("Token expires"), ordering="token_expires_at")
    def token_end(self, server: DepServer) -> str:
        return time_tag(server.token_expires_at)

    @display(description=gettext_lazy("Last synced"), ordering="last_synced_at")
    def synced(self, server: DepServer) -> str:
        return time_tag(server.last_synced_at, _("not yet"))

    # --- adding one ---------------------------------------------------------------------------------------------------
    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        self.demand(request, self.needs["add"])
        account = request.get_account()
        form = ServerForm(posted(request), posted_files(request), account=account)
        if request.method == "POST" and form.is_valid():
            name, data = form.cleaned_data["name"], form.cleaned_data["token"].read()
            try:
                server = add_server(account, data, name=name, actor=actor_of(request))
            except EnrollmentError as error:
                form.add_error("token", str(error))
            else:
                return self.done(
                    request,
                    _("%(server)s is connected. Its devices are being read.") % {"server": server},
                    self.home_of(server),
                )
        status = 422 if request.method == "POST" else 200
        return self.page(
            request,
            "admin/dep/add.html",
            title=_("Add a DEP server"),
            status=status,
            form=form,
            key=newest_key(account),
            back=self.list_url,
        )

    def make_key(self, request: HttpRequest) -> HttpResponse:
        make_key(request.get_account(), actor_of(request))
        return self.done(request, _("The key is made. Download its certificate."), self.url("add"))

    def certificate(self, request: HttpRequest) -> HttpResponse:
        """Of the newest key, as Apple's portal takes it."""
        key = newest_key(request.get_account())
        if key is None:
            raise Http404
        response = HttpResponse(key.certificate_pem, content_type="application/x-pem-file")
        response["Content-Disposition"] = f'attachment; filename="server-token-key-{key.pk}.pem"'
        return response

    # --- one server ---------------------------------------------------------------------------------------------------
    def home_of(self, server: DepServer) -> str:
        return self.url("change", server.pk)

    def detail(self, request: HttpRequest, obj: DepServer) -> HttpResponse:
        return self.page(request, "admin/dep/server.html", title=obj.name, **overview(obj))

    def state_mark(self, request: HttpRequest, server: DepServer) -> HttpResponse:
        return JsonResponse({"mark": server_mark(server)})

    def sync(self, request: HttpRequest, server: DepServer) -> HttpResponse:
        request_sync(server, actor_of(request))
        return self.done(request, _("A worker asks Apple now. This page follows by itself."), self.home_of(server))

    def rename(self, request: HttpRequest, server: DepServer) -> HttpResponse:
        form = NameForm(posted(request), initial={"name": server.name}, account=request.get_account())
        if request.method == "POST" and form.is_valid():
            try:
                rename_server(server, form.cleaned_data["name"], actor_of(request))
            except EnrollmentError as error:
                form.add_error("name", str(error))
            else:
                return self.done(
                    request, _("The server is called %(server)s now.") % {"server": server}, self.home_of(server)
                )
        return self._form(request, server, form, title=_("Rename %(server)s") % {"server": server}, button=_("Rename"))

    def renew(self, request: HttpRequest, server: DepServer) -> HttpResponse:
        form = TokenForm(posted(request), posted_files(request), account=request.get_account())
        if request.method == "POST" and form.is_valid():
            try:
                renewed = renew_server(server, form.cleaned_data["token"].read(), actor_of(request))
            except EnrollmentError as error:
                form.add_error("token", str(error))
            else:
                until = f"{renewed.token_expires_at:%Y-%m-%d}"
                return self.done(
                    request, _("The token is renewed until %(until)s.") % {"until": until}, self.home_of(server)
                )
        return self._form(
            request,
            server,
            form,
            title=_("Renew the token of %(server)s") % {"server": server},
            button=_("Renew"),
            intro=_(
                "In Apple's portal, open the same server under device management and choose Download Token. "
                "Nothing has to be uploaded there: the key of this account stays the same. The old token ends "
                "when the new one is made."
            ),
        )

    def remove(self, request: HttpRequest, server: DepServer) -> HttpResponse:
        form = TypedConfirmForm(posted(request), expected=server.name, account=request.get_account())
        if request.method == "POST" and form.is_valid():
            remove_server(server, actor_of(request))
            return self.done(request, _("%(server)s was removed.") % {"server": server}, self.list_url)
        return self._form(
            request,
            server,
            form,
            title=_("Remove %(server)s") % {"server": server},
            button=_("Remove this server"),
            intro=_(
                "Its list of devices goes, with the devices that still await their enrollment. Enrolled devices "
                "stay. A worker takes the enrollment settings back at Apple, so that no device asks for them any "
                "more; if Apple cannot be asked, they stay there until the devices are assigned to another "
                "server, and the log says so."
            ),
            danger=True,
        )

    # --- its enrollment settings --------------------------------------------------------------------------------------
    def settings(self, request: HttpRequest, server: DepServer) -> HttpResponse:
        form = SettingsForm(posted(request), server=server, present=settings_of(server))
        if request.method == "POST" and form.is_valid():
            try:
                update_settings(server, actor=actor_of(request), **form.given())
            except BadSettings as error:
                form.show(error.faults)
            else:
                return self.done(
                    request,
                    _("Stored. A worker brings the settings to Apple and to the devices."),
                    self.home_of(server),
                )
        return self.page(
            request,
            "admin/dep/settings.html",
            title=_("Enrollment settings of %(server)s") % {"server": server},
            status=422 if form.errors else 200,
            form=form,
            server=server,
            back=self.home_of(server),
        )

    def remove_settings(self, request: HttpRequest, server: DepServer) -> HttpResponse:
        present = settings_of(server)
        if request.method == "POST":
            if present:
                remove_settings(present, actor_of(request))
            return self.done(request, _("The settings are being taken back at Apple."), self.home_of(server))
        return self._form(
            request,
            server,
            ConfirmForm(account=request.get_account()),
            title=_("Delete the enrollment settings of %(server)s") % {"server": server},
            button=_("Delete the settings"),
            intro=_(
                "Devices that are set up from now on do not ask this server for management any more. Enrolled "
                "devices stay."
            ),
            danger=True,
        )

    def assign_again(self, request: HttpRequest, server: DepServer) -> HttpResponse:
        present = settings_of(server)
        if present is None:
            return self.refused(request, _("This server has no enrollment settings yet."), self.home_of(server))
        count = assign_again(present, actor_of(request))
        return self.done(
            request,
            _("Apple is asked again for %(devices)s.") % {"devices": count_of(count, "device")},
            self.home_of(server),
        )

    def _form(self, request: HttpRequest, server: DepServer, form: forms.Form, **context: Any) -> HttpResponse:
        return self.form_page(request, form, back=self.home_of(server), **context)
