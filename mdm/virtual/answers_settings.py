"""Settings, item by item, and the switches that have commands of their own."""

from collections.abc import Callable
from typing import Any

from mdm.virtual.error_chains import BadFormat, Refused, app_not_managed, link, mdm_error, not_supervised
from mdm.virtual.scene import CommandKeys, Response, Scene

Item = dict[str, Any]
SWITCHES_IOS = ("DataRoaming", "VoiceRoaming", "PersonalHotspot", "Bluetooth", "DiagnosticSubmission", "AppAnalytics")
NEED_SUPERVISION = (
    "Wallpaper",
    "Bluetooth",
    "DeviceName",
    "TimeZone",
    "SoftwareUpdateSettings",
    "AccessibilitySettings",
)
ONLY_SHARED = ("MaximumResidentUsers", "SharedDeviceConfiguration", "PasscodeLockGracePeriod")


def settings(scene: Scene, command: CommandKeys) -> Response:
    """One result per item; the command as a whole is acknowledged even if an item fails.

    Devices send a list of results, although Apple's schema describes one dictionary.
    """
    items = command["Settings"]
    if not all(isinstance(item, dict) and "Item" in item for item in items):
        raise BadFormat
    return {"Settings": [_one(scene, item) for item in items]}


def _one(scene: Scene, item: Item) -> dict[str, Any]:
    result = {"Item": item["Item"], "Status": "Acknowledged"}
    if "Identifier" in item:
        result["Identifier"] = item["Identifier"]
    try:
        _apply(scene, item)
    except Refused as refusal:
        result |= {"Status": "Error", "ErrorChain": refusal.chain}
    except KeyError as missing:
        chain = [link("MCSettingsErrorDomain", 28000, f"{item['Item']}: {missing.args[0]} is missing.")]
        result |= {"Status": "Error", "ErrorChain": chain}
    return result


def _apply(scene: Scene, item: Item) -> None:
    name = item["Item"]
    handlers = MAC_ITEMS if scene.is_mac else IOS_ITEMS
    if name not in handlers:
        raise Refused([link("MCSettingsErrorDomain", 28000, f"Unknown settings item “{name}”.")])
    if not scene.is_mac:
        if name in NEED_SUPERVISION and not scene.is_supervised:
            raise Refused(not_supervised(name))
        if name in ONLY_SHARED and not scene.is_shared_ipad:
            raise Refused(mdm_error(12076, f"{name} is for Shared iPad only."))
    handlers[name](scene, item)


def _switch(scene: Scene, item: Item) -> None:
    scene.state.settings[item["Item"]] = item["Enabled"]


def _device_name(scene: Scene, item: Item) -> None:
    scene.state.name = item["DeviceName"]


def _host_name(scene: Scene, item: Item) -> None:
    scene.state.host_name = item["HostName"]


def _value(key: str) -> Callable[[Scene, Item], None]:
    """For items whose one value goes by a key of its own."""

    def remember(scene: Scene, item: Item) -> None:
        scene.state.settings[item["Item"]] = item[key]

    return remember


def _organization(scene: Scene, item: Item) -> None:
    """Without OrganizationInfo the item clears what was set."""
    if "OrganizationInfo" in item:
        scene.state.settings["OrganizationInfo"] = item["OrganizationInfo"]
    else:
        scene.state.settings.pop("OrganizationInfo", None)


def _wallpaper(scene: Scene, item: Item) -> None:
    image = item["Image"]
    if not isinstance(image, bytes) or not image.startswith((b"\x89PNG", b"\xff\xd8")):
        raise Refused([link("MCSettingsErrorDomain", 28001, "The wallpaper is neither PNG nor JPEG.")])
    scene.state.settings["Wallpaper"] = {"Where": item["Where"], "Size": len(image)}


def _whole_item(scene: Scene, item: Item) -> None:
    """Items with many optional keys: what is given is merged into what was set."""
    known = scene.state.settings.setdefault(item["Item"], {})
    known.update({key: value for key, value in item.items() if key != "Item"})


def _of_app(key: str) -> Callable[[Scene, Item], None]:
    """Configuration or attributes of a managed app; without the value they are taken away."""

    def remember(scene: Scene, item: Item) -> None:
        app = scene.state.managed_apps.get(item["Identifier"])
        if app is None:
            raise Refused(app_not_managed(item["Identifier"]))
        if key in item:
            app[key] = item[key]
        else:
            app.pop(key, None)

    return remember


IOS_ITEMS: dict[str, Callable[[Scene, Item], None]] = {
    **dict.fromkeys(SWITCHES_IOS, _switch),
    "DeviceName": _device_name,
    "OrganizationInfo": _organization,
    "MDMOptions": _value("MDMOptions"),
    "TimeZone": _value("TimeZone"),
    "SoftwareUpdateSettings": _value("RecommendationCadence"),
    "MaximumResidentUsers": _value("MaximumResidentUsers"),
    "PasscodeLockGracePeriod": _value("PasscodeLockGracePeriod"),
    "AccessibilitySettings": _whole_item,
    "SharedDeviceConfiguration": _whole_item,
    "Wallpaper": _wallpaper,
    "ApplicationConfiguration": _of_app("Configuration"),
    "ApplicationAttributes": _of_app("Attributes"),
}
MAC_ITEMS: dict[str, Callable[[Scene, Item], None]] = {
    "Bluetooth": _switch,
    "DeviceName": _device_name,
    "HostName": _host_name,
    "OrganizationInfo": _organization,
    "MDMOptions": _value("MDMOptions"),
    "ApplicationConfiguration": _of_app("Configuration"),
}


def enable_remote_desktop(scene: Scene, command: CommandKeys) -> Response:
    scene.state.remote_desktop = True
    return {}


def disable_remote_desktop(scene: Scene, command: CommandKeys) -> Response:
    scene.state.remote_desktop = False
    return {}


def refresh_cellular_plans(scene: Scene, command: CommandKeys) -> Response:
    if not scene.facts.model.has_cellular:
        raise Refused([link("MCCellularErrorDomain", 36001, "The device has no cellular modem.")])
    return {}
