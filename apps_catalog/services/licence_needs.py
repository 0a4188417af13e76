"""Which device needs a licence of Apps and Books for which app, and which has one: what the reconciler goes by.

An app needs one where a location of the account has licences of it for devices. Without a location, and on devices that tell
no serial number, apps are installed as they always were: free, or bought by whoever uses the device. While it is not known yet
what a new location owns, apps of the App Store wait.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from apps_catalog.models import (
    App,
    AppInstall,
    ContentAsset,
    ContentToken,
    LicenceAssignment,
    LicenceState,
)
from devices.models import Device, DeviceState, ItemState
from mdm.common.batches import batches
from mdm.common.nudge import nudge_named

WORKER = "apps_catalog.tasks.manage_licences"
WAITING = "Waiting for a licence of Apps and Books."
UNREAD = "Waiting until Apps and Books has said which licences there are."

Key = tuple[int, int]  # account, store id


@dataclass
class Licences:
    """What a number of devices has, and what the plan adds to it; `save()` writes that.

    unread: accounts of which it is not known yet what they own.
    """

    assets: Mapping[Key, list[ContentAsset]] = field(default_factory=dict)
    rows: Mapping[tuple[str, Key], list[LicenceAssignment]] = field(default_factory=dict)
    unread: frozenset[int] = frozenset()
    _new: list[LicenceAssignment] = field(default_factory=list)
    _changed: dict[int, LicenceAssignment] = field(default_factory=dict)

    def allow(self, device: Device, app: App) -> bool:
        """Whether the app may be sent to the device now. Where it needs a licence first, that is wanted from now on."""
        key = (app.account_id, app.itunes_store_id or 0)
        assets = self.assets.get(key)
        if not device.serial_number:
            return True
        if not assets:
            return not self.is_unknown(app)
        rows = self.rows.get((device.serial_number, key), [])
        for row in rows:
            if row.state in (LicenceState.ASSIGNED, LicenceState.LEAVING):
                self._keep(row, device)
                return True
        usable = [one for one in assets if one.is_device_assignable and one.token.gives_licences]
        if not usable:
            return True
        self._want(device, rows, max(usable, key=lambda one: (one.available, -one.pk)))
        return False

    def is_unknown(self, app: App) -> bool:
        """Whether it may turn out that the app needs one."""
        return (
            app.is_of_store
            and app.account_id in self.unread
            and (app.account_id, app.itunes_store_id) not in self.assets
        )

    def save(self) -> None:
        """In the transaction of the plan."""
        new = sorted(self._new, key=lambda row: (row.asset_id, row.serial_number))
        # Should Apple's list have brought the same row at this moment, it becomes ours.
        LicenceAssignment.objects.bulk_create(
            new, update_conflicts=True, unique_fields=["asset", "serial_number"], update_fields=["device", "is_ours"]
        )
        changed = sorted(self._changed.values(), key=lambda row: row.pk)
        LicenceAssignment.objects.bulk_update(changed, ["asset", "device", "is_ours", "state", "is_short", "due_at"])
        if any(row.state == LicenceState.WANTED for row in [*new, *changed]):
            transaction.on_commit(lambda: nudge_named(WORKER))

    def _keep(self, row: LicenceAssignment, device: Device) -> None:
        if row.state == LicenceState.LEAVING or not row.is_ours or row.device_id != device.pk:
            row.state, row.is_ours, row.device, row.due_at = LicenceState.ASSIGNED, True, device, None
            self._changed[row.pk] = row

    def _want(self, device: Device, rows: Sequence[LicenceAssignment], best: ContentAsset) -> None:
        waiting = next((row for row in rows if row.state == LicenceState.WANTED), None)
        if waiting is not None:
            taken = any(row.asset_id == best.pk for row in rows)
            if waiting.is_short and best.available and not taken:  # another location has some left
                waiting.asset, waiting.is_short, waiting.due_at = best, False, timezone.now()
                self._changed[waiting.pk] = waiting
        elif not rows:
            row = LicenceAssignment(
                account_id=device.account_id,
                asset=best,
                serial_number=device.serial_number,
                device=device,
                is_ours=True,
                due_at=timezone.now(),
            )
            self._new.append(row)
            self.rows[device.serial_number, (device.account_id, best.adam_id)].append(row)


def licences_of(devices: Sequence[Device], apps: Iterable[App]) -> Licences:
    """For a plan: the devices are locked by the caller, and the rows of their licences are from now on. Three statements at
    most, whatever the number of devices and apps.
    """
    apps = list(apps)
    assets = _assets_of(apps)
    unread = _unread([app for app in apps if (app.account_id, app.itunes_store_id) not in assets])
    serials = sorted({device.serial_number for device in devices} - {""})
    rows: dict[tuple[str, Key], list[LicenceAssignment]] = defaultdict(list)
    if not assets:
        return Licences(unread=unread)
    found = LicenceAssignment.objects.filter(
        account__in={account for account, _ in assets}, asset__in=[one.pk for some in assets.values() for one in some]
    ).select_related("asset")
    found = found.order_by("pk").select_for_update(no_key=True, of=("self",))
    for some in batches(serials, 1000):
        for row in found.filter(serial_number__in=some):
            rows[row.serial_number, (row.account_id, row.asset.adam_id)].append(row)
    return Licences(assets, rows, unread)


def is_licensed(device: Device, app: App) -> bool | None:
    """Whether the device has a licence of the app at this moment; None where it needs none."""
    assets = _assets_of([app])
    if not assets or not device.serial_number:
        return None
    mine = LicenceAssignment.objects.filter(
        account=device.account_id,
        serial_number=device.serial_number,
        asset__in=[one.pk for some in assets.values() for one in some],
        state__in=(LicenceState.ASSIGNED, LicenceState.LEAVING),
    )
    if mine.exists():
        return True
    usable = [one for some in assets.values() for one in some if one.is_device_assignable and one.token.gives_licences]
    return False if usable else None


def is_needed() -> Exists:
    """A condition on licences: that their device should have the app, or has it from us still."""
    installs = AppInstall.objects.filter(
        device=OuterRef("device"),
        app__itunes_store_id=OuterRef("asset__adam_id"),
        device__serial_number=OuterRef("serial_number"),
        device__state=DeviceState.ENROLLED,
        device__removed_at=None,
    )
    somebody_elses = Q(state=ItemState.INSTALLED, is_on_device=False)
    given_up = Q(state=ItemState.FAILED, is_stopped=True, is_on_device=False)
    return Exists(installs.exclude(state=ItemState.NOT_APPLICABLE).exclude(somebody_elses).exclude(given_up))


def _assets_of(apps: Iterable[App]) -> dict[Key, list[ContentAsset]]:
    """Of every location that is not about to be removed, whoever manages it."""
    wanted = [app for app in apps if app.is_of_store]
    assets: dict[Key, list[ContentAsset]] = defaultdict(list)
    if wanted:
        found = ContentAsset.objects.filter(
            account__in={app.account_id for app in wanted}, adam_id__in={app.itunes_store_id for app in wanted}
        )
        for one in found.filter(token__is_leaving=False).select_related("token").order_by("pk"):
            assets[one.account_id, one.adam_id].append(one)
    return assets


def _unread(apps: Iterable[App]) -> frozenset[int]:
    """The accounts of these apps of the App Store in which a location has yet to say what it owns."""
    accounts = {app.account_id for app in apps if app.is_of_store}
    if not accounts:
        return frozenset()
    tokens = ContentToken.objects.filter(account__in=accounts, counted_at=None)
    return frozenset(token.account_id for token in tokens.defer("token", "notification_token") if token.is_unread)
