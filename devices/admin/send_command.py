"""Sending a command from a device's page: the catalogue, then a form made of it, then the queued command."""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _

from devices.admin.command_form import CommandForm
from devices.admin.page.consequences import consequence
from devices.admin.page.update_form import UpdateForm
from devices.models import Device
from devices.services import lost_mode
from devices.services.errors import DeviceError
from devices.services.os_updates import update_os, why_not_by_command
from devices.services.sending import send, target_of
from mdm.accounts.admin_base import Page, actor_of
from mdm.accounts.admin_forms import posted, posted_files
from mdm.accounts.permissions import Action
from mdm.channels.models import Channel, ChannelState
from mdm.commands.models import Command
from mdm.commands.permissions import needed_for
from mdm.protocol.errors import ProtocolError
from mdm.protocol.request_types import REQUEST_TYPES, NotSupported, Parameter, RequestType, Target, check_target
from mdm.protocol.request_types.names import label

MAX_SUGGESTED = 255
# What an error names before it says what is wrong: ": Settings[0] (DeviceName) needs …".
_SUBJECT = re.compile(r"^: \S+(?: \(\w+\))? ")

# Without a form: what is posted is done, by the service that knows when it makes sense.
AT_ONCE: dict[str, Callable[..., Command]] = {
    "DeviceLocation": lost_mode.locate,
    "PlayLostModeSound": lost_mode.play_sound,
}


@dataclass(frozen=True)
class Offer:
    """A request type, or one of its alternatives, as the catalogue page shows it. why_not: empty if it can be sent."""

    title: str
    summary: str
    url: str
    is_destructive: bool
    why_not: str
    search: str


def why_not(request_type: RequestType, target: Target, parameters: Mapping[str, Any] | None = None) -> str:
    """Why this device cannot obey, as a sentence; empty if it can, or if nothing speaks against it."""
    try:
        check_target(request_type.name, parameters or {}, target)
    except NotSupported as error:
        words = _SUBJECT.sub("", str(error).removeprefix(request_type.name)).strip()
        words = words.removeprefix("is ").removeprefix("was ")
        return f"{words[:1].upper()}{words[1:]}."
    return ""


def why_nowhere(
    request_type: RequestType, device: Device, users: list[Channel], parameters: Mapping[str, Any] | None = None
) -> str:
    """As `why_not`, but a command for users only is no fault on a device that has some."""
    fault = why_not(request_type, target_of(device), parameters)
    if fault and users and not why_not(request_type, target_of(device, is_user_channel=True), parameters):
        return ""
    return fault


def alternatives_of(request_type: RequestType) -> dict[str, Parameter]:
    return next((one.alternatives for one in request_type.parameters if one.alternatives), {})


def users_of(device: Device) -> list[Channel]:
    """User channels that a command can be sent to; a page that has the channels already is asked nothing more."""
    open_ones = [one for one in device.channels.all() if one.user_key and one.state == ChannelState.OPEN]
    return sorted(open_ones, key=lambda one: (one.user_short_name, one.pk))[:200]


class SendCommandPages:
    """Part of the device admin (which brings `page`, `url`, `may` and `demand`)."""

    command_pages: tuple[Page, ...] = (
        Page("<int:pk>/send/", "send", Action.MANAGE_DEVICES),
        Page("<int:pk>/send/<str:request_type>/", "compose", Action.MANAGE_DEVICES),
        Page("<int:pk>/act/<str:request_type>/", "act", Action.MANAGE_DEVICES, post_only=True),
        Page("<int:pk>/update/", "update_os", needed_for(REQUEST_TYPES["ScheduleOSUpdate"])),
    )

    def send(self, request: HttpRequest, device: Device) -> HttpResponse:
        """The catalogue by family. What the person may not send is not there; what the device lacks says why."""
        users = users_of(device)
        families: dict[str, list[Offer]] = defaultdict(list)
        for request_type in REQUEST_TYPES.values():
            if self.may(request, needed_for(request_type)):
                families[_(request_type.family)].append(self._offer(request_type, device, users))
        return self.page(
            request,
            "admin/devices/send.html",
            title=_("All commands for %(device)s") % {"device": device},
            device=device,
            families=dict(families),
            crumb=(str(device), self.url("change", device.pk)),
        )

    def compose(self, request: HttpRequest, device: Device, request_type: str) -> HttpResponse:
        known = REQUEST_TYPES.get(request_type)
        if known is None:
            raise Http404
        self.demand(request, needed_for(known))
        item = request.GET.get("item", "")
        alternatives = alternatives_of(known)
        if alternatives and item not in alternatives:
            return self._choose_item(request, device, known, alternatives)
        users = users_of(device)
        form = CommandForm(
            posted(request),
            posted_files(request),
            request_type=known,
            device=device,
            users=users,
            item=item,
            known=_known_values(known, device),
            suggested=_suggested(request, device, item),
            account=request.get_account(),
        )
        if request.method == "POST" and form.is_valid():
            try:
                user_key = form.cleaned_data.get("to_user") or ""
                command = send(device, form.request(), actor=actor_of(request), user_key=user_key)
            except (DeviceError, ProtocolError) as error:
                form.add_fault(error)
            else:
                return redirect(reverse("admin:mdm_commands_command_change", args=[command.pk]))
        return self.page(
            request,
            "admin/devices/compose.html",
            title=label(item) if item else _(known.label),
            status=422 if form.errors else 200,
            device=device,
            known=known,
            intro=consequence(known.name, device, item) or _(known.summary),
            form=form,
            why_not=why_nowhere(known, device, users),
            crumb=(str(device), self.url("change", device.pk)),
            back=self.url("send", device.pk),
        )

    def act(self, request: HttpRequest, device: Device, request_type: str) -> HttpResponse:
        """What needs no details, by one button."""
        if request_type not in AT_ONCE:
            raise Http404
        self.demand(request, needed_for(REQUEST_TYPES[request_type]))
        back = f"{self.url('change', device.pk)}?tab=location"
        try:
            AT_ONCE[request_type](device, actor=actor_of(request))
        except (DeviceError, ProtocolError) as error:
            return self.refused(request, str(error), back)
        sentence = consequence(request_type, device) or _(REQUEST_TYPES[request_type].summary)
        return self.done(request, _("Sent. %(what)s") % {"what": sentence}, back)

    def update_os(self, request: HttpRequest, device: Device) -> HttpResponse:
        """The system's updates by their versions, in place of Apple's keys for them."""
        form = UpdateForm(posted(request), device=device, account=request.get_account())
        if request.method == "POST" and form.is_valid():
            try:
                command = update_os(device, **form.choice(), actor=actor_of(request))
            except (DeviceError, ProtocolError) as error:
                form.add_error(None, str(error))
            else:
                return redirect(reverse("admin:mdm_commands_command_change", args=[command.pk]))
        known = REQUEST_TYPES["ScheduleOSUpdate"]
        return self.page(
            request,
            "admin/devices/update_os.html",
            title=_("Update the system"),
            status=422 if form.errors else 200,
            device=device,
            intro=consequence(known.name, device),
            form=form,
            why_not=why_nowhere(known, device, users_of(device)) or why_not_by_command(device),
            crumb=(str(device), self.url("change", device.pk)),
            back=self.url("change", device.pk),
        )

    def _choose_item(
        self, request: HttpRequest, device: Device, known: RequestType, alternatives: dict[str, Parameter]
    ) -> HttpResponse:
        target = target_of(device)
        above = known.support(target.platform) if target.platform else None
        offers = []
        for item, parameter in alternatives.items():
            missing = bool(target.platform and above) and not parameter.support(target.platform, above).is_available
            reason = (
                _("Not available on %(platform)s.") % {"platform": target.platform}
                if missing
                else why_not(known, target)
            )
            url = f"{self.url('compose', device.pk, known.name)}?item={item}"
            offers.append(Offer(label(item), _(parameter.help), url, False, reason, item.lower()))
        return self.page(
            request,
            "admin/devices/send.html",
            title=_(known.label),
            device=device,
            families={_(known.label): offers},
            crumb=(str(device), self.url("change", device.pk)),
        )

    def _offer(self, request_type: RequestType, device: Device, users: list[Channel]) -> Offer:
        title = _(request_type.label)
        return Offer(
            title=title,
            summary=_(request_type.summary),
            url=self.url("compose", device.pk, request_type.name),
            is_destructive=request_type.destructive,
            why_not=why_nowhere(request_type, device, users),
            search=f"{title} {request_type.name}".lower(),
        )


def _suggested(request: HttpRequest, device: Device, item: str) -> dict[str, str]:
    """What the form shows at first: what a link to it names ("?UserName=ann"), and the name that is to be changed."""
    given = {name: text for name, text in request.GET.items() if name != "item" and len(text) <= MAX_SUGGESTED}
    return ({"Settings.DeviceName": device.device_name} if item == "DeviceName" else {}) | given


def _known_values(request_type: RequestType, device: Device) -> dict[str, bytes]:
    """What the device gave us itself and nobody can type: its unlock token."""
    channel = device.device_channel
    if request_type.name == "ClearPasscode" and channel is not None and channel.unlock_token:
        return {"UnlockToken": bytes(channel.unlock_token)}
    return {}
