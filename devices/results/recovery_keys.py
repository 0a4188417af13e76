"""A FileVault recovery key in an answer: into the encrypted field, or a line in the log that says why not."""

from devices.models import Device, DeviceSecrets
from devices.services.device_secrets import keep
from devices.services.escrow import NotReadable, open_cms
from mdm.commands.models import Command
from mdm.events.models import Level
from mdm.events.services import emit


def take(row: DeviceSecrets, device: Device, encrypted: bytes, command: Command) -> None:
    """Keep what is encrypted to the account's escrow key; the caller saves the row.

    Trying again would change nothing, so anything else is only logged; the answer itself stays with its command.
    """
    try:
        keep(row, device, "filevault_recovery_key", open_cms(device.account, encrypted))
    except NotReadable as error:
        log_unreadable(device, command, str(error))


def log_unreadable(device: Device, command: Command, why: str) -> None:
    emit(
        "result.failed",
        account_id=device.account_id,
        device=device,
        level=Level.WARNING,
        request_type=command.request_type,
        command_uuid=command.command_uuid,
        why=why,
    )
