"""Lock, erase, passcodes and Activation Lock."""

from mdm.common.marking import marked as _
from mdm.protocol.request_types.formats import SIX_DIGITS
from mdm.protocol.request_types.request import Request, build
from mdm.protocol.request_types.schema import FORBIDDEN, IGNORED, RequestType, SharedIPad, Support
from mdm.protocol.request_types.vocabulary import NO, SAME, boolean, data, dictionary, on, only, string

DEVICE_LOCK = RequestType(
    name="DeviceLock",
    label=_("Lock"),
    summary=_("Lock the screen now; a Mac restarts and wants the PIN."),
    family=_("Lock and erase"),
    platforms=on(
        ios="4.0",
        macos=Support("10.7", user_enrollment=FORBIDDEN),
        visionos="2.0",
        watchos="10.0",
        every=Support(access_right="AllowPasscodeRemovalAndLock"),
    ),
    parameters=(
        string(
            "Message",
            platforms=on(ios=Support("7.0", shared_ipad=SharedIPad(mode=IGNORED)), macos="10.14", visionos=NO),
            help=_("Shown on the lock screen."),
        ),
        string(
            "PhoneNumber",
            platforms=on(ios=Support("7.0", shared_ipad=SharedIPad(mode=IGNORED)), macos="11.5", visionos=NO),
            help=_("Shown on the lock screen; on Macs, only on those with Apple silicon."),
        ),
        string(
            "PIN",
            format=SIX_DIGITS,
            platforms=only(macos="10.8"),
            secret=True,
            help=_("Six digits that unlock the Mac again. Write them down."),
        ),
    ),
    destructive=True,
    answers=("MessageResult",),
)

ERASE_DEVICE = RequestType(
    name="EraseDevice",
    label=_("Erase"),
    summary=_("Wipe the device and everything on it."),
    family=_("Lock and erase"),
    platforms=on(
        ios="4.0",
        macos="10.7",
        tvos="10.2",
        visionos="1.1",
        watchos="10.0",
        every=Support(access_right="AllowDeviceErase", user_enrollment=FORBIDDEN),
    ),
    parameters=(
        boolean(
            "PreserveDataPlan", default=False, platforms=only(ios="11.0", watchos=SAME), help=_("Keep the eSIM plan.")
        ),
        boolean(
            "DisallowProximitySetup",
            default=False,
            platforms=only(ios=Support("11.3", shared_ipad=SharedIPad(FORBIDDEN))),
            help=_("Skip setting up from another device nearby."),
        ),
        string(
            "PIN",
            format=SIX_DIGITS,
            platforms=only(macos="10.8"),
            secret=True,
            help=_("Six digits; Intel Macs without the security chip ask for them afterwards."),
        ),
        string(
            "ObliterationBehavior",
            choices=("Default", "DoNotObliterate", "ObliterateWithWarning", "Always"),
            platforms=only(macos="12.0"),
            help=_("What a Mac does when the quick erase fails."),
        ),
        dictionary(
            "ReturnToService",
            boolean("Enabled", required=True),
            data("WiFiProfileData", secret=True, help=_("Wi-Fi profile to get online with; needed without a cable.")),
            data(
                "MDMProfileData",
                secret=True,
                help=_("Enrollment profile; needed unless the device enrolls automatically."),
            ),
            platforms=only(ios="17.0", tvos="18.0"),
            help=_("Enroll again by itself after the wipe."),
        ),
    ),
    destructive=True,
)

CLEAR_PASSCODE = RequestType(
    name="ClearPasscode",
    label=_("Clear passcode"),
    summary=_("Take the passcode off, so that the user can set a new one."),
    family=_("Lock and erase"),
    platforms=on(
        ios=Support("4.0", shared_ipad=SharedIPad(FORBIDDEN)),
        visionos="1.1",
        watchos="10.0",
        every=Support(access_right="AllowPasscodeRemovalAndLock", user_enrollment=FORBIDDEN),
    ),
    parameters=(
        data("UnlockToken", required=True, secret=True, help=_("The token that the device gave in TokenUpdate.")),
    ),
    destructive=True,
)

REQUEST_UNLOCK_TOKEN = RequestType(
    name="RequestUnlockToken",
    label=_("Request unlock token"),
    summary=_("Ask an old device for the token that clears its passcode."),
    family=_("Lock and erase"),
    platforms=on(
        ios=Support(
            "5.0", deprecated="6.1.6", supervised=True, user_enrollment=FORBIDDEN, shared_ipad=SharedIPad(FORBIDDEN)
        )
    ),
    secret_answer=True,
    answers=("UnlockToken",),
)

ACTIVATION_LOCK_BYPASS_CODE = RequestType(
    name="ActivationLockBypassCode",
    label=_("Activation Lock bypass code"),
    summary=_("Fetch the code that takes Activation Lock off; offered for 15 days after supervision."),
    family=_("Lock and erase"),
    platforms=on(
        ios=Support("7.1", shared_ipad=SharedIPad(FORBIDDEN)),
        macos="10.15",
        visionos="2.0",
        every=Support(supervised=True, user_enrollment=FORBIDDEN),
    ),
    secret_answer=True,
    answers=("ActivationLockBypassCode",),
)

CLEAR_ACTIVATION_LOCK_BYPASS_CODE = RequestType(
    name="ClearActivationLockBypassCode",
    label=_("Clear bypass code"),
    summary=_("Have the device forget its Activation Lock bypass code."),
    family=_("Lock and erase"),
    platforms=on(
        ios=Support("7.1", shared_ipad=SharedIPad(FORBIDDEN)),
        macos="10.15",
        visionos="2.0",
        every=Support(supervised=True, user_enrollment=FORBIDDEN),
    ),
    destructive=True,
)

CLEAR_RESTRICTIONS_PASSWORD = RequestType(
    name="ClearRestrictionsPassword",
    label=_("Clear Screen Time passcode"),
    summary=_("Take the Screen Time passcode and its restrictions off."),
    family=_("Lock and erase"),
    platforms=on(ios=Support("8.0", supervised=True, user_enrollment=FORBIDDEN, shared_ipad=SharedIPad(FORBIDDEN))),
    destructive=True,
)


def device_lock(*, message: str | None = None, phone_number: str | None = None, pin: str | None = None) -> Request:
    """A Mac needs the PIN (six digits), other devices have none."""
    return build("DeviceLock", Message=message, PhoneNumber=phone_number, PIN=pin)


def erase_device(
    *,
    pin: str | None = None,
    preserve_data_plan: bool = False,
    disallow_proximity_setup: bool = False,
    obliteration_behavior: str | None = None,
    return_to_service: bool = False,
    wifi_profile: bytes | None = None,
    mdm_profile: bytes | None = None,
) -> Request:
    """pin and obliteration_behavior are for Macs; the profiles go with return_to_service."""
    service = {"Enabled": True, "WiFiProfileData": wifi_profile, "MDMProfileData": mdm_profile}
    return build(
        "EraseDevice",
        PIN=pin,
        PreserveDataPlan=preserve_data_plan or None,
        DisallowProximitySetup=disallow_proximity_setup or None,
        ObliterationBehavior=obliteration_behavior,
        ReturnToService=service if return_to_service else None,
    )


def clear_passcode(unlock_token: bytes) -> Request:
    return build("ClearPasscode", UnlockToken=unlock_token)


def request_unlock_token() -> Request:
    return build("RequestUnlockToken")


def activation_lock_bypass_code() -> Request:
    return build("ActivationLockBypassCode")


def clear_activation_lock_bypass_code() -> Request:
    return build("ClearActivationLockBypassCode")


def clear_restrictions_password() -> Request:
    return build("ClearRestrictionsPassword")
