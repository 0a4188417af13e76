"""Who has which licence, as Apple lists it: read page by page, each stored with how far we are, so that whatever ends the
reading, the next turn goes on from there.

The whole list is read when its version is another than the one that we have, and once a day. Apple's list of changes
(`sinceVersionId`) shows what was given out and not what was taken back, so that only its version is used.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils import timezone

from apps_catalog.models import ContentToken, LicenceAssignment, LicenceState
from apps_catalog.services.licence_needs import is_needed
from apps_catalog.services.vpp_assets import read_adam_id, read_pricing
from apps_catalog.services.vpp_lease import hold, holding
from apps_catalog.vpp_answers import Outdated
from apps_catalog.vpp_client import VppClient
from mdm.common.leases import TurnIsOver
from mdm.common.text import clean_text

WHOLE_LIST_EVERY = timedelta(hours=24)
READ_AGAIN_AFTER = timedelta(minutes=5)
MAX_SERIAL_LENGTH = 64
BATCH = 1000


@dataclass
class Changes:
    """What was found that others had done. is_certain: no line can have been missed."""

    added: int = 0
    lost: int = 0
    is_certain: bool = True


def read_assignments(token: ContentToken, client: VppClient, until: float) -> Changes:
    """until: of time.monotonic(). Raises TurnIsOver, VppError, TakenOver."""
    changes = Changes()
    if _is_up_to_date(token, client):
        return changes
    try:
        _read(token, client, changes, until)
    except Outdated:
        hold(token, reading_since=None, reading_page=0)
        changes.is_certain = True
        _read(token, client, changes, until)
    return changes


def _is_up_to_date(token: ContentToken, client: VppClient) -> bool:
    if token.reading_since or not token.assignments_version or not token.read_at:
        return False
    if timezone.now() - token.read_at > WHOLE_LIST_EVERY:
        return False
    try:
        page = client.assignments(since_version=token.assignments_version)
    except Outdated:
        return False
    return page.version == token.assignments_version


def _read(token: ContentToken, client: VppClient, changes: Changes, until: float) -> None:
    if token.reading_since is None:
        hold(token, reading_since=timezone.now(), reading_page=0, reading_version="")
    assets = {
        (adam_id, pricing): pk for pk, adam_id, pricing in token.assets.values_list("pk", "adam_id", "pricing_param")
    }
    index: int | None = token.reading_page
    while index is not None:
        page = client.assignments(index)
        first = token.reading_version or page.version
        changes.is_certain &= page.version == first
        with holding(token, reading_page=page.next_index or 0, reading_version=first):
            changes.added += _store(token, assets, page.items)
        index = page.next_index
        if index is not None and time.monotonic() > until:
            raise TurnIsOver
    if changes.is_certain:
        changes.lost += _drop_unlisted(token)
    # What changed meanwhile stands after that version: the next sync sees it.
    hold(
        token,
        assignments_version=token.reading_version,
        read_at=timezone.now(),
        reading_since=None,
        reading_page=0,
        reading_version="",
    )


def _store(token: ContentToken, assets: dict[tuple[int, str], int], items: Iterable[Any]) -> int:
    """Returns how many of them nobody here had asked for."""
    listed = set()
    for said in items:
        adam_id = read_adam_id(said)
        serial = said.get("serialNumber") if adam_id is not None else None
        asset = assets.get((adam_id, read_pricing(said))) if isinstance(serial, str) else None
        if asset is not None and 0 < len(serial) <= MAX_SERIAL_LENGTH:  # others are of people, not of devices
            listed.add((asset, clean_text(serial, MAX_SERIAL_LENGTH)))
    now = timezone.now()
    # By the columns of the unique index and no others: while the table grows, PostgreSQL's statistics tell nothing of it.
    rows = LicenceAssignment.objects.filter(
        asset__in={asset for asset, _ in listed}, serial_number__in={serial for _, serial in listed}
    )
    rows = rows.order_by("pk").select_for_update(no_key=True)
    known = {(row.asset_id, row.serial_number): row for row in rows}
    there = [known[key] for key in listed & known.keys()]
    LicenceAssignment.objects.filter(pk__in=[row.pk for row in there]).update(seen_at=now)
    came = [row.pk for row in there if row.state in (LicenceState.WANTED, LicenceState.ASKING)]
    LicenceAssignment.objects.filter(pk__in=came).update(
        state=LicenceState.ASSIGNED, request=None, is_short=False, error="", attempts=0, due_at=None
    )
    new = sorted(listed - known.keys())
    LicenceAssignment.objects.bulk_create(
        [
            LicenceAssignment(
                account_id=token.account_id,
                asset_id=asset,
                serial_number=serial,
                state=LicenceState.ASSIGNED,
                seen_at=now,
            )
            for asset, serial in new
        ],
        ignore_conflicts=True,
    )
    return len(new)


def _drop_unlisted(token: ContentToken) -> int:
    """Licences that somebody else took back: what is needed still is wanted again."""
    unseen = LicenceAssignment.objects.filter(
        asset__token=token, state=LicenceState.ASSIGNED, seen_at__lt=token.reading_since
    )
    total = 0
    while keys := list(unseen.order_by("pk").values_list("pk", flat=True)[:BATCH]):
        with holding(token):
            rows = LicenceAssignment.objects.filter(pk__in=keys, state=LicenceState.ASSIGNED)
            list(rows.order_by("pk").select_for_update(no_key=True).values_list("pk"))
            rows.filter(is_needed(), is_ours=True).update(
                state=LicenceState.WANTED, due_at=timezone.now(), seen_at=None
            )
            rows.delete()
        total += len(keys)
    return total
