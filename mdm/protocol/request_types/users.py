"""Users of Macs and Shared iPads."""

from mdm.common.marking import marked as _
from mdm.protocol.request_types.request import Request, build
from mdm.protocol.request_types.schema import FORBIDDEN, RequestType, Support
from mdm.protocol.request_types.vocabulary import SAME, SHARED_ONLY, boolean, on, only, string

USER_LIST = RequestType(
    name="UserList",
    label=_("Users"),
    summary=_("List the users of a Mac or a Shared iPad."),
    family=_("Users"),
    platforms=on(
        ios=Support("9.3", shared_ipad=SHARED_ONLY),
        macos=Support("10.13", supervised=True),
        every=Support(user_enrollment=FORBIDDEN),
    ),
    answers=("Users",),
)

DELETE_USER = RequestType(
    name="DeleteUser",
    label=_("Delete user"),
    summary=_("Delete a user and their data from a Mac or a Shared iPad."),
    family=_("Users"),
    platforms=on(
        ios=Support("9.3", shared_ipad=SHARED_ONLY),
        macos=Support("10.13", supervised=True),
        every=Support(user_enrollment=FORBIDDEN),
    ),
    parameters=(
        string("UserName", help=_("Needed unless all users go.")),
        boolean("ForceDeletion", default=False, platforms=only(ios=SAME), help=_("Even if data is not yet in iCloud.")),
        boolean("DeleteAllUsers", default=False, platforms=only(ios="14.0"), help=_("All users of the iPad.")),
    ),
    destructive=True,
    at_least_one=("UserName", "DeleteAllUsers"),
)

LOG_OUT_USER = RequestType(
    name="LogOutUser",
    label=_("Log out user"),
    summary=_("Log the current user of a Shared iPad out."),
    family=_("Users"),
    platforms=on(ios=Support("9.3", user_enrollment=FORBIDDEN, shared_ipad=SHARED_ONLY)),
    destructive=True,
)

UNLOCK_USER_ACCOUNT = RequestType(
    name="UnlockUserAccount",
    label=_("Unlock user account"),
    summary=_("Let a Mac user in again who typed the wrong password too often."),
    family=_("Users"),
    platforms=on(macos=Support("10.13", access_right="DeviceLockAndRemovePasscode", user_enrollment=FORBIDDEN)),
    parameters=(string("UserName", required=True),),
)


def user_list() -> Request:
    return build("UserList")


def delete_user(
    user_name: str | None = None, *, force_deletion: bool = False, delete_all_users: bool = False
) -> Request:
    """Name one user, or take all of them off a Shared iPad; force_deletion is for Shared iPads too."""
    return build(
        "DeleteUser",
        UserName=user_name,
        ForceDeletion=force_deletion or None,
        DeleteAllUsers=delete_all_users or None,
    )


def log_out_user() -> Request:
    return build("LogOutUser")


def unlock_user_account(user_name: str) -> Request:
    return build("UnlockUserAccount", UserName=user_name)
