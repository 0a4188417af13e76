"""Restarting and switching off."""

from devices.models import Device
from devices.services.sending import send
from mdm.accounts.actors import Actor
from mdm.commands.models import Command
from mdm.protocol.request_types.power import restart_device, shut_down_device


def restart(device: Device, *, actor: Actor, rebuild_kernel_cache: bool = False, notify_user: bool = False) -> Command:
    """Queue RestartDevice. Both options are for Macs; notify_user asks whoever is signed in instead of forcing it.

    Raises NotEnrolled, NotSupported. Source: Apple, "Restart Device Command".
    """
    request = restart_device(rebuild_kernel_cache=rebuild_kernel_cache, notify_user=notify_user)
    return send(device, request, actor=actor)


def shut_down(device: Device, *, actor: Actor) -> Command:
    """Queue ShutDownDevice. Raises NotEnrolled, NotSupported."""
    return send(device, shut_down_device(), actor=actor)
