"""CertificateList. Source: Apple, "Certificate List Command"."""

from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from devices.models import Device, InstalledCertificate
from devices.results.facts import boolean, dictionaries, has_list, text
from devices.results.rows import replace_rows
from mdm.commands.models import Command
from mdm.common import certs

FIELDS = ["common_name", "is_identity", "not_after", "last_seen_at"]


def apply(device: Device, answer: Mapping[str, Any], command: Command) -> None:
    if not has_list(answer, "CertificateList"):
        return
    user_key = command.channel.user_key
    present = InstalledCertificate.objects.filter(device=device, user_key=user_key)
    reported = [_row(device, user_key, item) for item in dictionaries(answer, "CertificateList")]
    replace_rows(list(present), [row for row in reported if row], key=lambda row: row.fingerprint, fields=FIELDS)


def _row(device: Device, user_key: str, item: Mapping[str, Any]) -> InstalledCertificate | None:
    """None without certificate bytes. One that cannot be read is listed all the same, without its dates."""
    der = item.get("Data")
    if not isinstance(der, bytes):
        return None
    try:
        not_after = certs.not_after(certs.load_certificate(der))
    except ValueError:
        not_after = None
    return InstalledCertificate(
        account_id=device.account_id,
        device=device,
        user_key=user_key,
        common_name=text(item, "CommonName"),
        fingerprint=certs.fingerprint(der),
        is_identity=boolean(item, "IsIdentity") or False,
        not_after=not_after,
        last_seen_at=timezone.now(),
    )
