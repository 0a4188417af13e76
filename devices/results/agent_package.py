"""InstallEnterpriseApplication of the agent's package, refused. Source: Apple, "Install Enterprise Application Command"."""

from devices.models import Device
from devices.services.agent_rollout import RECIPE
from mdm.accounts.actors import DEVICE
from mdm.commands.models import Command
from mdm.common.text import clean_text
from mdm.events.models import Level
from mdm.events.services import emit


def not_installed(device: Device, command: Command, why: str) -> None:
    """The log tells why; the Mac is told again later."""
    if command.parameters.get("Recipe") == RECIPE:
        emit(
            "agent.failed",
            account_id=device.account_id,
            actor=DEVICE,
            device=device,
            level=Level.WARNING,
            why=clean_text(why, 2000),
            command_uuid=command.command_uuid,
        )
