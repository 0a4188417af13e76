"""Putting devices, device groups, profiles and apps into an assignment group, and taking them out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import models, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, ngettext_lazy

from apps_catalog.admin.groups_forms import AddAppForm, AddDeviceGroupsForm, AddProfilesForm
from apps_catalog.models import App, AppAssignment
from apps_catalog.services.assignments import assign_app, unassign_app
from devices.models import AssignmentGroup, AssignmentMember, Device, DeviceGroup, Profile
from devices.services.assignment_groups import assign_member, unassign_member
from devices.services.due import devices_of_group
from devices.services.profiles import assign, unassign
from mdm.accounts.actors import Actor
from mdm.accounts.admin_base import Page, actor_of, row_number
from mdm.accounts.admin_forms import ConfirmForm, posted
from mdm.accounts.permissions import Action

MOST = 100  # devices that are shown, put in or taken out at once


@dataclass(frozen=True)
class Part:
    """Something that is in a group. take returns False where it is not there any more.

    counted and taken: how many of them, and that so many were taken out, in words.
    """

    model: type[models.Model]
    counted: Any
    taken: Any
    take: Callable[[AssignmentGroup, Any, Actor], bool]


def _take_profile(group: AssignmentGroup, profile: Profile, actor: Actor) -> bool:
    return unassign(profile, group, actor=actor)


# By the word that the page's forms send as `what`.
PARTS = {
    "app": Part(
        App,
        ngettext_lazy("%(count)s app", "%(count)s apps", "count"),
        ngettext_lazy("%(count)s app taken out of the group.", "%(count)s apps taken out of the group.", "count"),
        unassign_app,
    ),
    "profile": Part(
        Profile,
        ngettext_lazy("%(count)s profile", "%(count)s profiles", "count"),
        ngettext_lazy(
            "%(count)s profile taken out of the group.", "%(count)s profiles taken out of the group.", "count"
        ),
        _take_profile,
    ),
    "device_group": Part(
        DeviceGroup,
        ngettext_lazy("%(count)s device group", "%(count)s device groups", "count"),
        ngettext_lazy(
            "%(count)s device group taken out of the group.", "%(count)s device groups taken out of the group.", "count"
        ),
        unassign_member,
    ),
    "device": Part(
        Device,
        ngettext_lazy("%(count)s device", "%(count)s devices", "count"),
        ngettext_lazy("%(count)s device taken out of the group.", "%(count)s devices taken out of the group.", "count"),
        unassign_member,
    ),
}


class GroupContentPages:
    """Part of `AssignmentGroupAdmin`."""

    content_pages = (
        Page("<int:pk>/add_app/", "add_app", Action.MANAGE_DEVICES),
        Page("<int:pk>/add_profiles/", "add_profiles", Action.MANAGE_DEVICES),
        Page("<int:pk>/add_device_groups/", "add_device_groups", Action.MANAGE_DEVICES),
        Page("<int:pk>/devices/", "devices", Action.VIEW),
        Page("<int:pk>/add_devices/", "add_devices", Action.MANAGE_DEVICES, post_only=True),
        Page("<int:pk>/take_out/", "take_out", Action.MANAGE_DEVICES, post_only=True),
    )

    def add_app(self, request: HttpRequest, group: AssignmentGroup) -> HttpResponse:
        """`?app=` names one that the group has already, to change how it is installed."""
        known = AppAssignment.objects.filter(group=group, app_id=row_number(request.GET.get("app"))).first()
        first = {"app": known.app_id, **_types(known)} if known else {}
        form = AddAppForm(posted(request), initial=first, account=request.get_account())
        back = self.url("change", group.pk)
        if request.method == "POST" and form.is_valid():
            app = form.cleaned_data["app"]
            assign_app(group, app, actor_of(request), **form.types(group))
            return self.done(request, _("%(app)s is in the group.") % {"app": app}, back)
        by_itself = _("It comes to the group's devices by itself.")
        by_hand = _("It comes when somebody chooses “Push apps”: this group does not install apps by itself.")
        return self.form_page(
            request,
            form,
            title=_("How %(app)s is installed") % {"app": known.app} if known else _("Put an app into the group"),
            intro=by_itself if group.auto_deploy else by_hand,
            button=_("Save") if known else _("Put it into the group"),
            back=back,
            crumb=(group.name, back),
        )

    def add_profiles(self, request: HttpRequest, group: AssignmentGroup) -> HttpResponse:
        form = AddProfilesForm(posted(request), group=group, account=request.get_account())
        return self._choose(
            request,
            group,
            form,
            title=_("Put profiles into the group"),
            counted=ngettext_lazy(
                "%(count)s profile put into the group.", "%(count)s profiles put into the group.", "count"
            ),
            put=lambda profile, actor: assign(profile, group, actor=actor),
            intro=_("They come to the devices of the group by themselves."),
            nothing=_("Every profile of the account is in this group already."),
        )

    def add_device_groups(self, request: HttpRequest, group: AssignmentGroup) -> HttpResponse:
        form = AddDeviceGroupsForm(posted(request), group=group, account=request.get_account())
        return self._choose(
            request,
            group,
            form,
            title=_("Put device groups into the group"),
            counted=ngettext_lazy(
                "%(count)s device group put into the group.", "%(count)s device groups put into the group.", "count"
            ),
            put=lambda member, actor: assign_member(group, member, actor),
            intro=_("All devices of a device group belong to the assignment group, also those that join it later."),
            nothing=_("Every device group of the account is in this group already."),
        )

    def _choose(
        self,
        request: HttpRequest,
        group: AssignmentGroup,
        form: AddProfilesForm | AddDeviceGroupsForm,
        *,
        title: str,
        counted: Any,
        put: Callable[[Any, Actor], bool],
        intro: str,
        nothing: str,
    ) -> HttpResponse:
        back = self.url("change", group.pk)
        if request.method == "POST" and form.is_valid():
            with transaction.atomic():
                count = sum(put(one, actor_of(request)) for one in form.cleaned_data["chosen"].order_by("pk"))
            return self.done(request, counted % {"count": count}, back)
        frame = {"title": title, "back": back, "crumb": (group.name, back)}
        if form.is_empty:
            return self.page(request, "admin/assignment_groups/nothing_to_add.html", nothing=nothing, **frame)
        return self.form_page(request, form, intro=intro, button=_("Put them into the group"), **frame)

    def devices(self, request: HttpRequest, group: AssignmentGroup) -> HttpResponse:
        """The devices that belong to it by themselves; with `?q=` whatever devices of the account it finds."""
        words = request.GET.get("q", "").replace("\x00", "").strip()
        known = Device.objects.for_account(group.account_id)
        rows = known.search(words) if words else known.filter(assignment_memberships__group=group)
        rows = rows.select_related("group").without_facts().order_by("name", "pk")
        found = list(rows[: MOST + 1])
        members = AssignmentMember.objects.filter(group=group)
        through = set(members.filter(device_group__isnull=False).values_list("device_group", flat=True))
        own = set(members.filter(device__in=[one.pk for one in found]).values_list("device", flat=True))
        return self.page(
            request,
            "admin/assignment_groups/devices.html",
            title=_("Devices of the group"),
            crumb=(group.name, self.url("change", group.pk)),
            group=group,
            words=words,
            rows=[(one, one.pk in own, one.group_id in through) for one in found[:MOST]],
            is_cut=len(found) > MOST,
            most=MOST,
        )

    def add_devices(self, request: HttpRequest, group: AssignmentGroup) -> HttpResponse:
        back = self.url("devices", group.pk)
        chosen = _posted_rows(request, Device)
        if not 0 < len(chosen) <= MOST:
            return self.refused(request, _("Choose between one and %(most)s devices.") % {"most": MOST}, back)
        with transaction.atomic():
            count = sum(assign_member(group, device, actor_of(request)) for device in chosen)
        if not count:
            return self.done(request, _("They belong to the group already."), back)
        return self.done(request, _put(count), back)

    def take_out(self, request: HttpRequest, group: AssignmentGroup) -> HttpResponse:
        """Asks first: what is posted without `confirmed` answers with the question."""
        part = PARTS.get(request.POST.get("what", ""))
        if part is None:
            raise Http404
        chosen = _posted_rows(request, part.model)
        back = self.url("devices" if part.model is Device else "change", group.pk)
        if not 0 < len(chosen) <= MOST:
            return self.refused(request, _("Choose between one and %(most)s of them.") % {"most": MOST}, back)
        if "confirmed" not in request.POST:
            return self._ask(request, group, part, chosen, back)
        with transaction.atomic():
            count = sum(part.take(group, one, actor_of(request)) for one in chosen)
        if not count:
            return self.refused(request, _("This is not in the group any more."), back)
        return self.done(request, part.taken % {"count": count}, back)

    def _ask(
        self, request: HttpRequest, group: AssignmentGroup, part: Part, chosen: list[models.Model], back: str
    ) -> HttpResponse:
        what = str(chosen[0]) if len(chosen) == 1 else part.counted % {"count": len(chosen)}
        hidden = [("what", request.POST["what"]), ("confirmed", "1"), *(("id", one.pk) for one in chosen)]
        return self.form_page(
            request,
            ConfirmForm(account=request.get_account()),
            title=_("Take %(what)s out of %(group)s") % {"what": what, "group": group},
            intro=_consequence(group, part, chosen),
            button=_("Take out"),
            back=back,
            danger=True,
            hidden=hidden,
            crumb=(group.name, self.url("change", group.pk)),
        )


def _posted_rows(request: HttpRequest, model: type[models.Model]) -> list[Any]:
    """The rows that `id` names, in the order of their keys, one more than MOST at most. 404 if one is not the account's."""
    keys = {row_number(text) for text in request.POST.getlist("id")[: MOST + 1]}
    found = list(model.objects.for_account(request.get_account()).filter(pk__in=keys - {None}).order_by("pk"))
    if len(found) != len(keys):
        raise Http404
    return found


def _types(assignment: AppAssignment) -> dict[str, str]:
    return {"deployment_type": assignment.deployment_type, "install_type": assignment.install_type}


def _consequence(group: AssignmentGroup, part: Part, chosen: list[Any]) -> str:
    """Whom it concerns and what they lose."""
    if part.model is App:
        lose = _("Where Pomona installed it and nothing else assigns it, it is removed together with its data.")
        return f"{_of_the_group(group)} {lose}"
    if part.model is Profile:
        lose = _("Where nothing else assigns it, it is removed.")
        return f"{_of_the_group(group)} {lose}"
    number = len(chosen)
    if part.model is DeviceGroup:
        number = Device.objects.for_account(group.account_id).filter(group__in=chosen).count()
    words = ngettext(
        "%(number)s device of yours may lose profiles and apps: what comes to it by this assignment group alone is removed, "
        "apps together with their data.",
        "%(number)s devices of yours may lose profiles and apps: what comes to them by this assignment group alone is removed, "
        "apps together with their data.",
        number,
    )
    return words % {"number": f"{number:,}"}


def _of_the_group(group: AssignmentGroup) -> str:
    number = devices_of_group(group).count()
    words = ngettext("%(number)s device of the group:", "%(number)s devices of the group:", number)
    return words % {"number": f"{number:,}"}


def _put(count: int) -> str:
    words = ngettext("%(number)s device put into the group.", "%(number)s devices put into the group.", count)
    return words % {"number": f"{count:,}"}
