"""An iOS or tvOS app: a zip archive with one bundle below Payload/.

Source: Apple, "Information Property List"; "Distributing your app to registered devices".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, BinaryIO

from apps_catalog.packages.errors import BadPackage
from apps_catalog.packages.facts import (
    MAX_TITLE,
    PackageFacts,
    first_text,
    identifier_of,
    os_version_of,
    text_of,
    version_of,
)
from apps_catalog.packages.icons import may_be_icon, read_icon
from apps_catalog.packages.zip_directory import Entry, entries, read_entry
from mdm.protocol import plist
from mdm.protocol.cms import open_signed
from mdm.protocol.errors import ProtocolError

MAX_INFO_BYTES = 4 * 1024 * 1024
MAX_PROFILE_BYTES = 8 * 1024 * 1024  # it lists up to some hundred thousand devices
MAX_IMAGES = 5000

_BUNDLE = re.compile(r"Payload/([^/]+\.app)/", re.ASCII)
_INFO, _PROFILE = "Info.plist", "embedded.mobileprovision"
_PLATFORMS = {"iphoneos": "iOS", "appletvos": "tvOS"}
_OTHER_PLATFORMS = {
    "iphonesimulator": "the iOS simulator",
    "appletvsimulator": "the tvOS simulator",
    "macosx": "macOS",
    "maccatalyst": "macOS",
    "watchos": "watchOS",
    "xros": "visionOS",
    "xrsimulator": "the visionOS simulator",
}
_APPLE_TV = 3


def read(file: BinaryIO) -> PackageFacts:
    """Raises BadPackage."""
    bundle = _find_bundle(file)
    info = _info(file, bundle)
    platform, families = _platform(info)
    warnings: list[str] = []
    return PackageFacts(
        kind="ipa",
        bundle_identifier=identifier_of(info.get("CFBundleIdentifier")),
        title=first_text(info, "CFBundleDisplayName", "CFBundleName") or bundle.name.removesuffix(".app")[:MAX_TITLE],
        version=version_of(info.get("CFBundleVersion")),
        short_version=version_of(info.get("CFBundleShortVersionString")),
        minimum_os_version=os_version_of(info.get("MinimumOSVersion")),
        platform=platform,
        is_signed=None,
        details={
            "device_families": families,
            "provisioning": _provisioning(file, bundle, warnings),
            "warnings": warnings,
        },
        icon=read_icon(file, info, bundle.images, warnings),
    )


@dataclass
class _Bundle:
    """The app's folder in the archive, and those of its files that are read; images: those that may be icons."""

    name: str
    files: dict[str, Entry] = field(default_factory=dict)
    images: dict[str, Entry] = field(default_factory=dict)


def _find_bundle(file: BinaryIO) -> _Bundle:
    bundle: _Bundle | None = None
    for entry in entries(file):
        _check_entry(entry)
        found = _BUNDLE.match(entry.name)
        if found is None:
            continue
        if bundle is None:
            bundle = _Bundle(text_of(found[1], MAX_TITLE))
            prefix = found[0]
        elif found[0] != prefix:
            raise BadPackage("This zip archive has several apps in its Payload folder; an .ipa has exactly one.")
        inner = entry.name.removeprefix(prefix)
        if inner in (_INFO, _PROFILE):
            if inner in bundle.files:
                raise BadPackage(f"This zip archive has {inner} twice: export the app anew.")
            bundle.files[inner] = entry
        elif may_be_icon(inner) and len(bundle.images) < MAX_IMAGES:
            bundle.images[inner] = entry
    if bundle is None:
        raise BadPackage("This is a zip archive without an app in a Payload folder, and so not an .ipa.")
    if _INFO not in bundle.files:
        raise BadPackage("The app in this .ipa has no Info.plist.")
    return bundle


def _check_entry(entry: Entry) -> None:
    if entry.is_encrypted:
        raise BadPackage("This zip archive is encrypted: devices could not open it.")
    if entry.name.startswith("/") or "\0" in entry.name or ".." in entry.name.split("/"):
        raise BadPackage("This zip archive has files that lie outside of it: export the app anew.")


def _info(file: BinaryIO, bundle: _Bundle) -> Mapping[str, Any]:
    content = read_entry(file, bundle.files[_INFO], MAX_INFO_BYTES)
    try:
        info = plist.loads(content, max_bytes=MAX_INFO_BYTES)
    except ProtocolError as error:
        raise BadPackage(f"The app's Info.plist cannot be read. {error}") from error
    if not isinstance(info, dict):
        raise BadPackage("The app's Info.plist is not a dictionary.")
    return info


def _platform(info: Mapping[str, Any]) -> tuple[str, list[int]]:
    """The platform and the device families. Raises BadPackage for what MDM cannot install from an .ipa."""
    given = info.get("UIDeviceFamily")
    values = given if isinstance(given, list) else [given]
    families = sorted({int(value) for value in values if str(value) in "1234567" and str(value)})
    supported = info.get("CFBundleSupportedPlatforms")
    names = [*(supported if isinstance(supported, list) else []), info.get("DTPlatformName")]
    found = [name.lower() for name in names if isinstance(name, str)]
    for name in found:
        if name in _PLATFORMS:
            return _PLATFORMS[name], families
    for name in found:
        if name in _OTHER_PLATFORMS:
            raise BadPackage(f"This app was built for {_OTHER_PLATFORMS[name]}; an .ipa is for iOS or tvOS devices.")
    return ("tvOS" if families == [_APPLE_TV] else "iOS"), families


def _provisioning(file: BinaryIO, bundle: _Bundle, warnings: list[str]) -> dict[str, Any] | None:
    """What the provisioning profile inside says. A faulty one is the devices' business: it only makes a warning."""
    if _PROFILE not in bundle.files:
        warnings.append("The app has no provisioning profile inside: only apps signed by the App Store run without.")
        return None
    encoded = read_entry(file, bundle.files[_PROFILE], MAX_PROFILE_BYTES)
    try:
        content, _ = open_signed(encoded)
        profile = plist.loads(content, max_bytes=MAX_PROFILE_BYTES)
    except ProtocolError:
        profile = None
    if not isinstance(profile, dict):
        warnings.append("The app's provisioning profile cannot be read: devices may refuse the app.")
        return None
    expires_at = profile.get("ExpirationDate")
    if not isinstance(expires_at, datetime):
        expires_at = None
    elif expires_at < datetime.now(UTC):
        warnings.append(f"The app's provisioning profile expired on {expires_at.date()}: the app will not start.")
    devices = profile.get("ProvisionedDevices")
    return {
        "name": text_of(profile.get("Name"), MAX_TITLE),
        "team": text_of(profile.get("TeamName"), MAX_TITLE),
        "expires_at": expires_at.isoformat() if expires_at else None,
        "all_devices": profile.get("ProvisionsAllDevices") is True,
        "devices": len(devices) if isinstance(devices, list) else 0,
    }
