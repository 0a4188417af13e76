"""OS updates by command. OS 27 has none of these any more; declarations do the work there."""

from collections.abc import Sequence
from dataclasses import dataclass

from mdm.common.marking import marked as _
from mdm.protocol.request_types.request import Request, build
from mdm.protocol.request_types.schema import FORBIDDEN, RequestType, Support
from mdm.protocol.request_types.vocabulary import array, boolean, dictionary, integer, on, only, string

AVAILABLE_OS_UPDATES = RequestType(
    name="AvailableOSUpdates",
    label=_("Available OS updates"),
    summary=_("Ask which OS updates the device could install."),
    family=_("OS updates"),
    platforms=on(
        ios=Support("9.0", access_right="AllowAppInstallation", supervised=True),
        macos="10.11",
        tvos=Support("12.0", access_right="AllowAppInstallation", supervised=True),
        every=Support(user_enrollment=FORBIDDEN),
    ),
    removed_in="27",
    answers=("AvailableOSUpdates",),
)

SCHEDULE_OS_UPDATE = RequestType(
    name="ScheduleOSUpdate",
    label=_("Update OS"),
    summary=_("Have the device download or install OS updates."),
    family=_("OS updates"),
    platforms=on(
        ios=Support("9.0", access_right="AllowAppInstallation"),
        macos="10.11",
        tvos=Support("12.0", access_right="AllowAppInstallation"),
        every=Support(supervised=True, user_enrollment=FORBIDDEN),
    ),
    parameters=(
        array(
            "Updates",
            dictionary(
                "UpdatesItem",
                string("ProductKey", help=_("From the list of available updates.")),
                string(
                    "ProductVersion",
                    platforms=on(ios="11.3", macos="12.0", tvos="12.2"),
                    help=_("Needed without a product key."),
                ),
                string(
                    "InstallAction",
                    required=True,
                    choices=(
                        "Default",
                        "DownloadOnly",
                        "InstallASAP",
                        "NotifyOnly",
                        "InstallLater",
                        "InstallForceRestart",
                    ),
                    help=_("InstallForceRestart may lose unsaved work."),
                ),
                integer(
                    "MaxUserDeferrals",
                    platforms=only(macos="12.0"),
                    help=_("How often the user may put InstallLater off."),
                ),
                string("Priority", choices=("Low", "High"), default="Low", platforms=only(macos="12.3")),
                required=True,
            ),
            required=True,
            help=_("Left out: whatever is available, by the default action."),
        ),
    ),
    destructive=True,
    removed_in="27",
    answers=("UpdateResults",),
)

SCHEDULE_OS_UPDATE_SCAN = RequestType(
    name="ScheduleOSUpdateScan",
    label=_("Look for OS updates"),
    summary=_("Have a Mac look for OS updates."),
    family=_("OS updates"),
    platforms=on(macos=Support("10.11", supervised=True, user_enrollment=FORBIDDEN)),
    parameters=(boolean("Force", default=False, help=_("Start now instead of when convenient.")),),
    removed_in="27",
    answers=("ScanInitiated",),
)

OS_UPDATE_STATUS = RequestType(
    name="OSUpdateStatus",
    label=_("OS update status"),
    summary=_("Ask how far OS updates are."),
    family=_("OS updates"),
    platforms=on(
        ios=Support("9.0", access_right="AllowAppInstallation"),
        macos="10.11.5",
        tvos=Support("12.0", access_right="AllowAppInstallation"),
        every=Support(supervised=True, user_enrollment=FORBIDDEN),
    ),
    removed_in="27",
    answers=("OSUpdateStatus",),
)


# What ScheduleOSUpdate without updates asks for: the default action on whatever is available.
DEFAULT_UPDATES = ({"InstallAction": "Default"},)


@dataclass(frozen=True, slots=True)
class OSUpdate:
    """One entry of ScheduleOSUpdate; name the update by key or by version."""

    install_action: str = "Default"
    product_key: str | None = None
    product_version: str | None = None
    max_user_deferrals: int | None = None
    priority: str | None = None


def schedule_os_update(updates: Sequence[OSUpdate] = ()) -> Request:
    """Without updates: the default action on whatever is available."""
    wanted = [
        {
            "ProductKey": update.product_key,
            "ProductVersion": update.product_version,
            "InstallAction": update.install_action,
            "MaxUserDeferrals": update.max_user_deferrals,
            "Priority": update.priority,
        }
        for update in updates or (OSUpdate(),)
    ]
    return build("ScheduleOSUpdate", Updates=wanted)


def schedule_os_update_scan(*, force: bool = False) -> Request:
    return build("ScheduleOSUpdateScan", Force=force or None)


def available_os_updates() -> Request:
    return build("AvailableOSUpdates")


def os_update_status() -> Request:
    return build("OSUpdateStatus")
