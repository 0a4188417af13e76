"""Lost Mode of supervised iPhones and iPads. Source: Apple, "Enable Lost Mode Command" and those that go with it."""

from django.db.models import Q

from devices.models import Device
from devices.services.errors import NotPossible
from devices.services.sending import find_channel, send, target_of
from mdm.accounts.actors import Actor
from mdm.commands.models import Command
from mdm.commands.states import WAITING, State
from mdm.protocol.request_types import Request, check_target
from mdm.protocol.request_types import lost_mode as requests

ON, OFF = "EnableLostMode", "DisableLostMode"


def switch_on(
    device: Device, *, actor: Actor, message: str = "", phone_number: str = "", footnote: str = ""
) -> Command:
    """Queue EnableLostMode; what is given is shown on the lock screen. Again in Lost Mode: other words.

    Raises NotEnrolled, NotSupported, and NotPossible with neither message nor phone number.
    """
    find_channel(device)
    if not message and not phone_number:
        raise NotPossible("Lost Mode needs a message or a phone number for whoever finds the device.")
    request = requests.enable_lost_mode(
        message=message or None, phone_number=phone_number or None, footnote=footnote or None
    )
    return send(device, request, actor=actor)


def switch_off(device: Device, *, actor: Actor) -> Command:
    """Queue DisableLostMode. Raises NotEnrolled, NotSupported."""
    return send(device, requests.disable_lost_mode(), actor=actor)


def play_sound(device: Device, *, actor: Actor) -> Command:
    """Raises NotEnrolled, NotSupported, and NotPossible out of Lost Mode."""
    return _send_to_lost(device, requests.play_lost_mode_sound(), actor)


def locate(device: Device, *, actor: Actor) -> Command:
    """Ask where the device is; its answer becomes `device.location`. Raises as `play_sound` does."""
    return _send_to_lost(device, requests.device_location(), actor)


def _send_to_lost(device: Device, request: Request, actor: Actor) -> Command:
    find_channel(device)
    check_target(request.request_type, request.parameters, target_of(device))
    if not _may_be_lost(device):
        raise NotPossible("The device is not in Lost Mode.")
    return send(device, request, actor=actor)


def _may_be_lost(device: Device) -> bool:
    """Whether it will be in Lost Mode when it gets the next command, as far as anybody can tell.

    The last switch that waits, or that came after the inventory, knows better than the inventory.
    """
    later = Q(state=State.ACKNOWLEDGED)
    if device.information_at:
        later &= Q(finished_at__gt=device.information_at)
    switches = Command.objects.filter(channel__device=device, channel__user_key="", request_type__in=(ON, OFF))
    latest = switches.filter(Q(state__in=WAITING) | later).order_by("-pk").values_list("request_type", flat=True)
    switch = latest.first()
    return switch == ON if switch else device.information.get("IsMDMLostModeEnabled") is not False
