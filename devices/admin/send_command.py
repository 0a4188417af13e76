"""Sending a command from a device's page: the catalogue, then a form made of it, then the queued command."""

from collections import defaultdict
from dataclasses import dataclass

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from devices.admin.command_form import CommandForm
from devices.models import Device
from devices.services.errors import DeviceError
from devices.services.sending import send, target_of
from mdm.accounts.admin_base import actor_of
from mdm.accounts.admin_forms import posted, posted_files
from mdm.accounts.permissions import Action
from mdm.channels.models import Channel, ChannelState
from mdm.protocol.errors import ProtocolError
from mdm.protocol.request_types import REQUEST_TYPES, NotSupported, Parameter, RequestType, Target, check_target
from mdm.protocol.request_types.names import label


@dataclass(frozen=True)
class Offer:
    """A request type, or one of its alternatives, as the catalogue page shows it. why_not: empty if it can be sent."""

    title: str
    summary: str
    url: str
    is_destructive: bool
    why_not: str
    search: str


def needed_for(request_type: RequestType) -> Action:
    return Action.DESTROY if request_type.destructive else Action.MANAGE_DEVICES


def why_not(request_type: RequestType, target: Target) -> str:
    """Why this device cannot obey, as a sentence; empty if it can, or if nothing speaks against it."""
    try:
        check_target(request_type.name, {}, target)
    except NotSupported as error:
        words = str(error).removeprefix(request_type.name).strip().removeprefix("is ").removeprefix("was ")
        return f"{words[:1].upper()}{words[1:]}."
    return ""


def why_nowhere(request_type: RequestType, device: Device, users: list[Channel]) -> str:
    """As `why_not`, but a command for users only is no fault on a device that has some."""
    fault = why_not(request_type, target_of(device))
    if fault and users and not why_not(request_type, target_of(device, is_user_channel=True)):
        return ""
    return fault


def alternatives_of(request_type: RequestType) -> dict[str, Parameter]:
    return next((one.alternatives for one in request_type.parameters if one.alternatives), {})


def users_of(device: Device) -> list[Channel]:
    """User channels that a command can be sent to."""
    open_ones = Channel.objects.filter(device=device, state=ChannelState.OPEN).exclude(user_key="")
    return list(open_ones.order_by("user_short_name", "pk")[:200])


class SendCommandPages:
    """The two pages, for the device admin (which brings `page`, `url`, `may` and `demand`)."""

    def send(self, request: HttpRequest, device: Device) -> HttpResponse:
        """The catalogue by family. What the person may not send is not there; what the device lacks says why."""
        users = users_of(device)
        families: dict[str, list[Offer]] = defaultdict(list)
        for request_type in REQUEST_TYPES.values():
            if self.may(request, needed_for(request_type)):
                families[request_type.family].append(self._offer(request_type, device, users))
        return self.page(
            request,
            "admin/devices/send.html",
            title="Send a command",
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
            title=label(item) if item else known.label,
            status=422 if form.errors else 200,
            device=device,
            known=known,
            form=form,
            why_not=why_nowhere(known, device, users),
            crumb=(str(device), self.url("change", device.pk)),
            back=self.url("send", device.pk),
        )

    def _choose_item(
        self, request: HttpRequest, device: Device, known: RequestType, alternatives: dict[str, Parameter]
    ) -> HttpResponse:
        target = target_of(device)
        above = known.support(target.platform) if target.platform else None
        offers = []
        for item, parameter in alternatives.items():
            missing = bool(target.platform and above) and not parameter.support(target.platform, above).is_available
            reason = f"Not available on {target.platform}." if missing else why_not(known, target)
            url = f"{self.url('compose', device.pk, known.name)}?item={item}"
            offers.append(Offer(label(item), parameter.help, url, False, reason, item.lower()))
        return self.page(
            request,
            "admin/devices/send.html",
            title=known.label,
            device=device,
            families={known.label: offers},
            crumb=(str(device), self.url("change", device.pk)),
        )

    def _offer(self, request_type: RequestType, device: Device, users: list[Channel]) -> Offer:
        return Offer(
            title=request_type.label,
            summary=request_type.summary,
            url=self.url("compose", device.pk, request_type.name),
            is_destructive=request_type.destructive,
            why_not=why_nowhere(request_type, device, users),
            search=f"{request_type.label} {request_type.name}".lower(),
        )


def _known_values(request_type: RequestType, device: Device) -> dict[str, bytes]:
    """What the device gave us itself and nobody can type: its unlock token."""
    channel = device.device_channel
    if request_type.name == "ClearPasscode" and channel is not None and channel.unlock_token:
        return {"UnlockToken": bytes(channel.unlock_token)}
    return {}
