"""InstallProfile of the profile by which a Mac fetches scripts, refused. Source: Apple, "Install Profile Command"."""

from devices.models import Device, RunState, ScriptRun
from devices.services.script_agent import RECIPE, forget_agent
from devices.services.script_runs import fail_runs
from mdm.accounts.actors import DEVICE
from mdm.commands.models import Command


def not_installed(device: Device, command: Command, why: str) -> None:
    """What waits for the Mac cannot get there; sending the profile again and again would not help."""
    if command.parameters.get("Recipe") == RECIPE and forget_agent(device, command.command_uuid):
        waiting = ScriptRun.objects.filter(device=device, state=RunState.PENDING)
        fail_runs(waiting, f"The profile by which the Mac fetches scripts could not be installed: {why}", actor=DEVICE)
