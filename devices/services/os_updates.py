"""Updating the OS by command. From OS 27 on devices take declarations instead."""

import string
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from django.db.models import TextChoices
from django.utils import timezone

from devices.models import Device
from devices.services.errors import NotPossible
from devices.services.sending import find_channel, send, target_of
from mdm.accounts.actors import Actor
from mdm.channels.models import Channel
from mdm.commands.models import Command
from mdm.commands.states import ApplyState, State
from mdm.protocol import report
from mdm.protocol.request_types import check_target, find
from mdm.protocol.request_types.targets import is_older
from mdm.protocol.request_types.updates import OSUpdate, schedule_os_update

# An older list may name updates that are not offered any more.
LIST_IS_GOOD_FOR = timedelta(days=7)
MAX_KEY = 255


class UpdateMode(TextChoices):
    SMART_UPDATE = "smart_update"
    DOWNLOAD_ONLY = "download_only"
    NOTIFY_ONLY = "notify_only"
    INSTALL_ASAP = "install_asap"
    FORCE_UPDATE = "force_update"


class VersionType(TextChoices):
    LATEST_MINOR = "latest_minor_version"
    LATEST_MAJOR = "latest_major_version"


_ACTIONS = {
    UpdateMode.SMART_UPDATE: "Default",
    UpdateMode.DOWNLOAD_ONLY: "DownloadOnly",
    UpdateMode.NOTIFY_ONLY: "NotifyOnly",
    UpdateMode.INSTALL_ASAP: "InstallASAP",
    UpdateMode.FORCE_UPDATE: "InstallForceRestart",
}
# Apple says this in the text of InstallAction only, where the catalogue's table has no place for it.
FOR_MACS = {UpdateMode.NOTIFY_ONLY, UpdateMode.FORCE_UPDATE}
_SINCE_MACOS_11 = {UpdateMode.DOWNLOAD_ONLY, UpdateMode.FORCE_UPDATE}


def update_os(device: Device, *, actor: Actor, mode: str = UpdateMode.SMART_UPDATE, version_type: str = "") -> Command:
    """Queue ScheduleOSUpdate. version_type picks from the updates that the device listed lately (AvailableOSUpdates).

    Without such a list, or without version_type, the device takes what it finds.
    Raises NotEnrolled, NotPossible, NotSupported. Source: Apple, "Schedule OS Update Command".
    """
    channel = find_channel(device)
    _refuse_where_removed(device)
    check_target("ScheduleOSUpdate", {}, target_of(device))
    _check_mode(device, mode)
    key = _product_key(device, channel, version_type) if version_type else None
    update = OSUpdate(install_action=_ACTIONS[UpdateMode(mode)], product_key=key)
    return send(device, schedule_os_update([update]), actor=actor)


def newest_offered(device: Device, channel: Channel) -> str:
    """The newest version that the device listed lately and does not have yet; empty if it is not known of any."""
    newest = ""
    for update in _listed(device, channel):
        if is_older(newest or device.os_version, update["Version"]):
            newest = update["Version"]
    return newest


def why_not_by_command(device: Device) -> str:
    """Why the device's system takes no command for updates, as a sentence; empty where it does."""
    removed = find("ScheduleOSUpdate").removed_in
    is_known = device.os_version[:1] in tuple(string.digits)
    if removed and is_known and not is_older(device.os_version, removed):
        return (
            f"Apple removed the command for updates in {device.platform or 'version'} {removed}; declarations replace "
            "it, which this server does not send yet."
        )
    return ""


def _refuse_where_removed(device: Device) -> None:
    if reason := why_not_by_command(device):
        raise NotPossible(reason)


def _check_mode(device: Device, mode: str) -> None:
    if mode in FOR_MACS and device.platform and not device.is_mac:
        raise NotPossible(f"{mode} is for Macs only.")
    if mode in _SINCE_MACOS_11 and device.is_mac and is_older(device.os_version, "11"):
        raise NotPossible(f"{mode} needs macOS 11 or later; this device has {device.os_version}.")


def _product_key(device: Device, channel: Channel, version_type: str) -> str | None:
    best: Mapping[str, Any] = {}
    for update in _listed(device, channel):
        major = update["Version"].split(".")[0]
        if version_type == VersionType.LATEST_MINOR and major != device.os_version.split(".")[0]:
            continue
        if is_older(best.get("Version", device.os_version), update["Version"]):
            best = update
    return best.get("ProductKey")


def _listed(device: Device, channel: Channel) -> Iterator[Mapping[str, Any]]:
    """Updates of the OS itself from the device's latest list; what else is in there (Safari, XProtect) is left out."""
    lists = Command.objects.filter(
        channel=channel,
        request_type="AvailableOSUpdates",
        state=State.ACKNOWLEDGED,
        apply_state=ApplyState.APPLIED,  # it can be read
        finished_at__gte=timezone.now() - LIST_IS_GOOD_FOR,
    )
    latest = lists.order_by("-pk").first()
    listed = report.answer(latest.result).get("AvailableOSUpdates") if latest else None
    for update in listed if isinstance(listed, list) else []:
        if not isinstance(update, Mapping) or (device.is_mac and "macOS" not in str(update.get("HumanReadableName"))):
            continue
        key, version = update.get("ProductKey"), update.get("Version")
        if isinstance(version, str) and isinstance(key, str) and 0 < len(key) <= MAX_KEY and key.isprintable():
            yield update
