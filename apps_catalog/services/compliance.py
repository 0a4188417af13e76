"""How many devices of an account have all that they should have; told when the numbers change."""

from dataclasses import asdict, dataclass
from typing import Any

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from apps_catalog.models import AppInstall
from devices.models import Device, DeviceState, DueDevice, ItemState, ProfileInstall
from mdm.accounts.models import Account
from mdm.events.models import Event
from mdm.events.services import emit

KIND = "account.compliance"
_FAILED = Q(state=ItemState.FAILED) | Q(state=ItemState.REMOVING, attempts__gt=0)
_UNDER_WAY = Q(state__in=[ItemState.PENDING, ItemState.PUSHED, ItemState.REMOVING])


@dataclass(frozen=True)
class Compliance:
    """Devices: each enrolled one counts once more, as what is worst of it."""

    enrolled: int = 0
    compliant: int = 0
    underway: int = 0
    failed: int = 0


def compliance_by_account() -> dict[int, Compliance]:
    """Account pk → how its devices stand; those without an enrolled device are missing. One statement for all.

    failed: the device could not take something, or let it go, that it should. underway: something is on its way, or the
    device is yet to be compared with what it should have.
    """
    mine = {"device": OuterRef("pk")}
    profiles, apps = ProfileInstall.objects.filter(**mine), AppInstall.objects.filter(**mine)
    marked = DueDevice.objects.filter(**mine, due_at__lte=timezone.now())
    devices = Device.objects.filter(state=DeviceState.ENROLLED, removed_at=None).annotate(
        has_failed=Exists(profiles.filter(_FAILED)) | Exists(apps.filter(_FAILED)),
        is_underway=Exists(profiles.filter(_UNDER_WAY)) | Exists(apps.filter(_UNDER_WAY)) | Exists(marked),
    )
    rows = devices.order_by().values_list("account_id")
    counted = rows.annotate(
        enrolled=Count("pk"),
        underway=Count("pk", filter=Q(has_failed=False, is_underway=True)),
        failed=Count("pk", filter=Q(has_failed=True)),
    )
    return {
        account_id: Compliance(enrolled, enrolled - underway - failed, underway, failed)
        for account_id, enrolled, underway, failed in counted
    }


def report_changes() -> int:
    """A line for each account whose numbers are others than when they were told last. Returns how many.

    Two statements for all accounts together, and a few for each whose numbers have changed.
    """
    counts = compliance_by_account()
    accounts = Account.objects.annotate(told=Subquery(_lines(OuterRef("pk")).values("metadata")[:1]))
    return sum(
        _report(account_id, counts.get(account_id, Compliance()))
        for account_id, told in accounts.order_by("pk").values_list("pk", "told")
        if _is_news(counts.get(account_id, Compliance()), told)
    )


def _report(account_id: int, now: Compliance) -> bool:
    with transaction.atomic():
        # Two that run at once: the second waits here and then finds the line of the first.
        if not Account.objects.select_for_update(no_key=True).filter(pk=account_id).exists():
            return False
        last = _lines(account_id).values_list("metadata", flat=True).first()
        if not _is_news(now, last):
            return False
        emit(KIND, account_id=account_id, **asdict(now))
    return True


def _lines(account: object) -> QuerySet[Event]:
    """Newest first."""
    return Event.objects.filter(account=account, event_type=KIND).order_by("-id")


def _is_news(now: Compliance, told: dict[str, Any] | None) -> bool:
    """An account that never had a device has nothing to tell."""
    return now != Compliance() if told is None else any(told.get(name) != value for name, value in asdict(now).items())
