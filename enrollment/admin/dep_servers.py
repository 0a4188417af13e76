"""DEP servers: set up in three steps, looked at, synced, renewed, removed; and the enrollment settings of each."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
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
    list_title = "DEP servers"
    add_label = "Add a DEP server"
    needs = {"add": Action.CONFIGURE}
    list_display = ("server", "state", "devices", "token_end", "synced")
    search_fields = ("name", "server_name", "organization_name")
    search_help_text = "Name or organization"
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
        "No DEP server yet",
        "Connect Apple Business or School Manager: the devices that your organization buys appear here by themselves, and "
        "enroll when they are switched on for the first time.",
        "Add a DEP server",
        "admin:enrollment_depserver_add",
        Action.CONFIGURE,
        "cloud_sync",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        secrets = ("consumer_secret", "access_token", "access_secret")
        return super().get_queryset(request).defer(*secrets).annotate(device_total=Count("dep_devices"))

    # --- the list -----------------------------------------------------------------------------------------------------
    @display(description="Server", ordering="name")
    def server(self, server: DepServer) -> str:
        return two_lines(server.name, server.organization_name or server.server_name)

    @display(description="State")
    def state(self, server: DepServer) -> str:
        return server_badge(server)

    @display(description="Devices", ordering="device_total")
    def devices(self, server: DepServer) -> str:
        url = f"{reverse('admin:enrollment_depdevice_changelist')}?server={server.pk}"
        return link(url, count_of(server.device_total, "device"))

    @display(description="Token expires", ordering="token_expires_at")
    def token_end(self, server: DepServer) -> str:
        return time_tag(server.token_expires_at)

    @display(description="Last synced", ordering="last_synced_at")
    def synced(self, server: DepServer) -> str:
        return time_tag(server.last_synced_at, "not yet")

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
                return self.done(request, f"{server} is connected. Its devices are being read.", self.home_of(server))
        status = 422 if request.method == "POST" else 200
        return self.page(
            request,
            "admin/dep/add.html",
            title="Add a DEP server",
            status=status,
            form=form,
            key=newest_key(account),
            back=self.list_url,
        )

    def make_key(self, request: HttpRequest) -> HttpResponse:
        make_key(request.get_account(), actor_of(request))
        return self.done(request, "The key is made. Download its certificate.", self.url("add"))

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
        return self.done(request, "A worker asks Apple now. This page follows by itself.", self.home_of(server))

    def rename(self, request: HttpRequest, server: DepServer) -> HttpResponse:
        form = NameForm(posted(request), initial={"name": server.name}, account=request.get_account())
        if request.method == "POST" and form.is_valid():
            try:
                rename_server(server, form.cleaned_data["name"], actor_of(request))
            except EnrollmentError as error:
                form.add_error("name", str(error))
            else:
                return self.done(request, f"The server is called {server} now.", self.home_of(server))
        return self._form(request, server, form, title=f"Rename {server}", button="Rename")

    def renew(self, request: HttpRequest, server: DepServer) -> HttpResponse:
        form = TokenForm(posted(request), posted_files(request), account=request.get_account())
        if request.method == "POST" and form.is_valid():
            try:
                renewed = renew_server(server, form.cleaned_data["token"].read(), actor_of(request))
            except EnrollmentError as error:
                form.add_error("token", str(error))
            else:
                until = f"{renewed.token_expires_at:%Y-%m-%d}"
                return self.done(request, f"The token is renewed until {until}.", self.home_of(server))
        return self._form(
            request,
            server,
            form,
            title=f"Renew the token of {server}",
            button="Renew",
            intro="In Apple's portal, open the same server under device management and choose Download Token. Nothing has to "
            "be uploaded there: the key of this account stays the same. The old token ends when the new one is made.",
        )

    def remove(self, request: HttpRequest, server: DepServer) -> HttpResponse:
        form = TypedConfirmForm(posted(request), expected=server.name, account=request.get_account())
        if request.method == "POST" and form.is_valid():
            remove_server(server, actor_of(request))
            return self.done(request, f"{server} was removed.", self.list_url)
        return self._form(
            request,
            server,
            form,
            title=f"Remove {server}",
            button="Remove this server",
            intro="Its list of devices goes, with the devices that still await their enrollment. Enrolled devices stay. A "
            "worker takes the enrollment settings back at Apple, so that no device asks for them any more; if Apple cannot "
            "be asked, they stay there until the devices are assigned to another server, and the log says so.",
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
                    request, "Stored. A worker brings the settings to Apple and to the devices.", self.home_of(server)
                )
        return self.page(
            request,
            "admin/dep/settings.html",
            title=f"Enrollment settings of {server}",
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
            return self.done(request, "The settings are being taken back at Apple.", self.home_of(server))
        return self._form(
            request,
            server,
            ConfirmForm(account=request.get_account()),
            title=f"Delete the enrollment settings of {server}",
            button="Delete the settings",
            intro="Devices that are set up from now on do not ask this server for management any more. Enrolled devices stay.",
            danger=True,
        )

    def assign_again(self, request: HttpRequest, server: DepServer) -> HttpResponse:
        present = settings_of(server)
        if present is None:
            return self.refused(request, "This server has no enrollment settings yet.", self.home_of(server))
        count = assign_again(present, actor_of(request))
        return self.done(request, f"Apple is asked again for {count_of(count, 'device')}.", self.home_of(server))

    def _form(self, request: HttpRequest, server: DepServer, form: forms.Form, **context: Any) -> HttpResponse:
        return self.form_page(request, form, back=self.home_of(server), **context)
