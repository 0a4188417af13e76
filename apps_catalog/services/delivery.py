"""How apps get to devices: addresses that open without a session, the manifest, and the command that names it.

An address carries a signed token with nothing but the version's key and the time; it works until it expires.
"""

import re
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.signing import BadSignature, SignatureExpired, TimestampSigner
from django.urls import reverse

from apps_catalog.models import App, AppType, AppVersion, PackageKind
from apps_catalog.services.fitting import are_managed_on, lacks_store_id, supports
from apps_catalog.services.licence_needs import is_licensed
from devices.models import Device, Platform
from devices.services.errors import DeviceError
from mdm.protocol.manifest import install_manifest
from mdm.protocol.request_types import Request, clean
from mdm.protocol.request_types.apps import install_application, install_enterprise_application

FREE_OR_REDEEMED, LICENSED = 0, 1  # PurchaseMethod: without and with a licence of Apps and Books
REMOVE_WITH_MANAGEMENT = 1  # ManagementFlags

_FILE_SALT = "apps_catalog.file"
_MANIFEST_SALT = "apps_catalog.manifest"
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+", re.ASCII)
_LONGEST_NAME = 100


class NotDeliverable(DeviceError):
    """This app cannot be installed on this device."""


class NoSuchAddress(Exception):
    """No address of ours, its app is gone, or it was right and is too old (has_expired)."""

    def __init__(self, *, has_expired: bool = False) -> None:
        super().__init__()
        self.has_expired = has_expired


def download_url(version: AppVersion) -> str:
    """Where the device fetches the file, for APP_URL_LIFETIME_SECONDS from now; it ends in .ipa or .pkg."""
    name = _NOT_IN_NAMES.sub("-", version.bundle_identifier)[:_LONGEST_NAME].strip(".-") or "app"
    token = _signer(_FILE_SALT).sign(str(version.pk))
    return settings.BASE_URL + reverse("app-file", args=[token, f"{name}.{version.kind}"])


def manifest_url(version: AppVersion) -> str:
    """Where the device fetches the manifest, for APP_URL_LIFETIME_SECONDS from now."""
    token = _signer(_MANIFEST_SALT).sign(str(version.pk))
    return settings.BASE_URL + reverse("app-manifest", args=[token])


def manifest(version: AppVersion) -> dict[str, Any]:
    """The install manifest, with a fresh address of the file."""
    return install_manifest(
        url=download_url(version),
        bundle_identifier=version.bundle_identifier,
        title=version.title,
        version=version.version or version.short_version,
        chunk_size=version.chunk_size,
        chunk_hashes=version.chunk_hashes,
    )


def version_of_file(token: str) -> AppVersion:
    """Raises NoSuchAddress."""
    return _open(_FILE_SALT, token)


def version_of_manifest(token: str) -> AppVersion:
    """Raises NoSuchAddress."""
    return _open(_MANIFEST_SALT, token)


def newest_version(app: App) -> AppVersion | None:
    return app.versions.order_by("-pk").first()


def install_request(
    app: App, device: Device, *, version: AppVersion | None = None, configuration: Mapping[str, Any] | None = None
) -> Request:
    """The whole command, cleaned, for the moment of delivery: the addresses in it start to expire now.

    version: of an uploaded app, the newest if none is given. A package is installed unmanaged, and so without the
    configuration: macOS takes only some as managed apps (one signed app that goes to /Applications).
    Raises NotDeliverable, InvalidCommand (a configuration that is too large). An app of the App Store comes by the device's
    licence where a location of the account has licences of it.
    """
    if app.removed_at is not None:
        raise NotDeliverable(f"{app.name} was removed from the catalogue.")
    if lacks_store_id(app):
        raise NotDeliverable(f"The App Store ID of {app.name} is not known.")
    if not supports(app, device):
        raise NotDeliverable(f"{app.name} is not for {Platform(device.platform).label} devices.")
    if app.app_type == AppType.ENTERPRISE:
        version = version or newest_version(app)
        if version is None:
            raise NotDeliverable(f"No file of {app.name} was uploaded.")
        if not version.file:
            raise NotDeliverable(
                f"The file of {version} is not kept any more: newer versions took its place. Send the newest."
            )
        request = _of_upload(version, device, configuration)
    else:
        request = install_application(
            itunes_store_id=app.itunes_store_id,
            purchase_method=_purchase_method(app, device),
            **_management(device, configuration),
        )
    return Request(request.request_type, clean(request.request_type, request.parameters))


def _purchase_method(app: App, device: Device) -> int:
    """Raises NotDeliverable where a licence is needed and not there: without it, the device would ask its user to buy."""
    licensed = is_licensed(device, app)
    if licensed is False:
        raise NotDeliverable(f"This device has no licence of {app.name} yet.")
    return LICENSED if licensed else FREE_OR_REDEEMED


def _of_upload(version: AppVersion, device: Device, configuration: Mapping[str, Any] | None) -> Request:
    if version.kind == PackageKind.PKG:
        return install_enterprise_application(manifest=manifest(version))
    return install_application(manifest_url=manifest_url(version), **_management(device, configuration))


def _management(device: Device, configuration: Mapping[str, Any] | None) -> dict[str, Any]:
    """As a managed app, which goes together with the management; nothing for Macs that have no managed apps."""
    managed = {"management_flags": REMOVE_WITH_MANAGEMENT, "configuration": configuration or None}
    if not device.is_mac:
        return managed
    if not are_managed_on(device):
        return {}
    return managed | {"install_as_managed": True}


def _signer(salt: str) -> TimestampSigner:
    # A dot and not the usual colon, which some clients escape in paths.
    return TimestampSigner(salt=salt, sep=".")


def _open(salt: str, token: str) -> AppVersion:
    try:
        key = _signer(salt).unsign(token, max_age=settings.APP_URL_LIFETIME_SECONDS)
    except SignatureExpired as error:
        raise NoSuchAddress(has_expired=True) from error
    except BadSignature as error:
        raise NoSuchAddress from error
    version = (
        AppVersion.objects.select_related("app").filter(pk=int(key), app__removed_at=None).exclude(file="").first()
    )
    if version is None:
        raise NoSuchAddress
    return version
