"""Configuration profiles: built as dictionaries and bytes.

Source: Apple, "TopLevel", "MDM", "SCEP", "CertificateRoot" (profile payload keys).
"""

import uuid as uuids
from collections.abc import Iterable, Sequence
from typing import Any

from mdm.protocol import plist

ALL_ACCESS_RIGHTS = 8191
SERVER_CAPABILITIES = ("com.apple.mdm.per-user-connections", "com.apple.mdm.bootstraptoken", "com.apple.mdm.token")
SIGNING, ENCRYPTION = 1, 4  # bits of the SCEP payload's "Key Usage"

_NAMESPACE = uuids.UUID("5b0f3c1e-6f0a-4c57-9d4e-2d7f1f6f3a10")


def stable_uuid(*parts: object) -> str:
    """The same upper-case UUID for the same parts, so that a newer profile replaces the older one."""
    return str(uuids.uuid5(_NAMESPACE, "\x1f".join(str(part) for part in parts))).upper()


def payload(payload_type: str, identifier: str, uuid: str, display_name: str, **content: Any) -> dict[str, Any]:
    """One payload dictionary; content keeps Apple's key names, None leaves a key out."""
    head = {
        "PayloadType": payload_type,
        "PayloadVersion": 1,
        "PayloadIdentifier": identifier,
        "PayloadUUID": uuid,
        "PayloadDisplayName": display_name,
    }
    return head | {key: value for key, value in content.items() if value is not None}


def configuration(
    identifier: str,
    uuid: str,
    display_name: str,
    payloads: Sequence[dict[str, Any]],
    *,
    organization: str = "",
    description: str = "",
    removal_disallowed: bool = False,
    scope: str = "System",
) -> bytes:
    """A whole profile, unsigned XML; scope is "System" or "User" and matters to Macs only."""
    return plist.dumps(
        payload(
            "Configuration",
            identifier,
            uuid,
            display_name,
            PayloadOrganization=organization or None,
            PayloadDescription=description or None,
            PayloadRemovalDisallowed=removal_disallowed,
            PayloadScope=scope,
            PayloadContent=list(payloads),
        )
    )


def mdm_payload(
    *,
    identifier: str,
    uuid: str,
    server_url: str,
    check_in_url: str,
    topic: str,
    identity_certificate_uuid: str,
    display_name: str = "Device Management",
    access_rights: int = ALL_ACCESS_RIGHTS,
    check_out_when_removed: bool = True,
    sign_message: bool = True,
    server_capabilities: Iterable[str] = SERVER_CAPABILITIES,
    is_user_enrollment: bool = False,
    managed_apple_id: str | None = None,
    assigned_managed_apple_id: str | None = None,
    enrollment_mode: str | None = None,
) -> dict[str, Any]:
    """The payload that makes a device managed; identity_certificate_uuid is the PayloadUUID of its SCEP payload.

    User enrollments get no access rights: devices ignore them there. managed_apple_id serves profile-driven ones up to
    iOS 17 and macOS 14, assigned_managed_apple_id and enrollment_mode ("BYOD", "ADDE") account-driven ones.
    Raises ValueError for rights that Apple refuses. Source: Apple, "MDM".
    """
    is_user_enrollment = is_user_enrollment or managed_apple_id is not None
    if not is_user_enrollment:
        _check_access_rights(access_rights)
    return payload(
        "com.apple.mdm",
        identifier,
        uuid,
        display_name,
        ServerURL=server_url,
        CheckInURL=check_in_url,
        Topic=topic,
        IdentityCertificateUUID=identity_certificate_uuid,
        AccessRights=None if is_user_enrollment else access_rights,
        CheckOutWhenRemoved=check_out_when_removed,
        SignMessage=sign_message,
        ServerCapabilities=list(server_capabilities),
        ManagedAppleID=managed_apple_id,
        AssignedManagedAppleID=assigned_managed_apple_id,
        EnrollmentMode=enrollment_mode,
    )


def _check_access_rights(rights: int) -> None:
    if not 1 <= rights <= ALL_ACCESS_RIGHTS:
        raise ValueError(f"Access rights are a number from 1 to {ALL_ACCESS_RIGHTS}.")
    for right, needed in ((2, 1), (128, 64)):
        if rights & right and not rights & needed:
            raise ValueError(f"Access right {right} needs {needed} as well.")


def scep_payload(
    *,
    identifier: str,
    uuid: str,
    url: str,
    challenge: str,
    subject: Sequence[tuple[str, str]],
    display_name: str = "Device Identity",
    name: str = "",
    key_size: int = 2048,
    key_usage: int = SIGNING | ENCRYPTION,
    ca_fingerprint: bytes | None = None,
    retries: int = 3,
    retry_delay_seconds: int = 10,
    key_is_extractable: bool = False,
) -> dict[str, Any]:
    """How the device gets its identity certificate; the same payload with a new challenge renews it.

    subject: (attribute, value) pairs such as ("O", "…"), ("CN", "…"), ("1.3.6…", "…"), outermost first. name tells one
    authority from another on the server. ca_fingerprint: digest of the authority's certificate. Source: Apple, "SCEP".
    """
    content = {
        "URL": url,
        "Name": name or None,
        "Subject": [[[attribute, value]] for attribute, value in subject],
        "Challenge": challenge,
        "Keysize": key_size,
        "Key Type": "RSA",
        "Key Usage": key_usage,
        "CAFingerprint": ca_fingerprint,
        "Retries": retries,
        "RetryDelay": retry_delay_seconds,
        "KeyIsExtractable": key_is_extractable,
    }
    return payload(
        "com.apple.security.scep",
        identifier,
        uuid,
        display_name,
        PayloadContent={key: value for key, value in content.items() if value is not None},
    )


def root_certificate_payload(
    der: bytes, *, identifier: str, uuid: str, display_name: str = "Certificate Authority", file_name: str | None = None
) -> dict[str, Any]:
    """A certificate (DER) that the device shall trust."""
    return payload(
        "com.apple.security.root",
        identifier,
        uuid,
        display_name,
        PayloadCertificateFileName=file_name,
        PayloadContent=der,
    )
