"""AirPlay and Apple Remote Desktop."""

from mdm.common.marking import marked as _
from mdm.protocol.request_types.request import Request, build
from mdm.protocol.request_types.schema import FORBIDDEN, RequestType, Support
from mdm.protocol.request_types.vocabulary import integer, on, string

REQUEST_MIRRORING = RequestType(
    name="RequestMirroring",
    label=_("Start AirPlay"),
    summary=_("Ask the user to show the screen on an AirPlay receiver."),
    family=_("Screen"),
    platforms=on(ios="7.0", macos="10.10"),
    parameters=(
        string("DestinationName", label=_("Receiver name"), help=_("Name or address of the receiver.")),
        string("DestinationDeviceID", label=_("Receiver address")),
        integer(
            "ScanTime",
            minimum=10,
            maximum=300,
            label=_("Search time"),
            help=_("Seconds to look for the receiver; usually 30."),
        ),
        string("Password", secret=True),
    ),
    answers=("MirroringResult",),
)

STOP_MIRRORING = RequestType(
    name="StopMirroring",
    label=_("Stop AirPlay"),
    summary=_("End AirPlay mirroring."),
    family=_("Screen"),
    platforms=on(ios=Support("7.0", supervised=True), macos="10.10", every=Support(user_enrollment=FORBIDDEN)),
)

ENABLE_REMOTE_DESKTOP = RequestType(
    name="EnableRemoteDesktop",
    label=_("Remote desktop on"),
    summary=_("Allow Apple Remote Desktop to reach the Mac."),
    family=_("Screen"),
    platforms=on(macos=Support("10.14.4", supervised=True, user_enrollment=FORBIDDEN)),
)

DISABLE_REMOTE_DESKTOP = RequestType(
    name="DisableRemoteDesktop",
    label=_("Remote desktop off"),
    summary=_("Keep Apple Remote Desktop out of the Mac."),
    family=_("Screen"),
    platforms=on(macos=Support("10.14.4", supervised=True, user_enrollment=FORBIDDEN)),
)


def request_mirroring(
    *,
    destination_name: str | None = None,
    destination_device_id: str | None = None,
    scan_time_seconds: int | None = None,
    password: str | None = None,
) -> Request:
    return build(
        "RequestMirroring",
        DestinationName=destination_name,
        DestinationDeviceID=destination_device_id,
        ScanTime=scan_time_seconds,
        Password=password,
    )


def stop_mirroring() -> Request:
    return build("StopMirroring")


def enable_remote_desktop() -> Request:
    return build("EnableRemoteDesktop")


def disable_remote_desktop() -> Request:
    return build("DisableRemoteDesktop")
