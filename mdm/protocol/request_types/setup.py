"""What a device waits for in Setup Assistant."""

from collections.abc import Mapping, Sequence
from typing import Any

from mdm.common.marking import marked as _
from mdm.protocol.request_types.request import Request, build
from mdm.protocol.request_types.schema import FORBIDDEN, RequestType, Support
from mdm.protocol.request_types.vocabulary import SHARED_USER, array, boolean, data, dictionary, on, string

ACCOUNT_CONFIGURATION = RequestType(
    name="AccountConfiguration",
    label=_("Configure first accounts"),
    summary=_("Say which accounts Setup Assistant makes on a new Mac."),
    family=_("Set-up"),
    platforms=on(macos=Support("10.11", requires_dep=True, user_enrollment=FORBIDDEN)),
    parameters=(
        boolean(
            "SkipPrimarySetupAccountCreation",
            default=False,
            help=_("The user makes no account; needs an administrator account below."),
        ),
        boolean(
            "SetPrimarySetupAccountAsRegularUser",
            default=False,
            help=_("The user is no administrator; needs an administrator account below."),
        ),
        string("PrimaryAccountFullName", platforms=on(macos="10.15")),
        string("PrimaryAccountUserName", platforms=on(macos="10.15")),
        boolean(
            "DontAutoPopulatePrimaryAccountInfo",
            default=False,
            platforms=on(macos="10.15"),
            label=_("Leave account fields empty"),
            help=_("Setup Assistant passes over the names given."),
        ),
        boolean(
            "LockPrimaryAccountInfo",
            default=False,
            platforms=on(macos="10.15"),
            help=_("The user cannot change the names given."),
        ),
        array(
            "AutoSetupAdminAccounts",
            dictionary(
                "AutoSetupAdminAccountItem",
                string("shortName", required=True),
                string("fullName"),
                data("passwordHash", secret=True, help=_("Salted SHA-512 PBKDF2 hash as macOS makes it.")),
                boolean("hidden", default=False, help=_("Keep it out of the login window.")),
            ),
            help=_("Only the first is made."),
        ),
        string(
            "ManagedLocalUserShortName", platforms=on(macos="11.0"), help=_("The account that gets the user channel.")
        ),
    ),
)

DEVICE_CONFIGURED = RequestType(
    name="DeviceConfigured",
    label=_("Finish set-up"),
    summary=_("Let a device that waits in Setup Assistant go on."),
    family=_("Set-up"),
    platforms=on(
        ios=Support("9.0", supervised=True, requires_dep=True),
        macos=Support("10.11", requires_dep=True),
        tvos=Support("10.2", supervised=True),
        visionos=Support("2.0", supervised=True, requires_dep=True),
        every=Support(user_enrollment=FORBIDDEN),
    ),
)

USER_CONFIGURED = RequestType(
    name="UserConfigured",
    label=_("Finish user set-up"),
    summary=_("Let a Shared iPad user who waits in Setup Assistant go on."),
    family=_("Set-up"),
    platforms=on(
        ios=Support("17.0", supervised=True, requires_dep=True, user_enrollment=FORBIDDEN, shared_ipad=SHARED_USER)
    ),
)


def account_configuration(
    *,
    admin_accounts: Sequence[Mapping[str, Any]] = (),
    skip_primary_account: bool = False,
    primary_account_is_regular_user: bool = False,
    primary_full_name: str | None = None,
    primary_user_name: str | None = None,
    lock_primary_account: bool = False,
    managed_user: str | None = None,
) -> Request:
    """admin_accounts: dictionaries with shortName, fullName, passwordHash (bytes), hidden."""
    return build(
        "AccountConfiguration",
        AutoSetupAdminAccounts=[dict(account) for account in admin_accounts] or None,
        SkipPrimarySetupAccountCreation=skip_primary_account or None,
        SetPrimarySetupAccountAsRegularUser=primary_account_is_regular_user or None,
        PrimaryAccountFullName=primary_full_name,
        PrimaryAccountUserName=primary_user_name,
        LockPrimaryAccountInfo=lock_primary_account or None,
        ManagedLocalUserShortName=managed_user,
    )


def device_configured() -> Request:
    return build("DeviceConfigured")


def user_configured() -> Request:
    return build("UserConfigured")
