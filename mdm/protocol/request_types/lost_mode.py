"""Lost Mode of supervised iPhones and iPads."""

from mdm.common.marking import marked as _
from mdm.protocol.request_types.request import Request, build
from mdm.protocol.request_types.schema import FORBIDDEN, RequestType, Support
from mdm.protocol.request_types.vocabulary import on, string

ENABLE_LOST_MODE = RequestType(
    name="EnableLostMode",
    label=_("Lost Mode on"),
    summary=_("Lock a lost device with a message and make it locatable."),
    family=_("Lost Mode"),
    platforms=on(ios=Support("9.3", supervised=True, user_enrollment=FORBIDDEN)),
    parameters=(
        string("Message", help=_("Shown on the lock screen; give this or a phone number.")),
        string("PhoneNumber", help=_("Shown on the lock screen; give this or a message.")),
        string("Footnote", help=_("Shown at the bottom of the lock screen.")),
    ),
    destructive=True,
    at_least_one=("Message", "PhoneNumber"),
)

DISABLE_LOST_MODE = RequestType(
    name="DisableLostMode",
    label=_("Lost Mode off"),
    summary=_("Give a found device back to its user."),
    family=_("Lost Mode"),
    platforms=on(ios=Support("9.3", supervised=True, user_enrollment=FORBIDDEN)),
)

DEVICE_LOCATION = RequestType(
    name="DeviceLocation",
    label=_("Locate"),
    summary=_("Ask a device in Lost Mode where it is."),
    family=_("Lost Mode"),
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
    label=_("Play sound"),
    summary=_("Have a device in Lost Mode play a sound."),
    family=_("Lost Mode"),
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
