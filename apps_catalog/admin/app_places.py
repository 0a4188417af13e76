"""Where an app is and should be: lists of devices, assignment groups, installing it on one device."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps_catalog.admin import app_words
from apps_catalog.admin.app_forms import DeviceForm, GroupForm
from apps_catalog.admin.app_page import devices_in, following_of, losing_with, rows_of, totals_context
from apps_catalog.models import App, PackageKind
from apps_catalog.services.assignments import assign_app, unassign_app
from apps_catalog.services.fitting import lacks_store_id, supports, why_not
from apps_catalog.services.installs import install
from apps_catalog.services.versions import newest_versions
from devices.models import Device, ItemState
from devices.services.due import devices_of_group
from mdm.accounts.admin_base import actor_of, row_number
from mdm.accounts.admin_forms import posted
from mdm.accounts.admin_parts import is_part
from mdm.common.counts import count_up_to
from mdm.common.words import count_of

PER_PAGE = 100


class PlacePages:
    """For the admin of apps (which brings `page`, `form_page`, `url`, `done` and `refused`)."""

    def totals(self, request: HttpRequest, app: App) -> HttpResponse:
        """How far it has come: the part of its page that follows by itself."""
        following = following_of(app)
        return following.answer_if_unchanged(request) or self.page(
            request,
            "admin/apps/totals_part.html" if is_part(request) else "admin/apps/totals.html",
            title=_("On devices"),
            crumb=self._crumb(app),
            **totals_context(app, following),
        )

    def devices(self, request: HttpRequest, app: App) -> HttpResponse:
        """`?state=`: one of ItemState; anything else is taken for installed. `?after=`: the key of a device, where to go on."""
        wanted = request.GET.get("state")
        state = ItemState(wanted) if wanted in ItemState.values else ItemState.INSTALLED
        after, devices = row_number(request.GET.get("after")) or 0, devices_in(app, state)
        found = list(devices.filter(pk__gt=after)[: PER_PAGE + 1])
        return self.page(
            request,
            "admin/apps/devices.html",
            title=f"{app}: {state.label.lower()}",
            app=app,
            state=state,
            states=list(app_words.STATE_WORDS),
            explanation=app_words.STATE_WORDS[state],
            number=count_up_to(devices),
            rows=rows_of(app, found[:PER_PAGE]),
            after=after,
            more=found[PER_PAGE - 1].pk if len(found) > PER_PAGE else None,
            crumb=self._crumb(app),
        )

    def assign(self, request: HttpRequest, app: App) -> HttpResponse:
        form = self._group_form(request, app, has_app=False)
        if form.is_empty:
            return self._no_group(request, app, _("There is no assignment group that does not have this app already."))
        if request.method == "POST" and form.is_valid():
            group = form.cleaned_data["group"]
            assign_app(group, app, actor_of(request))
            more = (
                _("Its devices get it.")
                if group.auto_deploy
                else _("Its devices get it when the apps of the group are pushed.")
            )
            return self.done(
                request,
                _("%(app)s is assigned to %(group)s. %(more)s") % {"app": app, "group": group, "more": more},
                self.url("change", app.pk),
            )
        return self.form_page(
            request,
            form,
            title=_("Assign %(app)s to a group") % {"app": app},
            intro=_(
                "The devices of the group get the app, and so does every device that joins it, unless the group "
                "is set to wait until its apps are pushed."
            ),
            button=_("Assign"),
            back=self.url("change", app.pk),
            crumb=self._crumb(app),
        )

    def unassign(self, request: HttpRequest, app: App) -> HttpResponse:
        form = self._group_form(request, app, has_app=True, initial={"group": request.GET.get("group")})
        if form.is_empty:
            return self._no_group(request, app, _("No assignment group has this app."))
        if request.method == "POST" and form.is_valid():
            group = form.cleaned_data["group"]
            unassign_app(group, app, actor_of(request))
            return self.done(
                request,
                _("%(app)s is no longer assigned to %(group)s.") % {"app": app, "group": group},
                self.url("change", app.pk),
            )
        return self.form_page(
            request,
            form,
            title=_("Take %(app)s out of a group") % {"app": app},
            intro=self._loss(app, form),
            button=_("Take it out"),
            back=self.url("change", app.pk),
            danger=True,
            crumb=self._crumb(app),
        )

    def install(self, request: HttpRequest, app: App) -> HttpResponse:
        form = DeviceForm(posted(request), account=request.get_account())
        if request.method == "POST" and form.is_valid():
            device = form.cleaned_data["device"]
            problem = _problem(app, device)
            if not problem and install(app, Device.objects.filter(pk=device.pk), actor=actor_of(request)):
                return self.done(
                    request,
                    _("%(app)s is sent to %(device)s.") % {"app": app, "device": device},
                    self.url("change", app.pk),
                )
            form.add_error(
                "device", problem or _("%(device)s cannot be told to install this app.") % {"device": device}
            )
        return self.form_page(
            request,
            form,
            title=_("Install %(app)s on a device") % {"app": app},
            intro=_("It is sent once, whatever the device has, and whether or not a group brings the app."),
            button=_("Install"),
            back=self.url("change", app.pk),
            crumb=self._crumb(app),
        )

    def _group_form(self, request: HttpRequest, app: App, *, has_app: bool, **options: Any) -> GroupForm:
        return GroupForm(posted(request), account=request.get_account(), app=app, has_app=has_app, **options)

    def _no_group(self, request: HttpRequest, app: App, sentence: str) -> HttpResponse:
        """A page and not a way back: whoever opens its address learns why there is nothing to choose."""
        return self.page(
            request,
            "admin/apps/no_group.html",
            title=str(app),
            sentence=sentence,
            back=self.url("change", app.pk),
            crumb=self._crumb(app),
        )

    def _loss(self, app: App, form: GroupForm) -> str:
        """For the group that the page was opened for, if it has the app."""
        number = row_number(str(form["group"].value() or ""))
        found = app.assignments.select_related("group", "app").filter(group=number).first()
        if found is None:
            return _("Devices that have the app through the group lose it, unless another group of theirs brings it.")
        count = losing_with(found, devices_of_group(found.group))
        return _("In “%(group)s” %(what_goes)s A device that gets it from another group as well keeps it.") % {
            "group": found.group,
            "what_goes": what_goes(app, count),
        }

    def _crumb(self, app: App) -> tuple[str, str]:
        return app.name, self.url("change", app.pk)


def what_goes(app: App, count: int) -> str:
    """For pages that take an app away. count: devices that have it from us. Begins in the middle of a sentence."""
    devices = {"devices": count_of(count, "device")}
    newest = newest_versions([app]).get(app.pk)
    if newest is not None and newest.kind == PackageKind.PKG:
        return (
            ngettext(
                "%(devices)s has it from here. What the package installed stays there: a server cannot remove it.",
                "%(devices)s have it from here. What the package installed stays there: a server cannot remove it.",
                count,
            )
            % devices
        )
    return (
        ngettext(
            "%(devices)s has it from here and loses it with its data.",
            "%(devices)s have it from here and lose it with its data.",
            count,
        )
        % devices
    )


def _problem(app: App, device: Device) -> str:
    """Why the device cannot get it now; empty where nothing is known to speak against it."""
    if not device.is_enrolled:
        return _("%(device)s is not enrolled.") % {"device": device}
    if lacks_store_id(app):
        return _("The number of this app in the App Store is not known yet.")
    reason = why_not(app, device, newest_versions([app]).get(app.pk))
    if reason or supports(app, device):
        return reason
    return (
        _("What kind of device this is, is not known yet.")
        if not device.platform
        else _("This app is not for this device.")
    )
