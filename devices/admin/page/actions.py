"""What can be done with a device, by name: each a link to its form, or a button; and what cannot be, with the reason."""

from collections.abc import Callable
from dataclasses import dataclass, field

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from devices.admin.page.location import is_lost
from devices.admin.send_command import users_of, why_nowhere
from devices.models import Device
from devices.services.os_updates import why_not_by_command
from mdm.accounts.permissions import Action
from mdm.channels.models import Channel
from mdm.commands.permissions import needed_for
from mdm.protocol.request_types import REQUEST_TYPES

Url = Callable[..., str]
May = Callable[[Action], bool]

DEVICE, LOST, SECURITY = gettext_lazy("The device"), gettext_lazy("Lost Mode"), gettext_lazy("Passcode and data")


@dataclass(frozen=True)
class Deed:
    """One row of the table below. view: the page that asks for its details; is_at_once: there is nothing to ask."""

    request_type: str
    title: Promise
    icon: str
    group: Promise
    query: str = ""
    view: str = "compose"
    is_at_once: bool = False


DEEDS = (
    Deed("RestartDevice", gettext_lazy("Restart…"), "restart_alt", DEVICE),
    Deed("ShutDownDevice", gettext_lazy("Shut down…"), "power_settings_new", DEVICE),
    Deed("ScheduleOSUpdate", gettext_lazy("Update the system…"), "system_update", DEVICE, view="update_os"),
    Deed("Settings", gettext_lazy("Name on the device…"), "edit", DEVICE, query="?item=DeviceName"),
    Deed("LogOutUser", gettext_lazy("Sign the user out…"), "logout", DEVICE),
    Deed("EnableLostMode", gettext_lazy("Lost Mode on…"), "location_searching", LOST),
    Deed("DisableLostMode", gettext_lazy("Lost Mode off…"), "location_disabled", LOST),
    Deed("DeviceLocation", gettext_lazy("Ask where it is"), "my_location", LOST, view="act", is_at_once=True),
    Deed("PlayLostModeSound", gettext_lazy("Play a sound"), "volume_up", LOST, view="act", is_at_once=True),
    Deed("DeviceLock", gettext_lazy("Lock…"), "lock", SECURITY),
    Deed("ClearPasscode", gettext_lazy("Clear passcode…"), "lock_open", SECURITY),
    Deed("EraseDevice", gettext_lazy("Erase…"), "delete_forever", SECURITY),
)
# What people do all day stands beside the menu as well; of these the ones that are possible.
MOST_SHORTCUTS = 3
SHORTCUTS = ("RestartDevice", "DeviceLock", "EnableLostMode", "DisableLostMode", "DeviceLocation")
ONLY_LOST = {"DisableLostMode", "DeviceLocation", "PlayLostModeSound"}
RED = {"EraseDevice"}


@dataclass(frozen=True)
class Offered:
    key: str
    title: str
    icon: str
    group: str
    url: str
    is_at_once: bool
    is_red: bool
    why_not: str


@dataclass
class Actions:
    """groups: title → what is possible. not_possible: with the reasons. lacks_role: what this person may not do, in words."""

    shortcuts: list[Offered] = field(default_factory=list)
    groups: dict[str, list[Offered]] = field(default_factory=dict)
    not_possible: list[Offered] = field(default_factory=list)
    lacks_role: str = ""


def actions_of(device: Device, may: May, url: Url) -> Actions:
    """For somebody who may manage devices, of a device that is enrolled; empty for others. Asks the database nothing."""
    actions = Actions()
    if not (device.is_enrolled and may(Action.MANAGE_DEVICES)):
        return actions
    users, refused = users_of(device), []
    for deed in DEEDS:
        if not may(needed_for(REQUEST_TYPES[deed.request_type])):
            refused.append(str(deed.title).rstrip("…"))
            continue
        offered = _offered(deed, device, users, url)
        if offered.why_not:
            actions.not_possible.append(offered)
            continue
        actions.groups.setdefault(offered.group, []).append(offered)
        if deed.request_type in SHORTCUTS and len(actions.shortcuts) < MOST_SHORTCUTS:
            actions.shortcuts.append(offered)
    if refused:
        actions.lacks_role = _("For administrators: %(names)s.") % {"names": ", ".join(refused)}
    return actions


def _offered(deed: Deed, device: Device, users: list[Channel], url: Url) -> Offered:
    parts = (deed.request_type,) if deed.view in ("compose", "act") else ()
    return Offered(
        key=deed.request_type,
        title=str(deed.title),
        icon=deed.icon,
        group=str(deed.group),
        url=f"{url(deed.view, device.pk, *parts)}{deed.query}",
        is_at_once=deed.is_at_once,
        is_red=deed.request_type in RED,
        why_not=_why_not(deed, device, users),
    )


def _why_not(deed: Deed, device: Device, users: list[Channel]) -> str:
    """As a sentence; empty if nothing speaks against it."""
    query = {"Settings": [{"Item": "DeviceName", "DeviceName": "x"}]} if deed.request_type == "Settings" else {}
    reason = why_nowhere(REQUEST_TYPES[deed.request_type], device, users, query)
    if reason:
        return reason
    if deed.request_type == "ScheduleOSUpdate":
        return why_not_by_command(device)
    if deed.request_type == "ClearPasscode" and not has_unlock_token(device):
        return _("The device has sent no unlock token, and without it the passcode cannot be cleared.")
    if deed.request_type in ONLY_LOST and not is_lost(device):
        return _("The device is not in Lost Mode.")
    if deed.request_type == "EnableLostMode" and is_lost(device):
        return _("Lost Mode is on already; send it again from “All commands” to change the words.")
    return ""


def has_unlock_token(device: Device) -> bool:
    """Without opening it."""
    channel = device.device_channel
    return bool(channel and channel.__dict__.get("unlock_token"))
