"""Enrollment links: to copy, to scan, to mail, to take back."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from devices.models import DeviceGroup
from devices.services.groups import default_group
from enrollment.admin.invitations import InvitationForm, invitations_of, mark_of, ways_to_invite
from enrollment.admin.print_sheet import PrintPages
from enrollment.models import Enrollment, InvitationState
from enrollment.services.errors import EnrollmentError
from enrollment.services.invitations import send_invitation
from enrollment.services.links import link_for_group, revoke, why_closed
from mdm.accounts.admin_base import EmptyState, EndlessPaginator, Page, ReadOnlyAdmin, actor_of
from mdm.accounts.admin_forms import ConfirmForm, PageForm, posted
from mdm.accounts.admin_html import badge, copyable, time_tag, two_lines
from mdm.accounts.permissions import Action

STATE_WORDS = {
    "": (gettext_lazy("Open"), "open"),
    "spent": (gettext_lazy("Used"), ""),
    "revoked": (gettext_lazy("Revoked"), "revoked"),
    "expired": (gettext_lazy("Expired"), "expired"),
}


def state_badge(enrollment: Enrollment) -> str:
    return badge(*STATE_WORDS[why_closed(enrollment)])


class StateFilter(admin.SimpleListFilter):
    title, parameter_name = gettext_lazy("State"), "state"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return [(key or "open", words) for key, (words, _) in STATE_WORDS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        """As `why_closed` says it, in SQL."""
        is_revoked = Q(revoked_at__isnull=False) | Q(device__removed_at__isnull=False)
        is_spent = Q(device__isnull=False, spent_at__isnull=False)
        is_expired = Q(expires_at__lte=timezone.now())
        match self.value():
            case "open":
                return queryset.exclude(is_revoked).exclude(is_spent).exclude(is_expired)
            case "revoked":
                return queryset.filter(is_revoked)
            case "spent":
                return queryset.filter(is_spent).exclude(is_revoked)
            case "expired":
                return queryset.filter(is_expired).exclude(is_revoked).exclude(is_spent)
        return queryset


class KindFilter(admin.SimpleListFilter):
    title, parameter_name = gettext_lazy("For"), "for"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return [("device", _("one device")), ("group", _("many devices"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() not in ("device", "group"):
            return queryset
        return queryset.filter(device__isnull=self.value() == "group")


class GroupLinkForm(PageForm):
    group = forms.ModelChoiceField(
        DeviceGroup.objects.none(),
        label=gettext_lazy("Device group"),
        empty_label=None,
        help_text=gettext_lazy("Every device that comes in by this link belongs to it."),
    )
    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=200,
        required=False,
        help_text=gettext_lazy("For yourself: where you hand this link out."),
    )
    expires_at = forms.DateTimeField(
        label=gettext_lazy("Valid until (UTC)"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
        help_text=gettext_lazy("Empty: it does not run out, until you revoke it."),
    )

    def clean_expires_at(self) -> object:
        until = self.cleaned_data["expires_at"]
        if until and until <= timezone.now():
            raise forms.ValidationError(_("This is in the past."))
        return until


@admin.register(Enrollment)
class EnrollmentAdmin(PrintPages, ReadOnlyAdmin):
    list_title = gettext_lazy("Enrollments")
    add_label = gettext_lazy("New group link")
    needs = {"add": Action.MANAGE_DEVICES}
    list_display = ("what_for", "address", "state", "made", "runs_out")
    list_select_related = ("device", "device_group", "created_by")
    list_filter = (StateFilter, KindFilter)
    search_fields = ("name", "device__name", "device__serial_number", "device_group__name")
    search_help_text = gettext_lazy("Name, device or group")
    ordering = ("-id",)
    paginator = EndlessPaginator
    actions = ("print_chosen",)
    pages = (
        Page("<int:pk>/sheet/", "sheet", Action.MANAGE_DEVICES),
        Page("<int:pk>/revoke/", "revoke", Action.MANAGE_DEVICES),
        Page("<int:pk>/invite/", "invite", Action.MANAGE_DEVICES, post_only=True),
        Page("<int:pk>/invitations/<int:number>/again/", "invite_again", Action.MANAGE_DEVICES, post_only=True),
        Page("<int:pk>/invitations/state/", "invitations_state", Action.VIEW),
    )
    empty_state = EmptyState(
        gettext_lazy("No enrollment link yet"),
        gettext_lazy("A group link lets in any number of devices; adding a device gives a link for that one alone."),
        gettext_lazy("New group link"),
        "admin:enrollment_enrollment_add",
        Action.MANAGE_DEVICES,
        "qr_code_2",
    )

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        """Whoever may not enroll devices does not get the links either."""
        shown = super().get_list_display(request)
        if self.may(request, Action.MANAGE_DEVICES):
            return tuple(shown)
        return tuple(column for column in shown if column != "address")

    # `admin.css` breaks its words: names may be long and without blanks.
    @display(description=gettext_lazy("For"), ordering=F("device__name").asc(nulls_last=True))
    def what_for(self, enrollment: Enrollment) -> str:
        if enrollment.device_id:
            return two_lines(
                enrollment.device, _("one device · %(device_group)s") % {"device_group": enrollment.device_group}
            )
        return two_lines(
            enrollment.name or _("Group %(device_group)s") % {"device_group": enrollment.device_group},
            _("many devices · %(device_group)s") % {"device_group": enrollment.device_group},
        )

    @display(description=gettext_lazy("Link"))
    def address(self, enrollment: Enrollment) -> str:
        return "" if why_closed(enrollment) else copyable(enrollment.url, _("the enrollment link"))

    @display(description=gettext_lazy("State"))
    def state(self, enrollment: Enrollment) -> str:
        return state_badge(enrollment)

    @display(description=gettext_lazy("Created"), ordering="created_at")
    def made(self, enrollment: Enrollment) -> str:
        return two_lines(time_tag(enrollment.created_at), enrollment.created_by or "")

    @display(description=gettext_lazy("Valid until"), ordering="expires_at")
    def runs_out(self, enrollment: Enrollment) -> str:
        return time_tag(enrollment.expires_at, _("no end"))

    def detail(self, request: HttpRequest, obj: Enrollment) -> HttpResponse:
        return self._detail(request, obj)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        self.demand(request, self.needs["add"])
        account = request.get_account()
        first = {"group": request.GET.get("group") or default_group(account).pk}
        form = GroupLinkForm(posted(request), initial=first, account=account)
        if request.method == "POST" and form.is_valid():
            given = form.cleaned_data
            enrollment = link_for_group(
                given["group"],
                name=given["name"],
                expires_at=given["expires_at"],
                actor=actor_of(request),
                created_by=request.user,
            )
            return redirect(self.url("change", enrollment.pk))
        return self.form_page(
            request,
            form,
            title=_("New group link"),
            intro=_("One link for many devices. For a single device, add the device instead: its link works once."),
            button=_("Create the link"),
            back=self.url("changelist"),
        )

    def revoke(self, request: HttpRequest, enrollment: Enrollment) -> HttpResponse:
        if request.method == "POST":
            revoke(enrollment, actor_of(request))
            return self.done(request, _("The link no longer works."), self.url("change", enrollment.pk))
        return self.form_page(
            request,
            ConfirmForm(account=request.get_account()),
            title=_("Revoke the enrollment link"),
            intro=_("Nobody can enroll with it any more. Devices that came in by it stay."),
            button=_("Revoke"),
            back=self.url("change", enrollment.pk),
            danger=True,
        )

    def invite(self, request: HttpRequest, enrollment: Enrollment) -> HttpResponse:
        form = InvitationForm(request.POST, account=request.get_account())
        if form.is_valid():
            try:
                invitation = send_invitation(enrollment, form.cleaned_data["contact"], actor_of(request))
            except EnrollmentError as error:
                form.add_error("contact", str(error))
            else:
                words = _("An invitation goes to %(contact)s.") % {"contact": invitation.contact}
                return self.done(request, words, self.url("change", enrollment.pk))
        return self._detail(request, enrollment, form, status=422)

    def invite_again(self, request: HttpRequest, enrollment: Enrollment, number: int) -> HttpResponse:
        """To the same address or number, as a new invitation; the old one stays in the list."""
        former = enrollment.invitations.get(pk=number)
        back = self.url("change", enrollment.pk)
        try:
            invitation = send_invitation(enrollment, former.contact, actor_of(request))
        except EnrollmentError as error:
            return self.refused(request, str(error), back)
        return self.done(request, _("An invitation goes to %(contact)s again.") % {"contact": invitation.contact}, back)

    def invitations_state(self, request: HttpRequest, enrollment: Enrollment) -> HttpResponse:
        """Asked by the page while invitations wait."""
        return JsonResponse({"mark": mark_of(invitations_of(enrollment))})

    def _detail(
        self, request: HttpRequest, enrollment: Enrollment, form: InvitationForm | None = None, status: int = 200
    ) -> HttpResponse:
        may_hand_out = self.may(request, Action.MANAGE_DEVICES)
        is_open = not why_closed(enrollment)
        invitations = invitations_of(enrollment)
        return self.page(
            request,
            "admin/enrollment/enrollment.html",
            title=str(
                enrollment.device
                or enrollment.name
                or _("Group %(device_group)s") % {"device_group": enrollment.device_group}
            ),
            status=status,
            enrollment=enrollment,
            badge_html=state_badge(enrollment),
            is_open=is_open,
            shows_link=is_open and may_hand_out,
            invitation_form=form or InvitationForm(account=request.get_account()),
            **ways_to_invite(),
            invitations=invitations,
            is_sending=any(one.state == InvitationState.WAITING for one in invitations),
            mark=mark_of(invitations),
            identities=enrollment.identities.select_related("device").order_by("-id")[:50],
        )
