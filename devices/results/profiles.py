"""ProfileList. Source: Apple, "Profile List Command"."""

from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from devices.models import Device, InstalledProfile
from devices.results.facts import boolean, dictionaries, has_list, jsonable, text
from devices.results.rows import replace_rows
from mdm.commands.models import Command

OWN_COLUMNS = {"PayloadIdentifier", "PayloadUUID", "PayloadDisplayName", "PayloadOrganization", "PayloadContent"}
# Certificates inside are listed by CertificateList; here they would only be large.
NOT_KEPT = {"SignerCertificates"}
FIELDS = ["uuid", "name", "organization", "is_managed", "is_encrypted", "payloads", "details", "last_seen_at"]


def apply(device: Device, answer: Mapping[str, Any], command: Command) -> None:
    """What the channel has: the profiles of a Mac's users are told on their own channels."""
    if not has_list(answer, "ProfileList"):
        return
    user_key = command.channel.user_key
    present = list(InstalledProfile.objects.filter(device=device, user_key=user_key))
    reported = [_row(device, user_key, item) for item in dictionaries(answer, "ProfileList")]
    if command.asked.get("ManagedOnly") is True:
        named = {row.identifier for row in reported}
        present = [row for row in present if row.is_managed or row.identifier in named]
    replace_rows(present, [row for row in reported if row.identifier], key=lambda row: row.identifier, fields=FIELDS)


def _row(device: Device, user_key: str, item: Mapping[str, Any]) -> InstalledProfile:
    payloads = [
        {
            "type": text(entry, "PayloadType"),
            "identifier": text(entry, "PayloadIdentifier"),
            "name": text(entry, "PayloadDisplayName"),
        }
        for entry in dictionaries(item, "PayloadContent")
    ]
    details = {key: value for key, value in item.items() if key not in OWN_COLUMNS | NOT_KEPT}
    return InstalledProfile(
        account_id=device.account_id,
        device=device,
        user_key=user_key,
        identifier=text(item, "PayloadIdentifier"),
        uuid=text(item, "PayloadUUID", 64),
        name=text(item, "PayloadDisplayName"),
        organization=text(item, "PayloadOrganization"),
        is_managed=boolean(item, "IsManaged"),
        is_encrypted=boolean(item, "IsEncrypted"),
        payloads=payloads,
        details=jsonable(details),
        last_seen_at=timezone.now(),
    )
