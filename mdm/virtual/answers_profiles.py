"""Configuration and provisioning profiles: install, remove, list."""

import hashlib
import plistlib
import uuid
from datetime import timedelta
from typing import Any
from xml.parsers.expat import ExpatError

from mdm.virtual.enrollment_profile import ConfigurationProfile, parse_profile
from mdm.virtual.error_chains import Refused, link, profile_invalid, profile_not_installed
from mdm.virtual.errors import BadProfile
from mdm.virtual.scene import After, CommandKeys, Response, Scene
from mdm.virtual.state import now

LISTED_KEYS = (
    "PayloadUUID",
    "PayloadIdentifier",
    "PayloadVersion",
    "PayloadDisplayName",
    "PayloadOrganization",
    "PayloadDescription",
    "PayloadRemovalDisallowed",
)
LISTED_PAYLOAD_KEYS = (
    "PayloadType",
    "PayloadVersion",
    "PayloadIdentifier",
    "PayloadUUID",
    "PayloadDisplayName",
    "PayloadDescription",
    "PayloadOrganization",
)


def installed_row(profile: ConfigurationProfile, *, is_managed: bool = True) -> dict[str, Any]:
    return {"content": profile.content, "signers": profile.signers, "managed": is_managed}


def install_profile(scene: Scene, command: CommandKeys) -> Response:
    try:
        profile = parse_profile(command["Payload"])
        _check_payloads(profile)
    except BadProfile as error:
        raise Refused(profile_invalid(scene.platform, str(error))) from error
    if profile.mdm is not None:
        # Only the one MDM profile that is there can be replaced; the device then gets its new identity at once.
        scene.refuse_unless(profile.identifier == scene.enrollment_identifier, 12001, "The device is managed already.")
        scene.replace_enrollment(profile)
    scene.state.profiles_of(scene.scope)[profile.identifier] = installed_row(profile)
    return {}


def _check_payloads(profile: ConfigurationProfile) -> None:
    """Each payload needs type, identifier and UUID, and no UUID twice. Raises BadProfile."""
    seen: set[str] = set()
    for payload in profile.content["PayloadContent"]:
        for key in ("PayloadType", "PayloadIdentifier", "PayloadUUID"):
            if not isinstance(payload.get(key), str):
                raise BadProfile(f"a payload lacks the required key {key}")
        if payload["PayloadUUID"] in seen:
            raise BadProfile("two payloads have the same UUID")
        seen.add(payload["PayloadUUID"])


def remove_profile(scene: Scene, command: CommandKeys) -> Response:
    identifier = command["Identifier"]
    profiles = scene.state.profiles_of(scene.scope)
    if identifier not in profiles:
        raise Refused(profile_not_installed(scene.platform, identifier))
    scene.refuse_unless(profiles[identifier]["managed"], 12013, f"The profile “{identifier}” is not managed.")
    del profiles[identifier]
    if identifier == scene.enrollment_identifier:
        scene.after.append(After.UNENROLL)
    return {}


def profile_list(scene: Scene, command: CommandKeys) -> Response:
    rows = scene.state.profiles_of(scene.scope).values()
    if command.get("ManagedOnly"):
        rows = [row for row in rows if row["managed"]]
    return {"ProfileList": [_listed(scene, row) for row in rows]}


def _listed(scene: Scene, row: dict[str, Any]) -> dict[str, Any]:
    content = row["content"]
    item = {key: content[key] for key in LISTED_KEYS if key in content}
    item |= {"HasRemovalPasscode": False, "IsEncrypted": False}
    if not scene.is_mac:
        item["IsManaged"] = row["managed"]
    if row["signers"]:
        item["SignerCertificates"] = row["signers"]
    item["PayloadContent"] = [
        {"PayloadVersion": 1} | {key: payload[key] for key in LISTED_PAYLOAD_KEYS if key in payload}
        for payload in content["PayloadContent"]
    ]
    return item


def install_provisioning(scene: Scene, command: CommandKeys) -> Response:
    """A provisioning profile is a plist inside CMS; unsigned ones are taken as they are."""
    raw = command["ProvisioningProfile"]
    # The XML lies in clear inside the CMS; its signature is Apple's business, not the device manager's.
    start, end = raw.find(b"<?xml"), raw.find(b"</plist>")
    try:
        content = plistlib.loads(raw[start : end + 8]) if start >= 0 and end >= 0 else {}
    except (ExpatError, plistlib.InvalidFileException, ValueError):
        content = {}
    if not isinstance(content, dict) or "Name" not in content:
        raise Refused([link("MCProvisioningProfileErrorDomain", 25000, "The provisioning profile is invalid.")])
    fallback = uuid.uuid5(uuid.NAMESPACE_OID, hashlib.sha256(raw).hexdigest())
    row = {
        "Name": content["Name"],
        "UUID": content.get("UUID", str(fallback)),
        "ExpiryDate": content.get("ExpirationDate", now() + timedelta(days=365)),
    }
    scene.state.provisioning_profiles[row["UUID"]] = row
    return {}


def remove_provisioning(scene: Scene, command: CommandKeys) -> Response:
    known = scene.state.provisioning_profiles
    scene.refuse_unless(command["UUID"] in known, 12014, "The provisioning profile is not managed.")
    del known[command["UUID"]]
    return {}


def provisioning_list(scene: Scene, command: CommandKeys) -> Response:
    return {"ProvisioningProfileList": list(scene.state.provisioning_profiles.values())}
