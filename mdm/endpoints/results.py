"""From request type to the functions that read its answer: the only place that knows both sides."""

from collections.abc import Callable, Mapping
from typing import Any

from devices.models import Device
from devices.results import (
    certificates,
    device_information,
    installed_applications,
    profiles,
    security_info,
    users,
)
from mdm.commands.models import Command

ResultFunction = Callable[[Device, Mapping[str, Any], Command], None]

RESULTS: dict[str, tuple[ResultFunction, ...]] = {
    "DeviceInformation": (device_information.apply,),
    "SecurityInfo": (security_info.apply,),
    "InstalledApplicationList": (installed_applications.apply,),
    "ManagedApplicationList": (installed_applications.apply_managed,),
    "ProfileList": (profiles.apply,),
    "CertificateList": (certificates.apply,),
    "UserList": (users.apply,),
}
