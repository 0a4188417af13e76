"""Log collection for AppleCare."""

from mdm.common.marking import marked as _
from mdm.protocol.request_types.request import Request, build
from mdm.protocol.request_types.schema import FORBIDDEN, RequestType, Support
from mdm.protocol.request_types.vocabulary import on, string

TRIGGER_ENHANCED_LOG_COLLECTION = RequestType(
    name="TriggerEnhancedLogCollection",
    label=_("Collect enhanced logs"),
    summary=_("Start a log collection that AppleCare asked for."),
    family=_("Logs"),
    platforms=on(
        ios="27.0",
        macos=Support("27.0", device_channel=False, user_channel=True),
        tvos="27.0",
        every=Support(supervised=True, user_enrollment=FORBIDDEN),
    ),
    parameters=(
        string("AppleCareToken", required=True, secret=True, label=_("AppleCare token"), help=_("From AppleCare.")),
    ),
)

CANCEL_ENHANCED_LOG_COLLECTION = RequestType(
    name="CancelEnhancedLogCollection",
    label=_("Stop enhanced logs"),
    summary=_("End a log collection that AppleCare asked for."),
    family=_("Logs"),
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
