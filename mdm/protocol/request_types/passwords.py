"""Firmware, recovery, administrator and FileVault secrets of Macs."""

from mdm.common.marking import marked as _
from mdm.protocol.request_types.formats import PRINTABLE_ASCII
from mdm.protocol.request_types.request import Request, build
from mdm.protocol.request_types.schema import FORBIDDEN, RequestType, Support
from mdm.protocol.request_types.vocabulary import boolean, data, dictionary, on, string

SET_FIRMWARE_PASSWORD = RequestType(
    name="SetFirmwarePassword",
    label=_("Set firmware password"),
    summary=_("Set, change or clear the firmware password of an Intel Mac."),
    family=_("Passwords"),
    platforms=on(macos=Support("10.13", access_right="DeviceLockAndRemovePasscode", user_enrollment=FORBIDDEN)),
    parameters=(
        string("CurrentPassword", secret=True, help=_("Needed when one is set.")),
        string("NewPassword", required=True, format=PRINTABLE_ASCII, secret=True, help=_("Empty clears it.")),
        boolean("AllowOroms", default=False, label=_("Allow option ROMs")),
    ),
    destructive=True,
    answers=("SetFirmwarePassword",),
)

VERIFY_FIRMWARE_PASSWORD = RequestType(
    name="VerifyFirmwarePassword",
    label=_("Check firmware password"),
    summary=_("Ask an Intel Mac whether this is its firmware password."),
    family=_("Passwords"),
    platforms=on(macos=Support("10.13", user_enrollment=FORBIDDEN)),
    parameters=(string("Password", required=True, secret=True),),
    answers=("VerifyFirmwarePassword",),
)

SET_RECOVERY_LOCK = RequestType(
    name="SetRecoveryLock",
    label=_("Set recovery lock"),
    summary=_("Set, change or clear the recovery password of a Mac with Apple silicon."),
    family=_("Passwords"),
    platforms=on(macos=Support("11.5", access_right="DeviceLockAndRemovePasscode", user_enrollment=FORBIDDEN)),
    parameters=(
        string("CurrentPassword", secret=True, help=_("Needed when one is set.")),
        string("NewPassword", required=True, secret=True, help=_("Empty clears it.")),
    ),
    destructive=True,
)

VERIFY_RECOVERY_LOCK = RequestType(
    name="VerifyRecoveryLock",
    label=_("Check recovery lock"),
    summary=_("Ask a Mac with Apple silicon whether this is its recovery password."),
    family=_("Passwords"),
    platforms=on(macos=Support("11.5", access_right="DeviceLockAndRemovePasscode", user_enrollment=FORBIDDEN)),
    parameters=(string("Password", required=True, secret=True),),
    answers=("PasswordVerified",),
)

SET_AUTO_ADMIN_PASSWORD = RequestType(
    name="SetAutoAdminPassword",
    label=_("Set admin password"),
    summary=_("Change the password of the administrator made during automated enrollment."),
    family=_("Passwords"),
    platforms=on(macos=Support("10.11", requires_dep=True, user_enrollment=FORBIDDEN)),
    parameters=(
        string(
            "GUID", required=True, label=_("Account GUID"), help=_("From the AutoSetupAdminAccounts fact of the Mac.")
        ),
        data("passwordHash", required=True, secret=True, help=_("Salted SHA-512 PBKDF2 hash as macOS makes it.")),
    ),
    destructive=True,
)

ROTATE_FILEVAULT_KEY = RequestType(
    name="RotateFileVaultKey",
    label=_("Rotate FileVault key"),
    summary=_("Give a Mac a new FileVault recovery key."),
    family=_("Passwords"),
    platforms=on(macos=Support("10.9", access_right="DeviceLockAndRemovePasscode", user_enrollment=FORBIDDEN)),
    parameters=(
        string("KeyType", required=True, choices=("personal", "institutional")),
        dictionary(
            "FileVaultUnlock",
            string("Password", secret=True, help=_("Password of a FileVault user, or the present recovery key.")),
            data(
                "PrivateKeyExport",
                platforms=on(macos=Support(deprecated="10.15")),
                secret=True,
                help=_("Present institutional key as .p12; old file systems only."),
            ),
            string("PrivateKeyExportPassword", platforms=on(macos=Support(deprecated="10.15")), secret=True),
            required=True,
        ),
        data("NewCertificate", help=_("DER; needed for an institutional key.")),
        data("ReplyEncryptionCertificate", help=_("DER; the new personal key comes back encrypted to it.")),
    ),
    destructive=True,
    secret_answer=True,
    answers=("RotateResult",),
)


def set_firmware_password(
    new_password: str, *, current_password: str | None = None, allow_oroms: bool = False
) -> Request:
    """Intel Macs; an empty new password clears it."""
    return build(
        "SetFirmwarePassword",
        CurrentPassword=current_password,
        NewPassword=new_password,
        AllowOroms=allow_oroms or None,
    )


def verify_firmware_password(password: str) -> Request:
    return build("VerifyFirmwarePassword", Password=password)


def set_recovery_lock(new_password: str, *, current_password: str | None = None) -> Request:
    """Macs with Apple silicon; an empty new password clears it."""
    return build("SetRecoveryLock", CurrentPassword=current_password, NewPassword=new_password)


def verify_recovery_lock(password: str) -> Request:
    return build("VerifyRecoveryLock", Password=password)


def set_auto_admin_password(guid: str, password_hash: bytes) -> Request:
    """password_hash: the plist with entropy, salt and iterations of a salted SHA-512 PBKDF2."""
    return build("SetAutoAdminPassword", GUID=guid, passwordHash=password_hash)


def rotate_filevault_key(password: str, *, reply_encryption_certificate: bytes) -> Request:
    """A new personal recovery key; password: of a FileVault user, or the present key. The certificate is DER."""
    return build(
        "RotateFileVaultKey",
        KeyType="personal",
        FileVaultUnlock={"Password": password},
        ReplyEncryptionCertificate=reply_encryption_certificate,
    )


def rotate_institutional_filevault_key(password: str, *, new_certificate: bytes) -> Request:
    """A new institutional recovery key; the certificate is DER."""
    return build(
        "RotateFileVaultKey",
        KeyType="institutional",
        FileVaultUnlock={"Password": password},
        NewCertificate=new_certificate,
    )
