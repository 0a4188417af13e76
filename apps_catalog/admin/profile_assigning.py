"""Saying where a profile should be, and taking it from there."""

from collections.abc import Sequence
from functools import reduce
from operator import or_

from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps_catalog.admin.profile_forms import AssignForm, goes_to
from apps_catalog.admin.profile_page import owner_words
from devices.models import AssignmentGroup, Device, DeviceGroup, DeviceState, Profile
from devices.services.due import devices_of_owner
from devices.services.profile_previews import unfilled_variables, unknown_variables
from devices.services.profiles import assign, unassign
from mdm.accounts.admin_base import Page, actor_of, row_number
from mdm.accounts.admin_forms import ConfirmForm, posted
from mdm.accounts.permissions import Action

Owner = Device | DeviceGroup | AssignmentGroup


class ProfileAssigningPages:
    """Part of `ProfileAdmin`."""

    assigning_pages = (
        Page("<int:pk>/assign/", "assign", Action.MANAGE_DEVICES),
        Page("<int:pk>/unassign/", "unassign", Action.MANAGE_DEVICES, post_only=True),
    )

    def assign(self, request: HttpRequest, profile: Profile) -> HttpResponse:
        """`?group=` ticks device groups beforehand."""
        back = self.url("change", profile.pk)
        ticked = [pk for text in request.GET.getlist("group") if (pk := row_number(text))]
        first = {"device_groups": ticked}
        form = AssignForm(posted(request), initial=first, account=request.get_account(), profile=profile)
        if request.method == "POST" and form.is_valid():
            owners = form.owners()
            with transaction.atomic():
                for owner in owners:
                    assign(profile, owner, actor=actor_of(request))
            return self.done(request, _("Assigned. %(goes)s") % {"goes": goes_to(enrolled_devices_of(owners))}, back)
        return self.page(
            request,
            "admin/profiles/assign.html",
            title=_("Assign %(name)s") % {"name": profile.name},
            crumb=(profile.name, back),
            profile=profile,
            form=form,
            button=_("Assign"),
            back=back,
            unknown=unknown_variables(profile),
            unfilled=unfilled_variables(profile),
        )

    def unassign(self, request: HttpRequest, profile: Profile) -> HttpResponse:
        """Asks first: what is posted without `confirmed` answers with the question."""
        back = self.url("change", profile.pk)
        pk = row_number(request.POST.get("assignment"))
        rows = profile.assignments.select_related("device", "device_group", "assignment_group")
        one = rows.filter(pk=pk).first() if pk else None
        if one is None:
            raise Http404
        owner = one.device or one.device_group or one.assignment_group
        if request.POST.get("confirmed"):
            unassign(profile, owner, actor=actor_of(request))
            return self.done(request, _("Taken from %(whom)s.") % {"whom": owner_words(one)}, back)
        number = enrolled_devices_of([owner])
        stays = _("Where it is assigned in another way as well, it stays.")
        lost = (
            ngettext("%(number)s device loses it.", "%(number)s devices lose it.", number) % {"number": f"{number:,}"}
            if number
            else _("No device loses it.")
        )
        return self.form_page(
            request,
            ConfirmForm(account=request.get_account()),
            title=_("Take %(name)s from %(whom)s") % {"name": profile.name, "whom": owner_words(one)},
            intro=f"{lost} {stays}",
            button=_("Take it from there"),
            back=back,
            danger=True,
            hidden=[("assignment", one.pk), ("confirmed", "yes")],
            crumb=(profile.name, back),
        )


def enrolled_devices_of(owners: Sequence[Owner]) -> int:
    """How many enrolled devices they stand for, each counted once."""
    devices = reduce(or_, (devices_of_owner(one) for one in owners))
    return devices.filter(state=DeviceState.ENROLLED, removed_at=None).count()
