"""What a device told about itself, sorted and in human units, for its page.

Source of the keys: Apple, "DeviceInformationResponse.QueryResponses" and "SecurityInfoResponse.SecurityInfo". A device
may answer with anything: every value is checked before it is put into words, and what is unknown is shown as it came.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from devices.models import Device
from mdm.common.words import file_size
from mdm.protocol.request_types.names import label

Words = Callable[[Any], str]


@dataclass(frozen=True)
class Group:
    """A card of facts: (label, value) in order. is_more: folded away at first."""

    title: str
    icon: str
    facts: list[tuple[str, str]] = field(default_factory=list)
    is_more: bool = False


def yes_no(value: Any) -> str:
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    return plain(value)


def gigabytes(value: Any) -> str:
    """Apple gives capacities in gigabytes, as a real number."""
    return file_size(value * 1_000_000_000) if _is_number(value) else plain(value)


def percent(value: Any) -> str:
    """A part of one; negative when the device does not know."""
    if not _is_number(value):
        return plain(value)
    return f"{value * 100:.0f} %" if 0 <= value <= 1 else _("unknown")


def plain(value: Any) -> str:
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    if isinstance(value, list) and all(isinstance(item, str | int) for item in value):
        return ", ".join(str(item) for item in value[:20])
    if isinstance(value, dict):
        return "\n".join(f"{label_of(str(key))}: {_flat(inner)}" for key, inner in list(value.items())[:50])
    if isinstance(value, list):
        return "\n".join(_flat(inner) for inner in value[:50])
    return str(value)[:4000]


def _flat(value: Any) -> str:
    """One line, however deep the value is."""
    return json.dumps(value, ensure_ascii=False)[:500] if isinstance(value, dict | list) else plain(value)


def encryption(value: Any) -> str:
    """HardwareEncryptionCaps: bit 1 block-level, bit 2 file-level."""
    return _named(value, (_("None"), _("Block level"), _("File level"), _("Block and file level")))


def cellular(value: Any) -> str:
    return _named(value, (_("None"), "GSM", "CDMA", _("GSM and CDMA")))


def management(value: Any) -> str:
    """ManagementStatus: how the Mac came under management."""
    if not isinstance(value, dict):
        return plain(value)
    words = {
        "EnrolledViaDEP": _("Automated Device Enrollment"),
        "IsUserEnrollment": _("User Enrollment"),
        "UserApprovedEnrollment": _("approved by the user"),
    }
    return ", ".join(text for key, text in words.items() if value.get(key) is True) or _(
        "a profile, not approved by the user"
    )


def _named(value: Any, names: tuple[str, ...]) -> str:
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else plain(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


HARDWARE: dict[str, Words] = {
    "ProductName": plain,
    "ModelNumber": plain,
    "DeviceCapacity": gigabytes,
    "AvailableDeviceCapacity": gigabytes,
    "BatteryLevel": percent,
    "IsAppleSilicon": yes_no,
    "HasBattery": yes_no,
    "ModemFirmwareVersion": plain,
}
SOFTWARE: dict[str, Words] = {
    "SupplementalOSVersionExtra": plain,
    "BuildVersion": plain,
    "SupplementalBuildVersion": plain,
    "TimeZone": plain,
    "AutoSetupAdminAccounts": plain,
    "IsActivationLockEnabled": yes_no,
    "IsDeviceLocatorServiceEnabled": yes_no,
    "IsDoNotDisturbInEffect": yes_no,
    "IsCloudBackupEnabled": yes_no,
    "LastCloudBackupDate": plain,
    "IsMDMLostModeEnabled": yes_no,
    "IsMultiUser": yes_no,
    "iTunesStoreAccountIsActive": yes_no,
    "AppAnalyticsEnabled": yes_no,
    "DiagnosticSubmissionEnabled": yes_no,
}
NETWORK: dict[str, Words] = {
    "HostName": plain,
    "LocalHostName": plain,
    "WiFiMAC": plain,
    "BluetoothMAC": plain,
    "EthernetMAC": plain,
    "EthernetMACs": plain,
    "PersonalHotspotEnabled": yes_no,
}
CELLULAR: dict[str, Words] = {
    "CellularTechnology": cellular,
    "PhoneNumber": plain,
    "IMEI": plain,
    "MEID": plain,
    "ICCID": plain,
    "CurrentCarrierNetwork": plain,
    "SubscriberCarrierNetwork": plain,
    "SIMCarrierNetwork": plain,
    "CarrierSettingsVersion": plain,
    "VoiceRoamingEnabled": yes_no,
    "DataRoamingEnabled": yes_no,
    "IsRoaming": yes_no,
    "IsNetworkTethered": yes_no,
    "ServiceSubscriptions": plain,
}
SECURITY: dict[str, Words] = {
    "PasscodePresent": yes_no,
    "PasscodeCompliant": yes_no,
    "PasscodeCompliantWithProfiles": yes_no,
    "HardwareEncryptionCaps": encryption,
    "FDE_Enabled": yes_no,
    "FDE_HasPersonalRecoveryKey": yes_no,
    "FDE_HasInstitutionalRecoveryKey": yes_no,
    "SystemIntegrityProtectionEnabled": yes_no,
    "IsRecoveryLockEnabled": yes_no,
    "RemoteDesktopEnabled": yes_no,
    "BootstrapTokenAllowedForAuthentication": plain,
    "BootstrapTokenRequiredForSoftwareUpdate": yes_no,
    "BootstrapTokenRequiredForKernelExtensionApproval": yes_no,
    "FirewallSettings": plain,
    "FirmwarePasswordStatus": plain,
    "SecureBoot": plain,
    "ManagementStatus": management,
}
LABELS: dict[str, Promise] = {
    "AvailableDeviceCapacity": gettext_lazy("Free storage"),
    "DeviceCapacity": gettext_lazy("Storage"),
    "FDE_Enabled": gettext_lazy("FileVault"),
    "FDE_HasPersonalRecoveryKey": gettext_lazy("FileVault has a personal recovery key"),
    "FDE_HasInstitutionalRecoveryKey": gettext_lazy("FileVault has an institutional recovery key"),
    "HardwareEncryptionCaps": gettext_lazy("Hardware encryption"),
    "IsActivationLockEnabled": gettext_lazy("Activation Lock"),
    "IsDeviceLocatorServiceEnabled": gettext_lazy("Find My"),
    "IsMDMLostModeEnabled": gettext_lazy("Lost mode"),
    "IsMultiUser": gettext_lazy("Shared iPad"),
    "IsRecoveryLockEnabled": gettext_lazy("Recovery Lock"),
    "IsAppleSilicon": gettext_lazy("Apple silicon"),
    "IsRoaming": gettext_lazy("Roaming now"),
    "IsDoNotDisturbInEffect": gettext_lazy("Do Not Disturb"),
    "IsCloudBackupEnabled": gettext_lazy("iCloud Backup"),
    "LastCloudBackupDate": gettext_lazy("Last iCloud Backup"),
    "iTunesStoreAccountIsActive": gettext_lazy("Signed in to the App Store"),
    "AppAnalyticsEnabled": gettext_lazy("Shares analytics with app developers"),
    "DiagnosticSubmissionEnabled": gettext_lazy("Sends diagnostics to Apple"),
    "IsNetworkTethered": gettext_lazy("Tethered"),
    "ManagementStatus": gettext_lazy("Enrolled by"),
    "SystemIntegrityProtectionEnabled": gettext_lazy("System Integrity Protection"),
    "WiFiMAC": gettext_lazy("Wi-Fi address"),
    "BluetoothMAC": gettext_lazy("Bluetooth address"),
    "EthernetMAC": gettext_lazy("Ethernet address"),
    "EthernetMACs": gettext_lazy("Ethernet addresses"),
}
# These have columns of their own on the device, and are shown from there.
_COLUMNS = frozenset(
    {"UDID", "SerialNumber", "DeviceName", "ModelName", "Model", "OSVersion", "IsSupervised", "EASDeviceIdentifier"}
)


def hardware_groups(device: Device) -> list[Group]:
    """The cards of hardware, software and network; those without a single fact are left out."""
    information, _security = answers_of(device)
    groups = [
        Group(_("Hardware"), "memory", [*_hardware(device), *_known(information, HARDWARE)]),
        Group(_("Software"), "deployed_code", [*_software(device), *_known(information, SOFTWARE)]),
        Group(_("Network"), "lan", _known(information, NETWORK) or _network(device)),
        Group(_("Cellular"), "cell_tower", _known(information, CELLULAR)),
    ]
    return [group for group in groups if group.facts]


def security_facts(device: Device) -> list[tuple[str, str]]:
    """What the device says of its security, beside what the page draws conclusions from."""
    return _known(answers_of(device)[1], SECURITY)


def rest_group(device: Device) -> Group:
    """What nobody has sorted yet, as it came."""
    return Group(_("Everything else"), "more_horiz", _rest(*answers_of(device)), is_more=True)


def answers_of(device: Device) -> tuple[dict[str, Any], dict[str, Any]]:
    """DeviceInformation's and SecurityInfo's facts, empty where they are of a shape that cannot be."""
    information = device.information if isinstance(device.information, dict) else {}
    return information, device.security if isinstance(device.security, dict) else {}


def identity(device: Device) -> list[tuple[str, str, str]]:
    """Numbers by which people know a device: name, value, and what it is called on the button that copies it."""
    facts = (
        (_("Serial number"), device.serial_number, _("the serial number")),
        ("UDID", device.udid, _("the UDID")),
        ("EnrollmentID", device.enrollment_id, _("the EnrollmentID")),
        (_("Model number"), device.model, _("the model number")),
        ("IMEI", device.imei, _("the IMEI")),
        (_("Wi-Fi address"), device.wifi_mac, _("the Wi-Fi address")),
    )
    return [fact for fact in facts if fact[1]]


def label_of(key: str) -> str:
    return str(LABELS[key]) if key in LABELS else label(key)


def _known(answers: dict[str, Any], table: dict[str, Words]) -> list[tuple[str, str]]:
    given = ((key, answers[key]) for key in table if answers.get(key) not in (None, "", [], {}))
    return [(label_of(key), table[key](value)) for key, value in given]


def _rest(information: dict[str, Any], security: dict[str, Any]) -> list[tuple[str, str]]:
    """Neither what has a place of its own, nor what is empty."""
    shown = _COLUMNS.union(HARDWARE, SOFTWARE, NETWORK, CELLULAR, SECURITY)
    rest = {**information, **security}
    return [(label_of(key), plain(value)) for key, value in sorted(rest.items()) if key not in shown and value != ""]


def _present(*facts: tuple[str, str]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in facts if value]


def _hardware(device: Device) -> list[tuple[str, str]]:
    return _present(
        (_("Model"), device.model_name),
        (_("Serial number"), device.serial_number),
        ("UDID", device.udid),
        ("EnrollmentID", device.enrollment_id),
    )


def _software(device: Device) -> list[tuple[str, str]]:
    version = f"{device.platform} {device.os_version}".strip() if device.os_version else ""
    return _present((_("System"), version), (_("Name on the device"), device.device_name))


def _network(device: Device) -> list[tuple[str, str]]:
    return _present(
        (_("Wi-Fi address"), device.wifi_mac),
        (_("Bluetooth address"), device.bluetooth_mac),
        (_("Ethernet addresses"), device.ethernet_mac),
    )
