"""The page of one device and what is done there, for the device admin (which brings `page`, `form_page`, `url`, `may` …)."""

from typing import Any

from django import forms
from django.db import transaction
from django.db.models import prefetch_related_objects
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from devices.admin.list.columns import model_words
from devices.admin.page.actions import actions_of
from devices.admin.page.head import head_of
from devices.admin.page.tabs import Tab, tabs_of
from devices.admin.page.watching import Watch, watch_of
from devices.models import Device, DeviceGroup
from devices.services.actions import refresh
from devices.services.agent_rollout import send_agent
from devices.services.devices import update_device
from devices.services.errors import DeviceError
from devices.services.groups import move_devices
from mdm.accounts.admin_base import Page, actor_of
from mdm.accounts.admin_forms import PageForm, posted
from mdm.accounts.admin_parts import is_part
from mdm.accounts.permissions import Action
from mdm.protocol.errors import ProtocolError

NOTHING_NEW = 204


class EditForm(PageForm):
    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=255,
        help_text=gettext_lazy("What you call it here. The device's own name stays as it is."),
    )
    email = forms.EmailField(
        label=gettext_lazy("E-mail"),
        required=False,
        help_text=gettext_lazy("Of whoever uses it: {{email}} in profiles and configurations."),
    )
    group = forms.ModelChoiceField(
        DeviceGroup.objects.none(),
        label=gettext_lazy("Device group"),
        empty_label=None,
        help_text=gettext_lazy("Profiles and apps of another group come, those of the present one go."),
    )


class DevicePages:
    """Part of the device admin. `tabs` and `more_context` are for higher packages to add to."""

    device_pages: tuple[Page, ...] = (
        Page("<int:pk>/edit/", "edit", Action.MANAGE_DEVICES),
        Page("<int:pk>/refresh/", "refresh", Action.MANAGE_DEVICES, post_only=True),
        Page("<int:pk>/send-agent/", "send_agent", Action.MANAGE_DEVICES, post_only=True),
        Page("<int:pk>/state/", "state", Action.VIEW),
    )

    def detail(self, request: HttpRequest, obj: Device) -> HttpResponse:
        prefetch_related_objects([obj], "channels")
        return self._device_page(request, obj, watch_of(obj), "admin/devices/device.html")

    def state(self, request: HttpRequest, device: Device) -> HttpResponse:
        """For the page that waits: whether there is something new; asked by htmx, the new content of the page itself.

        mark: what the page shows already. Without anything new there is no answer at all, and the page asks again.
        """
        prefetch_related_objects([device], "channels")
        watch = watch_of(device)
        if not is_part(request):
            return JsonResponse({"mark": watch.mark, "is_over": not watch.is_open, "waiting": watch.waiting})
        if request.GET.get("mark") == watch.mark:
            return HttpResponse(status=NOTHING_NEW)
        return self._device_page(request, device, watch, "admin/devices/live.html", is_update=True)

    def _device_page(
        self, request: HttpRequest, device: Device, watch: Watch, template: str, **more: Any
    ) -> HttpResponse:
        tabs = self.tabs(device)
        tab = next((one for one in tabs if one.key == request.GET.get("tab")), tabs[0])
        context = self.more_context(request, device) | tab.context(device, request.GET)
        is_live = watch.is_open or bool(context.get("enrollment") or context.get("is_moving"))
        return self.page(
            request,
            template,
            title=str(device),
            device=device,
            model=model_words(device),
            channel=device.device_channel,
            tab=tab,
            tabs=[one for one in tabs if one.is_listed or one is tab],
            watch=watch,
            watch_url=self._watch_url(request, device, tab, watch) if is_live else "",
            actions=actions_of(device, lambda action: self.may(request, action), self.url),
            **head_of(device),
            **context,
            **more,
        )

    def _watch_url(self, request: HttpRequest, device: Device, tab: Tab, watch: Watch) -> str:
        """With all of the page's own address, so that what is chosen there stays chosen."""
        query = request.GET.copy()
        query["tab"], query["mark"] = tab.key, watch.mark
        return f"{self.url('state', device.pk)}?{query.urlencode()}"

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
            return self.done(request, _("%(device)s is saved.") % {"device": device}, back)
        title = _("Edit %(device)s") % {"device": device}
        return self.form_page(request, form, title=title, button=_("Save"), back=back)

    def refresh(self, request: HttpRequest, device: Device) -> HttpResponse:
        back = self.url("change", device.pk)
        try:
            queued = refresh(device, actor_of(request))
        except (DeviceError, ProtocolError) as error:
            return self.refused(request, str(error), back)
        if not queued:
            return self.done(request, _("The device has been asked already; its answers are on the way."), back)
        return self.done(request, _("The device is asked for its whole inventory."), back)

    def send_agent(self, request: HttpRequest, device: Device) -> HttpResponse:
        back = f"{self.url('change', device.pk)}?tab=scripts"
        try:
            send_agent(device, actor_of(request))
        except (DeviceError, ProtocolError) as error:
            return self.refused(request, str(error), back)
        return self.done(request, _("The Mac is told to install the agent."), back)
