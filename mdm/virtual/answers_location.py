"""Lost mode of supervised iPhones and iPads, and where they are while it lasts."""

from datetime import UTC, datetime

from mdm.virtual.scene import CommandKeys, Response, Scene

HOME = (52.5163, 13.3777)


def enable_lost_mode(scene: Scene, command: CommandKeys) -> Response:
    shown = {key: command[key] for key in ("Message", "PhoneNumber", "Footnote") if key in command}
    scene.refuse_unless(
        bool(shown.keys() & {"Message", "PhoneNumber"}), 12066, "A message or a phone number is needed."
    )
    scene.state.lost_mode = shown
    return {}


def disable_lost_mode(scene: Scene, command: CommandKeys) -> Response:
    _require_lost_mode(scene)
    scene.state.lost_mode = None
    return {}


def device_location(scene: Scene, command: CommandKeys) -> Response:
    _require_lost_mode(scene)
    return {
        "Latitude": round(HOME[0] + scene.rng.uniform(-0.02, 0.02), 6),
        "Longitude": round(HOME[1] + scene.rng.uniform(-0.02, 0.02), 6),
        "HorizontalAccuracy": 12.5,
        "VerticalAccuracy": 8.0,
        "Altitude": 34.0,
        "Speed": -1.0,
        "Course": -1.0,
        "Timestamp": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
    }


def play_lost_mode_sound(scene: Scene, command: CommandKeys) -> Response:
    _require_lost_mode(scene)
    scene.state.lost_mode_sounds += 1
    return {}


def _require_lost_mode(scene: Scene) -> None:
    scene.refuse_unless(scene.state.lost_mode is not None, 12067, "The device is not in MDM lost mode.")
