"""DeviceLock. Source: Apple, "Device Lock Command"."""

from collections.abc import Mapping
from typing import Any

from devices.models import Device
from devices.results.facts import text
from mdm.accounts.actors import DEVICE
from mdm.commands.models import Command
from mdm.events.services import emit

MESSAGE_RESULT_LIMIT = 40


def apply(device: Device, answer: Mapping[str, Any], command: Command) -> None:
    """message_result: what became of the message, in Apple's word; devices leave it out where there was none."""
    shown = text(answer, "MessageResult", MESSAGE_RESULT_LIMIT)
    emit(
        "device.lock.enabled",
        account_id=device.account_id,
        actor=DEVICE,
        device=device,
        device_group_id=device.group_id,
        **({"message_result": shown} if shown else {}),
    )
