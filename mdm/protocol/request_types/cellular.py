"""Mobile plans."""

from mdm.common.marking import marked as _
from mdm.protocol.request_types.request import Request, build
from mdm.protocol.request_types.schema import FORBIDDEN, RequestType, Support
from mdm.protocol.request_types.vocabulary import on, string

REFRESH_CELLULAR_PLANS = RequestType(
    name="RefreshCellularPlans",
    label=_("Refresh mobile plans"),
    summary=_("Have the device ask a carrier for its eSIM plans."),
    family=_("Network"),
    platforms=on(ios=Support("13.0", user_enrollment=FORBIDDEN)),
    parameters=(string("eSIMServerURL", required=True, help=_("From the carrier.")),),
)


def refresh_cellular_plans(esim_server_url: str) -> Request:
    return build("RefreshCellularPlans", eSIMServerURL=esim_server_url)
