"""Assignment groups: which devices get which apps and profiles."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, ngettext_lazy
from unfold.decorators import display

from apps_catalog.admin.groups_content import GroupContentPages
from apps_catalog.admin.groups_forms import SettingsForm
from apps_catalog.admin.groups_page import content_of
from apps_catalog.admin.groups_totals import GroupTotalsPages
from apps_catalog.models import AppAssignment
from apps_catalog.services import assignments
from apps_catalog.services.assignments import SyncedJustNow, clone_assignment_group
from devices.models import AssignmentGroup, AssignmentMember, DeviceState, ProfileAssignment
from devices.services.assignment_groups import (
    SETTINGS,
    create_assignment_group,
    delete_assignment_group,
    update_assignment_group,
)
from devices.services.due import devices_of_group, is_many
from mdm.accounts.actors import Actor
from mdm.accounts.admin_base import EmptyState, Page, ReadOnlyAdmin, actor_of
from mdm.accounts.admin_forms import ConfirmForm, posted
from mdm.accounts.permissions import Action
from mdm.common.words import count_of


@dataclass(frozen=True)
class Sending:
    """One of the things that can be sent to the group's devices at once. counted: what `send` returns, in words."""

    title: str
    intro: str
    counted: Any
    nothing: str
    send: Callable[[AssignmentGroup, Actor], int]


PUSH = Sending(
    gettext_lazy("Push apps"),
    gettext_lazy(
        "Devices that do not have an app of this group get it now, also where the group does not install apps by itself."
    ),
    ngettext_lazy("%(number)s app on the way", "%(number)s apps on the way", "count"),
    gettext_lazy("Nothing was sent: the devices have the apps, or these are on their way already."),
    assignments.push_apps,
)
UPDATE = Sending(
    gettext_lazy("Update apps"),
    gettext_lazy("Devices that have an older version of an app of this group get the newest one."),
    ngettext_lazy("%(number)s update on the way", "%(number)s updates on the way", "count"),
    gettext_lazy("Nothing was sent: no device of the group is known to have an older version."),
    assignments.update_apps,
)
SYNC = Sending(
    gettext_lazy("Send profiles again"),
    gettext_lazy(
        "Every profile of this group is sent once more, also to devices that have it already. That helps where settings of a "
        "profile were changed on the devices."
    ),
    ngettext_lazy("%(number)s device on the way", "%(number)s devices on the way", "count"),
    gettext_lazy("Nothing was sent: no enrolled device belongs to this group."),
    assignments.sync_profiles,
)


@admin.register(AssignmentGroup)
class AssignmentGroupAdmin(GroupTotalsPages, GroupContentPages, ReadOnlyAdmin):
    list_title = gettext_lazy("Assignment groups")
    add_label = gettext_lazy("New assignment group")
    needs = {"add": Action.MANAGE_DEVICES}
    list_display = ("group_name", "members", "app_count", "profile_count", "deploys", "rank")
    search_fields = ("name",)
    search_help_text = gettext_lazy("Name")
    ordering = ("name", "pk")
    pages = (
        Page("<int:pk>/totals/", "totals", Action.VIEW),
        Page("<int:pk>/edit/", "edit", Action.MANAGE_DEVICES),
        Page("<int:pk>/clone/", "clone", Action.MANAGE_DEVICES),
        Page("<int:pk>/remove/", "remove", Action.MANAGE_DEVICES),
        Page("<int:pk>/push_apps/", "push_apps", Action.MANAGE_DEVICES),
        Page("<int:pk>/update_apps/", "update_apps", Action.MANAGE_DEVICES),
        Page("<int:pk>/sync_profiles/", "sync_profiles", Action.MANAGE_DEVICES),
        *GroupContentPages.content_pages,
    )
    empty_state = EmptyState(
        gettext_lazy("No assignment group yet"),
        gettext_lazy(
            "An assignment group says which devices get which apps and profiles. Put device groups or single devices into it "
            "on one side, apps and profiles on the other; Pomona does the rest."
        ),
        gettext_lazy("New assignment group"),
        "admin:devices_assignmentgroup_add",
        Action.MANAGE_DEVICES,
        "assignment_turned_in",
    )

    # --- list ---------------------------------------------------------------------------------------------------------
    def get_queryset(self, request: HttpRequest) -> QuerySet:
        queryset = super().get_queryset(request)
        if request.resolver_match and request.resolver_match.url_name != "devices_assignmentgroup_changelist":
            return queryset
        members = AssignmentMember.objects.filter(group=OuterRef("pk"))
        apps = AppAssignment.objects.filter(group=OuterRef("pk"), app__removed_at=None)
        profiles = ProfileAssignment.objects.filter(assignment_group=OuterRef("pk"))
        return queryset.annotate(
            device_group_total=_number_of(members.filter(device__isnull=True), "group"),
            device_total=_number_of(members.filter(device__removed_at=None, device__isnull=False), "group"),
            app_total=_number_of(apps, "group"),
            profile_total=_number_of(profiles, "assignment_group"),
        )

    @display(description=gettext_lazy("Assignment group"), ordering="name")
    def group_name(self, group: AssignmentGroup) -> str:
        return group.name

    @display(description=gettext_lazy("Members"))
    def members(self, group: AssignmentGroup) -> str:
        groups, devices = group.device_group_total, group.device_total
        parts = [count_of(groups, "device group")] if groups else []
        return ", ".join([*parts, *([count_of(devices, "device")] if devices else [])]) or _("none")

    @display(description=gettext_lazy("Apps"), ordering="app_total")
    def app_count(self, group: AssignmentGroup) -> int:
        return group.app_total

    @display(description=gettext_lazy("Profiles"), ordering="profile_total")
    def profile_count(self, group: AssignmentGroup) -> int:
        return group.profile_total

    @display(description=gettext_lazy("Apps come"), ordering="auto_deploy")
    def deploys(self, group: AssignmentGroup) -> str:
        return _("by themselves") if group.auto_deploy else _("when pushed")

    @display(description=gettext_lazy("Priority"), ordering="priority")
    def rank(self, group: AssignmentGroup) -> int:
        return group.priority

    # --- one group ----------------------------------------------------------------------------------------------------
    def detail(self, request: HttpRequest, obj: AssignmentGroup) -> HttpResponse:
        return self.page(request, "admin/assignment_groups/group.html", title=obj.name, group=obj, **content_of(obj))

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        self.demand(request, self.needs["add"])
        account = request.get_account()
        form = SettingsForm(posted(request), initial=_settings(AssignmentGroup()), account=account)
        if request.method == "POST" and form.is_valid():
            group = create_assignment_group(account, actor=actor_of(request), **form.cleaned_data)
            return redirect(self.url("change", group.pk))
        return self.form_page(
            request,
            form,
            title=_("New assignment group"),
            intro=_("Devices, apps and profiles are put into it on its page."),
            button=_("Create the group"),
            back=self.list_url,
        )

    def edit(self, request: HttpRequest, group: AssignmentGroup) -> HttpResponse:
        back = self.url("change", group.pk)
        form = SettingsForm(posted(request), initial=_settings(group), account=request.get_account())
        if request.method == "POST" and form.is_valid():
            update_assignment_group(group, form.cleaned_data, actor_of(request))
            return self.done(request, _("Saved."), back)
        return self.form_page(
            request, form, title=_("Settings of %(name)s") % {"name": group}, button=_("Save"), back=back
        )

    def clone(self, request: HttpRequest, group: AssignmentGroup) -> HttpResponse:
        if request.method == "POST":
            copy = clone_assignment_group(group, actor_of(request))
            return self.done(
                request,
                _("This is the copy, %(name)s. No device belongs to it yet.") % {"name": copy},
                self._page_of(copy),
            )
        return self.form_page(
            request,
            ConfirmForm(account=request.get_account()),
            title=_("Clone %(name)s") % {"name": group},
            intro=_(
                "Makes a second group with the same settings, apps, profiles and attribute values, under a name of its own. It "
                "begins without devices, so nothing is sent."
            ),
            button=_("Clone"),
            back=self._page_of(group),
        )

    def remove(self, request: HttpRequest, group: AssignmentGroup) -> HttpResponse:
        if request.method == "POST":
            name = group.name
            delete_assignment_group(group, actor_of(request))
            return self.done(request, _("The assignment group “%(name)s” was deleted.") % {"name": name}, self.list_url)
        number = devices_of_group(group).count()
        loss = ngettext(
            "%(number)s device will be concerned: profiles and apps that come to it by this group alone are removed, apps "
            "together with their data.",
            "%(number)s devices will be concerned: profiles and apps that come to them by this group alone are removed, apps "
            "together with their data.",
            number,
        ) % {"number": f"{number:,}"}
        return self.form_page(
            request,
            ConfirmForm(account=request.get_account()),
            title=_("Delete the assignment group “%(name)s”") % {"name": group},
            intro=loss if number else _("No device belongs to it, so no device loses anything."),
            button=_("Delete the group"),
            back=self._page_of(group),
            danger=True,
        )

    # --- sending now --------------------------------------------------------------------------------------------------
    def push_apps(self, request: HttpRequest, group: AssignmentGroup) -> HttpResponse:
        return self._send(request, group, PUSH)

    def update_apps(self, request: HttpRequest, group: AssignmentGroup) -> HttpResponse:
        return self._send(request, group, UPDATE)

    def sync_profiles(self, request: HttpRequest, group: AssignmentGroup) -> HttpResponse:
        return self._send(request, group, SYNC)

    def _send(self, request: HttpRequest, group: AssignmentGroup, sending: Sending) -> HttpResponse:
        back = self._page_of(group)
        devices = devices_of_group(group)
        if request.method != "POST":
            number = devices.filter(state=DeviceState.ENROLLED).count()
            return self.form_page(
                request,
                ConfirmForm(account=request.get_account()),
                title=_("%(action)s: %(group)s") % {"action": sending.title, "group": group},
                intro=f"{sending.intro} {_belonging(number)}",
                button=sending.title,
                back=back,
            )
        becomes_operation = is_many(devices)
        try:
            count = sending.send(group, actor_of(request))
        except SyncedJustNow as error:
            seconds = max(1, round(error.wait))
            words = ngettext(
                "The profiles of this group were sent a moment ago. Try again in %(number)s second.",
                "The profiles of this group were sent a moment ago. Try again in %(number)s seconds.",
                seconds,
            )
            return self.refused(request, words % {"number": seconds}, back)
        if becomes_operation:
            operations = reverse("admin:devices_bulkoperation_changelist")
            words = ngettext(
                "%(number)s device will be reached one after the other.",
                "%(number)s devices will be reached one after the other.",
                count,
            )
            return self.done(request, words % {"number": f"{count:,}"}, operations)
        if not count:
            return self.done(request, sending.nothing, back)
        sent = sending.counted % {"count": count, "number": f"{count:,}"}
        return self.done(request, f"{sending.title}: {sent}.", back)

    def _page_of(self, group: AssignmentGroup) -> str:
        return self.url("change", group.pk)


def _number_of(rows: QuerySet, column: str) -> Coalesce:
    """How many of those rows belong to the group of the outer query: joins would multiply each other."""
    counted = rows.order_by().values(column).annotate(number=Count("pk")).values("number")
    return Coalesce(Subquery(counted), 0)


def _belonging(number: int) -> str:
    words = ngettext("%(number)s enrolled device belongs to it.", "%(number)s enrolled devices belong to it.", number)
    return words % {"number": f"{number:,}"}


def _settings(group: AssignmentGroup) -> dict[str, Any]:
    return {key: getattr(group, key) for key in SETTINGS}
