"""What we manage: devices, their groups, what they told us, and what they should have."""

from devices.models.agent import AgentKey, AgentPackage, InstallerCertificate
from devices.models.assignment import AssignmentGroup, AssignmentMember, GroupType, InstallType
from devices.models.attribute import AttributeValue, CustomAttribute
from devices.models.device import Device, DeviceState, Platform
from devices.models.due import (
    BulkOperation,
    DueDevice,
    OperationDevice,
    OperationKind,
    OperationOrder,
    OperationState,
    StepState,
)
from devices.models.group import DeviceGroup
from devices.models.inventory import DeviceUser, InstalledApp, InstalledCertificate, InstalledProfile
from devices.models.items import Followed, ItemState
from devices.models.profile import Profile, ProfileAssignment, ProfileInstall, ProfileKind, ProfileVersion
from devices.models.saved_view import SavedView
from devices.models.script import RunAs, RunState, Script, ScriptAgent, ScriptJob, ScriptRun
from devices.models.security import DeviceSecrets, EscrowKey

__all__ = [
    "AgentKey",
    "AgentPackage",
    "AssignmentGroup",
    "AssignmentMember",
    "AttributeValue",
    "BulkOperation",
    "CustomAttribute",
    "Device",
    "DeviceGroup",
    "DeviceSecrets",
    "DeviceState",
    "DeviceUser",
    "DueDevice",
    "EscrowKey",
    "Followed",
    "GroupType",
    "InstallType",
    "InstalledApp",
    "InstalledCertificate",
    "InstalledProfile",
    "InstallerCertificate",
    "ItemState",
    "OperationDevice",
    "OperationKind",
    "OperationOrder",
    "OperationState",
    "Platform",
    "Profile",
    "ProfileAssignment",
    "ProfileInstall",
    "ProfileKind",
    "ProfileVersion",
    "RunAs",
    "RunState",
    "SavedView",
    "Script",
    "ScriptAgent",
    "ScriptJob",
    "ScriptRun",
    "StepState",
]
