"""Answers to commands about one app: InstallApplication, InstallEnterpriseApplication, RemoveApplication, Settings."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Q

from apps_catalog.models import App, AppInstall, AppType, PackageKind, ProcessingStatus
from apps_catalog.results.log import log, waiting
from apps_catalog.services.fitting import are_managed_on, footprint
from apps_catalog.services.managed_configs import RECIPE
from devices.models import Device, InstalledApp, ItemState
from devices.results.facts import dictionaries, text
from devices.services.due import mark_due
from devices.services.lines import withdraw_overtaken
from devices.services.retries import ERROR_LIMIT, note_failure, note_success
from devices.services.sending import send
from mdm.accounts.actors import DEVICE, SYSTEM
from mdm.channels.models import ChannelState
from mdm.commands.models import Command
from mdm.events.models import Level
from mdm.events.services import emit
from mdm.protocol.request_types.lists import installed_application_list
from mdm.protocol.request_types.managed_apps import managed_application_list

# States of InstallApplication's answer that say that it will not come.
REFUSED = {"Failed", "Rejected", "UserRejected", "UpdateRejected", "ManagementRejected"}

TAKEN_OFF = "An operator removed it from this device."


def accepted(device: Device, answer: Mapping[str, Any], command: Command) -> None:
    """InstallApplication, InstallEnterpriseApplication: ask at once what the device has now."""
    row = waiting(device, command)
    if row is None:
        _ask_what_is_managed(device, command)
        return
    withdraw_overtaken(command, _orders_about(row))
    state, reason = text(answer, "State"), text(answer, "RejectionReason")
    if state in REFUSED:
        fail(row, f"{state}: {reason}" if reason else state, command)
        return
    identifiers = footprint(row.app, row.version)
    if not identifiers and _is_still_looked_up(row.app):
        identifiers = frozenset({text(answer, "Identifier")} - {""})
    if not identifiers:
        # A package without an app in it, or an app that the store does not know: nothing will ever show it.
        there(row, command)
        return
    row.answered_at = command.finished_at
    row.save(update_fields=["answered_at", "updated_at"])
    if command.channel.state == ChannelState.OPEN:
        send(device, installed_application_list(sorted(identifiers)), actor=SYSTEM)


def _ask_what_is_managed(device: Device, command: Command) -> None:
    """After a take-over that an operator asked for: no row follows it, and the list of installed apps does not tell."""
    if command.channel.state == ChannelState.OPEN and command.asked.get("ChangeManagementState") == "Managed":
        send(device, managed_application_list(), actor=SYSTEM)


def _orders_about(row: AppInstall) -> Q:
    sent = Q(parameters__Recipe="app", parameters__app=row.app_id)
    if not row.app.bundle_identifier:
        return sent
    return sent | Q(request_type="RemoveApplication", parameters__Identifier=row.app.bundle_identifier)


def _is_still_looked_up(app: App) -> bool:
    """Whether its bundle identifier may be known soon."""
    return app.app_type != AppType.ENTERPRISE and app.processing_status == ProcessingStatus.QUEUED


def refused(device: Device, command: Command, why: str) -> None:
    if row := waiting(device, command):
        fail(row, why, command)


def removed(device: Device, answer: Mapping[str, Any], command: Command) -> None:
    """RemoveApplication. What an operator took off a device by itself does not come back there by itself either."""
    if row := waiting(device, command):
        withdraw_overtaken(command, _orders_about(row))
        log("app.uninstalled", row)
        row.delete()
        return
    identifier = command.asked.get("Identifier")
    if command.channel.is_user_channel or not identifier or not isinstance(identifier, str):
        return
    there_before = AppInstall.objects.filter(
        device=device, app__bundle_identifier=identifier, state=ItemState.INSTALLED
    )
    for row in there_before.select_related("app", "device"):
        log("app.uninstalled", row)
        if row.is_by_hand:
            row.delete()
            continue
        row.state, row.error, row.is_stopped, row.is_on_device = ItemState.FAILED, TAKEN_OFF, True, False
        row.answered_at = command.finished_at
        row.save(update_fields=["state", "error", "is_stopped", "is_on_device", "answered_at", "updated_at"])


def not_removed(device: Device, command: Command, why: str) -> None:
    """A device refuses to remove what it does not have, or what it does not manage: either way it is not ours any more.

    What it lists as a managed app is tried again later.
    """
    row = waiting(device, command)
    if row is None:
        return
    log("app.failed", row, level=Level.WARNING, why=why[:ERROR_LIMIT], action="remove")
    mine = InstalledApp.objects.filter(device=device, identifier=row.app.bundle_identifier, is_managed=True)
    if mine.exists():
        note_failure(row, why, at=command.finished_at, state=ItemState.REMOVING)
    else:
        row.delete()


def configured(device: Device, answer: Mapping[str, Any], command: Command) -> None:
    """Settings: each item of an acknowledged command has a status of its own; a command of ours has one such item."""
    for item in dictionaries(answer, "Settings"):
        if text(item, "Item") == "ApplicationConfiguration" and text(item, "Status") not in ("", "Acknowledged"):
            chain = [text(error, "LocalizedDescription") for error in dictionaries(item, "ErrorChain")]
            configuration_refused(device, command, " ".join(filter(None, chain)) or text(item, "Status"))
            return


def configuration_refused(device: Device, command: Command, why: str) -> None:
    if command.parameters.get("Recipe") != RECIPE:
        return
    app = App.objects.filter(account_id=device.account_id, pk=command.parameters.get("app")).first()
    emit(
        "managed_config.failed",
        account_id=device.account_id,
        actor=DEVICE,
        device=device,
        level=Level.WARNING,
        app_id=command.parameters.get("app"),
        name=app.name if app else "",
        why=why[:ERROR_LIMIT],
    )


def fail(row: AppInstall, why: str, command: Command) -> None:
    note_failure(row, why, at=command.finished_at)
    log("app.failed", row, level=Level.WARNING, why=row.error)


def there(row: AppInstall, command: Command, *, is_ours: bool = True) -> None:
    """The device has it. is_ours: from us, so that it is ours to remove."""
    row.is_on_device |= is_ours
    is_package = row.version is not None and row.version.kind == PackageKind.PKG
    if is_ours and not is_package and are_managed_on(row.device):
        # The list of apps does not say so, and the one of managed apps is asked for more rarely.
        mine = InstalledApp.objects.filter(device=row.device_id, identifier=row.app.bundle_identifier)
        mine.filter(is_managed=False).update(is_managed=True)
    note_success(row, at=command.finished_at, more=["is_on_device"])
    if row.configuration < row.app.configuration:  # pushed while the app was on its way
        mark_due(Device.objects.filter(pk=row.device_id))
    log("app.installed", row)
