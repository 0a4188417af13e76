"""Which app is for which device, and by what an inventory shows that it is there. Nothing here asks the database."""

from collections.abc import Iterable

from apps_catalog.models import App, AppType, AppVersion, PackageKind, ProcessingStatus
from devices.models import Device, Platform
from mdm.protocol.request_types.targets import is_older

IPAD_ONLY = [2]  # UIDeviceFamily: 1 is the iPhone, 2 the iPad, which runs apps for either


def supports(app: App, device: Device) -> bool:
    """Whether the app can be sent and is for the device's platform.

    An app of the App Store whose platform nobody told is for all, and one whose number there is not known yet for none; a
    device whose platform is not known yet gets none.
    """
    if not device.platform or lacks_store_id(app) or is_unknown_to_store(app):
        return False
    if not app.platform_support:
        return app.app_type != AppType.ENTERPRISE
    return app.platform_support == device.platform


def is_unknown_to_store(app: App) -> bool:
    """Never found there: what would come under that number, nobody could recognize or take off again."""
    return app.app_type == AppType.STORE and app.processing_status == ProcessingStatus.FAILED


def lacks_store_id(app: App) -> bool:
    return app.app_type != AppType.ENTERPRISE and app.itunes_store_id is None


def are_managed_on(device: Device) -> bool:
    """Whether apps that it is sent are managed ones there; older Macs, and those that their users enrolled, have none."""
    return not device.is_mac or not (device.is_user_enrollment or is_older(device.os_version, "11.0"))


def why_not(app: App, device: Device, version: AppVersion | None) -> str:
    """A sentence where the app can never come to this device as it is; empty where it can, or where that is not known yet.

    version: the upload that would be sent.
    """
    if not device.platform:
        return ""
    if app.platform_support and app.platform_support != device.platform:
        return f"This app is for {_label(app.platform_support)}."
    if version is None:
        return ""
    if version.minimum_os_version and is_older(device.os_version, version.minimum_os_version):
        needed, has = version.minimum_os_version, device.os_version
        return f"Version {version.short_version or version.version} needs {device.platform} {needed}; this device has {has}."
    if version.details.get("device_families") == IPAD_ONLY and device.product_name.startswith(("iPhone", "iPod")):
        return "This app is for the iPad only."
    return ""


def footprint(app: App, version: AppVersion | None) -> frozenset[str]:
    """Bundle identifiers of which an inventory shows one when the app is there. Empty for a package that brings no app."""
    if version is None or version.kind != PackageKind.PKG:
        return frozenset({app.bundle_identifier} - {""})
    brought = apps_of_package(version)
    # Some packages are called as the app in them is.
    return brought | {app.bundle_identifier} - {""} if brought else brought


def apps_of_package(version: AppVersion) -> frozenset[str]:
    bundles = version.details.get("bundles", [])
    return frozenset(bundle["identifier"] for bundle in bundles if bundle["path"].endswith(".app")) - {""}


def is_version(version: AppVersion | None, reported: Iterable[str]) -> bool:
    """Whether what a device reports is that upload; always where nothing is known to compare."""
    if version is None or version.kind == PackageKind.PKG:
        return True  # the number of a package is not that of the app in it
    expected = {version.version, version.short_version} - {""}
    found = set(reported) - {""}
    return not expected or not found or bool(expected & found)


def _label(platform: str) -> str:
    return Platform(platform).label if platform in Platform.values else platform
