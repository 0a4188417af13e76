"""Restart and shut down."""

from collections.abc import Sequence

from mdm.common.marking import marked as _
from mdm.protocol.request_types.request import Request, build
from mdm.protocol.request_types.schema import FORBIDDEN, RequestType, Support
from mdm.protocol.request_types.vocabulary import array, boolean, on, only, string

RESTART_DEVICE = RequestType(
    name="RestartDevice",
    label=_("Restart"),
    summary=_("Restart the device now; a Mac can ask its user instead."),
    family=_("Power"),
    platforms=on(
        ios=Support("10.3", supervised=True),
        macos="10.13",
        tvos=Support("10.2", supervised=True),
        every=Support(access_right="AllowPasscodeRemovalAndLock", user_enrollment=FORBIDDEN),
    ),
    parameters=(
        boolean(
            "RebuildKernelCache",
            default=False,
            platforms=only(macos="11.0"),
            help=_("Also build the kernel cache anew (kernel extensions)."),
        ),
        array(
            "KextPaths",
            string("KextPathsItem"),
            platforms=only(macos="11.0"),
            help=_("Kernel extensions to add while the cache is built."),
        ),
        boolean(
            "NotifyUser",
            default=False,
            platforms=only(macos="11.4"),
            help=_("Ask the user to restart instead of forcing it."),
        ),
    ),
    destructive=True,
)

SHUT_DOWN_DEVICE = RequestType(
    name="ShutDownDevice",
    label=_("Shut down"),
    summary=_("Switch the device off; somebody must press the button to start it again."),
    family=_("Power"),
    platforms=on(
        ios=Support("10.3", supervised=True),
        macos="10.13",
        every=Support(access_right="AllowPasscodeRemovalAndLock", user_enrollment=FORBIDDEN),
    ),
    destructive=True,
)


def restart_device(
    *, notify_user: bool = False, rebuild_kernel_cache: bool = False, kext_paths: Sequence[str] = ()
) -> Request:
    """All options are for Macs. Source: Apple, "Restart Device Command"."""
    return build(
        "RestartDevice",
        NotifyUser=notify_user or None,
        RebuildKernelCache=rebuild_kernel_cache or None,
        KextPaths=list(kext_paths) or None,
    )


def shut_down_device() -> Request:
    return build("ShutDownDevice")
