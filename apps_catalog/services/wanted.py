"""What devices should have, and why: the one answer that the reconciler, the API and the admin give."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from apps_catalog.models import App, AppAssignment, AppInstall
from devices.models import Device, GroupType
from devices.services.memberships import Memberships, assignment_groups_of
from devices.services.wanted import Source, SourceKind, WantedProfile, wanted_profiles


@dataclass(slots=True)
class WantedApp:
    """is_automatic: it comes by itself; otherwise it may be there, and comes when an operator pushes it."""

    app: App
    sources: list[Source] = field(default_factory=list)
    is_automatic: bool = False


@dataclass(slots=True)
class Wanted:
    """All that one device should have, by primary key."""

    profiles: dict[int, WantedProfile] = field(default_factory=dict)
    apps: dict[int, WantedApp] = field(default_factory=dict)


def wanted_of(devices: Sequence[Device], groups: Memberships | None = None) -> dict[int, Wanted]:
    """Device pk → what it should have, for every one of the devices. Four statements, whatever their number.

    groups: see `assignment_groups_of`, where the caller knows them.
    """
    groups = assignment_groups_of(devices) if groups is None else groups
    profiles, apps = wanted_profiles(devices, groups), wanted_apps(groups)
    _add_by_hand(apps, devices)
    return {device.pk: Wanted(profiles.get(device.pk, {}), apps.get(device.pk, {})) for device in devices}


def _add_by_hand(wanted: dict[int, dict[int, WantedApp]], devices: Sequence[Device]) -> None:
    """What an operator sent to single devices may stay there; only groups bring things by themselves."""
    sent = AppInstall.objects.filter(device__in=devices, is_by_hand=True).prefetch_related("app")
    for row in sent.order_by("pk"):
        if row.app.removed_at is not None:
            continue
        item = wanted[row.device_id].setdefault(row.app_id, WantedApp(row.app))
        item.sources.append(Source(SourceKind.DEVICE, row.device_id))


def wanted_apps(groups: Memberships) -> dict[int, dict[int, WantedApp]]:
    """Device pk → app pk → what and why, of what groups bring. One statement."""
    by_group: dict[int, list[tuple[int, int | None]]] = defaultdict(list)
    for device_id, joined in groups.items():
        for group_id, via in joined.items():
            by_group[group_id].append((device_id, via))
    # What Munki installs is none of our commands.
    assignments = AppAssignment.objects.filter(
        group__in=by_group, app__removed_at=None, deployment_type=GroupType.STANDARD
    )
    found: dict[int, dict[int, WantedApp]] = defaultdict(dict)
    for assignment in assignments.select_related("app", "group").order_by("pk"):
        for device_id, via in by_group[assignment.group_id]:
            item = found[device_id].get(assignment.app_id)
            if item is None:
                item = found[device_id][assignment.app_id] = WantedApp(assignment.app)
            item.sources.append(Source(SourceKind.ASSIGNMENT_GROUP, assignment.group_id, via))
            item.is_automatic |= assignment.group.auto_deploy
    return found
