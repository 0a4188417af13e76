"""Device groups: which devices belong together."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from unfold.decorators import display

from devices.models import AssignmentGroup, DeviceGroup, Profile
from devices.services.errors import DeviceError
from devices.services.groups import create_group, delete_group, rename_group
from mdm.accounts.admin_base import AccountAdmin, Page, actor_of
from mdm.accounts.admin_forms import ConfirmForm
from mdm.accounts.admin_html import badge, link, time_tag
from mdm.accounts.permissions import Action
from mdm.common.words import count_of


@admin.register(DeviceGroup)
class DeviceGroupAdmin(AccountAdmin):
    list_title = "Device groups"
    add_label = "New group"
    needs = {"add": Action.MANAGE_DEVICES, "change": Action.MANAGE_DEVICES}
    fields = ("name",)
    list_display = ("group_name", "device_count", "made")
    search_fields = ("name",)
    search_help_text = "Name"
    ordering = ("-is_default", "name", "pk")
    pages = (Page("<int:pk>/remove/", "remove", Action.MANAGE_DEVICES),)
    change_form_outer_before_template = "admin/devices/group_links.html"
    change_form_outer_after_template = "admin/assignment_groups/of_device_group.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        present = Count("devices", filter=Q(devices__removed_at=None))
        return super().get_queryset(request).annotate(device_total=present)

    @display(description="Group", ordering="name")
    def group_name(self, group: DeviceGroup) -> str:
        return format_html("{} {}", group.name, badge("Default") if group.is_default else "")

    @display(description="Devices", ordering="device_total")
    def device_count(self, group: DeviceGroup) -> str:
        url = f"{reverse('admin:devices_device_changelist')}?group={group.pk}"
        return link(url, count_of(group.device_total, "device"))

    @display(description="Created", ordering="created_at")
    def made(self, group: DeviceGroup) -> str:
        return time_tag(group.created_at)

    def save_model(self, request: HttpRequest, obj: DeviceGroup, form: forms.ModelForm, change: bool) -> None:
        actor = actor_of(request)
        if change:
            rename_group(obj, form.cleaned_data["name"], actor)
        else:
            obj.pk = create_group(request.get_account(), form.cleaned_data["name"], actor).pk

    def remove(self, request: HttpRequest, group: DeviceGroup) -> HttpResponse:
        back = self.url("change", group.pk)
        if request.method == "POST":
            name = group.name
            try:
                delete_group(group, actor_of(request))
            except DeviceError as error:
                return self.refused(request, str(error), back)
            return self.done(request, f"The group “{name}” was deleted.", self.url("changelist"))
        return self.form_page(
            request,
            ConfirmForm(account=request.get_account()),
            title=f"Delete the group “{group.name}”",
            intro="Its devices move to the default group. Its enrollment links no longer work.",
            button="Delete the group",
            back=back,
            danger=True,
        )

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        group = self.get_object(request, object_id)
        joined = AssignmentGroup.objects.filter(members__device_group=group)
        profiles = Profile.objects.for_account(group.account_id).filter(assignments__device_group=group)
        context = {
            "may_manage": self.may(request, Action.MANAGE_DEVICES),
            "assignment_groups": joined.order_by("name", "pk"),
            "profiles": profiles.order_by("name", "pk"),
        }
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})
