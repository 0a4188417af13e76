"""How far one profile has come on each device: the rows behind `totals.totals_of_profile`, device by device."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet

from apps_catalog.services.items import profile_waits_for
from devices.models import (
    Device,
    DeviceState,
    ItemState,
    Profile,
    ProfileInstall,
)
from devices.services.memberships import assigned_to
from mdm.channels.models import Channel
from mdm.common.counts import BoundedCount

Counts = dict[ItemState, int]
MOST = 1000  # of one state, in a list of profiles or of apps


@dataclass(frozen=True)
class ProfileStatus:
    """One line of one device: the device itself, or one of its users.

    version: what was sent last; installed_version: what the device is known to have. None: nothing yet.
    error: the device's own words, or what the profile waits for.
    """

    device: Device
    state: ItemState
    user: str = ""
    version: int | None = None
    installed_version: int | None = None
    error: str = ""
    attempts: int = 0
    retry_at: datetime | None = None
    is_stopped: bool = False
    updated_at: datetime | None = None


def devices_in(profile: Profile, state: ItemState | None = None) -> QuerySet[Device]:
    """Enrolled devices with at least one line in that state; without one: all that should have it or have it.

    A device that should have it and has no row yet is pending.
    """
    rows = ProfileInstall.objects.filter(profile=profile, device=OuterRef("pk"))
    condition = Q(Exists(rows.filter(state=state) if state else rows))
    if state in (None, ItemState.PENDING):
        condition |= assigned_to(profile) & ~Q(Exists(rows))
    here = Device.objects.filter(account_id=profile.account_id, state=DeviceState.ENROLLED, removed_at=None)
    return here.filter(condition)


def statuses_of(profile: Profile, devices: Sequence[Device], state: ItemState | None = None) -> list[ProfileStatus]:
    """The lines of devices that came from `devices_in`, in their order. Two statements."""
    found = ProfileInstall.objects.filter(profile=profile, device__in=devices).order_by("user_key")
    rows: dict[int, list[ProfileInstall]] = defaultdict(list)
    for row in found:
        rows[row.device_id].append(row)
    names = _user_names(devices)
    statuses: list[ProfileStatus] = []
    for device in devices:
        if device.pk not in rows:
            statuses.append(ProfileStatus(device, ItemState.PENDING, error=profile_waits_for(profile, device)))
        statuses += [_status(device, row, names) for row in rows[device.pk] if state in (None, row.state)]
    return statuses


def counts_of(profiles: Collection[Profile]) -> dict[int, Counts]:
    """Profile pk → state → number of lines, for lists: without devices that have no row yet. One statement.

    No more than MOST + 1 of each are looked at: a list of profiles that are on every device is there as soon as any other.
    """
    rows = ProfileInstall.objects.filter(
        profile=OuterRef("pk"), device__state=DeviceState.ENROLLED, device__removed_at=None
    )
    counted = {
        state.value: BoundedCount(rows.filter(state=state).order_by().values("pk")[: MOST + 1]) for state in ItemState
    }
    found: dict[int, Counts] = {profile.pk: {} for profile in profiles}
    for row in Profile.objects.filter(pk__in=found).values("pk", **counted):
        found[row["pk"]] = {state: row[state.value] for state in ItemState if row[state.value]}
    return found


def _user_names(devices: Iterable[Device]) -> dict[tuple[int, str], str]:
    channels = Channel.objects.filter(device__in=devices).exclude(user_key="")
    rows = channels.values_list("device_id", "user_key", "user_short_name")
    return {(device_id, key): name for device_id, key, name in rows if name}


def _status(device: Device, row: ProfileInstall, names: dict[tuple[int, str], str]) -> ProfileStatus:
    return ProfileStatus(
        device,
        ItemState(row.state),
        user=names.get((device.pk, row.user_key), row.user_key),
        version=row.version or None,
        installed_version=row.installed_version,
        error=row.error,
        attempts=row.attempts,
        retry_at=row.retry_at,
        is_stopped=row.is_stopped,
        updated_at=row.updated_at,
    )
