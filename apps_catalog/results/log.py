"""Lines of the log about an app on a device, and the row that an answer is about."""

from typing import Any

from apps_catalog.models import AppInstall
from devices.models import Device
from mdm.accounts.actors import DEVICE
from mdm.commands.models import Command
from mdm.events.models import Level
from mdm.events.services import emit


def log(kind: str, row: AppInstall, *, level: Level = Level.INFO, **facts: Any) -> None:
    emit(
        kind,
        account_id=row.account_id,
        actor=DEVICE,
        device=row.device,
        level=level,
        app_id=row.app_id,
        name=row.app.name,
        bundle_identifier=row.app.bundle_identifier,
        **facts,
    )


def waiting(device: Device, command: Command) -> AppInstall | None:
    """The row that waits for this command; None where an operator sent it, or a newer one was sent since."""
    rows = AppInstall.objects.filter(device=device, command_uuid=command.command_uuid)
    return rows.select_related("app", "device", "version").first()
