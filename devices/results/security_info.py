"""SecurityInfo: passcode, encryption, firewall, how the device is managed. Source: Apple, "Security Info Command"."""

from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from devices.models import Device
from devices.results.facts import boolean, dictionary, jsonable
from mdm.commands.models import Command

# Escrowed keys: they belong into encrypted fields, never among the facts.
NOT_KEPT = {"FDE_PersonalRecoveryKeyCMS", "FDE_PersonalRecoveryKeyDeviceKey"}


def apply(device: Device, answer: Mapping[str, Any], command: Command) -> None:
    if command.channel.is_user_channel:
        return
    facts = dictionary(answer, "SecurityInfo")
    management = dictionary(facts, "ManagementStatus")
    enrolled_via_dep = boolean(management, "EnrolledViaDEP")
    if enrolled_via_dep is not None:
        device.is_dep_enrollment = enrolled_via_dep
    device.security = jsonable({key: value for key, value in facts.items() if key not in NOT_KEPT})
    device.security_at = timezone.now()
    device.save(update_fields=["is_dep_enrollment", "security", "security_at"])
