"""Log collection for AppleCare."""

from mdm.protocol.request_types.request import Request, build
from mdm.protocol.request_types.schema import FORBIDDEN, RequestType, Support
from mdm.protocol.request_types.vocabulary import on, string

TRIGGER_ENHANCED_LOG_COLLECTION = RequestType(
    name="TriggerEnhancedLogCollection",
    label="Collect enhanced logs",
    summary="Start a log collection that AppleCare asked for.",
    family="Logs",
    platforms=on(
        ios="27.0",
        macos=Support("27.0", device_channel=False, user_channel=True),
        tvos="27.0",
        every=Support(supervised=True, user_enrollment=FORBIDDEN),
    ),
    parameters=(string("AppleCareToken", required=True, secret=True, label="AppleCare token", help="From AppleCare."),),
)

CANCEL_ENHANCED_LOG_COLLECTION = RequestType(
    name="CancelEnhancedLogCollection",
    label="Stop enhanced logs",
    summary="End a log collection that AppleCare asked for.",
    family="Logs",
    platforms=on(
        ios="27.0",
        macos=Support("27.0", device_channel=False, user_channel=True),
        tvos="27.0",
        every=Support(supervised=True, user_enrollment=FORBIDDEN),
    ),
)


def trigger_enhanced_log_collection(apple_care_token: str) -> Request:
    return build("TriggerEnhancedLogCollection", AppleCareToken=apple_care_token)


def cancel_enhanced_log_collection() -> Request:
    return build("CancelEnhancedLogCollection")
