"""How a request for licences ended, and the lines of the log about it: one for each app, however many devices."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from apps_catalog.models import App, ContentAsset, ContentToken, LicenceAssignment, RequestKind
from apps_catalog.vpp_answers import NOT_ENOUGH, EventStatus, Failure, Refused
from mdm.events.models import Event, Level
from mdm.events.services import build, emit_many


@dataclass(frozen=True)
class Why:
    """Why a licence did not come, or did not go."""

    text: str
    is_short: bool


@dataclass(frozen=True)
class Outcome:
    """is_vague: Apple says that something failed, and not for which devices. Some of them may have it."""

    failures: tuple[Failure, ...] = ()
    is_vague: bool = False

    @classmethod
    def refused(cls, error: Refused) -> Self:
        """At once and as a whole."""
        return cls((Failure(error.number, str(error), frozenset(), frozenset()),))

    def of(self, adam_id: str, serial: str) -> Why | None:
        """None: it was done."""
        for one in self.failures:
            if (not one.adam_ids or adam_id in one.adam_ids) and (not one.serials or serial in one.serials):
                return Why(one.text[:300], one.number == NOT_ENOUGH)
        return None


def outcome_of(status: EventStatus) -> Outcome:
    return Outcome(status.failures, is_vague=any(not failure.serials for failure in status.failures))


def names_of(assets: Sequence[ContentAsset]) -> dict[int, str]:
    """Asset pk → what people call it: its name in the catalogue, in the App Store, or its number."""
    found = App.objects.filter(
        account__in={one.account_id for one in assets}, itunes_store_id__in={one.adam_id for one in assets}
    )
    names = dict(found.filter(removed_at=None).values_list("itunes_store_id", "name"))
    return {one.pk: names.get(one.adam_id) or str(one) for one in assets}


def log_done(token: ContentToken, kind: RequestKind, rows: Sequence[LicenceAssignment]) -> None:
    event = "licence.assigned" if kind == RequestKind.ASSOCIATE else "licence.returned"
    _log(event, token, rows, Level.INFO)


def log_refused(token: ContentToken, kind: RequestKind, rows: Sequence[LicenceAssignment]) -> None:
    """Once for each that fails, not for each attempt."""
    first = [row for row in rows if row.attempts == 1]
    _log("licence.refused", token, first, Level.WARNING, is_giving_back=kind == RequestKind.DISASSOCIATE)


def _log(kind: str, token: ContentToken, rows: Sequence[LicenceAssignment], level: Level, **facts: bool) -> list[Event]:
    assets = {row.asset_id: row.asset for row in rows}
    names = names_of(list(assets.values())) if assets else {}
    whys = {row.asset_id: row.error for row in rows if row.error}
    return emit_many(
        build(
            kind,
            account_id=token.account_id,
            level=level,
            metadata={
                "app": names[asset_id],
                "itunes_store_id": assets[asset_id].adam_id,
                "devices": count,
                "location": str(token),
                **({"why": whys[asset_id], **facts} if level == Level.WARNING else {}),
            },
        )
        for asset_id, count in sorted(Counter(row.asset_id for row in rows).items())
    )
