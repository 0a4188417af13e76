"""What DeviceInformation can ask, with the right it needs and the platforms that answer.

Apple writes these as children of a string: they are its values, not keys of a message.
"""

from collections.abc import Mapping
from dataclasses import replace

from mdm.protocol.request_types.schema import FORBIDDEN, Parameter, Platform, Support
from mdm.protocol.request_types.vocabulary import NO, SAME, SHARED_ONLY, SHARED_USER, on, only, string

# Who may ask: the access right, and whether User Enrollment keeps the answer private.
DEVICE = Support(access_right="AllowQueryDeviceInformation")
DEVICE_PRIVATE = Support(access_right="AllowQueryDeviceInformation", user_enrollment=FORBIDDEN)
NETWORK = Support(access_right="AllowQueryNetworkInformation")
NETWORK_PRIVATE = Support(access_right="AllowQueryNetworkInformation", user_enrollment=FORBIDDEN)
APPS = Support(access_right="AllowAppInstallation")
APPS_PRIVATE = Support(access_right="AllowAppInstallation", user_enrollment=FORBIDDEN)
OPEN = Support(access_right="")
OPEN_PRIVATE = Support(access_right="", user_enrollment=FORBIDDEN)
PRIVATE = Support(user_enrollment=FORBIDDEN)
DEVICE_OLD = Support(access_right="AllowQueryDeviceInformation", deprecated="16.0", user_enrollment=FORBIDDEN)
NETWORK_OLD = Support(access_right="AllowQueryNetworkInformation", deprecated="16.0", user_enrollment=FORBIDDEN)

# Of no meaning to inventory, costly for the device, or told at check-in already.
_NOT_BY_DEFAULT = frozenset({"PushToken", "DevicePropertiesAttestation", "EACSPreflight"})

# Queries of earlier editions that clients still send; devices pass over what they do not know.
LEGACY_QUERIES = ("EthernetMACs", "Languages", "Locales", "SIMMCC", "SIMMNC", "XsanConfiguration")


def _everywhere(every: Support) -> Mapping[Platform, Support]:
    return on(ios=SAME, macos=SAME, tvos=SAME, visionos=SAME, watchos=SAME, every=every)


def _shared_ipad(introduced: str) -> Mapping[Platform, Support]:
    needs = replace(DEVICE_PRIVATE, supervised=True, requires_dep=True, shared_ipad=SHARED_ONLY)
    return only(ios=introduced, every=needs)


QUERIES: tuple[Parameter, ...] = (
    string("UDID", platforms=_everywhere(OPEN_PRIVATE)),
    string("ProvisioningUDID", platforms=only(macos="11.3", every=OPEN_PRIVATE)),
    string(
        "OrganizationInfo",
        platforms=on(ios=Support("7.0", access_right=""), macos="10.11", tvos=OPEN, visionos=OPEN, watchos=OPEN),
    ),
    string("MDMOptions", platforms=on(ios=Support("7.0", access_right=""), macos="11.0", tvos=OPEN, visionos=OPEN)),
    string("LastCloudBackupDate", platforms=only(ios="8.0", visionos=SAME, every=PRIVATE)),
    string(
        "AwaitingConfiguration",
        platforms=on(
            ios=Support("9.0", access_right=""),
            macos=Support("10.11", access_right=""),
            tvos=Support("10.2", access_right=""),
            visionos="2.0",
            watchos=OPEN,
            every=PRIVATE,
        ),
    ),
    string(
        "iTunesStoreAccountIsActive",
        platforms=on(ios="7.0", macos="10.9", tvos=SAME, watchos=SAME, visionos=NO, every=APPS_PRIVATE),
    ),
    string(
        "iTunesStoreAccountHash",
        platforms=on(ios="8.0", macos="10.10", tvos=SAME, watchos=SAME, visionos=NO, every=APPS_PRIVATE),
    ),
    string("DeviceName", platforms=_everywhere(DEVICE)),
    string("OSVersion", platforms=_everywhere(DEVICE)),
    string(
        "SupplementalOSVersionExtra",
        platforms=on(ios="16.1", macos="13.0", tvos="16.1", visionos=SAME, watchos=SAME, every=DEVICE),
    ),
    string("BuildVersion", platforms=_everywhere(DEVICE)),
    string(
        "SupplementalBuildVersion",
        platforms=on(ios="16.1", macos="13.0", tvos="16.1", visionos=SAME, watchos=SAME, every=DEVICE),
    ),
    string("ModelName", platforms=_everywhere(DEVICE)),
    string("Model", platforms=on(ios=SAME, macos=SAME, tvos=SAME, watchos=SAME, visionos=NO, every=DEVICE)),
    string(
        "ModelNumber", platforms=on(ios="16.4", macos="13.3", tvos="16.4", visionos=SAME, watchos=SAME, every=DEVICE)
    ),
    string("IsAppleSilicon", platforms=only(macos="12.0", every=DEVICE)),
    string("ProductName", platforms=_everywhere(DEVICE)),
    string("SerialNumber", platforms=_everywhere(DEVICE_PRIVATE)),
    string("DeviceCapacity", platforms=on(ios=SAME, macos=SAME, visionos=SAME, watchos=SAME, tvos=NO, every=DEVICE)),
    string(
        "AvailableDeviceCapacity",
        platforms=on(ios=SAME, macos=SAME, visionos=SAME, watchos=SAME, tvos=NO, every=DEVICE),
    ),
    string("IMEI", platforms=only(ios=SAME, every=DEVICE_OLD)),
    string("MEID", platforms=only(ios=SAME, every=DEVICE_OLD)),
    string("ModemFirmwareVersion", platforms=only(ios=SAME, every=DEVICE_PRIVATE)),
    string("CellularTechnology", platforms=only(ios="4.2.6", every=DEVICE)),
    string("BatteryLevel", platforms=on(ios="5.0", macos="13.3", visionos=SAME, watchos=SAME, tvos=NO, every=DEVICE)),
    string("HasBattery", platforms=only(macos="13.3", every=DEVICE)),
    string(
        "IsSupervised",
        platforms=on(
            ios=Support("6.0", access_right="AllowQueryDeviceInformation"),
            macos="10.15",
            tvos=DEVICE,
            visionos=DEVICE,
            watchos=DEVICE,
        ),
    ),
    string("IsMultiUser", platforms=only(ios="9.3", every=DEVICE)),
    string(
        "IsDeviceLocatorServiceEnabled",
        platforms=on(ios="7.0", visionos=SAME, watchos=SAME, macos=NO, tvos=NO, every=DEVICE),
    ),
    string(
        "IsActivationLockEnabled",
        platforms=on(
            ios=Support("7.0", deprecated="16.0"),
            macos=Support("10.15", deprecated="13.0"),
            watchos=Support(deprecated="10.0"),
            tvos=NO,
            visionos=NO,
            every=DEVICE_PRIVATE,
        ),
    ),
    string("IsActivationLockSupported", platforms=only(macos="10.15", every=DEVICE_PRIVATE)),
    string(
        "IsDoNotDisturbInEffect",
        platforms=on(ios="7.0", visionos=SAME, watchos=SAME, macos=NO, tvos=NO, every=DEVICE_PRIVATE),
    ),
    string("DeviceID", platforms=only(tvos=SAME, every=DEVICE)),
    string("EASDeviceIdentifier", platforms=only(ios="7.0", visionos=SAME, every=DEVICE)),
    string("IsCloudBackupEnabled", platforms=only(ios="7.1", visionos=SAME, every=DEVICE_PRIVATE)),
    string(
        "ActiveManagedUsers",
        platforms=only(macos="10.11", every=Support(access_right="AllowQueryDeviceInformation", user_channel=False)),
    ),
    string("OSUpdateSettings", platforms=only(macos="10.11", every=DEVICE_PRIVATE)),
    string("LocalHostName", platforms=only(macos="10.11", every=DEVICE)),
    string("HostName", platforms=only(macos="10.11", every=DEVICE)),
    string(
        "AutoSetupAdminAccounts",
        platforms=only(
            macos="10.11",
            every=Support(access_right="AllowQueryDeviceInformation", requires_dep=True, user_enrollment=FORBIDDEN),
        ),
    ),
    string("SystemIntegrityProtectionEnabled", platforms=only(macos="10.12", every=DEVICE)),
    string("SupportsLOMDevice", platforms=only(macos="11.0", every=DEVICE)),
    string("IsMDMLostModeEnabled", platforms=only(ios="9.3", watchos=SAME, every=DEVICE_PRIVATE)),
    string("MaximumResidentUsers", platforms=_shared_ipad("9.3")),
    string("EstimatedResidentUsers", platforms=_shared_ipad("14.0")),
    string("QuotaSize", platforms=_shared_ipad("13.4")),
    string("ResidentUsers", platforms=_shared_ipad("13.4")),
    string("UserSessionTimeout", platforms=_shared_ipad("14.5")),
    string("TemporarySessionTimeout", platforms=_shared_ipad("14.5")),
    string("TemporarySessionOnly", platforms=_shared_ipad("14.5")),
    string("ManagedAppleIDDefaultDomains", platforms=_shared_ipad("16.0")),
    string("OnlineAuthenticationGracePeriod", platforms=_shared_ipad("16.0")),
    string("SkipLanguageAndLocaleSetupForNewUsers", platforms=_shared_ipad("16.2")),
    string(
        "PushToken",
        platforms=only(
            ios=Support(
                "9.3", access_right="AllowQueryDeviceInformation", user_enrollment=FORBIDDEN, shared_ipad=SHARED_USER
            ),
            macos="10.12",
        ),
    ),
    string(
        "DiagnosticSubmissionEnabled",
        platforms=on(ios="9.3", visionos=SAME, watchos=SAME, macos=NO, tvos=NO, every=DEVICE),
    ),
    string(
        "AppAnalyticsEnabled", platforms=on(ios="9.3", visionos=SAME, watchos=SAME, macos=NO, tvos=NO, every=DEVICE)
    ),
    string("TimeZone", platforms=on(ios="14.0", tvos="14.0", visionos="2.0", watchos=SAME, macos=NO, every=DEVICE)),
    string("ICCID", platforms=only(ios=SAME, every=NETWORK_OLD)),
    string(
        "BluetoothMAC", platforms=on(ios=SAME, macos=SAME, tvos=SAME, visionos=SAME, watchos=NO, every=NETWORK_PRIVATE)
    ),
    string("WiFiMAC", platforms=_everywhere(NETWORK_PRIVATE)),
    string("EthernetMAC", platforms=only(macos=SAME, every=NETWORK_PRIVATE)),
    string("CurrentCarrierNetwork", platforms=only(ios=SAME, every=NETWORK_OLD)),
    string(
        "SIMCarrierNetwork",
        platforms=only(
            ios=SAME,
            every=Support(access_right="AllowQueryNetworkInformation", removed="5.0", user_enrollment=FORBIDDEN),
        ),
    ),
    string("SubscriberCarrierNetwork", platforms=only(ios="5.0", every=NETWORK_OLD)),
    string("CarrierSettingsVersion", platforms=only(ios=SAME, every=NETWORK_OLD)),
    string("PhoneNumber", platforms=only(ios=SAME, every=NETWORK_OLD)),
    string("DataRoamingEnabled", platforms=only(ios="5.0", every=NETWORK_PRIVATE)),
    string("VoiceRoamingEnabled", platforms=only(ios="5.0", every=NETWORK_OLD)),
    string("PersonalHotspotEnabled", platforms=only(ios="7.0", every=NETWORK_PRIVATE)),
    string("IsNetworkTethered", platforms=only(ios="10.3", every=NETWORK)),
    string("IsRoaming", platforms=only(ios="4.2", every=NETWORK_PRIVATE)),
    string("SubscriberMCC", platforms=only(ios="4.2.6", every=NETWORK_OLD)),
    string("SubscriberMNC", platforms=only(ios="4.2.6", every=NETWORK_OLD)),
    string("CurrentMCC", platforms=only(ios=SAME, every=NETWORK_OLD)),
    string("CurrentMNC", platforms=only(ios=SAME, every=NETWORK_OLD)),
    string("ServiceSubscriptions", platforms=only(ios="12.0", every=NETWORK_PRIVATE)),
    string("PINRequiredForEraseDevice", platforms=only(macos="11.0", every=DEVICE_PRIVATE)),
    string("PINRequiredForDeviceLock", platforms=only(macos="11.0", every=DEVICE_PRIVATE)),
    string("SupportsiOSAppInstalls", platforms=only(macos="11.0", every=DEVICE)),
    string(
        "SoftwareUpdateDeviceID",
        platforms=on(ios="15.0", macos="12.0", visionos=SAME, tvos=NO, watchos=NO, every=PRIVATE),
    ),
    string("SoftwareUpdateSettings", platforms=only(ios="14.5", every=PRIVATE)),
    string(
        "AccessibilitySettings",
        platforms=only(
            ios=Support("16.0", shared_ipad=SHARED_USER),
            watchos=SAME,
            every=Support(supervised=True, user_enrollment=FORBIDDEN),
        ),
    ),
    string("DevicePropertiesAttestation", platforms=on(ios="16.0", macos="14.0", tvos="16.0")),
    string(
        "EACSPreflight",
        platforms=only(
            macos="13.3",
            every=Support(access_right="AllowQueryDeviceInformation", user_channel=False, user_enrollment=FORBIDDEN),
        ),
    ),
)


def default_queries(platform: Platform | None = None) -> list[str]:
    """All queries worth asking on a platform, in the table's order; without a platform, those of all of them.

    Queries that need a newer OS, supervision or Shared iPad are asked as well: a device answers what it can.
    """
    return [
        query.key for query in QUERIES if query.key not in _NOT_BY_DEFAULT and _is_answered(query.platforms, platform)
    ]


def _is_answered(support: Mapping[Platform, Support], platform: Platform | None) -> bool:
    asked = list(Platform) if platform is None else [platform]
    own = [support.get(one, SAME) for one in asked]
    return any(one.is_available and one.removed is None for one in own)
