"""Profiles: what devices should have against what was sent to them and what they report; only the difference is planned.

`ProfileInstall` is the memory. A row whose command ended without an answer counts as not sent; what a report says is noted in
the rows when it is read (`devices/results/profile_commands.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from devices.models import Device, ItemState, Platform, Profile, ProfileInstall
from devices.services.lines import open_commands
from devices.services.memberships import Memberships
from devices.services.plans import Order, Plan
from devices.services.renderings import fingerprints, newest_versions
from devices.services.retries import is_removed_again, may_go
from devices.services.wanted import WantedProfile
from mdm.accounts.actors import SYSTEM
from mdm.channels.models import Channel
from mdm.commands.services import prepare, recipe, withdraw
from mdm.protocol import payloads
from mdm.protocol.request_types.profiles import remove_profile

Lines = Mapping[int, Mapping[str, Channel]]
Key = tuple[int, int, str]  # device, profile, user key
Place = tuple[int, str, str]  # device, user key, PayloadIdentifier: a device has one profile there
COLUMNS = ("version", "installed_version", "rendered")


@dataclass(slots=True)
class _Wish:
    """One profile down one line. rendered: see `renderings`; why_not: why it is not for this device."""

    profile: Profile
    channel: Channel
    rendered: str = ""
    why_not: str = ""


def plan_profiles(
    devices: Sequence[Device],
    lines: Lines,
    groups: Memberships,
    wanted: Mapping[int, Mapping[int, WantedProfile]],
    now: datetime,
    *,
    is_logged: bool = True,
) -> Plan:
    """What is missing and what is too much; the devices are locked by the caller. Queued commands that are not wanted any
    more are taken back here already; is_logged: whether each of these is a line of the log.
    """
    # Not joined: without statistics of a table that has just grown, a join would read all the rows of a profile.
    present = ProfileInstall.objects.filter(device__in=devices).prefetch_related("profile")
    rows: dict[Key, ProfileInstall] = {(row.device_id, row.profile_id, row.user_key): row for row in present}
    wishes = _wishes(devices, lines, groups, wanted)
    channels = [channel for channel_of in lines.values() for channel in channel_of.values()]
    heirs = {_place(key, wish.profile): key for key, wish in wishes.items() if not wish.why_not}
    outdated = {row.command_uuid for key, row in rows.items() if _is_outdated(key, row, wishes.get(key), heirs)}
    withdrawn = withdraw(outdated, channels, actor=SYSTEM, is_logged=is_logged)
    unfinished = [row.command_uuid for row in rows.values() if row.state in (ItemState.PUSHED, ItemState.REMOVING)]
    running = open_commands(unfinished, channels) - withdrawn
    plan = Plan(ProfileInstall, COLUMNS, known=list(rows.values()))
    inherited = _plan_removals(plan, rows, wishes, heirs, lines, running, now)
    for key, wish in wishes.items():
        row = rows.get(key)
        if row is not None and row.command_uuid in withdrawn and _stays_as_it_was(row, wish):
            row.state, row.error, row.attempts, row.retry_at = ItemState.INSTALLED, "", 0, None
            plan.noted.append(row)
            continue
        _plan_install(plan, key, wish, row, running, now, is_inherited=key in inherited)
    return plan


def why_not(payload_types: Sequence[str], device: Device) -> str:
    """A sentence where no payload means anything on the device's platform; empty where the profile is for it."""
    if not device.platform or not payload_types or payloads.is_for(payload_types, device.platform):
        return ""
    return f"Nothing in this profile is for {Platform(device.platform).label}."


def is_for_users(profile: Profile, device: Device) -> bool:
    """User profiles of Macs go to every open user channel (none yet: when one opens), all others to the device's own."""
    return profile.user_scope and device.is_mac


def _wishes(
    devices: Sequence[Device], lines: Lines, groups: Memberships, wanted: Mapping[int, Mapping[int, WantedProfile]]
) -> dict[Key, _Wish]:
    found = [
        (device, one.profile, channel)
        for device in devices
        for one in wanted.get(device.pk, {}).values()
        for user_key, channel in lines.get(device.pk, {}).items()
        if bool(user_key) == is_for_users(one.profile, device)
    ]
    if not found:
        return {}
    versions = newest_versions({profile.pk: profile for _, profile, _ in found}.values())
    rendered = fingerprints(found, versions, groups)
    reasons: dict[tuple[int, str], str] = {}
    wishes = {}
    for device, profile, channel in found:
        kind = (profile.pk, device.platform)
        if kind not in reasons:
            reasons[kind] = why_not(versions[profile.pk].payload_types, device)
        key = (device.pk, profile.pk, channel.user_key)
        wishes[key] = _Wish(profile, channel, rendered.get(key, ""), reasons[kind])
    return wishes


def _place(key: Key, profile: Profile) -> Place:
    return key[0], key[2], profile.profile_identifier


def _is_outdated(key: Key, row: ProfileInstall, wish: _Wish | None, heirs: Mapping[Place, Key]) -> bool:
    """Whether the command that it waits for should not be carried out any more."""
    if row.state == ItemState.PUSHED:
        return wish is None or bool(wish.why_not) or wish.profile.version != row.version
    return row.state == ItemState.REMOVING and _place(key, row.profile) in heirs


def _plan_removals(
    plan: Plan,
    rows: Mapping[Key, ProfileInstall],
    wishes: Mapping[Key, _Wish],
    heirs: Mapping[Place, Key],
    lines: Lines,
    running: set[str],
    now: datetime,
) -> set[Key]:
    """heirs: whom each place belongs to. A profile with the identifier of one that goes replaces it on the device: removed
    first, it might take the network with it by which the new one was to come. Returns the wishes that take over so.
    """
    inherited: set[Key] = set()
    for key, row in rows.items():
        if key in wishes and not wishes[key].why_not:
            continue
        channel = lines.get(key[0], {}).get(row.user_key)
        is_running = row.command_uuid in running
        # What is being removed was on its way at least: it may be there, whatever we know of it.
        may_be_there = row.state == ItemState.REMOVING or (row.state == ItemState.PUSHED and is_running)
        was_never_there = row.installed_version is None and not may_be_there
        if channel is None or was_never_there:
            if key not in wishes:
                plan.forgotten.append(row.pk)  # the line is gone and all that came by it, or it never got there
        elif heir := heirs.get(_place(key, row.profile)):
            plan.forgotten.append(row.pk)
            inherited.add(heir)
        elif row.state != ItemState.REMOVING or is_removed_again(row, is_running, now):
            if row.state != ItemState.REMOVING:
                row.attempts = 0  # those of the installation
            if row.state not in (ItemState.INSTALLED, ItemState.REMOVING):
                row.version = 0  # what exactly is there nobody knows: should it be wanted again, it is sent again
            row.is_stopped = False
            request = prepare(remove_profile(row.profile.profile_identifier))
            plan.orders.append(Order(row, channel, request, ItemState.REMOVING))
    return inherited


def _stays_as_it_was(row: ProfileInstall, wish: _Wish) -> bool:
    """Whether only its removal was queued and taken back: the device has what is wanted, and never heard of it."""
    return (
        row.state == ItemState.REMOVING
        and not wish.why_not
        and row.version == row.installed_version == wish.profile.version
        and row.rendered == wish.rendered
    )


def _plan_install(
    plan: Plan,
    key: Key,
    wish: _Wish,
    row: ProfileInstall | None,
    running: set[str],
    now: datetime,
    *,
    is_inherited: bool,
) -> None:
    profile = wish.profile
    if row is None:
        row = ProfileInstall(
            account_id=profile.account_id, profile=profile, device_id=key[0], user_key=key[2], version=0
        )
    if wish.why_not:
        if row.installed_version is None and row.state not in (ItemState.REMOVING, ItemState.NOT_APPLICABLE):
            row.state, row.error, row.version = ItemState.NOT_APPLICABLE, wish.why_not, profile.version
            plan.noted.append(row)
        return
    is_on_its_way = row.state == ItemState.PUSHED and row.command_uuid in running
    is_other = row.version != profile.version or (bool(row.rendered) and row.rendered != wish.rendered)
    if not is_other and not _is_needed(row, is_on_its_way, now):
        return
    if row.installed_version is None and (is_on_its_way or is_inherited):
        row.installed_version = row.version  # it may be there: whatever becomes of this one, it has to go again
    if is_other or row.state == ItemState.REMOVING:  # those were of another version, or of the removal
        row.attempts, row.is_stopped = 0, False
    row.version, row.rendered = profile.version, ""
    request = recipe("InstallProfile", "profile", profile=profile.pk, version=profile.version)
    plan.orders.append(Order(row, wish.channel, request, ItemState.PUSHED))


def _is_needed(row: ProfileInstall, is_on_its_way: bool, now: datetime) -> bool:
    """Of the version that is wanted: whether it has to be sent, once more perhaps."""
    if row.state == ItemState.REMOVING:
        return True
    if row.is_stopped or row.state == ItemState.INSTALLED:
        return False
    if row.state == ItemState.FAILED:
        return may_go(row, now)
    return not is_on_its_way
