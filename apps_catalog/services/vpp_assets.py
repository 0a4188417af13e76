"""What a location owns, as Apple counts it, and what those apps are called in the App Store."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.utils import timezone

from apps_catalog.models import ContentAsset, ContentToken, LicenceAssignment
from apps_catalog.services.vpp_lease import hold, holding
from apps_catalog.store_lookup import NotInStore, StoreUnavailable, look_up, store_client
from apps_catalog.vpp_client import STANDARD_QUALITY, VppClient
from mdm.common.text import clean_text

MAX_ADAM_ID = 2**63 - 1
MAX_COUNT = 2**31 - 1
MOST_NAMED = 20  # lookups of a turn: the App Store wants few questions a minute
BATCH = 1000
_COUNTS = {
    "total": "totalCount",
    "assigned": "assignedCount",
    "available": "availableCount",
    "retired": "retiredCount",
}
_COLUMNS = [*_COUNTS, "product_type", "platforms", "is_device_assignable", "is_revocable", "seen_at"]


def count_assets(token: ContentToken, client: VppClient) -> None:
    """Read how many licences there are of everything. What is listed no more goes, with its licences.

    Raises VppError, TakenOver.
    """
    begin = timezone.now()
    versions, index = set(), 0
    while index is not None:
        page = client.assets(index)
        rows = {(row.adam_id, row.pricing_param): row for row in _rows(token, page.items, timezone.now())}
        with holding(token):
            ContentAsset.objects.bulk_create(
                [rows[key] for key in sorted(rows)],
                update_conflicts=True,
                unique_fields=["token", "adam_id", "pricing_param"],
                update_fields=_COLUMNS,
            )
        versions.add(page.version)
        index = page.next_index
    if len(versions) == 1:  # otherwise a line may have slipped from a page that was to come to one that was read
        _forget_unlisted(token, begin)
    hold(token, counted_at=timezone.now())


def name_assets(token: ContentToken, country: str) -> None:
    """Ask the App Store for names of apps that have none yet. Apple's list of licences has numbers only."""
    unnamed = token.assets.filter(Q(named_at=None), product_type="App").order_by("pk")[:MOST_NAMED]
    with store_client() as client:
        for asset in list(unnamed):
            try:
                asset.name = look_up(client, country=country, store_id=asset.adam_id).name
            except NotInStore:
                asset.name = ""
            except StoreUnavailable:
                return  # with the next sync
            with holding(token):
                ContentAsset.objects.filter(pk=asset.pk).update(name=asset.name, named_at=timezone.now())


def _rows(token: ContentToken, items: Iterable[Any], seen_at: datetime) -> Iterable[ContentAsset]:
    for said in items:
        adam_id = read_adam_id(said)
        if adam_id is None:
            continue
        platforms = said.get("supportedPlatforms")
        platforms = [clean_text(one, 20) for one in platforms if isinstance(one, str)] if platforms else []
        yield ContentAsset(
            account_id=token.account_id,
            token=token,
            adam_id=adam_id,
            pricing_param=read_pricing(said),
            product_type=clean_text(str(said.get("productType") or ""), 20),
            platforms=platforms,
            is_device_assignable=said.get("deviceAssignable") is True,
            is_revocable=said.get("revocable") is True,
            seen_at=seen_at,
            **{column: _count(said.get(key)) for column, key in _COUNTS.items()},
        )


def _forget_unlisted(token: ContentToken, begin: datetime) -> None:
    gone = token.assets.filter(seen_at__lt=begin)
    for asset in gone.order_by("pk"):
        rows = LicenceAssignment.objects.filter(asset=asset).order_by("pk")
        while keys := list(rows.values_list("pk", flat=True)[:BATCH]):
            with holding(token):
                LicenceAssignment.objects.filter(pk__in=keys).delete()
        with holding(token):
            asset.delete()


def read_adam_id(said: Any) -> int | None:
    """Apple writes the number as a text; None for what is none."""
    value = said.get("adamId") if isinstance(said, dict) else None
    value = str(value) if isinstance(value, int | str) else ""
    is_number = value.isascii() and value.isdecimal() and len(value) <= 19
    return int(value) if is_number and 0 < int(value) <= MAX_ADAM_ID else None


def read_pricing(said: dict[str, Any]) -> str:
    value = said.get("pricingParam")
    return clean_text(value, 10) if isinstance(value, str) and value else STANDARD_QUALITY


def _count(value: object) -> int:
    return min(max(value, 0), MAX_COUNT) if isinstance(value, int) and not isinstance(value, bool) else 0
