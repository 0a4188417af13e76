"""The device pages with the ways in and out: adding a device, its enrollment link, removing it."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps_catalog.admin.installed_apps import InstalledAppPages
from devices.admin import DeviceAdmin
from devices.admin.page.tabs import Tab
from devices.models import Device, DeviceGroup, DeviceState
from devices.services.errors import DeviceError
from devices.services.groups import default_group
from enrollment.admin.assigned import AssignedPages, with_items
from enrollment.models import Enrollment
from enrollment.services.errors import EnrollmentError
from enrollment.services.links import create_device_with_link, link_for_device, remove_device
from mdm.accounts.admin_base import EmptyState, Page, actor_of
from mdm.accounts.admin_forms import PageForm, TypedConfirmForm, posted
from mdm.accounts.permissions import Action


class AddForm(PageForm):
    name = forms.CharField(
        max_length=255,
        label=gettext_lazy("Name"),
        help_text=gettext_lazy("What you call it here, for example “Reception iPad”."),
    )
    group = forms.ModelChoiceField(DeviceGroup.objects.none(), label=gettext_lazy("Device group"), empty_label=None)


@admin.register(Device)
class EnrollableDeviceAdmin(AssignedPages, InstalledAppPages, DeviceAdmin):
    add_label = gettext_lazy("Add device")
    needs = {"add": Action.MANAGE_DEVICES}
    pages = (
        *DeviceAdmin.pages,
        Page("<int:pk>/link/", "link", Action.MANAGE_DEVICES, post_only=True),
        Page("<int:pk>/remove/", "remove", Action.DESTROY),
        *AssignedPages.assigned_pages,
        *InstalledAppPages.installed_app_pages,
    )
    empty_state = EmptyState(
        gettext_lazy("Enroll the first device"),
        gettext_lazy("Add it here, then open its one-time link on the device itself: by QR code, e-mail or AirDrop."),
        gettext_lazy("Add device"),
        "admin:devices_device_add",
        Action.MANAGE_DEVICES,
        "add_to_home_screen",
    )

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        self.demand(request, self.needs["add"])
        account = request.get_account()
        form = AddForm(posted(request), initial={"group": default_group(account).pk}, account=account)
        if request.method == "POST" and form.is_valid():
            try:
                device, _link = create_device_with_link(
                    account, **form.cleaned_data, actor=actor_of(request), created_by=request.user
                )
            except (DeviceError, EnrollmentError) as error:
                form.add_error(None, str(error))
            else:
                return redirect(self.url("change", device.pk))
        return self.form_page(
            request,
            form,
            title=_("Add device"),
            intro=_("You get a link that enrolls exactly one device, once. Open it on that device."),
            button=_("Add and show the link"),
            back=self.url("changelist"),
        )

    def tabs(self, device: Device) -> list[Tab]:
        return with_items(super().tabs(device))

    def more_context(self, request: HttpRequest, device: Device) -> dict[str, Any]:
        """The open one-time link, for those who may hand it out."""
        if device.state == DeviceState.ENROLLED or not self.may(request, Action.MANAGE_DEVICES):
            return {}
        links = Enrollment.objects.for_account(device.account_id).filter(device=device)
        unused = links.filter(spent_at=None, revoked_at=None).first()
        return {"asks_to_enroll": True, "enrollment": unused if unused and not unused.why_closed else None}

    def link(self, request: HttpRequest, device: Device) -> HttpResponse:
        back = self.url("change", device.pk)
        try:
            link_for_device(device, actor_of(request), created_by=request.user)
        except EnrollmentError as error:
            return self.refused(request, str(error), back)
        return self.done(request, _("The link below enrolls this device."), back)

    def remove(self, request: HttpRequest, device: Device) -> HttpResponse:
        name = str(device)
        form = TypedConfirmForm(posted(request), expected=name, account=request.get_account())
        if request.method == "POST" and form.is_valid():
            remove_device(device, actor_of(request))
            return self.done(request, _("%(name)s was removed.") % {"name": name}, self.url("changelist"))
        is_enrolled = device.state == DeviceState.ENROLLED
        enrolled = _(
            "It leaves this list now. The next time it connects, the management profile goes away, and with it the apps, "
            "settings and accounts that it brought. Personal data stays."
        )
        return self.form_page(
            request,
            form,
            title=_("Remove %(name)s") % {"name": name},
            intro=enrolled if is_enrolled else _("It leaves this list now. Its enrollment link no longer works."),
            button=_("Remove this device"),
            back=self.url("change", device.pk),
            danger=True,
        )
