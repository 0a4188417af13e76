"""Settings that only a Shared iPad has."""

from mdm.common.marking import marked as _
from mdm.protocol.request_types.schema import FORBIDDEN, Parameter, Support
from mdm.protocol.request_types.vocabulary import SHARED_ONLY, array, boolean, dictionary, integer, on, only, string

SHARED_IPAD_SETTINGS: tuple[Parameter, ...] = (
    dictionary(
        "MaximumResidentUsers",
        string("Item", required=True, choices=("MaximumResidentUsers",)),
        integer("MaximumResidentUsers", required=True),
        platforms=only(ios=Support("9.3", deprecated="13.4", user_enrollment=FORBIDDEN, shared_ipad=SHARED_ONLY)),
    ),
    dictionary(
        "SharedDeviceConfiguration",
        string("Item", required=True, choices=("SharedDeviceConfiguration",)),
        integer("QuotaSize", help=_("Megabytes for each user.")),
        integer("ResidentUsers", help=_("How many users keep their data on the iPad.")),
        integer(
            "UserSessionTimeout", platforms=on(ios="14.5"), help=_("Seconds without use until a user is logged out.")
        ),
        integer(
            "TemporarySessionTimeout",
            platforms=on(ios="14.5"),
            help=_("Seconds without use until a guest is logged out."),
        ),
        boolean("TemporarySessionOnly", default=False, platforms=on(ios="14.5"), help=_("Guests only.")),
        array("ManagedAppleIDDefaultDomains", string("AppleID domain"), platforms=on(ios="16.0")),
        integer("OnlineAuthenticationGracePeriod", platforms=on(ios="16.0"), help=_("Days without an online login.")),
        boolean("SkipLanguageAndLocaleSetupForNewUsers", default=False, platforms=on(ios="16.2")),
        dictionary(
            "AwaitUserConfiguration",
            boolean("Enabled", required=True),
            platforms=on(ios="17.0"),
            help=_("Hold a new user until UserConfigured is sent."),
        ),
        dictionary(
            "PasscodePolicy",
            integer(
                "PasscodeLockGracePeriod",
                choices=(0, 60, 300, 900, 3600, 14400),
                help=_("Seconds after locking without a passcode."),
            ),
            integer("AutoLockTime", help=_("Seconds without use until the screen locks.")),
            platforms=on(ios="17.0"),
        ),
        platforms=only(ios=Support("13.4", user_enrollment=FORBIDDEN, shared_ipad=SHARED_ONLY)),
    ),
    dictionary(
        "DiagnosticSubmission",
        string("Item", required=True, choices=("DiagnosticSubmission",)),
        boolean("Enabled", required=True),
        platforms=only(ios=Support("9.3", user_enrollment=FORBIDDEN, shared_ipad=SHARED_ONLY)),
    ),
    dictionary(
        "AppAnalytics",
        string("Item", required=True, choices=("AppAnalytics",)),
        boolean("Enabled", required=True),
        platforms=only(ios=Support("9.3.2", user_enrollment=FORBIDDEN, shared_ipad=SHARED_ONLY)),
    ),
    dictionary(
        "PasscodeLockGracePeriod",
        string("Item", required=True, choices=("PasscodeLockGracePeriod",)),
        integer(
            "PasscodeLockGracePeriod",
            required=True,
            choices=(0, 60, 300, 900, 3600, 14400),
            help=_("Seconds after locking without a passcode."),
        ),
        platforms=only(ios=Support("9.3.2", deprecated="17.0", user_enrollment=FORBIDDEN, shared_ipad=SHARED_ONLY)),
        help=_("Seconds after locking without a passcode."),
    ),
)
