"""A realistic answer for every request type: the table, and the checks that come before it.

A device that does not know a request type, on the wrong channel, unsupervised or without a required key says so in the
same way as a real one; see `compose`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mdm.virtual import (
    answers_apps,
    answers_information,
    answers_installs,
    answers_location,
    answers_passwords,
    answers_power,
    answers_profiles,
    answers_security,
    answers_settings,
    answers_updates,
    answers_users,
)
from mdm.virtual.error_chains import (
    BadFormat,
    ErrorChain,
    Refused,
    not_supervised,
    only_shared_ipad,
    unknown_request_type,
    wrong_channel,
)
from mdm.virtual.scene import CommandKeys, Response, Scene

OnIos = Literal["no", "yes", "supervised", "shared"]
OnMac = Literal["no", "device", "user", "both"]


@dataclass(frozen=True)
class Kind:
    """One request type: who answers, where it works, and the keys (with their types) without which it is malformed."""

    answer: Callable[[Scene, CommandKeys], Response]
    ios: OnIos
    macos: OnMac
    required: Mapping[str, type] = field(default_factory=dict)
    mac_supervised: bool = False


@dataclass(frozen=True)
class Reply:
    status: Literal["Acknowledged", "Error", "CommandFormatError"]
    response: dict[str, Any] = field(default_factory=dict)
    chain: ErrorChain | None = None


REQUEST_TYPES: dict[str, Kind] = {
    # Facts and lists
    "DeviceInformation": Kind(answers_information.device_information, "yes", "both", {"Queries": list}),
    "SecurityInfo": Kind(answers_security.security_info, "yes", "both"),
    "CertificateList": Kind(answers_security.certificate_list, "yes", "both"),
    "Restrictions": Kind(answers_security.restrictions, "yes", "no"),
    "ContentCachingInformation": Kind(answers_information.content_caching, "no", "device"),
    "LOMSetupRequest": Kind(answers_information.lom_setup, "no", "device"),
    "LOMDeviceRequest": Kind(answers_information.lom_device, "no", "device", {"RequestList": list}),
    "DeclarativeManagement": Kind(answers_information.declarative_management, "yes", "both"),
    "ActiveNSExtensions": Kind(answers_information.active_extensions, "no", "user"),
    "NSExtensionMappings": Kind(answers_information.extension_mappings, "no", "user"),
    "TriggerEnhancedLogCollection": Kind(
        answers_information.start_log_collection, "supervised", "user", {"AppleCareToken": str}, mac_supervised=True
    ),
    "CancelEnhancedLogCollection": Kind(
        answers_information.stop_log_collection, "supervised", "user", mac_supervised=True
    ),
    # Profiles
    "InstallProfile": Kind(answers_profiles.install_profile, "yes", "both", {"Payload": bytes}),
    "RemoveProfile": Kind(answers_profiles.remove_profile, "yes", "both", {"Identifier": str}),
    "ProfileList": Kind(answers_profiles.profile_list, "yes", "both"),
    "InstallProvisioningProfile": Kind(
        answers_profiles.install_provisioning, "yes", "device", {"ProvisioningProfile": bytes}
    ),
    "RemoveProvisioningProfile": Kind(answers_profiles.remove_provisioning, "yes", "device", {"UUID": str}),
    "ProvisioningProfileList": Kind(answers_profiles.provisioning_list, "yes", "device"),
    # Apps, books
    "InstalledApplicationList": Kind(answers_apps.installed_application_list, "yes", "both"),
    "ManagedApplicationList": Kind(answers_apps.managed_application_list, "yes", "both"),
    "InstallApplication": Kind(answers_installs.install_application, "yes", "both"),
    "InstallEnterpriseApplication": Kind(answers_installs.install_enterprise_application, "no", "device"),
    "RemoveApplication": Kind(answers_apps.remove_application, "yes", "device", {"Identifier": str}),
    "ApplyRedemptionCode": Kind(
        answers_installs.apply_redemption_code, "yes", "no", {"Identifier": str, "RedemptionCode": str}
    ),
    "ValidateApplications": Kind(answers_apps.validate_applications, "yes", "no"),
    "ManagedApplicationAttributes": Kind(answers_apps.managed_attributes, "yes", "no", {"Identifiers": list}),
    "ManagedApplicationConfiguration": Kind(answers_apps.managed_configuration, "yes", "device", {"Identifiers": list}),
    "ManagedApplicationFeedback": Kind(answers_apps.managed_feedback, "yes", "user", {"Identifiers": list}),
    "InviteToProgram": Kind(answers_apps.invite_to_program, "yes", "user", {"ProgramID": str, "InvitationURL": str}),
    "InstallMedia": Kind(answers_apps.install_media, "yes", "user", {"MediaType": str}),
    "ManagedMediaList": Kind(answers_apps.managed_media_list, "yes", "no"),
    "RemoveMedia": Kind(answers_apps.remove_media, "yes", "no", {"MediaType": str}),
    # Settings
    "Settings": Kind(answers_settings.settings, "yes", "both", {"Settings": list}),
    "EnableRemoteDesktop": Kind(answers_settings.enable_remote_desktop, "no", "device", mac_supervised=True),
    "DisableRemoteDesktop": Kind(answers_settings.disable_remote_desktop, "no", "device", mac_supervised=True),
    "RefreshCellularPlans": Kind(answers_settings.refresh_cellular_plans, "yes", "no", {"eSIMServerURL": str}),
    # Power, lock, erase, mirroring
    "RestartDevice": Kind(answers_power.restart_device, "supervised", "device"),
    "ShutDownDevice": Kind(answers_power.shut_down_device, "supervised", "device"),
    "DeviceLock": Kind(answers_power.device_lock, "yes", "device"),
    "EraseDevice": Kind(answers_power.erase_device, "yes", "device"),
    "RequestMirroring": Kind(answers_power.request_mirroring, "yes", "device"),
    "StopMirroring": Kind(answers_power.stop_mirroring, "supervised", "device"),
    # Lost mode
    "EnableLostMode": Kind(answers_location.enable_lost_mode, "supervised", "no"),
    "DisableLostMode": Kind(answers_location.disable_lost_mode, "supervised", "no"),
    "DeviceLocation": Kind(answers_location.device_location, "supervised", "no"),
    "PlayLostModeSound": Kind(answers_location.play_lost_mode_sound, "supervised", "no"),
    # Passcodes and passwords
    "ClearPasscode": Kind(answers_passwords.clear_passcode, "yes", "no", {"UnlockToken": bytes}),
    "RequestUnlockToken": Kind(answers_passwords.request_unlock_token, "supervised", "no"),
    "ClearRestrictionsPassword": Kind(answers_passwords.clear_restrictions_password, "supervised", "no"),
    "ActivationLockBypassCode": Kind(
        answers_passwords.activation_lock_bypass_code, "supervised", "device", mac_supervised=True
    ),
    "ClearActivationLockBypassCode": Kind(
        answers_passwords.clear_activation_lock_bypass_code, "supervised", "device", mac_supervised=True
    ),
    "SetFirmwarePassword": Kind(answers_passwords.set_firmware_password, "no", "device", {"NewPassword": str}),
    "VerifyFirmwarePassword": Kind(answers_passwords.verify_firmware_password, "no", "device", {"Password": str}),
    "SetRecoveryLock": Kind(answers_passwords.set_recovery_lock, "no", "device", {"NewPassword": str}),
    "VerifyRecoveryLock": Kind(answers_passwords.verify_recovery_lock, "no", "device", {"Password": str}),
    "RotateFileVaultKey": Kind(
        answers_passwords.rotate_filevault_key, "no", "device", {"KeyType": str, "FileVaultUnlock": dict}
    ),
    "SetAutoAdminPassword": Kind(
        answers_passwords.set_auto_admin_password, "no", "device", {"GUID": str, "passwordHash": bytes}
    ),
    # Setup and users
    "AccountConfiguration": Kind(answers_users.account_configuration, "no", "device"),
    "DeviceConfigured": Kind(answers_users.device_configured, "supervised", "device"),
    "UserConfigured": Kind(answers_users.user_configured, "supervised", "no"),
    "UserList": Kind(answers_users.user_list, "shared", "device", mac_supervised=True),
    "DeleteUser": Kind(answers_users.delete_user, "shared", "device", mac_supervised=True),
    "LogOutUser": Kind(answers_users.log_out_user, "shared", "no"),
    "UnlockUserAccount": Kind(answers_users.unlock_user_account, "no", "device", {"UserName": str}),
    # OS updates
    "AvailableOSUpdates": Kind(answers_updates.available_os_updates, "supervised", "device"),
    "ScheduleOSUpdateScan": Kind(answers_updates.schedule_os_update_scan, "no", "device", mac_supervised=True),
    "ScheduleOSUpdate": Kind(
        answers_updates.schedule_os_update, "supervised", "device", {"Updates": list}, mac_supervised=True
    ),
    "OSUpdateStatus": Kind(answers_updates.os_update_status, "supervised", "device", mac_supervised=True),
}


def compose(scene: Scene, command: CommandKeys) -> Reply:
    """Carry the command out on the scene's device and say what it answers."""
    request_type = command.get("RequestType")
    if not isinstance(request_type, str):
        return Reply("CommandFormatError")
    try:
        kind = _admit(scene, request_type)
        if not all(isinstance(command.get(key), expected) for key, expected in kind.required.items()):
            return Reply("CommandFormatError")
        return Reply("Acknowledged", kind.answer(scene, command))
    except Refused as refusal:
        return Reply("Error", refusal.response, refusal.chain)
    except BadFormat:
        return Reply("CommandFormatError")


def _admit(scene: Scene, request_type: str) -> Kind:
    """The table's row, if this device answers this request type at all. Raises Refused."""
    kind = REQUEST_TYPES.get(request_type)
    if kind is None or (kind.macos if scene.is_mac else kind.ios) == "no":
        raise Refused(unknown_request_type(scene.platform, request_type))
    if scene.is_mac:
        channel = "user" if scene.user else "device"
        if kind.macos not in ("both", channel):
            raise Refused(wrong_channel(request_type, channel))
        needs_supervision = kind.mac_supervised
    else:
        needs_supervision = kind.ios in ("supervised", "shared")
        if kind.ios == "shared" and not scene.is_shared_ipad:
            raise Refused(only_shared_ipad(request_type))
    if needs_supervision and not scene.is_supervised:
        raise Refused(not_supervised(request_type))
    return kind
