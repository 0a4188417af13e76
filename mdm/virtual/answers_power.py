"""Restart, shut down, lock, erase, screen mirroring."""

from mdm.virtual.error_chains import Refused, link
from mdm.virtual.scene import After, CommandKeys, Response, Scene

PIN_LENGTH = 6


def restart_device(scene: Scene, command: CommandKeys) -> Response:
    scene.state.restarts += 1
    # A new firmware password works from the next start on.
    scene.state.firmware_change_pending = False
    return {}


def shut_down_device(scene: Scene, command: CommandKeys) -> Response:
    """Somebody is taken to press the power button later: the device keeps coming back."""
    scene.state.shutdowns += 1
    scene.state.firmware_change_pending = False
    return {}


def device_lock(scene: Scene, command: CommandKeys) -> Response:
    _check_pin(scene, command)
    shown = {key: command[key] for key in ("Message", "PhoneNumber", "PIN") if key in command}
    scene.state.lock = shown
    if scene.is_mac or not shown:
        return {}
    if scene.state.lost_mode is not None:
        return {"MessageResult": "DeviceInLostMode"}
    return {"MessageResult": "Success" if scene.state.passcode_present else "NoPasscodeSet"}


def erase_device(scene: Scene, command: CommandKeys) -> Response:
    _check_pin(scene, command)
    scene.after.append(After.ERASE)
    return {}


def _check_pin(scene: Scene, command: CommandKeys) -> None:
    """Macs: six characters when given, and indispensable without Apple silicon."""
    if not scene.is_mac:
        return
    pin = command.get("PIN")
    if pin is None and scene.facts.model.is_apple_silicon:
        return
    if not isinstance(pin, str) or len(pin) != PIN_LENGTH:
        raise Refused([link("MDMClientError", 94, "The PIN must have six characters.")])


def request_mirroring(scene: Scene, command: CommandKeys) -> Response:
    if "DestinationName" not in command and "DestinationDeviceID" not in command:
        return {"MirroringResult": "DestinationNotFound"}
    scene.state.is_mirroring = True
    return {"MirroringResult": "Prompting"}


def stop_mirroring(scene: Scene, command: CommandKeys) -> Response:
    scene.state.is_mirroring = False
    return {}
