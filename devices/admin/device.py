"""The device list and the device page. `enrollment.admin` adds what has to do with enrolling, and registers it."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from unfold.decorators import display

from devices.admin.device_list import FILTERS, model_words, with_last_seen
from devices.admin.device_page import Tab, tabs_of, waiting_mark
from devices.admin.send_command import SendCommandPages
from devices.models import Device, DeviceGroup
from devices.services.actions import refresh
from devices.services.agent_rollout import send_agent
from devices.services.devices import update_device
from devices.services.errors import DeviceError
from devices.services.groups import move_devices
from mdm.accounts.admin_base import Page, ReadOnlyAdmin, actor_of
from mdm.accounts.admin_forms import PageForm, posted
from mdm.accounts.admin_html import NOTHING, badge, time_tag, two_lines
from mdm.accounts.permissions import Action
from mdm.common.words import count_of
from mdm.protocol.errors import ProtocolError

# A list needs nothing of the device's whole answers.
HEAVY = ("information", "security")


class EditForm(PageForm):
    name = forms.CharField(max_length=255, help_text="What you call it here. The device's own name stays as it is.")
    email = forms.EmailField(
        label="E-mail", required=False, help_text="Of whoever uses it: {{email}} in profiles and configurations."
    )
    group = forms.ModelChoiceField(DeviceGroup.objects.none(), label="Device group", empty_label=None)


class MoveForm(PageForm):
    group = forms.ModelChoiceField(DeviceGroup.objects.none(), label="Move to", empty_label=None)


class DeviceAdmin(SendCommandPages, ReadOnlyAdmin):
    """Not registered by itself."""

    list_title = "Devices"
    list_display = ("device", "state_badge", "system", "device_group", "serial", "supervised", "last_seen")
    list_select_related = ("group",)
    list_filter = FILTERS
    search_fields = Device.SEARCHED
    search_help_text = "Name, serial number, UDID, IMEI, MAC, phone"
    ordering = ("-id",)
    actions = ("refresh_chosen", "move_chosen")
    pages: tuple[Page, ...] = (
        Page("<int:pk>/edit/", "edit", Action.MANAGE_DEVICES),
        Page("<int:pk>/refresh/", "refresh", Action.MANAGE_DEVICES, post_only=True),
        Page("<int:pk>/send/", "send", Action.MANAGE_DEVICES),
        Page("<int:pk>/send/<str:request_type>/", "compose", Action.MANAGE_DEVICES),
        Page("<int:pk>/send-agent/", "send_agent", Action.MANAGE_DEVICES, post_only=True),
        Page("<int:pk>/state/", "state", Action.VIEW),
    )

    # --- list ---------------------------------------------------------------------------------------------------------
    def get_queryset(self, request: HttpRequest) -> QuerySet:
        if request.resolver_match and request.resolver_match.url_name == "devices_device_changelist":
            return with_last_seen(super().get_queryset(request).defer(*HEAVY))
        return super().get_queryset(request)

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        term = search_term.strip()
        return (queryset.search(term) if term else queryset), False

    @display(description="Device", ordering="name")
    def device(self, device: Device) -> str:
        return two_lines(device, model_words(device))

    @display(description="State", ordering="state")
    def state_badge(self, device: Device) -> str:
        return badge(device.get_state_display(), device.state)

    @display(description="System", ordering="os_version")
    def system(self, device: Device) -> str:
        return f"{device.platform} {device.os_version}".strip() or NOTHING

    @display(description="Group", ordering="group__name")
    def device_group(self, device: Device) -> str:
        return device.group.name

    @display(description="Serial number", ordering="serial_number")
    def serial(self, device: Device) -> str:
        return device.serial_number or NOTHING

    @display(description="Supervised", ordering="is_supervised")
    def supervised(self, device: Device) -> str:
        return {True: "Yes", False: "No"}.get(device.is_supervised, NOTHING)

    @display(description="Last seen", ordering="seen_at")
    def last_seen(self, device: Device) -> str:
        return time_tag(device.seen_at, "never")

    # --- on several devices -------------------------------------------------------------------------------------------
    @admin.action(description="Refresh inventory", permissions=["manage"])
    def refresh_chosen(self, request: HttpRequest, queryset: QuerySet) -> None:
        done, refused = 0, 0
        for device in queryset:
            try:
                refresh(device, actor_of(request))
            except DeviceError:
                refused += 1
            else:
                done += 1
        self.message_user(request, f"{count_of(done, 'device')} asked for inventory.")
        if refused:
            self.message_user(request, f"{count_of(refused, 'device')} not enrolled, so not asked.", "WARNING")

    @admin.action(description="Move to another group", permissions=["manage"])
    def move_chosen(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        is_answered = "group" in request.POST
        form = MoveForm(request.POST if is_answered else None, account=request.get_account())
        if is_answered and form.is_valid():
            group = form.cleaned_data["group"]
            moved = move_devices(list(queryset), group, actor_of(request))
            self.message_user(request, f"{count_of(moved, 'device')} moved to {group}.")
            return None
        return self.form_page(
            request,
            form,
            title="Move to another group",
            intro=f"{count_of(queryset.count(), 'device')} will belong to the group you choose.",
            button="Move",
            back=self.url("changelist"),
            hidden=_chosen(request, "move_chosen"),
        )

    # --- one device ---------------------------------------------------------------------------------------------------
    def detail(self, request: HttpRequest, obj: Device) -> HttpResponse:
        tabs = self.tabs(obj)
        tab = next((one for one in tabs if one.key == request.GET.get("tab")), tabs[0])
        return self.page(
            request,
            "admin/devices/device.html",
            title=str(obj),
            device=obj,
            model=model_words(obj),
            channel=obj.device_channel,
            tab=tab,
            tabs=tabs,
            watch=waiting_mark(obj),
            **self.more_context(request, obj),
            **tab.context(obj),
        )

    def tabs(self, device: Device) -> list[Tab]:
        """A higher package may add some; the first one is shown when none is asked for."""
        return tabs_of(device)

    def more_context(self, request: HttpRequest, device: Device) -> dict[str, Any]:
        """What a higher package has to say on the page."""
        return {}

    def edit(self, request: HttpRequest, device: Device) -> HttpResponse:
        back = self.url("change", device.pk)
        first = {"name": device.name, "email": device.email, "group": device.group_id}
        form = EditForm(posted(request), initial=first, account=request.get_account())
        if request.method == "POST" and form.is_valid():
            actor = actor_of(request)
            with transaction.atomic():
                update_device(device, name=form.cleaned_data["name"], email=form.cleaned_data["email"], actor=actor)
                move_devices([device], form.cleaned_data["group"], actor)
            return self.done(request, "Saved.", back)
        return self.form_page(request, form, title=f"Edit {device}", button="Save", back=back)

    def refresh(self, request: HttpRequest, device: Device) -> HttpResponse:
        back = self.url("change", device.pk)
        try:
            queued = refresh(device, actor_of(request))
        except (DeviceError, ProtocolError) as error:
            return self.refused(request, str(error), back)
        if not queued:
            return self.done(request, "The device has been asked already; its answers are on the way.", back)
        return self.done(request, "The device is asked for its whole inventory.", back)

    def send_agent(self, request: HttpRequest, device: Device) -> HttpResponse:
        back = f"{self.url('change', device.pk)}?tab=scripts"
        try:
            send_agent(device, actor_of(request))
        except (DeviceError, ProtocolError) as error:
            return self.refused(request, str(error), back)
        return self.done(request, "The Mac is told to install the agent.", back)

    def state(self, request: HttpRequest, device: Device) -> HttpResponse:
        return JsonResponse(waiting_mark(device))


def _chosen(request: HttpRequest, action: str) -> list[tuple[str, str]]:
    """What the list sent, to be sent again with the answer."""
    rows = [("_selected_action", pk) for pk in request.POST.getlist("_selected_action")]
    return [("action", action), ("select_across", request.POST.get("select_across", "0")), *rows]
