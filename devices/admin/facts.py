"""What a device told about itself, sorted and in human units, for its page.

Source of the keys: Apple, "DeviceInformationResponse.QueryResponses" and "SecurityInfoResponse.SecurityInfo". A device
may answer with anything: every value is checked before it is put into words, and what is unknown is shown as it came.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

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
        return "Yes" if value else "No"
    return plain(value)


def gigabytes(value: Any) -> str:
    """Apple gives capacities in gigabytes, as a real number."""
    return file_size(value * 1_000_000_000) if _is_number(value) else plain(value)


def percent(value: Any) -> str:
    """A part of one; negative when the device does not know."""
    if not _is_number(value):
        return plain(value)
    return f"{value * 100:.0f} %" if 0 <= value <= 1 else "unknown"


def plain(value: Any) -> str:
    if isinstance(value, bool):
        return "Yes" if value else "No"
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
    return _named(value, ("None", "Block level", "File level", "Block and file level"))


def cellular(value: Any) -> str:
    return _named(value, ("None", "GSM", "CDMA", "GSM and CDMA"))


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
    "ManagementStatus": plain,
}
LABELS = {
    "AvailableDeviceCapacity": "Free storage",
    "DeviceCapacity": "Storage",
    "FDE_Enabled": "FileVault",
    "FDE_HasPersonalRecoveryKey": "FileVault has a personal recovery key",
    "FDE_HasInstitutionalRecoveryKey": "FileVault has an institutional recovery key",
    "HardwareEncryptionCaps": "Hardware encryption",
    "IsActivationLockEnabled": "Activation Lock",
    "IsDeviceLocatorServiceEnabled": "Find My",
    "IsMDMLostModeEnabled": "Lost mode",
    "IsMultiUser": "Shared iPad",
    "IsRecoveryLockEnabled": "Recovery Lock",
    "IsAppleSilicon": "Apple silicon",
    "IsRoaming": "Roaming now",
    "SystemIntegrityProtectionEnabled": "System Integrity Protection",
    "WiFiMAC": "Wi-Fi address",
    "BluetoothMAC": "Bluetooth address",
    "EthernetMAC": "Ethernet address",
    "EthernetMACs": "Ethernet addresses",
}
# These have columns of their own on the device, and are shown from there.
_COLUMNS = frozenset(
    {"UDID", "SerialNumber", "DeviceName", "ModelName", "Model", "OSVersion", "IsSupervised", "EASDeviceIdentifier"}
)


def fact_groups(device: Device) -> list[Group]:
    """The cards of the overview; those without a single fact are left out."""
    information = device.information if isinstance(device.information, dict) else {}
    security = device.security if isinstance(device.security, dict) else {}
    groups = [
        Group("Hardware", "memory", [*_hardware(device), *_known(information, HARDWARE)]),
        Group("Software", "deployed_code", [*_software(device), *_known(information, SOFTWARE)]),
        Group("Network", "lan", _known(information, NETWORK) or _network(device)),
        Group("Security", "shield", _known(security, SECURITY)),
        Group("Cellular", "cell_tower", _known(information, CELLULAR)),
        Group("Everything else", "more_horiz", _rest(information, security), is_more=True),
    ]
    return [group for group in groups if group.facts]


def label_of(key: str) -> str:
    return LABELS.get(key) or label(key)


def _known(answers: dict[str, Any], table: dict[str, Words]) -> list[tuple[str, str]]:
    given = ((key, answers[key]) for key in table if answers.get(key) not in (None, "", [], {}))
    return [(label_of(key), table[key](value)) for key, value in given]


def _rest(information: dict[str, Any], security: dict[str, Any]) -> list[tuple[str, str]]:
    shown = _COLUMNS.union(HARDWARE, SOFTWARE, NETWORK, CELLULAR, SECURITY)
    rest = {**information, **security}
    return [(label_of(key), plain(value)) for key, value in sorted(rest.items()) if key not in shown and value != ""]


def _present(*facts: tuple[str, str]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in facts if value]


def _hardware(device: Device) -> list[tuple[str, str]]:
    return _present(
        ("Model", device.model_name),
        ("Serial number", device.serial_number),
        ("UDID", device.udid),
        ("EnrollmentID", device.enrollment_id),
    )


def _software(device: Device) -> list[tuple[str, str]]:
    version = f"{device.platform} {device.os_version}".strip() if device.os_version else ""
    return _present(("System", version), ("Name on the device", device.device_name))


def _network(device: Device) -> list[tuple[str, str]]:
    return _present(
        ("Wi-Fi address", device.wifi_mac),
        ("Bluetooth address", device.bluetooth_mac),
        ("Ethernet addresses", device.ethernet_mac),
    )
