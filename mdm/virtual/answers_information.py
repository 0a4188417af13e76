"""DeviceInformation and other questions about the device itself."""

import uuid
from typing import Any

from mdm.virtual.scene import After, CommandKeys, Response, Scene
from mdm.virtual.state import now

EXTENSIONS = (
    ("com.apple.share.AirDrop.send", "com.apple.share-services", "AirDrop", "com.apple.finder", "Finder"),
    ("com.apple.share.Mail.compose", "com.apple.share-services", "Mail", "com.apple.mail", "Mail"),
    ("com.apple.Notes.SharingExtension", "com.apple.share-services", "Notes", "com.apple.Notes", "Notes"),
    ("com.apple.Safari.webarchive", "com.apple.quicklook.preview", "Web archive", "com.apple.Safari", "Safari"),
)


def device_information(scene: Scene, command: CommandKeys) -> Response:
    """Only what was asked and what this device knows; unknown queries are passed over, as devices do."""
    queries = command["Queries"]
    known = _common(scene) | (_mac(scene) if scene.is_mac else _ios(scene))
    if "OrganizationInfo" in scene.state.settings:
        known["OrganizationInfo"] = scene.state.settings["OrganizationInfo"]
    if scene.is_user_enrollment:
        for key in ("UDID", "SerialNumber", "IMEI", "WiFiMAC", "BluetoothMAC", "EthernetMAC", "ProvisioningUDID"):
            known.pop(key, None)
    return {"QueryResponses": {query: known[query] for query in queries if query in known}}


def _common(scene: Scene) -> dict[str, Any]:
    facts, state, model = scene.facts, scene.state, scene.facts.model
    return {
        "UDID": facts.udid,
        "SerialNumber": facts.serial,
        "DeviceName": state.name,
        "OSVersion": state.os_version,
        "BuildVersion": state.build_version,
        "SupplementalBuildVersion": state.build_version,
        "SupplementalOSVersionExtra": "",
        "ModelName": model.model_name,
        "ProductName": model.product_name,
        "ModelNumber": f"{model.order_number}LL/A",
        "DeviceCapacity": float(model.capacity_gb),
        "AvailableDeviceCapacity": round(model.capacity_gb - state.used_gb, 2),
        "MDMOptions": state.settings.get("MDMOptions", {}),
        "AwaitingConfiguration": state.awaiting_configuration,
        "iTunesStoreAccountIsActive": state.store_account_is_active,
        "iTunesStoreAccountHash": "bG9jYWwtdmlydHVhbC1hY2NvdW50",
        "IsSupervised": scene.is_supervised,
        "IsActivationLockEnabled": False,
        "PushToken": state.push_token,
        "WiFiMAC": facts.wifi_mac,
        "BluetoothMAC": facts.bluetooth_mac,
        "SoftwareUpdateDeviceID": f"{model.product_name}AP",
    }


def _ios(scene: Scene) -> dict[str, Any]:
    facts, settings = scene.facts, scene.state.settings
    known = {
        "Model": f"{facts.model.order_number}LL",
        "BatteryLevel": scene.state.battery_level,
        "IsMultiUser": scene.is_shared_ipad,
        "IsDeviceLocatorServiceEnabled": False,
        "IsDoNotDisturbInEffect": False,
        "IsCloudBackupEnabled": False,
        "EASDeviceIdentifier": facts.eas_identifier,
        "IsMDMLostModeEnabled": scene.state.lost_mode is not None,
        "IsNetworkTethered": False,
        "DiagnosticSubmissionEnabled": settings["DiagnosticSubmission"],
        "AppAnalyticsEnabled": settings["AppAnalytics"],
        "TimeZone": settings["TimeZone"],
        "SoftwareUpdateSettings": {"RecommendationsCadence": settings.get("SoftwareUpdateSettings", 0)},
        "AccessibilitySettings": {"TextSize": 3, "BoldTextEnabled": False} | settings.get("AccessibilitySettings", {}),
        "DataRoamingEnabled": settings["DataRoaming"],
        "VoiceRoamingEnabled": settings["VoiceRoaming"],
        "PersonalHotspotEnabled": settings["PersonalHotspot"],
    }
    if facts.model.has_cellular:
        known |= _cellular(scene)
    if scene.is_shared_ipad:
        known |= {"EstimatedResidentUsers": 8, "ResidentUsers": 8, "QuotaSize": 4096, "TemporarySessionOnly": False}
        known |= {k: v for k, v in settings.get("SharedDeviceConfiguration", {}).items() if k != "Item"}
    return known


def _cellular(scene: Scene) -> dict[str, Any]:
    facts = scene.facts
    return {
        "IMEI": facts.imei,
        "ICCID": facts.iccid,
        "PhoneNumber": facts.phone_number,
        "ModemFirmwareVersion": "2.60.02",
        "CellularTechnology": 3,
        "CurrentCarrierNetwork": "Telekom.de",
        "SIMCarrierNetwork": "Telekom.de",
        "SubscriberCarrierNetwork": "Telekom.de",
        "CarrierSettingsVersion": "64.0",
        "IsRoaming": False,
        "SIMMCC": "262",
        "SIMMNC": "01",
        "SubscriberMCC": "262",
        "SubscriberMNC": "01",
        "CurrentMCC": "262",
        "CurrentMNC": "01",
        "ServiceSubscriptions": [
            {
                "Slot": "CTSubscriptionSlotOne",
                "Label": "Primary",
                "LabelID": str(uuid.uuid5(uuid.NAMESPACE_OID, facts.iccid)).upper(),
                "IMEI": facts.imei,
                "ICCID": facts.iccid,
                "EID": facts.eid,
                "PhoneNumber": facts.phone_number,
                "CarrierSettingsVersion": "64.0",
                "CurrentCarrierNetwork": "Telekom.de",
                "SubscriberCarrierNetwork": "Telekom.de",
                "CurrentMCC": "262",
                "CurrentMNC": "01",
                "IsDataPreferred": True,
                "IsVoicePreferred": True,
                "IsRoaming": False,
            }
        ],
    }


def _mac(scene: Scene) -> dict[str, Any]:
    state, model = scene.state, scene.facts.model
    known = {
        "Model": model.product_name,
        "ProvisioningUDID": scene.facts.provisioning_udid,
        "HostName": state.host_name,
        "LocalHostName": state.host_name,
        "IsAppleSilicon": model.is_apple_silicon,
        "HasBattery": model.has_battery,
        "IsActivationLockSupported": True,
        "SupportsLOMDevice": False,
        "SupportsiOSAppInstalls": model.is_apple_silicon,
        "SystemIntegrityProtectionEnabled": True,
        "ActiveManagedUsers": [user["UserGUID"] for user in state.users.values() if user["IsLoggedIn"]],
        "AutoSetupAdminAccounts": [{k: a[k] for k in ("GUID", "shortName")} for a in state.admin_accounts],
        "EthernetMAC": scene.facts.ethernet_mac,
        "PINRequiredForEraseDevice": not model.is_apple_silicon,
        "PINRequiredForDeviceLock": not model.is_apple_silicon,
        "EACSPreflight": "success",
        "OSUpdateSettings": {
            "CatalogURL": "",
            "IsDefaultCatalog": True,
            "PreviousScanDate": now(),
            "PreviousScanResult": "0",
            "PerformPeriodicCheck": True,
            "AutoCheckEnabled": True,
            "BackgroundDownloadEnabled": True,
            "AutomaticAppInstallationEnabled": False,
            "AutomaticOSInstallationEnabled": False,
            "AutomaticSecurityUpdatesEnabled": True,
        },
    }
    return known | ({"BatteryLevel": state.battery_level} if model.has_battery else {})


def content_caching(scene: Scene, command: CommandKeys) -> Response:
    return {
        "StatusResponse": {
            "Activated": True,
            "Active": True,
            "ActualCacheUsed": 3_200_000_000,
            "CacheDetails": {"iOS Software": 2_100_000_000, "Mac Software": 1_100_000_000},
            "CacheFree": 40_000_000_000,
            "CacheLimit": 0,
            "CacheStatus": "OK",
            "CacheUsed": 3_200_000_000,
            "PersonalCacheFree": 40_000_000_000,
            "PersonalCacheLimit": 0,
            "PersonalCacheUsed": 0,
            "Port": 49152,
            "PrivateAddresses": ["192.0.2.17"],
            "PublicAddress": "198.51.100.4",
            "RegistrationStatus": 1,
            "RestrictedMedia": False,
            "ServerGUID": scene.facts.udid,
            "StartupStatus": "OK",
            "TetheratorStatus": 0,
            "TotalBytesAreSince": now(),
            "TotalBytesReturnedToClients": 9_800_000_000,
            "TotalBytesStoredFromOrigin": 3_200_000_000,
        }
    }


def lom_setup(scene: Scene, command: CommandKeys) -> Response:
    tail = scene.facts.ethernet_mac.replace(":", "")[-4:]
    return {
        "PrimaryIPv6AddressList": [f"fe80::aebc:32ff:fe00:{tail}"],
        "SecondaryIPv6AddressList": [],
        "LOMProtocolVersion": 1,
    }


def lom_device(scene: Scene, command: CommandKeys) -> Response:
    """A controller Mac passes the wish on to its neighbours, and reaches all of them."""
    return {
        "ResponseList": [
            {"DeviceRequestUUID": row.get("DeviceRequestUUID", ""), "DeviceRequestSuccess": True}
            for row in command["RequestList"]
        ]
    }


def declarative_management(scene: Scene, command: CommandKeys) -> Response:
    scene.after.append(After.SYNC_DECLARATIONS)
    return {}


def active_extensions(scene: Scene, command: CommandKeys) -> Response:
    wanted = command.get("FilterExtensionPoints")
    rows = [
        {
            "Identifier": identifier,
            "ExtensionPoint": point,
            "DisplayName": name,
            "ContainerDisplayName": container,
            "ContainerIdentifier": container_id,
            "Path": f"/System/Applications/{container}.app/Contents/PlugIns/{identifier}.appex",
            "Version": "1.0",
            "UserElection": "Default",
        }
        for identifier, point, name, container_id, container in EXTENSIONS
        if wanted is None or point in wanted
    ]
    return {"Extensions": rows}


def extension_mappings(scene: Scene, command: CommandKeys) -> Response:
    rows = [{"Identifier": row[0], "ExtensionPoint": row[1], "DisplayName": row[2]} for row in EXTENSIONS]
    return {"Extensions": rows}


def start_log_collection(scene: Scene, command: CommandKeys) -> Response:
    scene.state.is_collecting_logs = True
    return {}


def stop_log_collection(scene: Scene, command: CommandKeys) -> Response:
    scene.state.is_collecting_logs = False
    return {}
