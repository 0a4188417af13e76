"""Installing and removing apps.

InstallApplication names the app by store id, bundle identifier or manifest URL: one of the three.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from mdm.common.marking import marked as _
from mdm.protocol.request_types.app_attributes import APP_ATTRIBUTES
from mdm.protocol.request_types.request import Request, build
from mdm.protocol.request_types.schema import FORBIDDEN, RequestType, SharedIPad, Support
from mdm.protocol.request_types.vocabulary import (
    SAME,
    SHARED_USER,
    anything,
    array,
    boolean,
    data,
    dictionary,
    integer,
    on,
    only,
    string,
)

INSTALL_APPLICATION = RequestType(
    name="InstallApplication",
    label=_("Install app"),
    summary=_("Install or update an app from the App Store or from a manifest."),
    family=_("Apps"),
    platforms=on(
        ios="5.0",
        macos=Support("10.9", user_channel=True),
        tvos="10.2",
        visionos="1.1",
        watchos="10.0",
        every=Support(access_right="AllowAppInstallation"),
    ),
    parameters=(
        integer("iTunesStoreID", label=_("App Store ID"), help=_("The number in the App Store link.")),
        string(
            "Identifier",
            platforms=on(ios="7.0"),
            label=_("Bundle identifier"),
            help=_("For a watch app: that of the watch app itself."),
        ),
        dictionary(
            "Options",
            integer(
                "PurchaseMethod",
                choices=(0, 1),
                default=0,
                help=_("1: a licence of Apps and Books; 0: free apps and redemption codes."),
            ),
            platforms=on(ios="7.0"),
        ),
        string("ManifestURL", platforms=on(ios="7.0"), help=_("https address of the manifest.")),
        integer(
            "ManagementFlags",
            choices=(1, 4, 5),
            platforms=on(macos=Support("11.0", user_enrollment=FORBIDDEN)),
            help=_("1: remove with management; 4: keep its data out of backups; 5: both."),
        ),
        dictionary(
            "Configuration",
            anything("ANY", label=_("Any key")),
            platforms=on(ios="7.0", macos="11.0"),
            secret=True,
            help=_("Keys and values that the app reads."),
        ),
        dictionary("Attributes", *APP_ATTRIBUTES, platforms=only(ios="7.0", tvos=SAME, visionos=SAME, watchos=SAME)),
        string(
            "ChangeManagementState",
            choices=("Managed",),
            platforms=on(ios="9.0", macos="11.0", visionos=SAME, every=Support(user_enrollment=FORBIDDEN)),
            help=_("Take over an app that the user installed."),
        ),
        boolean(
            "InstallAsManaged",
            default=False,
            platforms=only(macos=Support("11.0", user_enrollment=FORBIDDEN)),
            help=_("Managed apps can be removed and configured later."),
        ),
        boolean(
            "iOSApp",
            default=False,
            platforms=only(macos="11.0"),
            label=_("iOS app"),
            help=_("An iPhone or iPad app on a Mac with Apple silicon."),
        ),
    ),
    at_least_one=("iTunesStoreID", "Identifier", "ManifestURL"),
    answers=("Identifier", "State", "RejectionReason"),
)

INSTALL_ENTERPRISE_APPLICATION = RequestType(
    name="InstallEnterpriseApplication",
    label=_("Install package"),
    summary=_("Install an in-house package on a Mac."),
    family=_("Apps"),
    platforms=on(macos=Support("10.13.6", access_right="AllowAppInstallation")),
    parameters=(
        dictionary("Manifest", anything("ANY", label=_("Any key")), help=_("Where the package is and its hashes.")),
        string("ManifestURL", help=_("https address of the manifest; needed without a manifest.")),
        array(
            "ManifestURLPinningCerts",
            data("ManifestURLPinningCertsItem", required=True),
            help=_("Only trust these certificates (DER) when fetching the manifest."),
        ),
        boolean("PinningRevocationCheckRequired", default=False, help=_("Refuse when revocation cannot be checked.")),
        boolean(
            "InstallAsManaged",
            default=False,
            platforms=on(macos=Support("11.0", user_enrollment=FORBIDDEN)),
            help=_("Managed apps can be removed and configured later."),
        ),
        integer(
            "ManagementFlags",
            choices=(1,),
            platforms=on(macos=Support("11.0", user_enrollment=FORBIDDEN)),
            help=_("1: remove with management."),
        ),
        dictionary(
            "Configuration",
            anything("ANY", label=_("Any key")),
            platforms=on(macos="11.0"),
            secret=True,
            help=_("Keys and values that the app reads."),
        ),
        string(
            "ChangeManagementState",
            choices=("Managed",),
            platforms=on(macos=Support("11.0", user_enrollment=FORBIDDEN)),
            help=_("Take over an app that the user installed."),
        ),
        boolean(
            "iOSApp",
            default=False,
            platforms=on(macos="11.0"),
            label=_("iOS app"),
            help=_("An iPhone or iPad app on a Mac with Apple silicon."),
        ),
    ),
    at_least_one=("Manifest", "ManifestURL"),
)

REMOVE_APPLICATION = RequestType(
    name="RemoveApplication",
    label=_("Remove app"),
    summary=_("Remove a managed app and its data."),
    family=_("Apps"),
    platforms=on(
        ios="5.0",
        macos=Support("11.0", user_enrollment=FORBIDDEN),
        tvos="10.2",
        visionos="1.1",
        watchos="10.0",
        every=Support(access_right="AllowAppInstallation"),
    ),
    parameters=(string("Identifier", required=True, label=_("Bundle identifier")),),
    destructive=True,
)

VALIDATE_APPLICATIONS = RequestType(
    name="ValidateApplications",
    label=_("Validate apps"),
    summary=_("Have the device check again that in-house apps may run."),
    family=_("Apps"),
    platforms=on(ios="9.2", tvos="10.2", visionos="1.1", every=Support(access_right="AllowAppInstallation")),
    parameters=(
        array(
            "Identifiers",
            string("IdentifiersItem"),
            label=_("Bundle identifiers"),
            help=_("Only these apps; left out, all managed ones."),
        ),
    ),
)

APPLY_REDEMPTION_CODE = RequestType(
    name="ApplyRedemptionCode",
    label=_("Apply redemption code"),
    summary=_("Pay for a waiting app with a redemption code."),
    family=_("Apps"),
    platforms=on(
        ios=Support(
            "5.0", access_right="AllowAppInstallation", user_enrollment=FORBIDDEN, shared_ipad=SharedIPad(FORBIDDEN)
        )
    ),
    parameters=(
        string("Identifier", required=True, label=_("Bundle identifier")),
        string("RedemptionCode", required=True, secret=True),
    ),
)

INVITE_TO_PROGRAM = RequestType(
    name="InviteToProgram",
    label=_("Invite to Apps and Books"),
    summary=_("Invite the user to receive apps bought by the organisation."),
    family=_("Apps"),
    platforms=on(
        ios=Support("7.0", access_right="AllowAppInstallation", shared_ipad=SHARED_USER),
        macos=Support("10.9", device_channel=False, user_channel=True),
        every=Support(user_enrollment=FORBIDDEN),
    ),
    parameters=(
        string("ProgramID", required=True, choices=("com.apple.cloudvpp",)),
        string("InvitationURL", required=True, secret=True),
    ),
    answers=("InvitationResult",),
)


def install_application(
    *,
    itunes_store_id: int | None = None,
    identifier: str | None = None,
    manifest_url: str | None = None,
    purchase_method: int | None = None,
    management_flags: int | None = None,
    configuration: Mapping[str, Any] | None = None,
    attributes: Mapping[str, Any] | None = None,
    take_management: bool = False,
    install_as_managed: bool = False,
    is_ios_app: bool = False,
) -> Request:
    """One of the first three says which app; purchase_method 1 uses a licence of Apps and Books."""
    return build(
        "InstallApplication",
        iTunesStoreID=itunes_store_id,
        Identifier=identifier,
        ManifestURL=manifest_url,
        Options=None if purchase_method is None else {"PurchaseMethod": purchase_method},
        ManagementFlags=management_flags,
        Configuration=configuration,
        Attributes=attributes,
        ChangeManagementState="Managed" if take_management else None,
        InstallAsManaged=install_as_managed or None,
        iOSApp=is_ios_app or None,
    )


def install_enterprise_application(
    *,
    manifest: Mapping[str, Any] | None = None,
    manifest_url: str | None = None,
    pinning_certificates: Sequence[bytes] = (),
    revocation_check_required: bool = False,
    configuration: Mapping[str, Any] | None = None,
    management_flags: int | None = None,
    install_as_managed: bool = False,
    take_management: bool = False,
) -> Request:
    """manifest: a dictionary with `items`; pinning certificates are DER."""
    return build(
        "InstallEnterpriseApplication",
        Manifest=manifest,
        ManifestURL=manifest_url,
        ManifestURLPinningCerts=list(pinning_certificates) or None,
        PinningRevocationCheckRequired=revocation_check_required or None,
        Configuration=configuration,
        ManagementFlags=management_flags,
        InstallAsManaged=install_as_managed or None,
        ChangeManagementState="Managed" if take_management else None,
    )


def remove_application(identifier: str) -> Request:
    return build("RemoveApplication", Identifier=identifier)


def validate_applications(identifiers: Sequence[str] = ()) -> Request:
    return build("ValidateApplications", Identifiers=list(identifiers) or None)


def apply_redemption_code(identifier: str, redemption_code: str) -> Request:
    return build("ApplyRedemptionCode", Identifier=identifier, RedemptionCode=redemption_code)


def invite_to_program(invitation_url: str) -> Request:
    return build("InviteToProgram", ProgramID="com.apple.cloudvpp", InvitationURL=invitation_url)
