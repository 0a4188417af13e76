"""The newest uploads of apps, and what devices reported of them: asked for many at once."""

from collections.abc import Iterable, Mapping, Sequence

from apps_catalog.models import App, AppVersion
from apps_catalog.services.fitting import footprint
from devices.models import Device, InstalledApp


def reported_identifiers(
    devices: Sequence[Device], apps: Iterable[App], versions: Mapping[int, AppVersion]
) -> set[tuple[int, str]]:
    """(device pk, bundle identifier) of what shows those apps, managed or not, as devices reported it. One statement."""
    identifiers = frozenset[str]().union(*(footprint(app, versions.get(app.pk)) for app in apps))
    if not identifiers:
        return set()
    rows = InstalledApp.objects.filter(device__in=devices, identifier__in=identifiers)
    return set(rows.values_list("device_id", "identifier"))


def newest_versions(apps: Iterable[App]) -> dict[int, AppVersion]:
    """App pk → its newest upload; apps of the App Store have none. One statement."""
    versions = AppVersion.objects.filter(app__in=list(apps)).defer("chunk_hashes")
    return {version.app_id: version for version in versions.order_by("pk")}
