"""What operators order at once, beside what comes by itself: which app goes to which of some devices.

For few devices it is carried out in the request (`installs.py`), for many by the reconciler, a chunk at a time.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from apps_catalog.models import App, AppInstall, AppVersion, PackageKind
from apps_catalog.services.app_delivery import Lines, plan_sending
from apps_catalog.services.fitting import footprint
from apps_catalog.services.versions import newest_versions, reported_identifiers
from apps_catalog.services.wanted import WantedApp, wanted_apps
from devices.models import (
    BulkOperation,
    Device,
    InstalledApp,
    ItemState,
    OperationKind,
    ProfileAssignment,
    ProfileInstall,
)
from devices.services.lines import open_commands
from devices.services.memberships import Memberships, assignment_groups_of
from devices.services.operations import actor_of
from devices.services.plans import Plan
from mdm.channels.models import Channel

NONE, OUTDATED, ALL = "none", "outdated", "all"
DEPLOY_TO = (NONE, OUTDATED, ALL)

Pairs = list[tuple[Device, App]]
Parameters = Mapping[str, Any]


def choose(
    kind: OperationKind, parameters: Parameters, devices: Sequence[Device], groups: Memberships | None = None
) -> Pairs:
    """What the order sends to these devices. parameters: as the functions below say; groups: see `assignment_groups_of`."""
    return _CHOICES[kind](parameters, devices, assignment_groups_of(devices) if groups is None else groups)


def plan_orders(operation: BulkOperation, devices: Sequence[Device], groups: Memberships, lines: Lines) -> Plan:
    """The part of an operation that these devices are."""
    if operation.kind == OperationKind.SYNC_PROFILES:
        forget_sent(operation.parameters["group"], devices)
    pairs = choose(OperationKind(operation.kind), operation.parameters, devices, groups)
    return plan_sending(pairs, lines, actor=actor_of(operation), is_logged=False)


def forget_sent(group_id: int, devices: Sequence[Device]) -> None:
    """Of the profiles of the group: version 0 is never the newest, so the reconciler sends each of them anew.

    The devices are locked by the caller.
    """
    profiles = ProfileAssignment.objects.filter(assignment_group=group_id).values("profile")
    installs = ProfileInstall.objects.filter(device__in=devices, profile__in=profiles)
    installs.exclude(state__in=(ItemState.REMOVING, ItemState.NOT_APPLICABLE)).update(version=0)


def _nothing(parameters: Parameters, devices: Sequence[Device], groups: Memberships) -> Pairs:
    return []


def _missing(parameters: Parameters, devices: Sequence[Device], groups: Memberships) -> Pairs:
    """Assigned, not there yet and not on its way. parameters: `group`, to look at the apps of that group only."""
    assigned = _assigned(parameters, devices, groups)
    apps = {app_id: item.app for mine in assigned.values() for app_id, item in mine.items()}
    versions = newest_versions(apps.values())
    has = reported_identifiers(devices, apps.values(), versions)
    sent = _on_their_way(devices, has)
    return [
        (device, item.app)
        for device in devices
        for item in assigned.get(device.pk, {}).values()
        if (device.pk, item.app.pk) not in sent
        and not any((device.pk, one) in has for one in footprint(item.app, versions.get(item.app.pk)))
    ]


def _older(parameters: Parameters, devices: Sequence[Device], groups: Memberships) -> Pairs:
    """Assigned, and there in another version than the catalogue's. parameters: as for `_missing`."""
    assigned = _assigned(parameters, devices, groups)
    by_pk = {device.pk: device for device in devices}
    return _outdated(
        devices,
        {(pk, item.app.pk): (by_pk[pk], item.app) for pk, mine in assigned.items() for item in mine.values()},
    )


def _deployed(parameters: Parameters, devices: Sequence[Device], groups: Memberships) -> Pairs:
    """parameters: `app`, `which` of the devices: OUTDATED or ALL, and whether `is_by_hand`: also where nothing brings it."""
    app = App.objects.filter(pk=parameters["app"], removed_at=None).first()
    if app is None:
        return []
    if not parameters.get("is_by_hand"):
        devices = _where_it_belongs(app, devices, groups)
    wanted = {(device.pk, app.pk): (device, app) for device in devices}
    return list(wanted.values()) if parameters["which"] == ALL else _outdated(devices, wanted)


def _where_it_belongs(app: App, devices: Sequence[Device], groups: Memberships) -> list[Device]:
    """Those of the devices to which a group or an operator brings it: what leaves a device must not come back to it."""
    of_groups = wanted_apps(groups)
    sent = AppInstall.objects.filter(app=app, device__in=devices, is_by_hand=True)
    by_hand = set(sent.values_list("device_id", flat=True))
    return [device for device in devices if device.pk in by_hand or app.pk in of_groups.get(device.pk, {})]


_CHOICES: dict[OperationKind, Callable[[Parameters, Sequence[Device], Memberships], Pairs]] = {
    OperationKind.RECONCILE: _nothing,
    OperationKind.PUSH_APPS: _missing,
    OperationKind.UPDATE_APPS: _older,
    OperationKind.DEPLOY_APP: _deployed,
    OperationKind.SYNC_PROFILES: _nothing,
}


def _assigned(
    parameters: Parameters, devices: Sequence[Device], groups: Memberships
) -> dict[int, dict[int, WantedApp]]:
    """Device pk → the apps of its groups, or of the one that is meant as far as the device is in it still."""
    only = parameters.get("group")
    if only is not None:
        groups = {pk: {only: joined[only]} for pk, joined in groups.items() if only in joined}
    return wanted_apps(groups)


def _outdated(devices: Sequence[Device], wanted: Mapping[tuple[int, int], tuple[Device, App]]) -> Pairs:
    """Those that are on the device in another version; an app of the App Store whose version is not known counts too."""
    apps = {app.pk: app for _, app in wanted.values()}
    newest = newest_versions(apps.values())
    reported: dict[tuple[int, str], set[str]] = {}
    identifiers = {app.bundle_identifier for app in apps.values()} - {""}
    rows = InstalledApp.objects.filter(device__in=devices, identifier__in=identifiers)
    for device_id, identifier, version, short in rows.values_list(
        "device_id", "identifier", "version", "short_version"
    ):
        reported.setdefault((device_id, identifier), set()).update({version, short} - {""})
    sent = AppInstall.objects.filter(device__in=devices, app__in=apps)
    sent = sent.filter(state__in=(ItemState.INSTALLED, ItemState.PUSHED))
    installs = {row[:2]: row[2] for row in sent.values_list("device_id", "app_id", "version_id")}
    found = []
    for key, (device, app) in wanted.items():
        versions, upload = reported.get((device.pk, app.bundle_identifier)), newest.get(app.pk)
        if versions is not None:
            is_old = not _is_current(app, upload, versions)
        else:
            is_old = key in installs and upload is not None and installs[key] != upload.pk
        if is_old:
            found.append((device, app))
    return found


def _is_current(app: App, upload: AppVersion | None, reported: set[str]) -> bool:
    """A number that is not known counts as old: better sent once too often."""
    current = {upload.version, upload.short_version} if upload else {app.version}
    return bool((current - {""}) & reported)


def _on_their_way(devices: Sequence[Device], has: set[tuple[int, str]]) -> set[tuple[int, int]]:
    """(device pk, app pk) of what is installed by us or may still be. has: see `reported_identifiers`."""
    rows = AppInstall.objects.filter(device__in=devices, state__in=(ItemState.INSTALLED, ItemState.PUSHED))
    rows = rows.select_related("app", "version")
    pushed = [row.command_uuid for row in rows if row.state == ItemState.PUSHED]
    running = open_commands(pushed, Channel.objects.filter(device__in=devices))
    return {
        (row.device_id, row.app_id)
        for row in rows
        if row.command_uuid in running or (row.state == ItemState.INSTALLED and _is_still_there(row, has))
    }


def _is_still_there(row: AppInstall, has: set[tuple[int, str]]) -> bool:
    """An app may be taken off since; a package without an app is in no inventory."""
    names = footprint(row.app, row.version)
    is_package = row.version is not None and row.version.kind == PackageKind.PKG
    return (is_package and not names) or any((row.device_id, one) in has for one in names)
