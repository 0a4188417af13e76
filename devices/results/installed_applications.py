"""InstalledApplicationList and ManagedApplicationList. Source: Apple, the commands of those names."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.utils import timezone

from devices.models import Device, InstalledApp
from devices.results.facts import MAX_ITEMS, boolean, dictionaries, dictionary, has_list, integer, jsonable, text
from devices.results.rows import replace_rows
from mdm.commands.models import Command
from mdm.common.text import clean_text

OWN_COLUMNS = {"Identifier", "Name", "Version", "ShortVersion", "BundleSize", "DynamicSize"}
FIELDS = ["short_version", "bundle_size", "dynamic_size", "is_managed", "details", "last_seen_at"]


MANAGED = (
    "Managed",
    "ManagedButUninstalled",
    "Installing",
    "Updating",
    "PromptingForUpdate",
    "PromptingForUpdateLogin",
    "ValidatingUpdate",
    "UpdateRejected",
)


def apply(device: Device, answer: Mapping[str, Any], command: Command) -> None:
    """The full list replaces the stored one; a list that was asked for in part only updates what it names.

    On a user channel (Shared iPad) it would be that user's list only, and is passed over.
    """
    if command.channel.is_user_channel or not has_list(answer, "InstalledApplicationList"):
        return
    reported = [
        row
        for item in dictionaries(answer, "InstalledApplicationList")
        if (row := _row(device, item)) and (row.identifier or row.name)
    ]
    present = list(InstalledApp.objects.filter(device=device))
    if _asked_for_part(command):
        concerned = _concerned(command, reported)
        present = [row for row in present if concerned(row)]
    managed = {row.identifier for row in present if row.is_managed}
    if _asked_for_managed(command):
        managed |= {row.identifier for row in reported}
    for row in reported:
        row.is_managed = row.is_managed or row.identifier in managed
    replace_rows(present, reported, key=_key, fields=FIELDS)


def _concerned(command: Command, reported: Sequence[InstalledApp]) -> Callable[[InstalledApp], bool]:
    """Which stored rows a list of some apps replaces: these apps in whatever version they were."""
    keys, named = {_key(row) for row in reported}, {row.identifier for row in reported}
    if _asked_for_managed(command):
        # A copy that is not managed may stand beside it, and is not in this list.
        return lambda row: _key(row) in keys or (row.is_managed and row.identifier in named)
    named.update(_asked_for(command))
    return lambda row: row.identifier in named


def removed(device: Device, answer: Mapping[str, Any], command: Command) -> None:
    """RemoveApplication: the app is gone, whoever sent the command. A Mac may have other copies, which stay."""
    identifier = command.asked.get("Identifier")
    if command.channel.is_user_channel or not identifier or not isinstance(identifier, str):
        return
    rows = InstalledApp.objects.filter(device=device, identifier=identifier)
    (rows.filter(is_managed=True) if device.is_mac else rows).delete()


def apply_managed(device: Device, answer: Mapping[str, Any], command: Command) -> None:
    """ManagedApplicationList tells which of the installed apps are managed."""
    if command.channel.is_user_channel or not isinstance(answer.get("ManagedApplicationList"), Mapping):
        return
    states = dictionary(answer, "ManagedApplicationList")
    managed = {
        clean_text(identifier, 255)
        for identifier, facts in list(states.items())[:MAX_ITEMS]
        if isinstance(facts, Mapping) and text(facts, "Status") in MANAGED
    }
    apps = InstalledApp.objects.filter(device=device)
    apps.filter(identifier__in=managed).update(is_managed=True)
    if not _asked_for(command):
        apps.exclude(identifier__in=managed).update(is_managed=False)


def _row(device: Device, item: Mapping[str, Any]) -> InstalledApp:
    return InstalledApp(
        account_id=device.account_id,
        device=device,
        identifier=text(item, "Identifier"),
        name=text(item, "Name"),
        version=text(item, "Version", 100),
        short_version=text(item, "ShortVersion", 100),
        bundle_size=integer(item, "BundleSize"),
        dynamic_size=integer(item, "DynamicSize"),
        is_managed=boolean(item, "IsAppManaged") or False,
        details=jsonable({key: value for key, value in item.items() if key not in OWN_COLUMNS}),
        last_seen_at=timezone.now(),
    )


def _key(row: InstalledApp) -> tuple[str, str, str]:
    return row.identifier, row.version, row.name


def _asked_for_part(command: Command) -> bool:
    return bool(_asked_for(command)) or _asked_for_managed(command)


def _asked_for(command: Command) -> list[str]:
    """Identifiers that it was limited to; nobody has checked those of an operator's own plist."""
    given = command.asked.get("Identifiers")
    return [one for one in given if isinstance(one, str)] if isinstance(given, list) else []


def _asked_for_managed(command: Command) -> bool:
    return command.asked.get("ManagedAppsOnly") is True
