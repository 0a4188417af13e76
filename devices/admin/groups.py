"""Device groups: which devices belong together."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display
from unfold.views import ChangeList

from devices.admin.groups_page import page_of, what_deleting_does
from devices.models import DeviceGroup
from devices.services.errors import DeviceError
from devices.services.group_numbers import numbers_of
from devices.services.groups import (
    clone_group,
    create_group,
    delete_group,
    holds_too_many,
    make_default,
    rename_group,
)
from mdm.accounts.admin_base import EmptyState, Page, ReadOnlyAdmin, actor_of
from mdm.accounts.admin_forms import ConfirmForm, PageForm, posted
from mdm.accounts.admin_html import badge, link, time_tag
from mdm.accounts.models import Account
from mdm.accounts.permissions import Action
from mdm.common.words import count_of


class NameForm(PageForm):
    name = forms.CharField(
        max_length=200,
        label=gettext_lazy("Name"),
        help_text=gettext_lazy("What you call it here. Profiles and scripts can name it as {{device_group}}."),
    )

    def __init__(self, *args: Any, account: Account, group: DeviceGroup | None = None, **options: Any) -> None:
        """group: the one that is renamed."""
        super().__init__(*args, account=account, **options)
        self.others = DeviceGroup.objects.for_account(account).exclude(pk=group.pk if group else None)

    def clean_name(self) -> str:
        """People tell groups apart by their names alone."""
        name = self.cleaned_data["name"]
        if self.others.filter(name__iexact=name).exists():
            raise forms.ValidationError(_("There is a group of this name already."))
        return name


class GroupList(ChangeList):
    """With `number` of each group of the page, asked for once."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        numbers = numbers_of(self.result_list)
        for group in self.result_list:
            group.number = numbers[group.pk]


@admin.register(DeviceGroup)
class DeviceGroupAdmin(ReadOnlyAdmin):
    list_title = gettext_lazy("Device groups")
    add_label = gettext_lazy("New group")
    needs = {"add": Action.MANAGE_DEVICES}
    list_display = ("group_name", "device_count", "made")
    search_fields = ("name",)
    search_help_text = gettext_lazy("Name")
    ordering = ("-is_default", "name", "pk")
    pages = (
        Page("<int:pk>/rename/", "rename", Action.MANAGE_DEVICES),
        Page("<int:pk>/clone/", "clone", Action.MANAGE_DEVICES),
        Page("<int:pk>/default/", "make_default", Action.MANAGE_DEVICES),
        Page("<int:pk>/remove/", "remove", Action.MANAGE_DEVICES),
    )
    empty_state = EmptyState(
        gettext_lazy("No device group yet"),
        gettext_lazy(
            "Every device is in exactly one device group: a place, a class, a department. The first one is made with the first "
            "device; profiles, attribute values and enrollment links can belong to a group."
        ),
        gettext_lazy("New group"),
        "admin:devices_devicegroup_add",
        Action.MANAGE_DEVICES,
        "folder",
    )

    # --- list ---------------------------------------------------------------------------------------------------------
    def get_changelist(self, request: HttpRequest, **kwargs: object) -> type[ChangeList]:
        return GroupList

    @display(description=gettext_lazy("Group"), ordering="name")
    def group_name(self, group: DeviceGroup) -> str:
        return format_html("{} {}", group.name, badge(_("Default")) if group.is_default else "")

    @display(description=gettext_lazy("Devices"))
    def device_count(self, group: DeviceGroup) -> str:
        url = f"{reverse('admin:devices_device_changelist')}?group={group.pk}"
        return link(url, count_of(group.number, "device"))

    @display(description=gettext_lazy("Created"), ordering="created_at")
    def made(self, group: DeviceGroup) -> str:
        return time_tag(group.created_at)

    # --- one group ----------------------------------------------------------------------------------------------------
    def detail(self, request: HttpRequest, obj: DeviceGroup) -> HttpResponse:
        return self.page(request, "admin/device_groups/group.html", title=obj.name, **page_of(obj))

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        self.demand(request, self.needs["add"])
        form = NameForm(posted(request), account=request.get_account())
        if request.method == "POST" and form.is_valid():
            group = create_group(request.get_account(), form.cleaned_data["name"], actor_of(request))
            return redirect(self.url("change", group.pk))
        return self.form_page(
            request,
            form,
            title=_("New device group"),
            intro=_("Devices come into it by its enrollment links, or are moved there from the list of devices."),
            button=_("Create the group"),
            back=self.list_url,
        )

    def rename(self, request: HttpRequest, group: DeviceGroup) -> HttpResponse:
        back = self.url("change", group.pk)
        form = NameForm(posted(request), initial={"name": group.name}, account=request.get_account(), group=group)
        if request.method == "POST" and form.is_valid():
            rename_group(group, form.cleaned_data["name"], actor_of(request))
            return self.done(request, _("The group is called “%(name)s” now.") % {"name": group.name}, back)
        return self.form_page(
            request,
            form,
            title=_("Rename %(name)s") % {"name": group.name},
            intro=_("Profiles that fill in {{device_group}} are sent again to the devices of the group."),
            button=_("Rename"),
            back=back,
            crumb=(group.name, back),
        )

    def clone(self, request: HttpRequest, group: DeviceGroup) -> HttpResponse:
        back = self.url("change", group.pk)
        if request.method == "POST":
            copy = clone_group(group, actor_of(request))
            words = _("This is the copy, %(name)s. No device is in it yet.") % {"name": copy.name}
            return self.done(request, words, self.url("change", copy.pk))
        return self.form_page(
            request,
            ConfirmForm(account=request.get_account()),
            title=_("Clone %(name)s") % {"name": group.name},
            intro=_(
                "Makes a second group with the same profiles, assignment groups and attribute values, under a name of its own. "
                "It begins without devices and enrollment links, so nothing is sent."
            ),
            button=_("Clone"),
            back=back,
            crumb=(group.name, back),
        )

    def make_default(self, request: HttpRequest, group: DeviceGroup) -> HttpResponse:
        back = self.url("change", group.pk)
        if request.method == "POST":
            make_default(group, actor_of(request))
            return self.done(request, _("“%(name)s” is the default group now.") % {"name": group.name}, back)
        return self.form_page(
            request,
            ConfirmForm(account=request.get_account()),
            title=_("Make “%(name)s” the default group") % {"name": group.name},
            intro=_(
                "Devices that come in no other way are put into it from now on, and so are those of groups that are deleted. "
                "No device moves now."
            ),
            button=_("Make it the default group"),
            back=back,
            crumb=(group.name, back),
        )

    def remove(self, request: HttpRequest, group: DeviceGroup) -> HttpResponse:
        back = self.url("change", group.pk)
        if not group.is_default and holds_too_many(group):
            words = _("So many devices are in it that they have to be moved first: choose all of them here.")
            return self.refused(request, words, f"{reverse('admin:devices_device_changelist')}?group={group.pk}")
        if request.method == "POST":
            name = group.name
            try:
                delete_group(group, actor_of(request))
            except DeviceError as error:
                return self.refused(request, str(error), back)
            words = _("The group “%(name)s” was deleted.") % {"name": name}
            return self.done(request, words, self.url("changelist"))
        return self.form_page(
            request,
            ConfirmForm(account=request.get_account()),
            title=_("Delete the group “%(name)s”") % {"name": group.name},
            intro=what_deleting_does(group),
            button=_("Delete the group"),
            back=back,
            danger=True,
            crumb=(group.name, back),
        )
