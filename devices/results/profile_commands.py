"""InstallProfile, RemoveProfile and ProfileList: how far a profile of ours has come. Source: Apple, these commands."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Q

from devices.models import Device, InstalledProfile, ItemState, ProfileInstall
from devices.results.facts import dictionaries, has_list, text
from devices.services.lines import may_come_after, withdraw_overtaken
from devices.services.retries import note_failure, note_loss, note_success
from mdm.accounts.actors import DEVICE, SYSTEM
from mdm.channels.models import ChannelState
from mdm.commands.models import Command
from mdm.commands.services import enqueue, withdraw
from mdm.commands.states import WAITING, ApplyState, State
from mdm.events.models import Level
from mdm.events.services import emit
from mdm.protocol.request_types.lists import profile_list


def installed(device: Device, answer: Mapping[str, Any], command: Command) -> None:
    if row := _row(device, command):
        withdraw_overtaken(command, _orders_about(row))
        _is_there(row, command)


def not_installed(device: Device, command: Command, why: str) -> None:
    if row := _row(device, command):
        note_failure(row, why, at=command.finished_at)
        _log("profile.failed", row, level=Level.WARNING, why=row.error)


def removed(device: Device, answer: Mapping[str, Any], command: Command) -> None:
    if row := _row(device, command):
        withdraw_overtaken(command, _orders_about(row))
        _log("profile.uninstalled", row)
        row.delete()


def not_removed(device: Device, command: Command, why: str) -> None:
    """A device refuses to remove what it does not have: then all is well, as its list of profiles will tell.

    A last list without it may be older than the profile, so it is asked anew.
    """
    row = _row(device, command)
    if row is None:
        return
    note_failure(row, why, at=command.finished_at, state=ItemState.REMOVING)
    identifier = row.profile.profile_identifier
    is_known = InstalledProfile.objects.filter(device=device, user_key=row.user_key, identifier=identifier).exists()
    if not is_known and command.channel.state == ChannelState.OPEN:
        command.channel.device = device
        enqueue(command.channel, profile_list(), actor=SYSTEM)
    _log("profile.failed", row, level=Level.WARNING, why=row.error, action="remove")


def listed(device: Device, answer: Mapping[str, Any], command: Command) -> None:
    """ProfileList: what the device has counts, whatever was heard of our commands before.

    A profile that somebody took off the device gets there again; one whose answer was lost is there after all.
    """
    if not has_list(answer, "ProfileList"):
        return
    there = {
        text(item, "PayloadIdentifier"): text(item, "PayloadUUID", 64) for item in dictionaries(answer, "ProfileList")
    }
    rows = ProfileInstall.objects.filter(device=device, user_key=command.channel.user_key)
    for row in rows.select_related("profile", "device"):
        # The device answers one command after the other: a list that is older than the last word tells nothing new.
        if row.answered_at is None or command.finished_at is None or row.answered_at < command.finished_at:
            _compare(row, row.profile.profile_identifier in there, command)


def _compare(row: ProfileInstall, is_there: bool, command: Command) -> None:
    if row.state == ItemState.REMOVING and not is_there:
        if may_come_after(command, Recipe="profile", profile=row.profile_id):
            return  # it was on its way when the list was made: the removal is needed
        withdraw({row.command_uuid}, [command.channel])
        _log("profile.uninstalled", row)
        row.delete()
    elif row.state == ItemState.INSTALLED and not is_there:
        row.installed_version = None
        note_loss(row, at=command.finished_at, more=["installed_version"])
        _log("profile.missing", row, level=Level.WARNING)
    elif row.state == ItemState.PUSHED:
        _make_up_for(row, is_there, command)


def _make_up_for(row: ProfileInstall, is_there: bool, command: Command) -> None:
    """If the command that it waits for came to an end that nobody could read, or to none: the list tells in its place.

    What was never carried out cannot have put it there: then that is what was there before, and it is sent again.
    """
    mine = Command.objects.filter(channel=command.channel, command_uuid=row.command_uuid).defer("result").first()
    if mine is not None and (mine.state in WAITING or mine.apply_state == ApplyState.PENDING):
        return
    if is_there and mine is not None and mine.state == State.ACKNOWLEDGED:
        _is_there(row, command)
    else:
        note_loss(row, at=command.finished_at)


def _is_there(row: ProfileInstall, command: Command) -> None:
    row.installed_version = row.version
    note_success(row, at=command.finished_at, more=["installed_version"])
    _log("profile.installed", row)


def _orders_about(row: ProfileInstall) -> Q:
    return Q(request_type="InstallProfile", parameters__Recipe="profile", parameters__profile=row.profile_id) | Q(
        request_type="RemoveProfile", parameters__Identifier=row.profile.profile_identifier
    )


def _row(device: Device, command: Command) -> ProfileInstall | None:
    """The row that waits for this command; None where an operator sent it, or a newer one was sent since."""
    rows = ProfileInstall.objects.filter(device=device, command_uuid=command.command_uuid)
    return rows.select_related("profile", "device").first()


def _log(kind: str, row: ProfileInstall, *, level: Level = Level.INFO, **facts: Any) -> None:
    emit(
        kind,
        account_id=row.account_id,
        actor=DEVICE,
        device=row.device,
        level=level,
        profile_id=row.profile_id,
        name=row.profile.name,
        version=row.version,
        **facts,
    )
