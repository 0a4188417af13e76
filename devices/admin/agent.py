"""The agent that runs scripts on Macs: one page that says what it is, whether Macs can have it, and which of them do."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, Max
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from devices.admin.script_words import macs
from devices.models import InstallerCertificate, ScriptAgent
from devices.services.agent_package import current_package, why_not_ready
from devices.services.agent_program import DAEMON_PATH, PROGRAM_PATH, VERSION
from devices.services.installer_certificate import (
    MAX_BYTES,
    InstallerCertificateError,
    concerns,
    remove_installer_certificate,
    upload_installer_certificate,
)
from devices.services.script_jobs import enrolled_macs
from mdm.accounts.admin_base import OnePageAdmin, Page, actor_of
from mdm.accounts.admin_forms import ConfirmForm, PageForm, SmallFileField
from mdm.accounts.models import Account
from mdm.accounts.permissions import Action
from mdm.common.stored_files import answer_stored

VERSIONS_SHOWN = 20


class CertificateForm(PageForm):
    file = SmallFileField(
        what=gettext_lazy("a certificate"),
        most_bytes=MAX_BYTES,
        label=gettext_lazy("Certificate with its key"),
        help_text=gettext_lazy(
            "A .p12 file as Keychain Access exports it, or one PEM file with certificate, key and chain."
        ),
    )
    password = forms.CharField(
        label=gettext_lazy("Password"),
        required=False,
        strip=False,
        max_length=200,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy("Of the file, if it has one. It is not kept; the key is encrypted by Pomona."),
    )


@dataclass(frozen=True)
class VersionCount:
    """How many enrolled Macs have that version of the agent; "": it has not been heard of yet."""

    version: str
    count: int
    last_seen_at: datetime | None

    @property
    def is_current(self) -> bool:
        return self.version == VERSION


@admin.register(InstallerCertificate)
class ScriptAgentAdmin(OnePageAdmin):
    list_display = ("name",)
    pages = (
        Page("upload/", "upload", Action.CONFIGURE, post_only=True),
        Page("<int:pk>/remove/", "remove", Action.CONFIGURE),
        Page("package/", "package", Action.MANAGE_DEVICES),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("private_key")

    @display(description=gettext_lazy("Name"))
    def name(self, certificate: InstallerCertificate) -> str:
        return certificate.common_name

    def show(self, request: HttpRequest) -> HttpResponse:
        return self._page(request, CertificateForm(account=request.get_account()))

    def upload(self, request: HttpRequest) -> HttpResponse:
        account = request.get_account()
        form = CertificateForm(request.POST, request.FILES, account=account)
        if form.is_valid():
            given = form.cleaned_data
            try:
                upload_installer_certificate(
                    account, data=given["file"].read(), password=given["password"], actor=actor_of(request)
                )
            except InstallerCertificateError as error:
                form.add_error("password" if "pass" in str(error).lower() else "file", str(error))
            else:
                return self.done(request, _("The certificate signs the agent's package from now on."), self.list_url)
        return self._page(request, form, status=422)

    def remove(self, request: HttpRequest, certificate: InstallerCertificate) -> HttpResponse:
        if request.method == "POST":
            remove_installer_certificate(certificate, actor_of(request))
            return self.done(request, _("The certificate is removed, its key deleted."), self.list_url)
        return self.form_page(
            request,
            ConfirmForm(account=request.get_account()),
            title=_("Remove %(common_name)s") % {"common_name": certificate.common_name},
            intro=_(
                "Its key is deleted. The package of the agent is not signed any more, so that no further Mac "
                "gets the agent by itself, and none a newer one. Macs that have it go on running scripts."
            ),
            button=_("Remove the certificate"),
            back=self.list_url,
            danger=True,
        )

    def package(self, request: HttpRequest) -> HttpResponseBase:
        """The package itself, for installing by hand."""
        package = current_package(request.get_account())
        if package is None:
            raise Http404
        try:
            response = answer_stored(request, package.file.name, size=package.size, sha256=package.sha256)
        except FileNotFoundError as error:
            raise Http404("The file is missing from the storage.") from error
        name = f"pomona-agent-{package.version}.pkg"
        response.headers["Content-Disposition"] = content_disposition_header(as_attachment=True, filename=name)
        return response

    def _page(self, request: HttpRequest, form: CertificateForm, *, status: int = 200) -> HttpResponse:
        account = request.get_account()
        certificate = self.get_queryset(request).first()
        counts = versions_of(account)
        return self.page(
            request,
            "admin/scripts/agent.html",
            title=_("Script agent"),
            status=status,
            certificate=certificate,
            concerns=concerns(certificate) if certificate else [],
            form=form,
            package=current_package(account),
            version=VERSION,
            why_not=why_not_ready(account),
            counts=counts[:VERSIONS_SHOWN],
            without=_without_agent(account, counts),
            paths=(PROGRAM_PATH, DAEMON_PATH),
        )


def versions_of(account: Account) -> list[VersionCount]:
    """One statement. The newest-seen first."""
    agents = ScriptAgent.objects.filter(device__in=enrolled_macs(account.pk))
    rows = agents.values_list("version").annotate(number=Count("pk"), seen=Max("last_seen_at")).order_by()
    found = [VersionCount(*row) for row in rows]
    return sorted(found, key=lambda one: one.last_seen_at.timestamp() if one.last_seen_at else 0, reverse=True)


def _without_agent(account: Account, counts: list[VersionCount]) -> str:
    """How many enrolled Macs are not to be heard of at all, in words; empty for none."""
    number = enrolled_macs(account.pk).count() - sum(one.count for one in counts)
    return macs(number) if number > 0 else ""
