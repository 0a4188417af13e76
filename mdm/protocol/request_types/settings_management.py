"""Settings of the management itself and of managed apps."""

from mdm.common.marking import marked as _
from mdm.protocol.request_types.app_attributes import APP_ATTRIBUTES
from mdm.protocol.request_types.schema import FORBIDDEN, Parameter, SharedIPad, Support
from mdm.protocol.request_types.vocabulary import NO, SAME, anything, boolean, dictionary, on, only, string

MANAGEMENT_SETTINGS: tuple[Parameter, ...] = (
    dictionary(
        "OrganizationInfo",
        string("Item", required=True, choices=("OrganizationInfo",)),
        dictionary(
            "OrganizationInfo",
            string("OrganizationName", required=True),
            string("OrganizationShortName", platforms=on(ios="13.0", macos="10.15", tvos="13.0")),
            string("OrganizationAddress"),
            string("OrganizationPhone"),
            string("OrganizationEmail"),
            string("OrganizationMagic", help=_("An identifier that several services of one organisation share.")),
            help=_("Left out: take the information away."),
        ),
        platforms=on(ios=Support(shared_ipad=SharedIPad(user_channel=False))),
    ),
    dictionary(
        "MDMOptions",
        string("Item", required=True, choices=("MDMOptions",)),
        dictionary(
            "MDMOptions",
            boolean(
                "ActivationLockAllowedWhileSupervised", default=False, help=_("Let Find My lock a supervised device.")
            ),
            boolean("BootstrapTokenAllowed", default=False, platforms=only(macos=Support(deprecated="11.0"))),
            boolean(
                "PromptUserToAllowBootstrapTokenForAuthentication",
                default=False,
                platforms=only(macos="11.0"),
                help=_("Tell the user that recovery settings must allow the bootstrap token."),
            ),
            required=True,
        ),
        platforms=on(
            ios=Support("7.0", shared_ipad=SharedIPad(user_channel=False)),
            macos=Support("10.15", user_enrollment=FORBIDDEN),
            visionos="2.0",
            tvos=NO,
            watchos=NO,
        ),
    ),
    dictionary(
        "ApplicationConfiguration",
        string("Item", required=True, choices=("ApplicationConfiguration",)),
        string("Identifier", required=True, label=_("Bundle identifier")),
        dictionary(
            "Configuration",
            anything("ANY", label=_("Any key")),
            secret=True,
            help=_("Keys and values that the app reads."),
        ),
        platforms=on(
            ios=Support("7.0", shared_ipad=SharedIPad(user_channel=False)),
            macos=Support("10.15", user_channel=False),
            tvos="10.2",
            visionos=SAME,
            watchos=SAME,
            every=Support(access_right="AllowAppInstallation"),
        ),
    ),
    dictionary(
        "ApplicationAttributes",
        string("Item", required=True, choices=("ApplicationAttributes",)),
        string("Identifier", required=True, label=_("Bundle identifier")),
        dictionary("Attributes", *APP_ATTRIBUTES),
        platforms=on(
            ios=Support("7.0", shared_ipad=SharedIPad(user_channel=False)),
            tvos="10.2",
            visionos=SAME,
            watchos=SAME,
            macos=NO,
            every=Support(access_right="AllowAppInstallation"),
        ),
    ),
)
