"""EnableLostMode and DisableLostMode. Source: Apple, the commands of those names."""

from collections.abc import Mapping
from typing import Any

from devices.models import Device
from mdm.accounts.actors import DEVICE
from mdm.commands.models import Command
from mdm.events.services import emit

# DeviceInformation's key: what the device will say itself at the next inventory.
FACT = "IsMDMLostModeEnabled"


def enabled(device: Device, answer: Mapping[str, Any], command: Command) -> None:
    _switched(device, True)
    emit("lost_mode.enabled", account_id=device.account_id, actor=DEVICE, device=device)


def disabled(device: Device, answer: Mapping[str, Any], command: Command) -> None:
    _switched(device, False)
    emit("lost_mode.disabled", account_id=device.account_id, actor=DEVICE, device=device)


def _switched(device: Device, is_on: bool) -> None:
    device.information = {**device.information, FACT: is_on}
    device.save(update_fields=["information"])
