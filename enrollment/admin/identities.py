"""Identity certificates: who each device is."""

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from enrollment.models import IdentityCertificate
from enrollment.services.ca import revoke_identity
from enrollment.services.identity_ends import ending_soon
from mdm.accounts.admin_base import EmptyState, EndlessPaginator, Page, ReadOnlyAdmin, actor_of
from mdm.accounts.admin_forms import PageForm, posted
from mdm.accounts.admin_html import NOTHING, badge, time_tag, two_lines
from mdm.accounts.permissions import Action


class RevokeForm(PageForm):
    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=200,
        required=False,
        help_text=gettext_lazy("For the log, for example “device lost”."),
    )


class StateFilter(admin.SimpleListFilter):
    title, parameter_name = gettext_lazy("State"), "state"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return [
            ("valid", _("Valid")),
            ("ending", _("Not renewed, ends soon")),
            ("expired", _("Expired")),
            ("revoked", _("Revoked")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        now = timezone.now()
        match self.value():
            case "valid":
                return queryset.filter(revoked_at=None, not_after__gt=now)
            case "ending":
                return queryset.filter(pk__in=ending_soon(request.get_account()).values("pk"))
            case "expired":
                return queryset.filter(revoked_at=None, not_after__lte=now)
            case "revoked":
                return queryset.filter(revoked_at__isnull=False)
        return queryset


def state_badge(identity: IdentityCertificate) -> str:
    if identity.revoked_at:
        return badge(_("Revoked"), "revoked")
    return badge(_("Expired"), "expired") if identity.is_expired else badge(_("Valid"), "valid")


@admin.register(IdentityCertificate)
class IdentityCertificateAdmin(ReadOnlyAdmin):
    list_title = gettext_lazy("Identity certificates")
    list_display = ("of_device", "state", "serial", "issued", "expires")
    list_select_related = ("device", "enrollment")
    list_filter = (StateFilter,)
    search_fields = ("device__name", "device__serial_number", "serial_number", "common_name")
    search_help_text = gettext_lazy("Device, serial number")
    ordering = ("-id",)
    paginator = EndlessPaginator
    pages = (Page("<int:pk>/revoke/", "revoke", Action.CONFIGURE),)
    empty_state = EmptyState(
        gettext_lazy("No certificate has been issued yet"),
        gettext_lazy("Each device gets one when it enrolls. By it the server knows who is calling."),
        icon="badge",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).defer("certificate_der")

    @display(description=gettext_lazy("Device"))
    def of_device(self, identity: IdentityCertificate) -> str:
        return two_lines(identity.device or _("Not enrolled yet"), identity.common_name)

    @display(description=gettext_lazy("State"))
    def state(self, identity: IdentityCertificate) -> str:
        return state_badge(identity)

    @display(description=gettext_lazy("Serial number"))
    def serial(self, identity: IdentityCertificate) -> str:
        number = identity.serial_number
        return f"{number[:16]}…" if len(number) > 16 else number or NOTHING

    @display(description=gettext_lazy("Issued"), ordering="not_before")
    def issued(self, identity: IdentityCertificate) -> str:
        return time_tag(identity.created_at)

    @display(description=gettext_lazy("Expires"), ordering="not_after")
    def expires(self, identity: IdentityCertificate) -> str:
        return time_tag(identity.not_after)

    def detail(self, request: HttpRequest, obj: IdentityCertificate) -> HttpResponse:
        title = _("Certificate of %(device)s") % {"device": obj.device} if obj.device else _("Identity certificate")
        return self.page(
            request, "admin/enrollment/identity.html", title=title, identity=obj, badge_html=state_badge(obj)
        )

    def revoke(self, request: HttpRequest, identity: IdentityCertificate) -> HttpResponse:
        form = RevokeForm(posted(request), account=request.get_account())
        if request.method == "POST" and form.is_valid():
            revoke_identity(identity, form.cleaned_data["reason"], actor_of(request))
            return self.done(request, _("The certificate opens nothing any more."), self.url("change", identity.pk))
        return self.form_page(
            request,
            form,
            title=_("Revoke the identity certificate"),
            intro=_("The device is a stranger from its next request on, and can only come back by enrolling again."),
            button=_("Revoke"),
            back=self.url("change", identity.pk),
            danger=True,
        )
