"""InstalledApplicationList and ManagedApplicationList: what a device has counts, whatever was heard of our commands before.

An app that somebody deleted gets there again, and one whose answer was lost is there after all.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from apps_catalog.models import AppInstall
from apps_catalog.results.commands import REFUSED, fail, there
from apps_catalog.results.feedback import ask_for_feedback
from apps_catalog.results.log import log
from apps_catalog.services.fitting import footprint, is_version
from devices.models import Device, ItemState
from devices.results.facts import MAX_ITEMS, dictionaries, dictionary, has_list, text
from devices.services.lines import may_come_after
from devices.services.retries import note_loss
from mdm.commands.models import Command
from mdm.commands.services import withdraw
from mdm.commands.states import State
from mdm.common.text import clean_text
from mdm.events.models import Level


@dataclass
class _Reported:
    """versions: of each identifier that is there in full; coming: those that are being installed; is_whole: all were read."""

    versions: dict[str, set[str]]
    coming: set[str]
    is_whole: bool

    def has(self, row: AppInstall) -> bool:
        names = footprint(row.app, row.version) & self.versions.keys()
        return any(is_version(row.version, self.versions[name]) for name in names)

    def mentions(self, row: AppInstall) -> bool:
        return bool(footprint(row.app, row.version) & (self.versions.keys() | self.coming))


def listed(device: Device, answer: Mapping[str, Any], command: Command) -> None:
    """InstalledApplicationList."""
    if command.channel.is_user_channel or not has_list(answer, "InstalledApplicationList"):
        return
    reported = _reported(answer)
    asked = _asked_for(command)
    rows = list(_rows(device))
    answered = _answered(rows, command)
    for row in rows:
        names = footprint(row.app, row.version)
        if row.state == ItemState.PUSHED:
            if row.command_uuid in answered and reported.has(row):
                there(row, command)
            elif row.command_uuid in answered and row.answered_at is None:
                # Its answer could not be read: from now on it is asked for, and given up one day, like the others.
                row.answered_at = command.finished_at
                row.save(update_fields=["answered_at", "updated_at"])
        elif row.state == ItemState.FAILED:
            if reported.has(row) and (not row.is_on_device or row.version is not None):
                # What the device has refused came there in another way, and is not ours to remove.
                there(row, command, is_ours=row.command_uuid in answered)
        elif reported.is_whole and names and (asked is None or names <= asked) and not reported.mentions(row):
            _not_there(row, command)


def managed(device: Device, answer: Mapping[str, Any], command: Command) -> None:
    """ManagedApplicationList: how far apps of ours have come, in the device's own words."""
    if command.channel.is_user_channel or not isinstance(answer.get("ManagedApplicationList"), Mapping):
        return
    items = list(dictionary(answer, "ManagedApplicationList").items())[:MAX_ITEMS]
    found = {clean_text(name, 255): facts for name, facts in items if isinstance(facts, Mapping)}
    rows = list(_rows(device))
    answered = _answered(rows, command)
    chatty = []
    for row in rows:
        facts = found.get(row.app.bundle_identifier, {})
        status = text(facts, "Status")
        if row.state == ItemState.PUSHED and row.command_uuid in answered and status in REFUSED:
            fail(row, status, command)
        elif status == "ManagedButUninstalled":
            _not_there(row, command)
        if facts.get("HasFeedback") is True:
            chatty.append(row.app.bundle_identifier)
    ask_for_feedback(device, chatty, command)


def _rows(device: Device) -> QuerySet[AppInstall]:
    return AppInstall.objects.filter(device=device).select_related("app", "device", "version").order_by("pk")


def _reported(answer: Mapping[str, Any]) -> _Reported:
    versions: dict[str, set[str]] = {}
    coming: set[str] = set()
    for item in dictionaries(answer, "InstalledApplicationList"):
        name = text(item, "Identifier")
        if item.get("Installing") is True:
            coming.add(name)
        elif name:
            versions.setdefault(name, set()).update({text(item, "Version", 100), text(item, "ShortVersion", 100)})
    return _Reported(versions, coming, len(answer["InstalledApplicationList"]) <= MAX_ITEMS)


def _asked_for(command: Command) -> set[str] | None:
    """Which apps the list would show; None for all. A list of managed apps alone says nothing of the others."""
    if command.asked.get("ManagedAppsOnly") is True:
        return set()
    given = command.asked.get("Identifiers")
    return {one for one in given if isinstance(one, str)} if isinstance(given, list) and given else None


def _answered(rows: list[AppInstall], command: Command) -> set[str]:
    """The commands of the rows that the device carried out before this answer: until then, an app of that name is another
    one, and what is said of it was said of an earlier attempt.
    """
    waiting = [row.command_uuid for row in rows if row.state in (ItemState.PUSHED, ItemState.FAILED)]
    done = Command.objects.filter(channel=command.channel, command_uuid__in=waiting, state=State.ACKNOWLEDGED)
    if command.finished_at is not None:
        done = done.filter(Q(finished_at=None) | Q(finished_at__lte=command.finished_at))
    return set(done.values_list("command_uuid", flat=True)) if waiting else set()


def _not_there(row: AppInstall, command: Command) -> None:
    # The device answers one command after the other: a list that is older than the last word tells nothing new.
    if row.answered_at is not None and (command.finished_at is None or command.finished_at <= row.answered_at):
        return
    if row.state == ItemState.REMOVING:
        if may_come_after(command, Recipe="app", app=row.app_id):
            return  # it was on its way when the list was made: the removal is needed
        withdraw({row.command_uuid}, [command.channel])
        log("app.uninstalled", row)
        row.delete()
    elif row.state == ItemState.INSTALLED:
        row.is_on_device = False
        note_loss(row, at=command.finished_at, more=["is_on_device"])
        log("app.missing", row, level=Level.WARNING)
