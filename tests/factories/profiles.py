"""Profiles, their files and where they are assigned."""

import hashlib
import plistlib
import uuid
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from devices.models import (
    AssignmentGroup,
    Device,
    DeviceGroup,
    ItemState,
    Profile,
    ProfileAssignment,
    ProfileInstall,
    ProfileVersion,
)
from devices.services.profiles import owner_field
from mdm.accounts.models import Account
from mdm.common.certs import self_signed
from mdm.protocol.cms import sign
from tests.factories.accounts import make_account
from tests.factories.numbers import number


def make_payload(payload_type: str = "com.apple.wifi.managed", **content: Any) -> dict[str, Any]:
    head = {
        "PayloadType": payload_type,
        "PayloadVersion": 1,
        "PayloadIdentifier": f"com.example.payload{number()}",
        "PayloadUUID": str(uuid.uuid4()).upper(),
    }
    return head | content


def make_mobileconfig(identifier: str = "", *payloads: dict[str, Any], is_binary: bool = False, **top: Any) -> bytes:
    """A profile with those payloads (one when none is given). top: keys of the top level; None leaves one out."""
    n = number()
    profile = {
        "PayloadType": "Configuration",
        "PayloadVersion": 1,
        "PayloadIdentifier": identifier or f"com.example.profile{n}",
        "PayloadUUID": str(uuid.uuid4()).upper(),
        "PayloadDisplayName": f"Profile {n}",
        "PayloadContent": list(payloads) or [make_payload()],
    }
    kept = {key: value for key, value in (profile | top).items() if value is not None}
    return plistlib.dumps(kept, fmt=plistlib.FMT_BINARY if is_binary else plistlib.FMT_XML)


def make_signed(content: bytes) -> bytes:
    """The same, signed by somebody nobody knows."""
    key = ec.generate_private_key(ec.SECP256R1())
    return sign(content, key, self_signed("Signer", key=key))


def make_profile(
    account: Account | None = None, name: str = "", *, identifier: str = "", content: bytes = b"", **fields: Any
) -> Profile:
    """A profile with one version that holds content, or a made-up profile of that identifier."""
    n = number()
    account = account or make_account()
    identifier = identifier or f"com.example.profile{n}"
    profile = Profile.objects.create(
        account=account, name=name or f"Profile {n}", profile_identifier=identifier, **fields
    )
    content = content or make_mobileconfig(identifier)
    ProfileVersion.objects.create(
        account=account,
        profile=profile,
        number=profile.version,
        content=content,
        digest=hashlib.sha256(content).hexdigest(),
        size=len(content),
    )
    return profile


def make_profile_assignment(profile: Profile, owner: Device | DeviceGroup | AssignmentGroup) -> ProfileAssignment:
    return ProfileAssignment.objects.create(
        account_id=profile.account_id, profile=profile, **{owner_field(owner): owner}
    )


def make_profile_install(
    profile: Profile, device: Device, state: str = ItemState.INSTALLED, **fields: object
) -> ProfileInstall:
    values = {
        "version": profile.version,
        "installed_version": profile.version if state == ItemState.INSTALLED else None,
    }
    return ProfileInstall.objects.create(
        account_id=profile.account_id, profile=profile, device=device, state=state, **(values | fields)
    )
