"""Licences as people see them: how many of an app there are, who waits for one and why."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Count, F, Q, QuerySet, Sum

from apps_catalog.models import App, AppInstall, ContentAsset, LicenceAssignment, LicenceState
from apps_catalog.services.licence_needs import WAITING
from devices.models import Device
from mdm.accounts.models import Account

UNDER_WAY = (LicenceState.WANTED, LicenceState.ASKING)


@dataclass(frozen=True)
class Counts:
    """Of all locations of the account. waiting: devices that have none yet; short: those for which none is left."""

    total: int
    assigned: int
    available: int
    waiting: int = 0
    short: int = 0


def counts_of(apps: Sequence[App]) -> dict[int, Counts]:
    """App pk → its licences; nothing for an app of which no location has any for devices. Two statements for any number."""
    store = [app for app in apps if app.is_of_store]
    if not store:
        return {}
    accounts, numbers = {app.account_id for app in store}, {app.itunes_store_id for app in store}
    assets = ContentAsset.objects.filter(account__in=accounts, adam_id__in=numbers, is_device_assignable=True)
    sums = {
        row[:2]: row[2:]
        for row in assets.order_by()
        .values_list("account", "adam_id")
        .annotate(Sum("total"), Sum("assigned"), Sum("available"))
    }
    waiting = _waiting(LicenceAssignment.objects.filter(account__in=accounts, asset__adam_id__in=numbers))
    return {
        app.pk: Counts(*sums[key], *waiting.get(key, (0, 0)))
        for app in store
        if (key := (app.account_id, app.itunes_store_id)) in sums
    }


def short_in(devices: QuerySet[Device], apps: Iterable[App]) -> dict[int, int]:
    """App pk → how many of these devices wait for a licence that is not there. One statement."""
    numbers = {app.itunes_store_id: app.pk for app in apps if app.is_of_store}
    if not numbers:
        return {}
    rows = LicenceAssignment.objects.filter(
        device__in=devices, asset__adam_id__in=numbers, state=LicenceState.WANTED, is_short=True
    )
    counted = rows.order_by().values_list("asset__adam_id").annotate(count=Count("pk"))
    return {numbers[adam_id]: count for adam_id, count in counted}


def notes_of(installs: Iterable[AppInstall]) -> dict[int, str]:
    """AppInstall pk → what it waits for, of those that wait for a licence. One statement, none where nothing waits."""
    waiting = [row for row in installs if row.awaits_licence]
    if not waiting:
        return {}
    rows = LicenceAssignment.objects.filter(
        device__in={row.device_id for row in waiting},
        asset__adam_id__in={row.app.itunes_store_id for row in waiting if row.app.itunes_store_id},
    )
    found = {(row.device_id, row.asset.adam_id): row for row in rows.select_related("asset__token")}
    return {row.pk: _why(row, found.get((row.device_id, row.app.itunes_store_id))) for row in waiting}


def short_devices(account: Account) -> tuple[int, int]:
    """How many devices wait for licences that are not there, and of how many apps."""
    rows = LicenceAssignment.objects.filter(account=account, state=LicenceState.WANTED, is_short=True)
    found = rows.aggregate(devices=Count("device", distinct=True), apps=Count("asset__adam_id", distinct=True))
    return found["devices"], found["apps"]


def _waiting(rows: QuerySet[LicenceAssignment]) -> dict[tuple[int, int], tuple[int, int]]:
    rows = rows.filter(state__in=UNDER_WAY).annotate(number=F("asset__adam_id")).order_by()
    counted = rows.values_list("account", "number").annotate(
        waiting=Count("pk"), short=Count("pk", filter=Q(is_short=True))
    )
    return {row[:2]: row[2:] for row in counted}


def _why(install: AppInstall, row: LicenceAssignment | None) -> str:
    """Without a row nothing is wanted yet: the install says itself what it waits for."""
    if row is None or row.state not in UNDER_WAY:
        return install.error or WAITING
    token = row.asset.token
    if row.is_short:
        return f"No licence is left: all {row.asset.total:,} of {token} are in use."
    if token.error:
        return f"{WAITING} {token.error}"
    if row.error:
        return f"Apple gave no licence: {row.error}"
    return WAITING
