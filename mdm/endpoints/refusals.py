"""A command that will not be carried out: the device refused it, or it could not be completed for delivery."""

from devices.models import Device
from mdm.commands.models import Command
from mdm.endpoints.results import REFUSALS


def refuse(device: Device, command: Command, why: str) -> None:
    """Tell whoever waits for the command; call in a transaction."""
    for function in REFUSALS.get(command.request_type, ()):
        function(device, command, why)


def why_refused(command: Command) -> str:
    """The device's error chain in one line, outermost first."""
    errors = command.error_chain or []
    texts = [error.get("LocalizedDescription") or error.get("USEnglishDescription") or "" for error in errors]
    return " ".join(text for text in texts if text) or command.status
