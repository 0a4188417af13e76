"""How well a device is protected, each point in one word: of what it last said about its security.

Source of the keys: Apple, "SecurityInfoResponse.SecurityInfo".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from devices.admin.facts import answers_of
from devices.models import Device


@dataclass(frozen=True)
class Protection:
    """is_good: None where it is neither, or not known. more: what follows from it, where that helps."""

    name: str
    words: str
    is_good: bool | None
    more: str = ""

    @property
    def state(self) -> str:
        """For the colour of the badge; the words say it as well."""
        return {True: "valid", False: "warning", None: ""}[self.is_good]


def protections(device: Device) -> list[Protection]:
    """Those that a device of this kind has; nothing for one that has not answered yet."""
    information, security = answers_of(device)
    if not security and not information:
        return []
    points = _of_mac(information, security) if device.is_mac else _of_others(information, security)
    return [point for point in [*points, *_of_all(device, information)] if point is not None]


def _of_mac(information: Mapping[str, Any], security: Mapping[str, Any]) -> list[Protection | None]:
    integrity = security.get("SystemIntegrityProtectionEnabled", information.get("SystemIntegrityProtectionEnabled"))
    return [
        _switch(_("FileVault"), security.get("FDE_Enabled"), off=_("Whoever has the disk can read it.")),
        _switch(_("Firewall"), _within(security, "FirewallSettings", "FirewallEnabled")),
        _switch(_("System Integrity Protection"), integrity, off=_("Programs may change the system itself.")),
        _secure_boot(_within(security, "SecureBoot", "SecureBootLevel")),
        _neutral(_("Recovery lock"), security.get("IsRecoveryLockEnabled")),
        _neutral(_("Firmware password"), _within(security, "FirmwarePasswordStatus", "PasswordExists")),
        _neutral(_("Remote Desktop"), security.get("RemoteDesktopEnabled")),
    ]


def _of_others(information: Mapping[str, Any], security: Mapping[str, Any]) -> list[Protection | None]:
    present, compliant = security.get("PasscodePresent"), security.get("PasscodeCompliantWithProfiles")
    return [
        _switch(_("Passcode"), present, on=_("Set"), is_off=_("None"), off=_("Whoever holds the device can use it.")),
        None
        if compliant not in (True, False) or present is False
        else _switch(_("Passcode as profiles ask"), compliant, on=_("Yes"), is_off=_("No")),
        _neutral(_("Find My"), information.get("IsDeviceLocatorServiceEnabled")),
    ]


def _of_all(device: Device, information: Mapping[str, Any]) -> list[Protection | None]:
    channel = device.device_channel
    tokens = []
    if channel and device.is_mac:
        tokens.append(_kept(_("Bootstrap token"), bool(channel.__dict__.get("bootstrap_token"))))
    elif channel:
        tokens.append(_kept(_("Unlock token"), bool(channel.__dict__.get("unlock_token"))))
    return [_activation_lock(information.get("IsActivationLockEnabled")), *tokens]


def _switch(name: str, value: Any, *, on: str = "", is_off: str = "", off: str = "") -> Protection | None:
    """Something that should be on."""
    if value is True:
        return Protection(name, on or _("On"), True)
    return Protection(name, is_off or _("Off"), False, off) if value is False else None


def _neutral(name: str, value: Any) -> Protection | None:
    return Protection(name, _("On") if value else _("Off"), True if value else None) if value in (True, False) else None


def _activation_lock(value: Any) -> Protection | None:
    if value not in (True, False):
        return None
    more = _("After it was erased it asks for the Apple Account that locked it.") if value else ""
    return Protection(_("Activation Lock"), _("On") if value else _("Off"), None, more)


def _secure_boot(level: Any) -> Protection | None:
    if not isinstance(level, str) or level == "not supported":
        return None
    words = {"full": _("Full"), "medium": _("Medium"), "off": _("Off")}.get(level, level[:40])
    return Protection(_("Secure boot"), words, level == "full")


def _kept(name: str, is_there: bool) -> Protection:
    """A token that the device entrusted to us. It is used by commands and shown to nobody."""
    return Protection(name, _("Kept") if is_there else _("Not there"), True if is_there else None)


def _within(security: Mapping[str, Any], section: str, key: str) -> Any:
    inner = security.get(section)
    return inner.get(key) if isinstance(inner, dict) else None
