"""What one device should have, why, and how far it has come: what the API and the admin show, and what can be done about it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db import transaction
from django.db.models import QuerySet

from apps_catalog.models import App, AppInstall
from apps_catalog.services.fitting import footprint, is_unknown_to_store, lacks_store_id, why_not
from apps_catalog.services.licence_totals import notes_of
from apps_catalog.services.versions import newest_versions
from apps_catalog.services.wanted import WantedApp, wanted_of
from devices.models import (
    AssignmentGroup,
    Device,
    DeviceGroup,
    Followed,
    InstalledApp,
    ItemState,
    Profile,
    ProfileInstall,
)
from devices.services import retries
from devices.services.profile_delivery import is_for_users
from devices.services.wanted import Source, SourceKind, WantedProfile
from mdm.accounts.actors import Actor
from mdm.channels.models import Channel
from mdm.events.services import emit


class ItemKind(StrEnum):
    PROFILE = "profile"
    APP = "app"


@dataclass(frozen=True)
class NamedSource:
    """Why the device should have it, with the names that people know. via: the device group that is in the group."""

    kind: SourceKind
    pk: int
    name: str
    via: str = ""


@dataclass(frozen=True)
class Item:
    """One profile or app of one device; a profile for users once for each of them.

    note: why it is in that state: the device's error, why it is not for the device, or what it waits for.
    version: what was sent last; present: what the device is known to have. sources: none where it is to go.
    """

    kind: ItemKind
    pk: int
    name: str
    state: ItemState
    note: str
    version: str
    present: str
    user: str
    sources: tuple[NamedSource, ...]
    attempts: int = 0
    retry_at: datetime | None = None
    is_stopped: bool = False
    updated_at: datetime | None = None

    @property
    def can_retry(self) -> bool:
        return self.is_stopped or (self.state in (ItemState.FAILED, ItemState.REMOVING) and self.attempts > 0)

    @property
    def can_stop(self) -> bool:
        under_way = (ItemState.PUSHED, ItemState.FAILED, ItemState.REMOVING)
        return self.updated_at is not None and not self.is_stopped and self.state in under_way


def items_of(device: Device, kind: ItemKind | None = None) -> list[Item]:
    """All that it should have, and what is to leave it, of that kind or of both. A constant number of statements."""
    wanted = wanted_of([device])[device.pk]
    sources = _named(
        [source for one in [*wanted.profiles.values(), *wanted.apps.values()] for source in one.sources], device
    )
    return [
        *(_profiles(device, wanted.profiles, sources) if kind is not ItemKind.APP else ()),
        *(_apps(device, wanted.apps, sources) if kind is not ItemKind.PROFILE else ()),
    ]


def retry(device: Device, kind: ItemKind, pk: int, actor: Actor) -> int:
    """Send it again at once, whatever became of it before. Returns for how many lines. Raises NotPossible."""
    with transaction.atomic():
        device = retries.locked(device)
        count = retries.retry_now(device, _rows(device, kind, pk))
        _log(f"{kind}.retried", device, kind, pk, actor)
    return count


def stop(device: Device, kind: ItemKind, pk: int, actor: Actor) -> int:
    """No further attempts on this device, until a newer version is sent or somebody retries. Raises NotPossible."""
    with transaction.atomic():
        device = retries.locked(device)
        count = retries.stop(device, list(_rows(device, kind, pk)), actor)
        _log(f"{kind}.stopped", device, kind, pk, actor)
    return count


def _profiles(device: Device, wanted: Mapping[int, WantedProfile], sources: Mapping[Source, NamedSource]) -> list[Item]:
    rows = list(ProfileInstall.objects.filter(device=device).select_related("profile").order_by("profile__name", "pk"))
    users = dict(Channel.objects.filter(device=device).exclude(user_key="").values_list("user_key", "user_short_name"))
    items = [
        Item(
            kind=ItemKind.PROFILE,
            pk=row.profile_id,
            name=row.profile.name,
            state=ItemState(row.state),
            note=row.error,
            version="" if row.state == ItemState.NOT_APPLICABLE else str(row.version or ""),
            present=str(row.installed_version or ""),
            user=users.get(row.user_key, row.user_key) if row.user_key else "",
            sources=_why(wanted.get(row.profile_id), sources),
            **_followed(row),
        )
        for row in rows
    ]
    known = {row.profile_id for row in rows}
    return items + [
        _not_yet(ItemKind.PROFILE, pk, one.profile.name, profile_waits_for(one.profile, device), one, sources)
        for pk, one in wanted.items()
        if pk not in known
    ]


def _apps(device: Device, wanted: Mapping[int, WantedApp], sources: Mapping[Source, NamedSource]) -> list[Item]:
    installs = AppInstall.objects.filter(device=device).select_related("app", "version").order_by("app__name", "pk")
    rows = list(installs.defer("version__chunk_hashes"))
    names = {row.pk: footprint(row.app, row.version) for row in rows}
    everything = set().union(*names.values())
    reported = InstalledApp.objects.filter(device=device, identifier__in=everything).order_by("pk")
    versions = {one.identifier: one.short_version or one.version for one in reported}
    notes = notes_of(rows)
    items = [
        Item(
            kind=ItemKind.APP,
            pk=row.app_id,
            name=row.app.name,
            state=ItemState(row.state),
            note=notes.get(row.pk, row.error),
            version=(row.version.short_version or row.version.version) if row.version else "",
            present=next((versions[name] for name in sorted(names[row.pk]) if name in versions), ""),
            user="",
            sources=_why(wanted.get(row.app_id), sources),
            **_followed(row),
        )
        for row in rows
    ]
    known = {row.app_id for row in rows}
    newest = newest_versions(one.app for pk, one in wanted.items() if pk not in known)
    for pk, one in wanted.items():
        if pk in known:
            continue
        reason = why_not(one.app, device, newest.get(pk))
        if reason:
            items.append(_not_yet(ItemKind.APP, pk, one.app.name, reason, one, sources, ItemState.NOT_APPLICABLE))
        else:
            items.append(_not_yet(ItemKind.APP, pk, one.app.name, _app_waits_for(one, device), one, sources))
    return items


def _not_yet(
    kind: ItemKind,
    pk: int,
    name: str,
    note: str,
    one: WantedProfile | WantedApp,
    sources: Mapping[Source, NamedSource],
    state: ItemState = ItemState.PENDING,
) -> Item:
    return Item(kind, pk, name, state, note, version="", present="", user="", sources=_why(one, sources))


def profile_waits_for(profile: Profile, device: Device) -> str:
    """What a profile that was not sent yet waits for; empty: only for the reconciler."""
    if not device.is_enrolled:
        return "The device is not enrolled."
    if is_for_users(profile, device):
        return "It is for users of this Mac, and none of them can be managed yet."
    return ""


def _app_waits_for(one: WantedApp, device: Device) -> str:
    if not device.is_enrolled:
        return "The device is not enrolled."
    if not device.platform:
        return "What kind of device this is, is not known yet."
    if is_unknown_to_store(one.app):
        return "The App Store does not know this app."
    if lacks_store_id(one.app):
        return "The number of this app in the App Store is not known yet."
    return "" if one.is_automatic else "Its group does not deploy by itself: it comes when its apps are pushed."


def _followed(row: Followed) -> dict[str, object]:
    return {
        "attempts": row.attempts,
        "retry_at": row.retry_at,
        "is_stopped": row.is_stopped,
        "updated_at": row.updated_at,
    }


def _why(one: WantedProfile | WantedApp | None, sources: Mapping[Source, NamedSource]) -> tuple[NamedSource, ...]:
    return tuple(sources[source] for source in one.sources) if one else ()


def _named(sources: Iterable[Source], device: Device) -> dict[Source, NamedSource]:
    """With the names of the groups, in two statements."""
    sources = set(sources)
    device_groups = {one.pk for one in sources if one.kind == SourceKind.DEVICE_GROUP} | {one.via for one in sources}
    groups = {one.pk for one in sources if one.kind == SourceKind.ASSIGNMENT_GROUP}
    of_device_groups = dict(DeviceGroup.objects.filter(pk__in=device_groups - {None}).values_list("pk", "name"))
    of_groups = dict(AssignmentGroup.objects.filter(pk__in=groups).values_list("pk", "name"))
    names = {
        SourceKind.DEVICE: {device.pk: str(device)},
        SourceKind.DEVICE_GROUP: of_device_groups,
        SourceKind.ASSIGNMENT_GROUP: of_groups,
    }
    return {
        one: NamedSource(
            one.kind, one.pk, names[one.kind].get(one.pk, ""), of_device_groups.get(one.via, "") if one.via else ""
        )
        for one in sources
    }


def _rows(device: Device, kind: ItemKind, pk: int) -> QuerySet:
    if kind == ItemKind.PROFILE:
        return ProfileInstall.objects.filter(device=device, profile=pk).order_by("pk")
    return AppInstall.objects.filter(device=device, app=pk).order_by("pk")


def _log(event: str, device: Device, kind: ItemKind, pk: int, actor: Actor) -> None:
    model = Profile if kind == ItemKind.PROFILE else App
    name = model.objects.filter(pk=pk).values_list("name", flat=True).first() or ""
    facts = {f"{kind}_id": pk, "name": name}
    emit(event, account_id=device.account_id, actor=actor, device=device, **facts)
