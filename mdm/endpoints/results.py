"""From request type to the functions that read its answer: the only place that knows both sides."""

from collections.abc import Callable, Mapping
from typing import Any

from apps_catalog import results as apps
from devices.models import Device
from devices.results import (
    agent_package,
    certificates,
    device_information,
    device_lock,
    installed_applications,
    location,
    lost_mode,
    passwords,
    profile_commands,
    profiles,
    script_agent,
    security_info,
    users,
)
from enrollment.services import leaving, setup_assistant
from mdm.commands.models import Command

ResultFunction = Callable[[Device, Mapping[str, Any], Command], None]
RefusalFunction = Callable[[Device, Command, str], None]

RESULTS: dict[str, tuple[ResultFunction, ...]] = {
    "DeviceInformation": (device_information.apply,),
    "SecurityInfo": (security_info.apply,),
    "InstalledApplicationList": (installed_applications.apply, apps.listed),
    "ManagedApplicationList": (installed_applications.apply_managed, apps.managed),
    "ManagedApplicationFeedback": (apps.feedback,),
    "Settings": (apps.configured,),
    "ProfileList": (profiles.apply, profile_commands.listed),
    "CertificateList": (certificates.apply,),
    "UserList": (users.apply,),
    "InstallProfile": (profile_commands.installed,),
    "RemoveProfile": (profile_commands.removed, leaving.profile_removed),
    "InstallApplication": (apps.accepted,),
    "InstallEnterpriseApplication": (apps.accepted,),
    "RemoveApplication": (installed_applications.removed, apps.removed),
    "DeviceLock": (device_lock.apply,),
    "EnableLostMode": (lost_mode.enabled,),
    "DisableLostMode": (lost_mode.disabled,),
    "DeviceLocation": (location.apply,),
    "SetFirmwarePassword": (passwords.firmware_password_set,),
    "SetRecoveryLock": (passwords.recovery_lock_set,),
    "SetAutoAdminPassword": (passwords.admin_password_set,),
    "RotateFileVaultKey": (passwords.filevault_key_rotated,),
    "EraseDevice": (leaving.erased,),
    "DeviceConfigured": (setup_assistant.configured,),
    "UserConfigured": (setup_assistant.configured,),
}

# What a refusal means, in the device's words: to whom the command was more than a question.
REFUSALS: dict[str, tuple[RefusalFunction, ...]] = {
    "InstallProfile": (profile_commands.not_installed, script_agent.not_installed),
    "RemoveProfile": (profile_commands.not_removed,),
    "InstallApplication": (apps.refused,),
    "InstallEnterpriseApplication": (apps.refused, agent_package.not_installed),
    "RemoveApplication": (apps.not_removed,),
    "Settings": (apps.configuration_refused,),
    "SetFirmwarePassword": (passwords.firmware_password_not_set,),
    "SetRecoveryLock": (passwords.recovery_lock_not_set,),
    "SetAutoAdminPassword": (passwords.admin_password_not_set,),
    "DeviceConfigured": (setup_assistant.not_configured,),
    "UserConfigured": (setup_assistant.not_configured,),
}
