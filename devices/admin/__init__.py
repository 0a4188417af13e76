"""Pages about devices and their groups."""

from devices.admin.agent import ScriptAgentAdmin
from devices.admin.attributes import CustomAttributeAdmin
from devices.admin.device import DeviceAdmin
from devices.admin.groups import DeviceGroupAdmin
from devices.admin.script_jobs import ScriptJobAdmin
from devices.admin.scripts import ScriptAdmin

__all__ = [
    "CustomAttributeAdmin",
    "DeviceAdmin",
    "DeviceGroupAdmin",
    "ScriptAdmin",
    "ScriptAgentAdmin",
    "ScriptJobAdmin",
]
