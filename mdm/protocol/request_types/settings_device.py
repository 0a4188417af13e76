"""Settings of the device itself."""

from mdm.common.marking import marked as _
from mdm.protocol.request_types.schema import FORBIDDEN, Parameter, SharedIPad, Support
from mdm.protocol.request_types.vocabulary import (
    NO,
    SAME,
    SHARED_USER,
    boolean,
    data,
    dictionary,
    integer,
    on,
    only,
    string,
)

DEVICE_SETTINGS: tuple[Parameter, ...] = (
    dictionary(
        "DeviceName",
        string("Item", required=True, choices=("DeviceName",)),
        string("DeviceName", required=True),
        platforms=on(
            ios=Support(supervised=True, shared_ipad=SharedIPad(user_channel=False)),
            macos="10.10",
            visionos=Support("2.0", supervised=True),
            watchos=NO,
            every=Support(user_enrollment=FORBIDDEN),
        ),
    ),
    dictionary(
        "HostName",
        string("Item", required=True, choices=("HostName",)),
        string("HostName", required=True),
        platforms=only(macos=Support("10.11", user_enrollment=FORBIDDEN)),
    ),
    dictionary(
        "Wallpaper",
        string("Item", required=True, choices=("Wallpaper",)),
        data("Image", required=True, help=_("PNG or JPEG.")),
        integer(
            "Where",
            required=True,
            choices=(1, 2, 3),
            label=_("Screen"),
            help=_("1: lock screen, 2: home screen, 3: both."),
        ),
        platforms=only(
            ios=Support("8.0", supervised=True, user_enrollment=FORBIDDEN, shared_ipad=SharedIPad(user_channel=False))
        ),
    ),
    dictionary(
        "TimeZone",
        string("Item", required=True, choices=("TimeZone",)),
        string("TimeZone", required=True, help=_("Name from the time zone database, as Europe/Berlin.")),
        platforms=on(
            ios=Support("14.0", shared_ipad=SharedIPad(user_channel=False)),
            tvos="14.0",
            visionos="2.0",
            macos=NO,
            watchos=NO,
            every=Support(supervised=True, user_enrollment=FORBIDDEN),
        ),
    ),
    dictionary(
        "Bluetooth",
        string("Item", required=True, choices=("Bluetooth",)),
        boolean("Enabled", required=True),
        platforms=only(
            ios=Support("11.3", supervised=True, shared_ipad=SharedIPad(user_channel=False)),
            macos="10.13.4",
            every=Support(user_enrollment=FORBIDDEN),
        ),
    ),
    dictionary(
        "DataRoaming",
        string("Item", required=True, choices=("DataRoaming",)),
        boolean("Enabled", required=True),
        platforms=only(ios=Support(user_enrollment=FORBIDDEN, shared_ipad=SharedIPad(user_channel=False))),
    ),
    dictionary(
        "VoiceRoaming",
        string("Item", required=True, choices=("VoiceRoaming",)),
        boolean("Enabled", required=True),
        platforms=only(
            ios=Support(deprecated="16.0", user_enrollment=FORBIDDEN, shared_ipad=SharedIPad(user_channel=False))
        ),
    ),
    dictionary(
        "PersonalHotspot",
        string("Item", required=True, choices=("PersonalHotspot",)),
        boolean("Enabled", required=True),
        platforms=only(
            ios=Support(
                access_right="AllowQueryNetworkInformation",
                user_enrollment=FORBIDDEN,
                shared_ipad=SharedIPad(user_channel=False),
            )
        ),
    ),
    dictionary(
        "SoftwareUpdateSettings",
        string("Item", required=True, choices=("SoftwareUpdateSettings",)),
        integer(
            "RecommendationCadence",
            required=True,
            choices=(0, 1, 2),
            help=_("Which updates to offer: 0 all, 1 the lower version, 2 the highest."),
        ),
        platforms=only(
            ios=Support("14.5", supervised=True, user_enrollment=FORBIDDEN, shared_ipad=SharedIPad(user_channel=False))
        ),
    ),
    dictionary(
        "AccessibilitySettings",
        string("Item", required=True, choices=("AccessibilitySettings",)),
        boolean("BoldTextEnabled", default=False),
        boolean("IncreaseContrastEnabled", default=False, platforms=only(ios=SAME)),
        boolean("ReduceMotionEnabled", default=False),
        boolean("ReduceTransparencyEnabled", default=False),
        integer("TextSize", choices=(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11), default=4),
        boolean("TouchAccommodationsEnabled", default=False),
        boolean("VoiceOverEnabled", default=False),
        boolean("ZoomEnabled", default=False),
        boolean("GrayscaleEnabled", default=False, platforms=only()),
        platforms=only(
            ios=Support("16.0", user_enrollment=FORBIDDEN, shared_ipad=SHARED_USER),
            watchos=SAME,
            every=Support(supervised=True),
        ),
    ),
)
