"""SecurityInfo: passcode, encryption, firewall, how the device is managed. Source: Apple, "Security Info Command"."""

from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from devices.models import Device
from devices.results.facts import boolean, dictionary, jsonable
from devices.results.recovery_keys import take
from devices.services.device_secrets import secrets_of
from devices.services.escrow import digest_of
from mdm.commands.models import Command

ESCROWED = "FDE_PersonalRecoveryKeyCMS"
# Escrowed keys: they belong into encrypted fields, never among the facts.
NOT_KEPT = {ESCROWED, "FDE_PersonalRecoveryKeyDeviceKey"}


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
    device.has_filevault = boolean(facts, "FDE_Enabled")
    device.save(update_fields=["is_dep_enrollment", "security", "security_at", "has_filevault"])
    escrowed = facts.get(ESCROWED)
    if isinstance(escrowed, bytes) and escrowed:
        _take_recovery_key(device, escrowed, command)


def _take_recovery_key(device: Device, escrowed: bytes, command: Command) -> None:
    """Keep the key if it is a new one. Whoever else's certificate it may be for, the rest of the answer counts.

    A Mac repeats the same bytes in every answer, also after its key was changed by command, which answers with the new
    one: so what was seen already says nothing any more.
    """
    row = secrets_of(device)
    digest = digest_of(escrowed)
    if row.escrow_digest == digest:
        return
    row.escrow_digest = digest
    take(row, device, escrowed, command)
    row.save()
