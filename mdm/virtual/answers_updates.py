"""OS updates by command, as devices before OS 27 know them: one update is on offer until it is installed."""

from typing import Any

from mdm.virtual.error_chains import BadFormat, mdm_error
from mdm.virtual.scene import CommandKeys, Response, Scene

INSTALLS = ("Default", "InstallASAP", "InstallForceRestart", "InstallLater")


def product_key(scene: Scene) -> str:
    state = scene.state
    if scene.is_mac:
        return f"MSU_UPDATE_{state.next_build}_patch_{state.next_version}_minor"
    return f"iOSUpdate{state.next_build}"


def _is_up_to_date(scene: Scene) -> bool:
    return scene.state.os_version == scene.state.next_version


def available_os_updates(scene: Scene, command: CommandKeys) -> Response:
    if _is_up_to_date(scene):
        return {"AvailableOSUpdates": []}
    state = scene.state
    system = "macOS Sequoia" if scene.is_mac else "iOS"
    item: dict[str, Any] = {
        "ProductKey": product_key(scene),
        "HumanReadableName": f"{system} {state.next_version}",
        "Version": state.next_version,
        "Build": state.next_build,
        "DownloadSize": 1_450_000_000,
        "IsCritical": False,
        "IsSecurityResponse": False,
        "RestartRequired": True,
        "AllowsInstallLater": True,
        "SupplementalBuildVersion": state.next_build,
    }
    if scene.is_mac:
        item |= {
            "HumanReadableNameLocale": "en",
            "MetadataURL": "",
            "AppIdentifiersToClose": [],
            "IsConfigDataUpdate": False,
            "IsFirmwareUpdate": False,
            "IsMajorOSUpdate": False,
            "RequiresBootstrapToken": scene.facts.model.is_apple_silicon,
        }
    else:
        item |= {"ProductName": system, "InstallSize": 2_100_000_000}
    return {"AvailableOSUpdates": [item]}


def schedule_os_update_scan(scene: Scene, command: CommandKeys) -> Response:
    return {"ScanInitiated": True}


def schedule_os_update(scene: Scene, command: CommandKeys) -> Response:
    return {"UpdateResults": [_schedule(scene, wish) for wish in command["Updates"]]}


def _schedule(scene: Scene, wish: dict[str, Any]) -> dict[str, Any]:
    key = wish.get("ProductKey") or product_key(scene)
    try:
        action = wish["InstallAction"]
    except KeyError as error:
        raise BadFormat from error
    is_offered = key == product_key(scene) and wish.get("ProductVersion") in (None, scene.state.next_version)
    if not is_offered or _is_up_to_date(scene):
        chain = mdm_error(12048, "There is no such update.")
        return {"ProductKey": key, "InstallAction": "Error", "Status": "Idle", "ErrorChain": chain}
    action = "InstallASAP" if action == "Default" else action
    scene.state.update = {"ProductKey": key, "InstallAction": action, "Progress": 0.0}
    return {"ProductKey": key, "InstallAction": action, "Status": "Downloading"}


def os_update_status(scene: Scene, command: CommandKeys) -> Response:
    """Every question finds the update one step further: half, all of it, installed (then it is no longer listed)."""
    state = scene.state
    if state.update is None:
        return {"OSUpdateStatus": []}
    update = state.update
    if update["Progress"] >= 1.0 and update["InstallAction"] in INSTALLS:
        state.os_version, state.build_version = state.next_version, state.next_build
        state.update = None
        state.restarts += 1
        return {"OSUpdateStatus": []}
    update["Progress"] = min(1.0, update["Progress"] + 0.5)
    is_downloaded = update["Progress"] >= 1.0
    row: dict[str, Any] = {
        "ProductKey": update["ProductKey"],
        "IsDownloaded": is_downloaded,
        "DownloadPercentComplete": update["Progress"],
        "Status": "Idle" if is_downloaded else "Downloading",
    }
    if is_downloaded and update["InstallAction"] in INSTALLS:
        row["Status"] = "Installing"
    return {"OSUpdateStatus": [row]}
