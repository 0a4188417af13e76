"""Valid parameters for every request type, as an operator would send them in the raw endpoint's JSON."""

import base64
import plistlib

PROFILE = base64.b64encode(
    plistlib.dumps(
        {
            "PayloadType": "Configuration",
            "PayloadVersion": 1,
            "PayloadIdentifier": "com.example.flow",
            "PayloadUUID": "6E0D3B6C-1111-4222-8333-444455556666",
            "PayloadDisplayName": "Flow profile",
            "PayloadContent": [],
        }
    )
).decode()
DATA = base64.b64encode(b"some bytes").decode()

SAMPLES: dict[str, dict] = {
    "AccountConfiguration": {"skip_primary_setup_account_creation": True},
    "ApplyRedemptionCode": {"identifier": "com.example.app", "redemption_code": "CODE"},
    "ClearPasscode": {"unlock_token": DATA},
    "ClearRestrictionsPassword": {},
    "DeleteUser": {"user_name": "jane"},
    "DeviceConfigured": {},
    "DeviceLock": {"message": "Locked by IT"},
    "EnableLostMode": {"message": "Please call us", "phone_number": "+1 555 0100"},
    "EraseDevice": {},
    "InstallApplication": {"itunes_store_id": 361309726, "options": {"purchase_method": 1}},
    "InstallEnterpriseApplication": {"manifest_url": "https://example.com/manifest.plist"},
    "InstallMedia": {"media_type": "Book", "itunes_store_id": 361309726},
    "InstallProfile": {"payload": PROFILE},
    "InstallProvisioningProfile": {"provisioning_profile": DATA},
    "InviteToProgram": {"program_id": "com.apple.cloudvpp", "invitation_url": "https://example.com/invite"},
    "RemoveApplication": {"identifier": "com.example.app"},
    "RemoveMedia": {"media_type": "Book", "itunes_store_id": "361309726"},
    "RemoveProfile": {"identifier": "com.example.flow"},
    "RemoveProvisioningProfile": {"uuid": "6E0D3B6C-1111-4222-8333-444455556666"},
    "RequestMirroring": {"destination_name": "Meeting room"},
    "Settings": {"settings": [{"item": "DeviceName", "device_name": "Renamed by Pomona"}]},
    "SetAutoAdminPassword": {"guid": "6E0D3B6C-1111-4222-8333-444455556666", "password_hash": DATA},
    "SetFirmwarePassword": {"new_password": "firmware1"},
    "SetRecoveryLock": {"new_password": "recovery1"},
    "UnlockUserAccount": {"user_name": "jane"},
    "VerifyFirmwarePassword": {"password": "firmware1"},
    "VerifyRecoveryLock": {"password": "recovery1"},
}
# A Mac is unlocked again with a PIN, and refuses to be locked without one.
MAC_SAMPLES: dict[str, dict] = {
    "DeviceLock": {"message": "Locked by IT", "pin": "123456"},
    "EraseDevice": {"pin": "123456"},
}
# After these the device is gone or restarts: they come last.
LAST = ["ShutDownDevice", "RestartDevice", "EraseDevice"]


def sample(name: str, platform: str) -> dict:
    """platform: ios or macos."""
    return (MAC_SAMPLES if platform == "macos" else {}).get(name) or SAMPLES.get(name, {})


def in_order(names: list[str]) -> list[str]:
    return sorted(names, key=lambda name: (LAST.index(name) if name in LAST else -1, name))
