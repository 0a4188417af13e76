"""Apps: what devices should have against what was sent and what they report; only the difference is planned.

`AppInstall` is the memory. Apps come by themselves only from groups with `auto_deploy`; what any group of a device brings may
stay, everything else of ours is removed again. What we did not install is never removed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from apps_catalog.models import App, AppInstall, AppVersion, PackageKind
from apps_catalog.services.app_orders import begin_anew, new_row, order_install
from apps_catalog.services.fitting import footprint, is_version, supports, why_not
from apps_catalog.services.licence_needs import Licences, licences_of
from apps_catalog.services.managed_configs import waiting_configurations, with_configuration
from apps_catalog.services.versions import newest_versions, reported_identifiers
from apps_catalog.services.wanted import Wanted, WantedApp, wanted_apps
from devices.models import Device, InstalledApp, ItemState
from devices.services.lines import open_commands
from devices.services.memberships import assignment_groups_of
from devices.services.plans import Order, Plan, carry_out
from devices.services.retries import is_removed_again, may_go
from devices.services.sending import plain_target
from mdm.accounts.actors import SYSTEM, Actor
from mdm.channels.models import Channel
from mdm.commands.services import prepare, withdraw
from mdm.protocol.request_types import NotSupported, check_target
from mdm.protocol.request_types.apps import remove_application

Lines = Mapping[int, Mapping[str, Channel]]
Key = tuple[int, int]  # device, app
COLUMNS = ("version", "is_on_device", "is_by_hand", "answered_at", "configuration", "awaits_licence")


@dataclass
class _Scene:
    """What the decisions about a number of devices rest on. has: (device pk, identifier) as reported, from us or not;
    left: the same of what is there by an entry of the catalogue that was deleted; unharmed: see `_unharmed`.
    """

    wanted: Mapping[int, Wanted]
    rows: Mapping[Key, AppInstall]
    lines: Lines
    versions: Mapping[int, AppVersion]
    has: set[tuple[int, str]]
    left: set[tuple[int, str]]
    running: set[str]
    unharmed: set[Key]
    licences: Licences
    now: datetime

    def is_reported(self, device: Device, app: App) -> bool:
        return any((device.pk, one) in self.has for one in footprint(app, self.versions.get(app.pk)))

    def is_wanted(self, key: Key) -> bool:
        device_id, app_id = key
        return device_id in self.wanted and app_id in self.wanted[device_id].apps


def plan_apps(
    devices: Sequence[Device], lines: Lines, wanted: Mapping[int, Wanted], now: datetime, *, is_logged: bool = True
) -> Plan:
    """What is missing and what is too much; the devices are locked by the caller. Queued commands that are not wanted any
    more are taken back here already; is_logged: whether each of these is a line of the log.
    """
    by_pk = {device.pk: device for device in devices}
    rows: dict[Key, AppInstall] = {}
    # Not joined: without statistics of a table that has just grown, a join would read all the rows of an app.
    for row in AppInstall.objects.filter(device__in=devices).prefetch_related("app", "version"):
        row.device = by_pk[row.device_id]
        rows[row.device_id, row.app_id] = row
    apps = {app_id: item.app for one in wanted.values() for app_id, item in one.apps.items()}
    plan = Plan(AppInstall, COLUMNS, known=list(rows.values()))
    if not rows and not apps:
        return plan
    versions = newest_versions(apps.values())
    heirs = _heirs(devices, wanted)
    channels = [channel_of[""] for channel_of in lines.values() if "" in channel_of]
    outdated = {row.command_uuid for key, row in rows.items() if _is_outdated(row, key, wanted, heirs)}
    withdrawn = withdraw(outdated, channels, actor=SYSTEM, is_logged=is_logged)
    unfinished = [row.command_uuid for row in rows.values() if row.state in (ItemState.PUSHED, ItemState.REMOVING)]
    running = open_commands(unfinished, channels) - withdrawn
    has = reported_identifiers(devices, apps.values(), versions)
    # What is there from us by an entry of the catalogue that goes is installed once more by the one in its place.
    gone = [row for row in rows.values() if row.app.removed_at]
    has -= {(row.device_id, row.app.bundle_identifier) for row in gone}
    left = {(row.device_id, row.app.bundle_identifier) for row in gone if row.is_on_device}
    licences = licences_of(devices, apps.values())
    scene = _Scene(wanted, rows, lines, versions, has, left, running, _unharmed(rows, withdrawn), licences, now)
    for device in devices:
        if "" in lines.get(device.pk, {}):
            for item in wanted[device.pk].apps.values():
                _plan_install(plan, scene, device, item)
    _plan_removals(plan, scene, heirs)
    _plan_configurations(plan, scene)
    licences.save()
    return plan


def send_apps(pairs: Sequence[tuple[Device, App]], lines: Lines, *, actor: Actor) -> int:
    """Install or update these apps on these devices now, whatever was sent before; what they cannot have is passed over.

    The devices are locked by the caller. An install that still waits is replaced. Returns the number of commands.
    """
    plan = plan_sending(pairs, lines, actor=actor)
    return len(carry_out([plan], actor=actor))


def plan_sending(pairs: Sequence[tuple[Device, App]], lines: Lines, *, actor: Actor, is_logged: bool = True) -> Plan:
    """The same, only planned; commands that are replaced are taken back here already, see `plan_apps`."""
    devices = list({device.pk: device for device, _ in pairs}.values())
    present = AppInstall.objects.filter(device__in=devices, app__in={app.pk for _, app in pairs})
    rows = {(row.device_id, row.app_id): row for row in present.select_related("app", "version")}
    channels = [channel_of[""] for channel_of in lines.values() if "" in channel_of]
    pushed = [row.command_uuid for row in rows.values() if row.state in (ItemState.PUSHED, ItemState.REMOVING)]
    withdrawn = withdraw(pushed, channels, actor=actor, is_logged=is_logged)
    running = open_commands(pushed, channels) - withdrawn
    for row in rows.values():
        # It may be there already: whatever becomes of the next order, it has to go again.
        row.is_on_device |= row.state == ItemState.PUSHED and row.command_uuid in running
    plan = Plan(AppInstall, COLUMNS)
    versions = newest_versions({app.pk: app for _, app in pairs}.values())
    of_groups = wanted_apps(assignment_groups_of(devices))
    licences = licences_of(devices, {app.pk: app for _, app in pairs}.values())
    for device, app in pairs:
        channel = lines.get(device.pk, {}).get("")
        if channel is not None and supports(app, device) and not why_not(app, device, versions.get(app.pk)):
            row = rows.get((device.pk, app.pk)) or new_row(app, device)
            row.attempts, row.is_stopped = 0, False
            row.is_by_hand |= app.pk not in of_groups.get(device.pk, {})
            order_install(plan, row, channel, versions.get(app.pk), licences)
    licences.save()
    return plan


def _heirs(devices: Sequence[Device], wanted: Mapping[int, Wanted]) -> set[tuple[int, str]]:
    """(device pk, bundle identifier) of what the groups bring.

    To the device an app that was deleted and one that was added anew in its place are the same.
    """
    return {
        (device.pk, item.app.bundle_identifier)
        for device in devices
        for item in wanted[device.pk].apps.values()
        if item.app.bundle_identifier and supports(item.app, device)
    }


def _unharmed(rows: Mapping[Key, AppInstall], withdrawn: set[str]) -> set[Key]:
    """Those whose removal was queued and taken back, while the device reports them in the version that we had sent."""
    back = {key: row for key, row in rows.items() if row.state == ItemState.REMOVING and row.command_uuid in withdrawn}
    if not back:
        return set()
    identifiers = {row.app.bundle_identifier for row in back.values()}
    reported: dict[tuple[int, str], set[str]] = {}
    found = InstalledApp.objects.filter(device__in={device_id for device_id, _ in back}, identifier__in=identifiers)
    for device_id, identifier, version, short in found.values_list(
        "device_id", "identifier", "version", "short_version"
    ):
        reported.setdefault((device_id, identifier), set()).update({version, short})
    return {
        key
        for key, row in back.items()
        if (here := reported.get((key[0], row.app.bundle_identifier))) and is_version(row.version, here)
    }


def _is_outdated(row: AppInstall, key: Key, wanted: Mapping[int, Wanted], heirs: set[tuple[int, str]]) -> bool:
    """Whether the command that it waits for should not be carried out any more."""
    is_allowed = key[0] in wanted and key[1] in wanted[key[0]].apps
    if row.state == ItemState.REMOVING:
        return is_allowed or (row.device_id, row.app.bundle_identifier) in heirs
    return row.state == ItemState.PUSHED and not is_allowed


def _plan_install(plan: Plan, scene: _Scene, device: Device, item: WantedApp) -> None:
    app, row = item.app, scene.rows.get((device.pk, item.app.pk))
    version = scene.versions.get(app.pk)
    reason = why_not(app, device, version)
    is_new = row is None or row.state == ItemState.NOT_APPLICABLE
    if reason:
        if is_new and (row is None or row.error != reason):
            row = row or new_row(app, device)
            row.state, row.error = ItemState.NOT_APPLICABLE, reason
            plan.noted.append(row)
        return
    if is_new:
        _plan_new(plan, scene, device, item, row)
    elif row.state == ItemState.PENDING and not (row.command_uuid or item.is_automatic or row.awaits_licence):
        plan.forgotten.append(row.pk)  # somebody else had installed it and took it off: none of our business
    elif row.state == ItemState.REMOVING and (not item.is_automatic or (device.pk, app.pk) in scene.unharmed):
        row.state = ItemState.INSTALLED  # should it be gone already, the device's next report tells
        begin_anew(row)
        plan.noted.append(row)
    elif _is_needed(row, scene) and supports(app, device):
        order_install(plan, row, scene.lines[device.pk][""], version, scene.licences)


def _plan_new(plan: Plan, scene: _Scene, device: Device, item: WantedApp, row: AppInstall | None) -> None:
    """Of an app that was not sent before: one that is there anyhow is taken note of, and never removed by us."""
    if scene.is_reported(device, item.app):
        row = row or new_row(item.app, device)
        # A list that was answered and not read yet may know better than the inventory: it is not to be taken for older.
        row.state, row.error, row.answered_at = ItemState.INSTALLED, "", None
        row.configuration = item.app.configuration
        plan.noted.append(row)
    elif item.is_automatic and supports(item.app, device):
        row = row or new_row(item.app, device)
        order_install(plan, row, scene.lines[device.pk][""], scene.versions.get(item.app.pk), scene.licences)
    elif (device.pk, item.app.bundle_identifier) in scene.left:
        # It stays there as it is, and is ours to remove one day.
        row = row or new_row(item.app, device)
        row.state, row.error, row.is_on_device, row.answered_at = ItemState.INSTALLED, "", True, scene.now
        plan.noted.append(row)
    elif row is not None:
        plan.forgotten.append(row.pk)  # it was not for the device, and now it is: it waits to be pushed


def _is_needed(row: AppInstall, scene: _Scene) -> bool:
    """Whether an app that was sent once has to be sent once more."""
    if row.state == ItemState.REMOVING:
        return True
    if row.is_stopped or row.state == ItemState.INSTALLED:
        return False
    if row.state == ItemState.FAILED:
        return may_go(row, scene.now)
    return row.state == ItemState.PENDING or row.command_uuid not in scene.running


def _plan_removals(plan: Plan, scene: _Scene, heirs: set[tuple[int, str]]) -> None:
    for key, row in scene.rows.items():
        if scene.is_wanted(key):
            continue
        channel = scene.lines.get(row.device_id, {}).get("")
        is_running = row.command_uuid in scene.running
        was_sent = row.is_on_device or (row.state == ItemState.PUSHED and is_running)
        has_heir = (row.device_id, row.app.bundle_identifier) in heirs
        if channel is None or not was_sent or has_heir or not _can_be_removed(row):
            plan.forgotten.append(row.pk)
        elif row.state != ItemState.REMOVING or is_removed_again(row, is_running, scene.now):
            if row.state != ItemState.REMOVING:
                row.attempts, row.is_stopped = 0, False  # those of the installation
            request = prepare(remove_application(row.app.bundle_identifier))
            plan.orders.append(Order(row, channel, request, ItemState.REMOVING))


def _plan_configurations(plan: Plan, scene: _Scene) -> None:
    """A configuration that was pushed since the app was sent. One that still waits is filled in at delivery anyhow."""
    due = [
        row
        for key, row in scene.rows.items()
        if row.state == ItemState.INSTALLED and scene.is_wanted(key) and row.configuration < row.app.configuration
    ]
    if not due:
        return
    waiting = waiting_configurations([scene.lines[row.device_id][""] for row in due if row.device_id in scene.lines])
    for row in due:
        channel = scene.lines.get(row.device_id, {}).get("")
        if channel is None:
            continue
        row.configuration = row.app.configuration
        request = with_configuration(row.app, plain_target(row.device))
        if request is None or (channel.pk, row.app_id) in waiting:
            plan.noted.append(row)
        else:
            plan.orders.append(Order(row, channel, request, None))


def _can_be_removed(row: AppInstall) -> bool:
    """What a package put on a Mac stays: MDM removes managed apps only."""
    if not row.app.bundle_identifier or (row.version is not None and row.version.kind == PackageKind.PKG):
        return False
    request = remove_application(row.app.bundle_identifier)
    try:
        check_target(request.request_type, request.parameters, plain_target(row.device))
    except NotSupported:
        return False
    return True
