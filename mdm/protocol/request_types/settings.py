"""The Settings command: an array whose entries are alternatives, told apart by `Item`."""

from collections.abc import Mapping
from typing import Any

from mdm.common.marking import marked as _
from mdm.protocol.request_types.request import Request, build
from mdm.protocol.request_types.schema import Parameter, RequestType, Support
from mdm.protocol.request_types.settings_device import DEVICE_SETTINGS
from mdm.protocol.request_types.settings_management import MANAGEMENT_SETTINGS
from mdm.protocol.request_types.settings_shared_ipad import SHARED_IPAD_SETTINGS
from mdm.protocol.request_types.vocabulary import SHARED_BOTH, array, on

SETTINGS: tuple[Parameter, ...] = (*DEVICE_SETTINGS, *MANAGEMENT_SETTINGS, *SHARED_IPAD_SETTINGS)

SETTINGS_COMMAND = RequestType(
    name="Settings",
    label=_("Settings"),
    summary=_("Change one or more settings of the device."),
    family=_("Settings"),
    platforms=on(
        ios=Support("5.0", shared_ipad=SHARED_BOTH),
        macos=Support("10.9", user_channel=True),
        tvos="9.0",
        visionos="1.1",
        watchos="10.0",
        every=Support(access_right="AllowSettings"),
    ),
    parameters=(array("Settings", *SETTINGS, required=True),),
    answers=("Settings",),
)


def settings(*items: Mapping[str, Any]) -> Request:
    """One command with several settings; each item is a dictionary with `Item` and the keys of that setting."""
    return build("Settings", Settings=[dict(item) for item in items])


def settings_device_name(name: str) -> Request:
    return settings({"Item": "DeviceName", "DeviceName": name})


def settings_host_name(name: str) -> Request:
    return settings({"Item": "HostName", "HostName": name})


def settings_wallpaper(image: bytes, where: int) -> Request:
    """where: 1 lock screen, 2 home screen, 3 both."""
    return settings({"Item": "Wallpaper", "Image": image, "Where": where})


def settings_time_zone(time_zone: str) -> Request:
    return settings({"Item": "TimeZone", "TimeZone": time_zone})


def settings_switch(item: str, *, enabled: bool) -> Request:
    """item: Bluetooth, DataRoaming, VoiceRoaming, PersonalHotspot, DiagnosticSubmission or AppAnalytics."""
    return settings({"Item": item, "Enabled": enabled})


def settings_organization_info(information: Mapping[str, Any] | None) -> Request:
    """None takes the information away."""
    return settings({"Item": "OrganizationInfo", "OrganizationInfo": information})


def settings_mdm_options(options: Mapping[str, Any]) -> Request:
    return settings({"Item": "MDMOptions", "MDMOptions": dict(options)})


def settings_application_configuration(identifier: str, configuration: Mapping[str, Any] | None) -> Request:
    """None takes the configuration away."""
    return settings({"Item": "ApplicationConfiguration", "Identifier": identifier, "Configuration": configuration})


def settings_application_attributes(identifier: str, attributes: Mapping[str, Any] | None) -> Request:
    """None takes the attributes away."""
    return settings({"Item": "ApplicationAttributes", "Identifier": identifier, "Attributes": attributes})
