"""For every request type a well-formed command and what must hold before, so that the device acknowledges it."""

import plistlib
from datetime import datetime

from cryptography.hazmat.primitives import serialization

PRK = "AAAA-BBBB-CCCC-DDDD-EEEE-FFFF"
PNG = b"\x89PNG\r\n\x1a\n"
APP = "com.example.app"
MANIFEST = {
    "items": [
        {
            "assets": [{"kind": "software-package", "url": "https://example.com/app.pkg"}],
            "metadata": {"bundle-identifier": APP, "bundle-version": "2.1", "kind": "software", "title": "Example"},
        }
    ]
}


def plain_profile(identifier="com.example.wifi", *payloads):
    content = [
        {"PayloadIdentifier": f"{identifier}.{n}", "PayloadUUID": f"{identifier}-{n}", "PayloadVersion": 1, **payload}
        for n, payload in enumerate(payloads or ({"PayloadType": "com.apple.wifi.managed"},))
    ]
    return plistlib.dumps(
        {
            "PayloadType": "Configuration",
            "PayloadIdentifier": identifier,
            "PayloadUUID": f"{identifier}-uuid",
            "PayloadVersion": 1,
            "PayloadDisplayName": identifier,
            "PayloadContent": content,
        }
    )


def provisioning_profile():
    inside = plistlib.dumps({"Name": "Team", "UUID": "prov-1", "ExpirationDate": datetime(2031, 1, 2)})
    return b"\x30\x80 pretend CMS " + inside + b"\0\0"


ALL_QUERIES = [
    "UDID",
    "ProvisioningUDID",
    "OrganizationInfo",
    "MDMOptions",
    "AwaitingConfiguration",
    "iTunesStoreAccountIsActive",
    "iTunesStoreAccountHash",
    "DeviceName",
    "OSVersion",
    "SupplementalOSVersionExtra",
    "BuildVersion",
    "ModelName",
    "Model",
    "SupplementalBuildVersion",
    "ModelNumber",
    "IsAppleSilicon",
    "ProductName",
    "SerialNumber",
    "DeviceCapacity",
    "IMEI",
    "MEID",
    "AvailableDeviceCapacity",
    "ModemFirmwareVersion",
    "CellularTechnology",
    "BatteryLevel",
    "HasBattery",
    "IsSupervised",
    "IsMultiUser",
    "IsDeviceLocatorServiceEnabled",
    "IsActivationLockEnabled",
    "IsActivationLockSupported",
    "HostName",
    "IsDoNotDisturbInEffect",
    "EASDeviceIdentifier",
    "IsCloudBackupEnabled",
    "ActiveManagedUsers",
    "OSUpdateSettings",
    "LocalHostName",
    "AutoSetupAdminAccounts",
    "SystemIntegrityProtectionEnabled",
    "SupportsLOMDevice",
    "PushToken",
    "IsMDMLostModeEnabled",
    "EstimatedResidentUsers",
    "QuotaSize",
    "ResidentUsers",
    "DiagnosticSubmissionEnabled",
    "AppAnalyticsEnabled",
    "TimeZone",
    "ICCID",
    "BluetoothMAC",
    "WiFiMAC",
    "EthernetMAC",
    "CurrentCarrierNetwork",
    "SIMCarrierNetwork",
    "SubscriberCarrierNetwork",
    "CarrierSettingsVersion",
    "PhoneNumber",
    "DataRoamingEnabled",
    "VoiceRoamingEnabled",
    "PersonalHotspotEnabled",
    "IsNetworkTethered",
    "IsRoaming",
    "SubscriberMCC",
    "SubscriberMNC",
    "CurrentMCC",
    "CurrentMNC",
    "SIMMCC",
    "SIMMNC",
    "ServiceSubscriptions",
    "PINRequiredForEraseDevice",
    "SoftwareUpdateDeviceID",
    "PINRequiredForDeviceLock",
    "SupportsiOSAppInstalls",
    "SoftwareUpdateSettings",
    "AccessibilitySettings",
    "EACSPreflight",
]


def commands(server, platform):
    """Request type → (keys, preparation of the device). Preparations take the device before the command comes."""
    mac = platform == "macos"
    certificate = server.ca.public_bytes(serialization.Encoding.DER)

    def managed_app(device):
        device.answer_locally("InstallApplication", iTunesStoreID=1, InstallAsManaged=True, Configuration={"a": 1})

    def paid_app(device):
        device.paid = {1}
        device.answer_locally("InstallApplication", iTunesStoreID=1, Options={"PurchaseMethod": 0})

    def lost(device):
        device.state.lost_mode = {"Message": "Lost"}

    def user_of(device):
        return next(name for name, user in device.state.users.items() if not user["IsLoggedIn"])

    def nothing(device):
        return None

    table = {
        "DeviceInformation": {"Queries": ALL_QUERIES},
        "SecurityInfo": {},
        "CertificateList": {},
        "Restrictions": {"ProfileRestrictions": True},
        "ContentCachingInformation": {},
        "LOMSetupRequest": {},
        "LOMDeviceRequest": {"RequestList": [{"DeviceRequestUUID": "1", "DeviceRequestType": "Reset"}]},
        "DeclarativeManagement": {},
        "ActiveNSExtensions": {},
        "NSExtensionMappings": {},
        "TriggerEnhancedLogCollection": {"AppleCareToken": "x"},
        "CancelEnhancedLogCollection": {},
        "InstallProfile": {"Payload": plain_profile()},
        "RemoveProfile": (
            {"Identifier": "com.example.wifi"},
            lambda d: d.answer_locally("InstallProfile", Payload=plain_profile()),
        ),
        "ProfileList": {},
        "InstallProvisioningProfile": {"ProvisioningProfile": provisioning_profile()},
        "RemoveProvisioningProfile": (
            {"UUID": "prov-1"},
            lambda d: d.answer_locally("InstallProvisioningProfile", ProvisioningProfile=provisioning_profile()),
        ),
        "ProvisioningProfileList": (
            {},
            lambda d: d.answer_locally("InstallProvisioningProfile", ProvisioningProfile=provisioning_profile()),
        ),
        "InstalledApplicationList": {},
        "ManagedApplicationList": ({}, managed_app),
        "InstallApplication": {"iTunesStoreID": 1},
        "InstallEnterpriseApplication": {"Manifest": MANIFEST},
        "RemoveApplication": ({"Identifier": "com.appstore.id1"}, managed_app),
        "ApplyRedemptionCode": (
            {"Identifier": "com.appstore.id1", "RedemptionCode": "X"},
            paid_app,
        ),
        "ValidateApplications": {},
        "ManagedApplicationAttributes": ({"Identifiers": ["com.appstore.id1"]}, managed_app),
        "ManagedApplicationConfiguration": ({"Identifiers": ["com.appstore.id1"]}, managed_app),
        "ManagedApplicationFeedback": ({"Identifiers": ["com.appstore.id1"]}, managed_app),
        "InviteToProgram": {"ProgramID": "com.apple.cloudvpp", "InvitationURL": "https://example.com/"},
        "InstallMedia": {"MediaType": "Book", "iTunesStoreID": 5},
        "ManagedMediaList": ({}, lambda d: d.answer_locally("InstallMedia", MediaType="Book", iTunesStoreID=5)),
        "RemoveMedia": (
            {"MediaType": "Book", "iTunesStoreID": "5"},
            lambda d: d.answer_locally("InstallMedia", MediaType="Book", iTunesStoreID=5),
        ),
        "Settings": {"Settings": [{"Item": "DeviceName", "DeviceName": "New"}]},
        "EnableRemoteDesktop": {},
        "DisableRemoteDesktop": {},
        "RefreshCellularPlans": {"eSIMServerURL": "https://example.com"},
        "RestartDevice": {},
        "ShutDownDevice": {},
        "DeviceLock": {"Message": "Hello"} | ({"PIN": "123456"} if mac else {}),
        "EraseDevice": {"PIN": "123456"} if mac else {},
        "RequestMirroring": {"DestinationName": "TV"},
        "StopMirroring": {},
        "EnableLostMode": {"Message": "Lost"},
        "DisableLostMode": ({}, lost),
        "DeviceLocation": ({}, lost),
        "PlayLostModeSound": ({}, lost),
        "ClearPasscode": (lambda d: {"UnlockToken": d.state.unlock_token}, nothing),
        "RequestUnlockToken": {},
        "ClearRestrictionsPassword": {},
        "ActivationLockBypassCode": {},
        "ClearActivationLockBypassCode": {},
        "SetFirmwarePassword": {"NewPassword": "secret"},
        "VerifyFirmwarePassword": {"Password": "secret"},
        "SetRecoveryLock": {"NewPassword": "secret"},
        "VerifyRecoveryLock": {"Password": "secret"},
        "RotateFileVaultKey": (
            lambda d: {
                "KeyType": "personal",
                "FileVaultUnlock": {"Password": d.state.recovery_key},
                "ReplyEncryptionCertificate": certificate,
            },
            nothing,
        ),
        "SetAutoAdminPassword": (
            {"GUID": "G", "passwordHash": b"hash"},
            lambda d: d.state.admin_accounts.append({"GUID": "G", "shortName": "admin"}),
        ),
        "AccountConfiguration": (
            {"AutoSetupAdminAccounts": [{"shortName": "admin", "passwordHash": b"hash"}]},
            lambda d: setattr(d.state, "awaiting_configuration", True),
        ),
        "DeviceConfigured": {},
        "UserConfigured": {},
        "UserList": {},
        "DeleteUser": (lambda d: {"UserName": user_of(d)}, nothing),
        "LogOutUser": {},
        "UnlockUserAccount": (lambda d: {"UserName": user_of(d)}, nothing),
        "AvailableOSUpdates": {},
        "ScheduleOSUpdateScan": {},
        "ScheduleOSUpdate": {"Updates": [{"InstallAction": "Default"}]},
        "OSUpdateStatus": (
            {},
            lambda d: d.answer_locally("ScheduleOSUpdate", Updates=[{"InstallAction": "Default"}]),
        ),
    }
    return {kind: row if isinstance(row, tuple) else (row, nothing) for kind, row in table.items()}
