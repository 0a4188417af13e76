"""Lost Mode of supervised iPhones and iPads."""

from mdm.protocol.request_types.request import Request, build
from mdm.protocol.request_types.schema import FORBIDDEN, RequestType, Support
from mdm.protocol.request_types.vocabulary import on, string

ENABLE_LOST_MODE = RequestType(
    name="EnableLostMode",
    label="Lost Mode on",
    summary="Lock a lost device with a message and make it locatable.",
    family="Lost Mode",
    platforms=on(ios=Support("9.3", supervised=True, user_enrollment=FORBIDDEN)),
    parameters=(
        string("Message", help="Shown on the lock screen; give this or a phone number."),
        string("PhoneNumber", help="Shown on the lock screen; give this or a message."),
        string("Footnote", help="Shown at the bottom of the lock screen."),
    ),
    destructive=True,
    at_least_one=("Message", "PhoneNumber"),
)

DISABLE_LOST_MODE = RequestType(
    name="DisableLostMode",
    label="Lost Mode off",
    summary="Give a found device back to its user.",
    family="Lost Mode",
    platforms=on(ios=Support("9.3", supervised=True, user_enrollment=FORBIDDEN)),
)

DEVICE_LOCATION = RequestType(
    name="DeviceLocation",
    label="Locate",
    summary="Ask a device in Lost Mode where it is.",
    family="Lost Mode",
    platforms=on(ios=Support("9.3", supervised=True, user_enrollment=FORBIDDEN)),
    answers=(
        "Latitude",
        "Longitude",
        "HorizontalAccuracy",
        "VerticalAccuracy",
        "Altitude",
        "Speed",
        "Course",
        "Timestamp",
    ),
)

PLAY_LOST_MODE_SOUND = RequestType(
    name="PlayLostModeSound",
    label="Play sound",
    summary="Have a device in Lost Mode play a sound.",
    family="Lost Mode",
    platforms=on(ios=Support("10.3", supervised=True, user_enrollment=FORBIDDEN)),
)


def enable_lost_mode(
    *, message: str | None = None, phone_number: str | None = None, footnote: str | None = None
) -> Request:
    """Needs a message or a phone number."""
    return build("EnableLostMode", Message=message, PhoneNumber=phone_number, Footnote=footnote)


def disable_lost_mode() -> Request:
    return build("DisableLostMode")


def device_location() -> Request:
    return build("DeviceLocation")


def play_lost_mode_sound() -> Request:
    return build("PlayLostModeSound")
