"""Certificate authorities: the account's own, and those of others whose device certificates it accepts."""

from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding
from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from enrollment.models import CertificateAuthority, TrustedAuthority
from enrollment.services.errors import EnrollmentError
from enrollment.services.trust import stop_trusting, trust_authority
from mdm.accounts.admin_base import AccountAdmin, EmptyState, Page, ReadOnlyAdmin, actor_of
from mdm.accounts.admin_forms import ConfirmForm, PageForm, SmallFileField, posted, posted_files
from mdm.accounts.admin_html import time_tag, two_lines
from mdm.accounts.permissions import Action
from mdm.common import certs


class TrustForm(PageForm):
    name = forms.CharField(
        max_length=200, required=False, help_text=gettext_lazy("Empty: what the certificate calls itself.")
    )
    file = SmallFileField(
        what=gettext_lazy("a certificate"),
        label=gettext_lazy("CA certificate"),
        required=False,
        help_text=gettext_lazy("PEM or DER."),
    )
    pem = forms.CharField(
        label=gettext_lazy("or paste it"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 6, "placeholder": "-----BEGIN CERTIFICATE-----"}),
    )

    def clean(self) -> dict[str, Any]:
        file, pem = self.cleaned_data.get("file"), self.cleaned_data.get("pem")
        if not file and not pem and not self.has_error("file"):
            self.add_error("file", _("Choose a file, or paste the certificate below."))
        return self.cleaned_data

    def certificate(self) -> bytes:
        file = self.cleaned_data["file"]
        return file.read() if file else self.cleaned_data["pem"].encode()


@admin.register(TrustedAuthority)
class TrustedAuthorityAdmin(ReadOnlyAdmin):
    list_title = gettext_lazy("Trusted CAs")
    add_label = gettext_lazy("Trust a CA")
    needs = {"add": Action.CONFIGURE}
    list_display = ("authority", "expires", "since")
    search_fields = ("name", "fingerprint")
    search_help_text = gettext_lazy("Name or fingerprint")
    ordering = ("name", "pk")
    pages = (Page("<int:pk>/remove/", "remove", Action.CONFIGURE),)
    empty_state = EmptyState(
        gettext_lazy("No other CA is trusted"),
        gettext_lazy(
            "Devices get their certificates from this account's own CA. Trust another one only if your "
            "devices bring certificates of it."
        ),
        gettext_lazy("Trust a CA"),
        "admin:enrollment_trustedauthority_add",
        Action.CONFIGURE,
        "verified_user",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).defer("subject_der")

    @display(description=gettext_lazy("CA"), ordering="name")
    def authority(self, trusted: TrustedAuthority) -> str:
        return two_lines(trusted, _("SHA-256 %(fingerprint)s…") % {"fingerprint": trusted.fingerprint[:16]})

    @display(description=gettext_lazy("Expires"), ordering="not_after")
    def expires(self, trusted: TrustedAuthority) -> str:
        return time_tag(trusted.not_after)

    @display(description=gettext_lazy("Trusted since"), ordering="created_at")
    def since(self, trusted: TrustedAuthority) -> str:
        return time_tag(trusted.created_at)

    def detail(self, request: HttpRequest, obj: TrustedAuthority) -> HttpResponse:
        context = {"trusted": obj, "pem": _pem(bytes(obj.certificate_der))}
        return self.page(request, "admin/enrollment/trusted_authority.html", title=str(obj), **context)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        self.demand(request, self.needs["add"])
        account = request.get_account()
        form = TrustForm(posted(request), posted_files(request), account=account)
        if request.method == "POST" and form.is_valid():
            name = form.cleaned_data["name"]
            try:
                trusted = trust_authority(account, form.certificate(), name, actor_of(request))
            except EnrollmentError as error:
                form.add_error("file" if form.cleaned_data["file"] else "pem", str(error))
            else:
                return self.done(
                    request,
                    _("Device certificates of %(trusted)s are accepted.") % {"trusted": trusted},
                    self.url("changelist"),
                )
        return self.form_page(
            request,
            form,
            title=_("Trust a CA"),
            intro=_(
                "Any device with a certificate of this CA can then speak for itself here. Trust only CAs that "
                "issue certificates to your own devices."
            ),
            button=_("Trust it"),
            back=self.url("changelist"),
        )

    def remove(self, request: HttpRequest, trusted: TrustedAuthority) -> HttpResponse:
        if request.method == "POST":
            name = str(trusted)
            stop_trusting(trusted, actor_of(request))
            return self.done(request, _("%(name)s is no longer trusted.") % {"name": name}, self.url("changelist"))
        return self.form_page(
            request,
            ConfirmForm(account=request.get_account()),
            title=_("Stop trusting %(trusted)s") % {"trusted": trusted},
            intro=_(
                "No device can enroll with a certificate of this CA any more. Devices that are enrolled stay "
                "until you remove them."
            ),
            button=_("Stop trusting"),
            back=self.url("change", trusted.pk),
            danger=True,
        )


@admin.register(CertificateAuthority)
class CertificateAuthorityAdmin(AccountAdmin):
    """The account's own CA: one page, to look at."""

    list_display = ("not_after",)

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).defer("key_pem")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        self.demand(request, Action.VIEW)
        authority = self.get_queryset(request).first()
        context = {"authority": authority}
        if authority is not None:
            certificate = certs.load_certificate(bytes(authority.certificate_der))
            context |= {
                "name": certificate.subject.rfc4514_string(),
                "fingerprint": certs.fingerprint(bytes(authority.certificate_der)),
                "pem": _pem(bytes(authority.certificate_der)),
            }
        return self.page(request, "admin/enrollment/authority.html", title=_("Certificate authority"), **context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        self.get_object(request, object_id)
        self.demand(request, Action.VIEW)
        return redirect(self.url("changelist"))


def _pem(der: bytes) -> str:
    return certs.load_certificate(der).public_bytes(Encoding.PEM).decode()
