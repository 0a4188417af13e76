"""What is installed on a device."""

from collections.abc import Sequence

from mdm.common.marking import marked as _
from mdm.protocol.request_types.request import Request, build
from mdm.protocol.request_types.schema import FORBIDDEN, RequestType, Support
from mdm.protocol.request_types.vocabulary import NO, SHARED_BOTH, array, boolean, on, string

INSTALLED_APPLICATION_LIST = RequestType(
    name="InstalledApplicationList",
    label=_("Installed apps"),
    summary=_("List the apps on the device."),
    family=_("Inventory lists"),
    platforms=on(
        ios="5.0",
        macos=Support("10.7", user_channel=True, user_enrollment=FORBIDDEN),
        tvos="10.2",
        visionos="1.1",
        watchos="10.0",
        every=Support(access_right="AllowQueryApplications"),
    ),
    parameters=(
        array(
            "Identifiers",
            string("IdentifiersItem"),
            platforms=on(ios="7.0", macos="10.15"),
            label=_("Bundle identifiers"),
            help=_("Only these apps."),
        ),
        boolean("ManagedAppsOnly", default=False, platforms=on(ios="7.0", macos="10.15"), help=_("Only managed apps.")),
        array(
            "Items",
            string(
                "ItemsItem",
                choices=(
                    "AdHocCodeSigned",
                    "AppStoreVendable",
                    "BetaApp",
                    "BundleSize",
                    "DeviceBasedVPP",
                    "DistributorIdentifier",
                    "DynamicSize",
                    "ExternalVersionIdentifier",
                    "HasUpdateAvailable",
                    "Identifier",
                    "Installing",
                    "IsAppClip",
                    "IsValidated",
                    "Name",
                    "ShortVersion",
                    "Version",
                ),
            ),
            platforms=on(ios="14.0", tvos="14.0", macos=NO),
            label=_("Facts wanted"),
            help=_("Only these facts; fewer are quicker."),
        ),
    ),
    answers=("InstalledApplicationList",),
)

PROFILE_LIST = RequestType(
    name="ProfileList",
    label=_("Profiles"),
    summary=_("List the configuration profiles on the device."),
    family=_("Inventory lists"),
    platforms=on(
        ios=Support("4.0", shared_ipad=SHARED_BOTH),
        macos=Support("10.7", user_channel=True),
        tvos="9.0",
        visionos="1.1",
        watchos="10.0",
        every=Support(access_right="AllowInspection"),
    ),
    parameters=(
        boolean(
            "ManagedOnly",
            default=False,
            platforms=on(ios="13.0", macos="10.15", tvos="13.0"),
            help=_("Only what this server installed."),
        ),
    ),
    answers=("ProfileList",),
)

CERTIFICATE_LIST = RequestType(
    name="CertificateList",
    label=_("Certificates"),
    summary=_("List the certificates on the device."),
    family=_("Inventory lists"),
    platforms=on(
        ios="4.0",
        macos=Support("10.7", user_channel=True),
        tvos="9.0",
        visionos="1.1",
        watchos="10.0",
        every=Support(access_right="AllowInspection"),
    ),
    parameters=(
        boolean(
            "ManagedOnly",
            default=False,
            platforms=on(ios="13.0", macos="10.15", tvos="13.0"),
            help=_("Only what this server installed."),
        ),
    ),
    answers=("CertificateList",),
)

PROVISIONING_PROFILE_LIST = RequestType(
    name="ProvisioningProfileList",
    label=_("Provisioning profiles"),
    summary=_("List the provisioning profiles of in-house apps."),
    family=_("Inventory lists"),
    platforms=on(
        ios=Support("4.0", access_right="AllowProvisioningInspection"),
        macos="11.0",
        tvos=Support("10.2", access_right="AllowProvisioningInspection"),
        visionos=Support("1.1", access_right="AllowProvisioningInspection"),
        watchos=Support("10.0", access_right="AllowProvisioningInspection"),
    ),
    parameters=(
        boolean(
            "ManagedOnly",
            default=False,
            platforms=on(ios="13.0", tvos="13.0"),
            help=_("Only what this server installed."),
        ),
    ),
    answers=("ProvisioningProfileList",),
)

ACTIVE_NS_EXTENSIONS = RequestType(
    name="ActiveNSExtensions",
    label=_("Active extensions"),
    summary=_("List the app extensions that are switched on for a Mac user."),
    family=_("Inventory lists"),
    platforms=on(
        macos=Support(
            "10.13",
            access_right="QueryInstalledApps",
            device_channel=False,
            user_channel=True,
            user_enrollment=FORBIDDEN,
        )
    ),
    parameters=(
        array("FilterExtensionPoints", string("FilterExtensionPointsItem"), help=_("Only extensions of these points.")),
    ),
    answers=("Extensions",),
)

NS_EXTENSION_MAPPINGS = RequestType(
    name="NSExtensionMappings",
    label=_("Extension mappings"),
    summary=_("List which extension belongs to which extension point for a Mac user."),
    family=_("Inventory lists"),
    platforms=on(
        macos=Support(
            "10.13",
            access_right="QueryInstalledApps",
            device_channel=False,
            user_channel=True,
            user_enrollment=FORBIDDEN,
        )
    ),
    answers=("Extensions",),
)


def installed_application_list(
    identifiers: Sequence[str] = (), *, managed_apps_only: bool = False, items: Sequence[str] = ()
) -> Request:
    """items limits the facts told per app (iPhone, iPad, Apple TV); identifiers the apps."""
    return build(
        "InstalledApplicationList",
        Identifiers=list(identifiers) or None,
        ManagedAppsOnly=managed_apps_only or None,
        Items=list(items) or None,
    )


def profile_list(*, managed_only: bool = False) -> Request:
    return build("ProfileList", ManagedOnly=managed_only or None)


def certificate_list(*, managed_only: bool = False) -> Request:
    return build("CertificateList", ManagedOnly=managed_only or None)


def provisioning_profile_list(*, managed_only: bool = False) -> Request:
    return build("ProvisioningProfileList", ManagedOnly=managed_only or None)


def active_ns_extensions(extension_points: Sequence[str] = ()) -> Request:
    return build("ActiveNSExtensions", FilterExtensionPoints=list(extension_points) or None)


def ns_extension_mappings() -> Request:
    return build("NSExtensionMappings")
