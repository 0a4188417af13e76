"""Every attribute of a device: its name in the API, where it is read from, and as what type. One row per attribute.

Columns and facts that are not known are null. `information` holds Apple's keys of DeviceInformation, `security` those of
SecurityInfo; `attribute_sources.py` has the sources and conversions.
"""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from api.schema import shape
from api.v1.attribute_sources import (
    SUBSCRIPTION,
    Convert,
    Read,
    Reading,
    addresses,
    architecture,
    cellular,
    column,
    computed,
    either,
    first_admin,
    flag,
    information,
    integer,
    location,
    names,
    os_update,
    own_channel,
    percent,
    real,
    secret,
    section,
    security,
    subscriptions,
    text,
    time,
    unknown,
)
from devices.models import Device, DeviceState
from mdm.channels.models import ChannelState


def _status(reading: Reading) -> str:
    return _STATUS[reading.device.state]


_STATUS = {state.value: state.label.lower() for state in DeviceState}


def _enrollment_channels(reading: Reading) -> list[str]:
    is_open = [bool(channel.user_key) for channel in reading.channels if channel.state == ChannelState.OPEN]
    return [name for name, is_user in (("device", False), ("user", True)) if is_user in is_open]


ATTRIBUTES: dict[str, tuple[Read, Any]] = {
    # what we call it, and how it is with us
    "name": column("name"),
    "last_seen_at": own_channel("last_seen_at", time),
    "last_seen_ip": own_channel("last_seen_ip"),
    "status": computed(_status),
    "enrolled_at": column("enrolled_at", time),
    "enrollment_channels": computed(_enrollment_channels, names),
    # what it is
    "device_name": column("device_name"),
    "os_version": column("os_version"),
    "build_version": column("build_version"),
    "supplemental_build_version": information("SupplementalBuildVersion"),
    "supplemental_os_version_extra": information("SupplementalOSVersionExtra"),
    "model_name": computed(lambda reading: reading.device.model_name or "Unknown"),
    "model": column("model"),
    "product_name": column("product_name"),
    "unique_identifier": computed(lambda reading: reading.device.udid or reading.device.enrollment_id or None),
    "serial_number": column("serial_number"),
    "processor_architecture": information("IsAppleSilicon", architecture),
    "imei": column("imei"),
    "meid": column("meid"),
    "device_capacity": information("DeviceCapacity", real),
    "available_device_capacity": information("AvailableDeviceCapacity", real),
    "battery_level": information("BatteryLevel", percent),
    "time_zone": information("TimeZone"),
    # network
    "modem_firmware_version": information("ModemFirmwareVersion"),
    "iccid": cellular("ICCID"),
    "bluetooth_mac": column("bluetooth_mac"),
    "ethernet_macs": column("ethernet_mac", addresses),
    "wifi_mac": column("wifi_mac"),
    "current_carrier_network": cellular("CurrentCarrierNetwork"),
    "sim_carrier_network": information("SIMCarrierNetwork"),
    "subscriber_carrier_network": cellular("SubscriberCarrierNetwork"),
    "carrier_settings_version": cellular("CarrierSettingsVersion"),
    "phone_number": column("phone_number"),
    "voice_roaming_enabled": information("VoiceRoamingEnabled", flag),
    "data_roaming_enabled": information("DataRoamingEnabled", flag),
    "is_roaming": cellular("IsRoaming", flag),
    "subscriber_mcc": information("SubscriberMCC"),
    "subscriber_mnc": information("SubscriberMNC"),
    "simmcc": information("SIMMCC"),
    "simmnc": information("SIMMNC"),
    "current_mcc": cellular("CurrentMCC"),
    "current_mnc": cellular("CurrentMNC"),
    "service_subscriptions": information("ServiceSubscriptions", subscriptions),
    # passcode, and how it is managed
    "hardware_encryption_caps": security("HardwareEncryptionCaps", integer),
    "passcode_present": security("PasscodePresent"),
    "passcode_compliant": security("PasscodeCompliant"),
    "passcode_compliant_with_profiles": security("PasscodeCompliantWithProfiles"),
    "is_supervised": column("is_supervised", flag),
    "is_dep_enrollment": column("is_dep_enrollment", flag),
    "dep_enrolled": column("is_dep_enrollment", flag),
    "dep_assigned": computed(lambda reading: bool(reading.device.dep_devices.all()), flag),
    "user_enrollment": column("is_user_enrollment", flag),
    "is_user_approved_enrollment": security("UserApprovedEnrollment", within="ManagementStatus"),
    # No answer of a device tells these two, and no row of ours yet.
    "ddm_enabled": unknown(flag),
    "managed_apple_id": unknown(),
    "auto_admin_name": information("AutoSetupAdminAccounts", first_admin),
    # what is switched on
    "is_device_locator_service_enabled": information("IsDeviceLocatorServiceEnabled", flag),
    "is_do_not_disturb_in_effect": information("IsDoNotDisturbInEffect", flag),
    "personal_hotspot_enabled": information("PersonalHotspotEnabled", flag),
    "itunes_store_account_is_active": information("iTunesStoreAccountIsActive", flag),
    "cellular_technology": information("CellularTechnology", integer),
    "last_cloud_backup_date": information("LastCloudBackupDate", time),
    "is_activation_lock_enabled": information("IsActivationLockEnabled", flag),
    "is_cloud_backup_enabled": information("IsCloudBackupEnabled", flag),
    "lost_mode_enabled": information("IsMDMLostModeEnabled", flag),
    # security of Macs
    "filevault_enabled": security("FDE_Enabled"),
    "filevault_recovery_key": secret("filevault_recovery_key"),
    "firmware_password_enabled": security("PasswordExists", within="FirmwarePasswordStatus"),
    "recovery_lock_password_enabled": security("IsRecoveryLockEnabled"),
    "remote_desktop_enabled": security("RemoteDesktopEnabled"),
    "firmware_password": secret("firmware_password"),
    "recovery_lock_password": secret("recovery_lock_password"),
    "firewall": section(
        {
            "enabled": security("FirewallEnabled", within="FirewallSettings"),
            "block_all_incoming": security("BlockAllIncoming", within="FirewallSettings"),
            "stealth_mode": security("StealthMode", within="FirewallSettings"),
        }
    ),
    "system_integrity_protection_enabled": either(
        security("SystemIntegrityProtectionEnabled"), information("SystemIntegrityProtectionEnabled", flag)
    ),
    "os_update": section(
        {
            "automatic_os_installation_enabled": os_update("AutomaticOSInstallationEnabled"),
            "automatic_app_installation_enabled": os_update("AutomaticAppInstallationEnabled"),
            "automatic_check_enabled": os_update("AutoCheckEnabled"),
            "automatic_security_updates_enabled": os_update("AutomaticSecurityUpdatesEnabled"),
            "background_download_enabled": os_update("BackgroundDownloadEnabled"),
            "catalog_url": os_update("CatalogURL", text),
            "default_catalog": os_update("IsDefaultCatalog"),
            "perform_periodic_check": os_update("PerformPeriodicCheck"),
            "previous_scan_date": os_update("PreviousScanDate", time),
            "previous_scan_result": os_update("PreviousScanResult", text),
        }
    ),
    # where it was, when it told that last
    "location_latitude": location("latitude"),
    "location_longitude": location("longitude"),
    "location_accuracy": location("accuracy"),
    "location_updated_at": location("at", time),
}
_READERS = tuple((name, read) for name, (read, _) in ATTRIBUTES.items())

_DOCUMENTED: dict[Convert, type[serializers.Field]] = {
    text: serializers.CharField,
    architecture: serializers.CharField,
    percent: serializers.CharField,
    first_admin: serializers.CharField,
    flag: serializers.BooleanField,
    integer: serializers.IntegerField,
    real: serializers.FloatField,
    time: serializers.DateTimeField,
}


def attributes_of(device: Device) -> dict[str, Any]:
    """All attributes. `channels`, `dep_devices` and `secrets` come with the device, or cost a statement each."""
    reading = Reading(device)
    return {name: read(reading) for name, read in _READERS}


def documented(rows: Mapping[str, tuple[Read, Any]] = ATTRIBUTES) -> dict[str, serializers.Field]:
    """The attributes as fields for the OpenAPI schema."""
    return {name: _field(name, kind) for name, (_, kind) in rows.items()}


def _field(name: str, kind: Any) -> serializers.Field:
    if isinstance(kind, Mapping):
        return shape(f"Device{name.title().replace('_', '')}", **documented(kind))()
    if kind in (names, addresses):
        return serializers.ListField(child=serializers.CharField())
    if kind is subscriptions:
        fields = {key: _DOCUMENTED[convert](allow_null=True) for key, _, convert in SUBSCRIPTION}
        return shape("DeviceServiceSubscription", **fields)(many=True)
    return _DOCUMENTED[kind](allow_null=True)
