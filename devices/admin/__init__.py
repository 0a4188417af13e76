"""Pages about devices and their groups."""

from devices.admin.device import DeviceAdmin
from devices.admin.groups import DeviceGroupAdmin

__all__ = ["DeviceAdmin", "DeviceGroupAdmin"]
