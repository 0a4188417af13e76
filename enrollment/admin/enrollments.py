"""Enrollment links: to copy, to scan, to mail, to take back."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.utils import timezone
from unfold.decorators import display

from devices.models import DeviceGroup
from devices.services.groups import default_group
from enrollment.admin.invitations import InvitationForm, invitations_of, mark_of
from enrollment.models import Enrollment, InvitationState
from enrollment.services.errors import EnrollmentError
from enrollment.services.invitations import send_invitation
from enrollment.services.links import link_for_group, revoke, why_closed
from mdm.accounts.admin_base import EmptyState, Page, ReadOnlyAdmin, actor_of
from mdm.accounts.admin_forms import ConfirmForm, PageForm, posted
from mdm.accounts.admin_html import badge, copyable, time_tag, two_lines
from mdm.accounts.permissions import Action

STATE_WORDS = {
    "": ("Open", "open"),
    "spent": ("Used", ""),
    "revoked": ("Revoked", "revoked"),
    "expired": ("Expired", "expired"),
}


def state_badge(enrollment: Enrollment) -> str:
    return badge(*STATE_WORDS[why_closed(enrollment)])


class StateFilter(admin.SimpleListFilter):
    title, parameter_name = "State", "state"

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
    title, parameter_name = "For", "for"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return [("device", "one device"), ("group", "many devices")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() not in ("device", "group"):
            return queryset
        return queryset.filter(device__isnull=self.value() == "group")


class GroupLinkForm(PageForm):
    group = forms.ModelChoiceField(
        DeviceGroup.objects.none(),
        label="Device group",
        empty_label=None,
        help_text="Every device that comes in by this link belongs to it.",
    )
    name = forms.CharField(max_length=200, required=False, help_text="For yourself: where you hand this link out.")
    expires_at = forms.DateTimeField(
        label="Valid until (UTC)",
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
        help_text="Empty: it does not run out, until you revoke it.",
    )

    def clean_expires_at(self) -> object:
        until = self.cleaned_data["expires_at"]
        if until and until <= timezone.now():
            raise forms.ValidationError("This is in the past.")
        return until


@admin.register(Enrollment)
class EnrollmentAdmin(ReadOnlyAdmin):
    list_title = "Enrollments"
    add_label = "New group link"
    needs = {"add": Action.MANAGE_DEVICES}
    list_display = ("what_for", "address", "state", "made", "runs_out")
    list_select_related = ("device", "device_group", "created_by")
    list_filter = (StateFilter, KindFilter)
    search_fields = ("name", "device__name", "device__serial_number", "device_group__name")
    search_help_text = "Name, device or group"
    ordering = ("-id",)
    pages = (
        Page("<int:pk>/revoke/", "revoke", Action.MANAGE_DEVICES),
        Page("<int:pk>/invite/", "invite", Action.MANAGE_DEVICES, post_only=True),
        Page("<int:pk>/invitations/<int:number>/again/", "invite_again", Action.MANAGE_DEVICES, post_only=True),
        Page("<int:pk>/invitations/state/", "invitations_state", Action.VIEW),
    )
    empty_state = EmptyState(
        "No enrollment link yet",
        "A group link lets in any number of devices; adding a device gives a link for that one alone.",
        "New group link",
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

    @display(description="For", ordering=F("device__name").asc(nulls_last=True))
    def what_for(self, enrollment: Enrollment) -> str:
        if enrollment.device_id:
            return two_lines(enrollment.device, f"one device · {enrollment.device_group}")
        return two_lines(
            enrollment.name or f"Group {enrollment.device_group}", f"many devices · {enrollment.device_group}"
        )

    @display(description="Link")
    def address(self, enrollment: Enrollment) -> str:
        return "" if why_closed(enrollment) else copyable(enrollment.url, "the enrollment link")

    @display(description="State")
    def state(self, enrollment: Enrollment) -> str:
        return state_badge(enrollment)

    @display(description="Created", ordering="created_at")
    def made(self, enrollment: Enrollment) -> str:
        return two_lines(time_tag(enrollment.created_at), enrollment.created_by or "")

    @display(description="Valid until", ordering="expires_at")
    def runs_out(self, enrollment: Enrollment) -> str:
        return time_tag(enrollment.expires_at, "no end")

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
            title="New group link",
            intro="One link for many devices. For a single device, add the device instead: its link works once.",
            button="Create the link",
            back=self.url("changelist"),
        )

    def revoke(self, request: HttpRequest, enrollment: Enrollment) -> HttpResponse:
        if request.method == "POST":
            revoke(enrollment, actor_of(request))
            return self.done(request, "The link no longer works.", self.url("change", enrollment.pk))
        return self.form_page(
            request,
            ConfirmForm(account=request.get_account()),
            title="Revoke the enrollment link",
            intro="Nobody can enroll with it any more. Devices that came in by it stay.",
            button="Revoke",
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
                words = f"An invitation goes to {invitation.contact}."
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
        return self.done(request, f"An invitation goes to {invitation.contact} again.", back)

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
            title=str(enrollment.device or enrollment.name or f"Group {enrollment.device_group}"),
            status=status,
            enrollment=enrollment,
            badge_html=state_badge(enrollment),
            is_open=is_open,
            shows_link=is_open and may_hand_out,
            invitation_form=form or InvitationForm(account=request.get_account()),
            invitations=invitations,
            is_sending=any(one.state == InvitationState.WAITING for one in invitations),
            mark=mark_of(invitations),
            identities=enrollment.identities.select_related("device").order_by("-id")[:50],
        )
