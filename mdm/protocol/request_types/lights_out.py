"""Lights-out management: one Mac wakes or stops others. Source: Apple, "LOMDeviceRequest", "LOMSetupRequest"."""

from collections.abc import Mapping, Sequence
from typing import Any

from mdm.common.marking import marked as _
from mdm.protocol.request_types.request import Request, build
from mdm.protocol.request_types.schema import FORBIDDEN, RequestType, Support
from mdm.protocol.request_types.vocabulary import array, dictionary, integer, on, string

LOM_DEVICE_REQUEST = RequestType(
    name="LOMDeviceRequest",
    label=_("Lights-out request"),
    summary=_("Have one Mac start, stop or reset others over the network."),
    family=_("Power"),
    platforms=on(macos=Support("11.0", access_right="DeviceLockAndRemovePasscode", user_enrollment=FORBIDDEN)),
    parameters=(
        array(
            "RequestList",
            dictionary(
                "RequestListItem",
                string("DeviceRequestType", required=True, choices=("PowerON", "PowerOFF", "Reset")),
                string("DeviceRequestUUID", required=True),
                string("DeviceDNSName", required=True, help=_("As in the certificate of the Mac.")),
                array("PrimaryIPv6AddressList", string("PrimaryIPv6AddressListItem", required=True), required=True),
                array("SecondaryIPv6AddressList", string("SecondaryIPv6AddressListItem", required=True), required=True),
                integer("LOMProtocolVersion", required=True, help=_("As the Mac said in its set-up answer.")),
                required=True,
            ),
            required=True,
            help=_("One entry for each Mac."),
        ),
    ),
    destructive=True,
    answers=("ResponseList",),
)

LOM_SETUP_REQUEST = RequestType(
    name="LOMSetupRequest",
    label=_("Lights-out set-up"),
    summary=_("Ask a Mac for the addresses that lights-out requests need."),
    family=_("Power"),
    platforms=on(macos=Support("11.0", access_right="DeviceLockAndRemovePasscode", user_enrollment=FORBIDDEN)),
    answers=("PrimaryIPv6AddressList", "SecondaryIPv6AddressList", "LOMProtocolVersion"),
)


def lom_setup_request() -> Request:
    return build("LOMSetupRequest")


def lom_device_request(requests: Sequence[Mapping[str, Any]]) -> Request:
    """requests: dictionaries with the keys of `RequestListItem`, one for each Mac to act on."""
    return build("LOMDeviceRequest", RequestList=[dict(request) for request in requests])
