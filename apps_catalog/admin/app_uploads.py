"""Adding apps, uploading their next versions and sending them to devices.

Large files stream: Django writes an upload to disk while it arrives, also when its CSRF check is what reads the request.
"""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps_catalog.admin.app_forms import DeployForm, PackageForm, StoreForm, VersionForm
from apps_catalog.admin.app_page import deploy_counts
from apps_catalog.admin.app_store_pages import search_of
from apps_catalog.models import App, AppType
from apps_catalog.packages import BadPackage
from apps_catalog.services.catalog import add_package, add_store_app, update_app
from apps_catalog.services.errors import CatalogError
from apps_catalog.services.installs import ALL, NONE
from mdm.accounts.admin_base import actor_of
from mdm.accounts.admin_forms import PageForm, posted, posted_files

GONE = gettext_lazy("Somebody deleted this app meanwhile.")


class UploadPages:
    """For the admin of apps (which brings `page`, `form_page`, `url` and `refused`)."""

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: object = None) -> HttpResponse:
        """Both ways to add an app; this address takes the form of the App Store."""
        self.demand(request, self.needs["add"])
        form = StoreForm(posted(request), account=request.get_account())
        if request.method == "POST" and form.is_valid():
            given = form.cleaned_data
            try:
                app = add_store_app(request.get_account(), **given["app"], name=given["name"], actor=actor_of(request))
            except CatalogError as error:
                form.add_error("app", str(error))
            else:
                sentence = _("%(app)s was added. The App Store is asked for its details.") % {"app": app}
                return self.done(request, sentence, self.url("change", app.pk))
        return self._add_page(request, store_form=form)

    def upload(self, request: HttpRequest) -> HttpResponse:
        form = PackageForm(posted(request), posted_files(request), account=request.get_account())
        if request.method == "POST" and form.is_valid():
            given = form.cleaned_data
            try:
                app = add_package(request.get_account(), given["file"], name=given["name"], actor=actor_of(request))
            except (BadPackage, CatalogError) as error:
                form.add_error("file", str(error))
            else:
                return _finished(request, _("%(app)s was added.") % {"app": app}, self.url("change", app.pk))
        if _is_script(request) and form.errors:
            return _errors(form)
        return self._add_page(request, package_form=form)

    def version(self, request: HttpRequest, app: App) -> HttpResponse:
        back = self.url("change", app.pk)
        if app.app_type != AppType.ENTERPRISE:
            return self.refused(
                request, _("This app comes from the App Store: there is nothing to upload for it."), back
            )
        form = VersionForm(posted(request), posted_files(request), account=request.get_account(), **deploy_counts(app))
        if request.method == "POST" and form.is_valid():
            given = form.cleaned_data
            try:
                update_app(app, upload=given["file"], deploy_to=given["deploy_to"], actor=actor_of(request))
            except (BadPackage, CatalogError) as error:
                form.add_error("file", str(error))
            except App.DoesNotExist:
                form.add_error(None, GONE)
            else:
                return _finished(request, f"{_added(app)} {_goes_to(given['deploy_to'])}".rstrip(), back)
        if _is_script(request) and form.errors:
            return _errors(form)
        return self.page(
            request,
            "admin/apps/version.html",
            title=_("New version of %(app)s") % {"app": app},
            form=form,
            back=back,
            crumb=(app.name, back),
        )

    def deploy(self, request: HttpRequest, app: App) -> HttpResponse:
        back = self.url("change", app.pk)
        form = DeployForm(posted(request), account=request.get_account(), **deploy_counts(app))
        if request.method == "POST" and form.is_valid():
            update_app(app, deploy_to=form.cleaned_data["deploy_to"], actor=actor_of(request))
            return self.done(request, _("The newest version is sent to the devices that can have it."), back)
        return self.form_page(
            request,
            form,
            title=_("Send %(app)s to devices") % {"app": app},
            intro=f"{_sent_once_more(app)} "
            + _("What you choose happens once; what is assigned to groups keeps coming by itself."),
            button=_("Send"),
            back=back,
            crumb=(app.name, back),
        )

    def _add_page(
        self, request: HttpRequest, *, store_form: StoreForm | None = None, package_form: PackageForm | None = None
    ) -> HttpResponse:
        account = request.get_account()
        return self.page(
            request,
            "admin/apps/add.html",
            title=_("Add an app"),
            store_form=store_form or StoreForm(account=account),
            package_form=package_form or PackageForm(account=account),
            country=account.apple_store_country_code,
            search_url=self.url("store_search"),
            results=self.results_of(search_of(request)),
            back=self.list_url,
        )


def _is_script(request: HttpRequest) -> bool:
    """Our own script sends the form to show how far it has come, and wants no page."""
    return request.headers.get("Accept") == "application/json"


def _finished(request: HttpRequest, sentence: str, url: str) -> HttpResponse:
    messages.success(request, sentence)
    return JsonResponse({"url": url}) if _is_script(request) else redirect(url)


def _errors(form: PageForm) -> JsonResponse:
    """Nothing is lost: the page stays as it is, with the file still chosen."""
    return JsonResponse({"errors": [str(one) for found in form.errors.values() for one in found]}, status=422)


def _added(app: App) -> str:
    if not app.version:
        return _("Version without a number was added.")
    return _("Version %(version)s was added.") % {"version": app.version}


def _goes_to(deploy_to: str) -> str:
    if deploy_to == NONE:
        return ""
    if deploy_to == ALL:
        return _("It goes to all its devices.")
    return _("It goes to the devices that have an older one.")


def _sent_once_more(app: App) -> str:
    if not app.version:
        return _("The newest version is sent once more, where the device can have it.")
    return _("The newest version, %(version)s, is sent once more, where the device can have it.") % {
        "version": app.version
    }
