"""DeviceInformation: the device's facts. Source: Apple, "Device Information Command", QueryResponses."""

from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from devices.models import Device, ItemState, ProfileInstall
from devices.results.facts import MAX_ITEMS, boolean, dictionaries, dictionary, jsonable, text
from devices.services.due import mark_due
from devices.services.platforms import platform_of
from devices.services.variables import COLUMNS
from mdm.commands.models import Command

# Column and the key it is read from. A key that the device left out leaves its column as it was.
TEXT_COLUMNS = {
    "device_name": "DeviceName",
    "os_version": "OSVersion",
    "build_version": "BuildVersion",
    "model": "Model",
    "model_name": "ModelName",
    "product_name": "ProductName",
    "serial_number": "SerialNumber",
    "imei": "IMEI",
    "meid": "MEID",
    "wifi_mac": "WiFiMAC",
    "bluetooth_mac": "BluetoothMAC",
    "phone_number": "PhoneNumber",
}
# Of a device with several SIMs these stand in its subscriptions; the first one that has them counts.
SUBSCRIPTION_COLUMNS = {"imei": "IMEI", "meid": "MEID", "phone_number": "PhoneNumber"}
# Never kept: what opens something, and large proofs that have their own place.
NOT_KEPT = {"PushToken", "UnlockToken", "DevicePropertiesAttestation", "ActivationLockBypassCode"}


def apply(device: Device, answer: Mapping[str, Any], command: Command) -> None:
    """Merge the answered queries into the device. An answer on a user channel knows less and is passed over."""
    if command.channel.is_user_channel:
        return
    facts = dictionary(answer, "QueryResponses")
    before, os_version = _deciding(device), device.os_version
    # Nobody named it yet: its serial number stood in until the device told its own name.
    is_unnamed = device.name in ("", device.serial_number)
    for column, key in TEXT_COLUMNS.items():
        _set_text(device, column, facts, key)
    for subscription in dictionaries(facts, "ServiceSubscriptions"):
        for column, key in SUBSCRIPTION_COLUMNS.items():
            if not getattr(device, column):
                _set_text(device, column, subscription, key)
    _set_ethernet(device, facts)
    device.name = (device.device_name if is_unnamed else "") or device.name
    supervised = boolean(facts, "IsSupervised")
    device.is_supervised = device.is_supervised if supervised is None else supervised
    device.platform = platform_of(device.product_name, device.model_name) or device.platform
    kept = {key: value for key, value in facts.items() if key not in NOT_KEPT}
    known = device.information if len(device.information) < MAX_ITEMS else {}  # made-up keys must not pile up for ever
    device.information = {**known, **jsonable(kept)}
    device.information_at = timezone.now()
    device.save(
        update_fields=[
            *TEXT_COLUMNS,
            "name",
            "ethernet_mac",
            "is_supervised",
            "platform",
            "information",
            "information_at",
        ]
    )
    if os_version and device.os_version != os_version:
        # Version 0 is never the newest: the reconciler sends each of them anew.
        again = ProfileInstall.objects.filter(device=device, profile__reinstall_after_os_update=True)
        again.filter(state=ItemState.INSTALLED).update(version=0)
    if _deciding(device) != before:
        mark_due(Device.objects.filter(pk=device.pk))


def _deciding(device: Device) -> list[str]:
    """What it should have depends on these: what is for its platform and system, and what stands in its profiles."""
    return [device.platform, *(getattr(device, column) for column in COLUMNS)]


def _set_text(device: Device, column: str, facts: Mapping[str, Any], key: str) -> None:
    value = text(facts, key, Device._meta.get_field(column).max_length)
    if value:
        setattr(device, column, value)


def _set_ethernet(device: Device, facts: Mapping[str, Any]) -> None:
    addresses = facts.get("EthernetMACs")
    known = [item for item in addresses if isinstance(item, str)] if isinstance(addresses, list) else []
    joined = ", ".join(known) or text(facts, "EthernetMAC")
    if joined:
        device.ethernet_mac = joined[:200]
