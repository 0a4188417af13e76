"""What we manage: devices, their groups, and what they told us."""

from devices.models.device import Device, DeviceState
from devices.models.group import DeviceGroup
from devices.models.inventory import DeviceUser, InstalledApp, InstalledCertificate, InstalledProfile

__all__ = [
    "Device",
    "DeviceGroup",
    "DeviceState",
    "DeviceUser",
    "InstalledApp",
    "InstalledCertificate",
    "InstalledProfile",
]
