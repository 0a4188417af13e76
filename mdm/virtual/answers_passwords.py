"""Passcodes, firmware and recovery passwords, FileVault, Activation Lock."""

import hmac

from mdm.virtual import cms
from mdm.virtual.answers_security import load_certificate
from mdm.virtual.error_chains import BadFormat, Refused, link, mdm_error
from mdm.virtual.scene import CommandKeys, Response, Scene
from mdm.virtual.state import RECOVERY_KEY_LETTERS


def clear_passcode(scene: Scene, command: CommandKeys) -> Response:
    token = command["UnlockToken"]
    if not hmac.compare_digest(token, scene.state.unlock_token):
        raise Refused([link("MCPasscodeErrorDomain", 5013, "The passcode cannot be cleared.")])
    scene.state.passcode_present = False
    return {}


def request_unlock_token(scene: Scene, command: CommandKeys) -> Response:
    return {"UnlockToken": scene.state.unlock_token}


def clear_restrictions_password(scene: Scene, command: CommandKeys) -> Response:
    scene.state.restrictions_passcode_present = False
    return {}


def activation_lock_bypass_code(scene: Scene, command: CommandKeys) -> Response:
    if scene.state.bypass_code is None:
        raise Refused(mdm_error(12010, "There is no Activation Lock bypass code."))
    return {"ActivationLockBypassCode": scene.state.bypass_code}


def clear_activation_lock_bypass_code(scene: Scene, command: CommandKeys) -> Response:
    scene.state.bypass_code = None
    return {}


def set_firmware_password(scene: Scene, command: CommandKeys) -> Response:
    """Intel Macs; the change counts at the next start. A wrong present password changes nothing."""
    _require_intel(scene)
    state = scene.state
    failed = {"SetFirmwarePassword": {"PasswordChanged": False}}
    if state.firmware_change_pending:
        raise Refused([link("MDMClientError", 95, "A firmware password change is pending.")], failed)
    if state.firmware_password and command.get("CurrentPassword") != state.firmware_password:
        raise Refused([link("MDMClientError", 96, "The current firmware password is wrong.")], failed)
    state.firmware_password = command["NewPassword"]
    state.firmware_change_pending = True
    return {"SetFirmwarePassword": {"PasswordChanged": True}}


def verify_firmware_password(scene: Scene, command: CommandKeys) -> Response:
    _require_intel(scene)
    is_right = bool(scene.state.firmware_password) and command["Password"] == scene.state.firmware_password
    return {"VerifyFirmwarePassword": {"PasswordVerified": is_right}}


def _require_intel(scene: Scene) -> None:
    if scene.facts.model.is_apple_silicon:
        raise Refused([link("MDMClientError", 97, "Macs with Apple silicon have no firmware password.")])


def set_recovery_lock(scene: Scene, command: CommandKeys) -> Response:
    _require_apple_silicon(scene)
    if scene.state.recovery_lock and command.get("CurrentPassword") != scene.state.recovery_lock:
        raise Refused([link("MDMClientError", 96, "The current recovery lock password is wrong.")])
    scene.state.recovery_lock = command["NewPassword"]
    return {}


def verify_recovery_lock(scene: Scene, command: CommandKeys) -> Response:
    _require_apple_silicon(scene)
    is_right = bool(scene.state.recovery_lock) and command["Password"] == scene.state.recovery_lock
    return {"PasswordVerified": is_right}


def _require_apple_silicon(scene: Scene) -> None:
    if not scene.facts.model.is_apple_silicon:
        raise Refused([link("MDMClientError", 97, "Recovery lock needs Apple silicon.")])


def rotate_filevault_key(scene: Scene, command: CommandKeys) -> Response:
    """Personal keys only answer with a new key, encrypted to the certificate that came along."""
    state, unlock = scene.state, command["FileVaultUnlock"]
    if not state.filevault_enabled:
        raise Refused([link("MDMClientError", 98, "FileVault is off.")])
    if command["KeyType"] == "institutional":
        if not unlock.get("PrivateKeyExport") or "NewCertificate" not in command:
            raise BadFormat
        return {}
    if "ReplyEncryptionCertificate" not in command:
        raise BadFormat
    if unlock.get("Password") != state.recovery_key:
        raise Refused([link("MDMClientError", 96, "FileVault cannot be unlocked with this password.")])
    try:
        certificate = load_certificate(command["ReplyEncryptionCertificate"])
    except ValueError as error:
        raise BadFormat from error
    groups = ("".join(scene.rng.choices(RECOVERY_KEY_LETTERS, k=4)) for _ in range(6))
    state.recovery_key = "-".join(groups)
    return {
        "RotateResult": {"EncryptedNewRecoveryKey": cms.envelope(state.recovery_key.encode(), certificate, "aes256")}
    }


def set_auto_admin_password(scene: Scene, command: CommandKeys) -> Response:
    for account in scene.state.admin_accounts:
        if account["GUID"] == command["GUID"]:
            account["passwordHash"] = command["passwordHash"]
            return {}
    raise Refused([link("MDMClientError", 99, "No automatically created administrator has this GUID.")])
