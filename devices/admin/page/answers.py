"""What the device answered, as it said it: to read on the page, and to be taken along as JSON or property list."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from devices.admin.facts import answers_of
from devices.models import Device
from mdm.protocol import plist

MOST_ROWS = 5000
# Facts that open something never reach the inventory (`devices/results`); should one slip in by another name, it stays here.
NEVER = frozenset(
    {"UnlockToken", "PushToken", "PushMagic", "BootstrapToken", "ActivationLockBypassCode", "RecoveryKey"}
)


@dataclass(frozen=True)
class Source:
    """One kind of answer. read: the whole of it; is_list: long, so that the page offers it for download only."""

    title: Promise
    read: Callable[[Device], Any]
    is_list: bool = False


def _details(rows: Any) -> list[Any]:
    return [_filtered(details) for details in rows.values_list("details", flat=True)[:MOST_ROWS]]


SOURCES: dict[str, Source] = {
    "DeviceInformation": Source(_("Device information"), lambda device: _filtered(answers_of(device)[0])),
    "SecurityInfo": Source(_("Security information"), lambda device: _filtered(answers_of(device)[1])),
    "DeviceLocation": Source(_("Location"), lambda device: device.location or {}),
    "InstalledApplicationList": Source(
        _("Installed apps"), lambda device: _details(device.installed_apps.order_by("name", "pk")), is_list=True
    ),
    "ProfileList": Source(
        _("Installed profiles"), lambda device: _details(device.installed_profiles.order_by("pk")), is_list=True
    ),
    "UserList": Source(_("Users"), lambda device: _details(device.users.order_by("pk")), is_list=True),
}


@dataclass(frozen=True)
class Answer:
    key: str
    title: Promise
    text: str
    at: datetime | None
    is_list: bool


def answers(device: Device, query: Mapping[str, str]) -> dict[str, Any]:
    times = {"DeviceInformation": device.information_at, "SecurityInfo": device.security_at}
    lines = [
        Answer(key, one.title, "" if one.is_list else as_json(one.read(device)), times.get(key), one.is_list)
        for key, one in SOURCES.items()
    ]
    return {"answers": [line for line in lines if line.is_list or line.text != "{}"]}


def download(device: Device, key: str, kind: str) -> tuple[bytes, str, str]:
    """(content, content type, file name). kind: "plist", else it is JSON. Raises KeyError for an answer that there is not."""
    value = SOURCES[key].read(device)
    stem = f"{device.serial_number or device.pk}-{key}"
    if kind == "plist":
        return plist.dumps(_without_nothing(value)), "application/x-plist", f"{stem}.plist"
    return as_json(value).encode(), "application/json", f"{stem}.json"


def as_json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)


def _filtered(value: Any) -> Any:
    """Without what opens something, at any depth."""
    if isinstance(value, dict):
        return {key: _filtered(inner) for key, inner in value.items() if key not in NEVER}
    return [_filtered(inner) for inner in value] if isinstance(value, list) else value


def _without_nothing(value: Any) -> Any:
    """A property list has no word for nothing: such keys are left out."""
    if isinstance(value, dict):
        return {key: _without_nothing(inner) for key, inner in value.items() if inner is not None}
    return [_without_nothing(inner) for inner in value if inner is not None] if isinstance(value, list) else value
