"""Declarative management."""

from mdm.common.marking import marked as _
from mdm.protocol.request_types.request import Request, build
from mdm.protocol.request_types.schema import RequestType, Support
from mdm.protocol.request_types.vocabulary import SHARED_BOTH, data, on

DECLARATIVE_MANAGEMENT = RequestType(
    name="DeclarativeManagement",
    label=_("Sync declarations"),
    summary=_("Switch declarative management on, or have the device fetch its declarations."),
    family=_("Declarations"),
    platforms=on(
        ios=Support("15.0", shared_ipad=SHARED_BOTH),
        macos=Support("13.0", user_channel=True),
        tvos="16.0",
        visionos="1.1",
        watchos="10.0",
    ),
    parameters=(data("Data", help=_("Current tokens as JSON; saves the device one request.")),),
)


def declarative_management(data: bytes | None = None) -> Request:
    """data: the tokens answer as JSON, which saves the device one request."""
    return build("DeclarativeManagement", Data=data)
