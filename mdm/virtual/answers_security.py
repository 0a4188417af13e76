"""SecurityInfo, CertificateList, Restrictions."""

from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from mdm.virtual import cms
from mdm.virtual.scene import CommandKeys, Response, Scene
from mdm.virtual.state import DEVICE_SCOPE

ESCROW_TYPE = "com.apple.security.FDERecoveryKeyEscrow"
CERTIFICATE_TYPES = ("com.apple.security.root", "com.apple.security.pkcs1", "com.apple.security.pem")
RESTRICTION_TYPE = "com.apple.applicationaccess"
FREE_DEVICE = {
    "allowCamera": True,
    "allowScreenShot": True,
    "allowAppInstallation": True,
    "allowCloudBackup": True,
    "allowEraseContentAndSettings": True,
    "allowSafari": True,
    "forceEncryptedBackup": False,
    "forceITunesStorePasswordEntry": False,
}


def security_info(scene: Scene, command: CommandKeys) -> Response:
    if scene.is_mac:
        return {"SecurityInfo": _mac_user() if scene.user else _mac(scene)}
    state = scene.state
    info: dict[str, Any] = {
        "HardwareEncryptionCaps": 3,
        "PasscodeCompliant": state.passcode_present or not state.payloads("com.apple.mobiledevice.passwordpolicy"),
        "ManagementStatus": {"IsUserEnrollment": scene.is_user_enrollment},
    }
    if not scene.is_user_enrollment:
        info |= {
            "PasscodePresent": state.passcode_present,
            "PasscodeCompliantWithProfiles": info["PasscodeCompliant"],
            "PasscodeLockGracePeriod": 0,
            "PasscodeLockGracePeriodEnforced": 0,
        }
    return {"SecurityInfo": info}


def _mac(scene: Scene) -> dict[str, Any]:
    state, silicon = scene.state, scene.facts.model.is_apple_silicon
    info: dict[str, Any] = {
        "FDE_Enabled": state.filevault_enabled,
        "FDE_HasPersonalRecoveryKey": state.filevault_enabled,
        "FDE_HasInstitutionalRecoveryKey": False,
        "SystemIntegrityProtectionEnabled": True,
        "AuthenticatedRootVolumeEnabled": True,
        "RemoteDesktopEnabled": state.remote_desktop,
        "FirewallSettings": {
            "FirewallEnabled": state.firewall_enabled,
            "BlockAllIncoming": False,
            "StealthMode": False,
            "LoggingEnabled": True,
            "LoggingOption": "throttled",
            "Applications": [{"Allowed": True, "BundleID": "com.apple.RemoteDesktop", "Name": "Remote Desktop"}],
        },
        "FirmwarePasswordStatus": {
            "PasswordExists": bool(state.firmware_password),
            "ChangePending": state.firmware_change_pending,
            "AllowOroms": False,
        },
        "ManagementStatus": {
            "EnrolledViaDEP": state.enrolled_via_dep,
            "UserApprovedEnrollment": True,
            "IsUserEnrollment": scene.is_user_enrollment,
            "IsActivationLockManageable": not scene.is_user_enrollment,
        },
        "SecureBoot": {"SecureBootLevel": "full", "ExternalBootLevel": "not supported" if silicon else "disallowed"},
        "BootstrapTokenAllowedForAuthentication": "allowed" if silicon else "not supported",
        "BootstrapTokenRequiredForSoftwareUpdate": silicon,
        "BootstrapTokenRequiredForKernelExtensionApproval": silicon,
    }
    if silicon:
        info["IsRecoveryLockEnabled"] = bool(state.recovery_lock)
    return info | _escrowed_key(scene)


def _mac_user() -> dict[str, Any]:
    """The device-wide facts are not for user channels."""
    return {"ManagementStatus": {"EnrolledViaDEP": False, "UserApprovedEnrollment": True, "IsUserEnrollment": False}}


def _escrowed_key(scene: Scene) -> dict[str, Any]:
    """The recovery key for the certificate that an installed escrow payload names."""
    if not scene.state.filevault_enabled:
        return {}
    for profile in scene.state.profiles_of(DEVICE_SCOPE).values():
        payloads = profile["content"]["PayloadContent"]
        wanted = {p.get("EncryptCertPayloadUUID") for p in payloads if p.get("PayloadType") == ESCROW_TYPE}
        for payload in payloads:
            if payload.get("PayloadUUID") in wanted and payload.get("PayloadType") in CERTIFICATE_TYPES:
                certificate = load_certificate(payload["PayloadContent"])
                return {
                    "FDE_PersonalRecoveryKeyCMS": cms.envelope(
                        scene.state.recovery_key.encode(), certificate, "aes256"
                    ),
                    "FDE_PersonalRecoveryKeyDeviceKey": scene.facts.serial,
                }
    return {}


def load_certificate(data: bytes) -> x509.Certificate:
    """DER, or PEM as some payloads carry it. Raises ValueError."""
    if data.lstrip().startswith(b"-----BEGIN"):
        return x509.load_pem_x509_certificate(data)
    return x509.load_der_x509_certificate(data)


def certificate_list(scene: Scene, command: CommandKeys) -> Response:
    rows = [_certificate_row(scene.identity.certificate, is_identity=True)]
    for profile in scene.state.profiles_of(scene.scope).values():
        for payload in profile["content"]["PayloadContent"]:
            if payload.get("PayloadType") in CERTIFICATE_TYPES:
                rows.append(_certificate_row(load_certificate(payload["PayloadContent"]), is_identity=False))
    return {"CertificateList": rows}


def _certificate_row(certificate: x509.Certificate, *, is_identity: bool) -> dict[str, Any]:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return {
        "CommonName": str(names[0].value) if names else certificate.subject.rfc4514_string(),
        "IsIdentity": is_identity,
        "Data": certificate.public_bytes(serialization.Encoding.DER),
    }


def restrictions(scene: Scene, command: CommandKeys) -> Response:
    """`allow…` is the stricter of all profiles when false, `force…` when true."""
    total = dict(FREE_DEVICE)
    per_profile: dict[str, Any] = {}
    for identifier, profile in scene.state.profiles_of(DEVICE_SCOPE).items():
        for payload in profile["content"]["PayloadContent"]:
            if payload.get("PayloadType") != RESTRICTION_TYPE:
                continue
            own = {k: v for k, v in payload.items() if isinstance(v, bool) and k.startswith(("allow", "force"))}
            per_profile[identifier] = _as_response(own)
            for key, value in own.items():
                free = key.startswith("allow")
                if value != free:
                    total[key] = value
    response: Response = {"GlobalRestrictions": _as_response(total)}
    if command.get("ProfileRestrictions"):
        response["ProfileRestrictions"] = per_profile
    return response


def _as_response(values: dict[str, bool]) -> dict[str, Any]:
    return {
        "restrictedBool": {key: {"value": value} for key, value in values.items()},
        "restrictedValue": {},
        "intersection": {},
        "union": {},
    }
