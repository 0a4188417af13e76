"""Giving licences out and back: what is asked of Apple, and what becomes of it.

Each request is a row before it is sent. Whatever happens on the way to Apple and back, its licences are asked for again:
Apple takes a licence that is assigned already for assigned, and one that is gone for given back.
"""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta

from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from apps_catalog.models import (
    ContentAsset,
    ContentToken,
    LicenceAssignment,
    LicenceRequest,
    LicenceState,
    RequestKind,
)
from apps_catalog.services.licence_needs import is_needed
from apps_catalog.services.licence_outcomes import Outcome, log_done, log_refused, outcome_of
from apps_catalog.services.vpp_lease import holding
from apps_catalog.vpp_answers import Refused, UnknownEvent, VppError
from apps_catalog.vpp_client import VppClient
from mdm.common.pauses import pause_seconds

logger = logging.getLogger("pomona.vpp")

FIRST_LOOK, LONGEST_LOOK = 2.0, 300.0  # seconds between two questions about an event
FIRST_RETRY, LONGEST_RETRY = 60.0, 24 * 3600.0
FORGOTTEN_AFTER = timedelta(days=1)
MOST_ATTEMPTS = 1000  # counted no further

# Kind → what waits for it, and what it becomes while Apple is asked.
_STATES = {
    RequestKind.ASSOCIATE: (LicenceState.WANTED, LicenceState.ASKING),
    RequestKind.DISASSOCIATE: (LicenceState.LEAVING, LicenceState.GIVING_BACK),
}
Batch = Mapping[ContentAsset, Sequence[int]]  # keys of the assignments


def follow(token: ContentToken, client: VppClient) -> int:
    """Ask how far the open requests have come. Returns how many are done. Raises VppError, TakenOver."""
    done = 0
    for request in list(token.requests.filter(due_at__lte=timezone.now()).order_by("pk")):
        if not request.event_id or timezone.now() - request.created_at > FORGOTTEN_AFTER:
            _forget(token, request)
            continue
        try:
            status = client.event(request.event_id)
        except UnknownEvent as error:
            logger.warning("event %s of content token %s: %s It is asked for again.", request.pk, token.pk, error)
            _forget(token, request)
            continue
        if status.is_pending:
            wait = pause_seconds(request.attempts, first=FIRST_LOOK, longest=LONGEST_LOOK)
            with holding(token):
                LicenceRequest.objects.filter(pk=request.pk).update(
                    due_at=timezone.now() + timedelta(seconds=wait), attempts=min(request.attempts + 1, MOST_ATTEMPTS)
                )
            continue
        with holding(token):
            _settle(token, request, outcome_of(status))
        done += 1
    return done


def give_back(token: ContentToken, client: VppClient) -> None:
    """Whatever is to be given back and due. Raises VppError, TakenOver."""
    _send_all(token, client, RequestKind.DISASSOCIATE)


def give_out(token: ContentToken, client: VppClient) -> None:
    """As many as there are; the others are marked as short. Raises VppError, TakenOver."""
    _send_all(token, client, RequestKind.ASSOCIATE)


def waits(token: ContentToken) -> bool:
    """Whether licences of the token are waited for."""
    return _waiting(token, RequestKind.ASSOCIATE).exists()


def _send_all(token: ContentToken, client: VppClient, kind: RequestKind) -> None:
    """Until nothing is left, but for what the reconciler has in its hands: that is due still when it is done."""
    while batch := _next_batch(token, client, kind):
        if not _send(token, client, kind, batch):
            return


def _waiting(token: ContentToken, kind: RequestKind) -> QuerySet[LicenceAssignment]:
    """What may go now. One that is short by our own count goes as soon as there is one."""
    rows = LicenceAssignment.objects.filter(asset__token=token, state=_STATES[kind][0])
    return rows.filter(Q(due_at__lte=timezone.now()) | Q(due_at=None))


def _next_batch(token: ContentToken, client: VppClient, kind: RequestKind) -> Batch:
    """Assets that go to the same devices in one request."""
    limits = client.limits
    chosen: dict[tuple[str, ...], dict[ContentAsset, list[int]]] = defaultdict(dict)
    waiting = _waiting(token, kind)
    for asset in ContentAsset.objects.filter(pk__in=waiting.order_by().values("asset")).order_by("pk"):
        rows = list(waiting.filter(asset=asset).order_by("pk").values_list("pk", "serial_number")[: limits.serials])
        if kind == RequestKind.ASSOCIATE:
            rows = rows[: _free(asset)]
            if not rows:
                _mark_short(waiting.filter(asset=asset))
        if rows:
            chosen[tuple(sorted(serial for _, serial in rows))][asset] = [pk for pk, _ in rows]
    if not chosen:
        return {}
    largest = max(chosen.values(), key=len)
    return dict(list(largest.items())[: limits.assets])


def _free(asset: ContentAsset) -> int:
    """What Apple counted last, without what was asked for since."""
    return max(asset.available - asset.assignments.filter(state=LicenceState.ASKING).count(), 0)


def _mark_short(rows: QuerySet[LicenceAssignment]) -> None:
    """No licence is left by our own count: what is due waits for the count to change."""
    rows.exclude(is_short=True, due_at=None).update(is_short=True, due_at=None, error="")


def _send(token: ContentToken, client: VppClient, kind: RequestKind, batch: Batch) -> int:
    """Returns for how many devices something was asked."""
    before, meanwhile = _STATES[kind]
    keys = [pk for some in batch.values() for pk in some]
    with holding(token):
        rows = LicenceAssignment.objects.filter(pk__in=keys, state=before).order_by("pk")
        rows = list(rows.select_for_update(no_key=True, skip_locked=True).values_list("pk", "serial_number"))
        request = LicenceRequest.objects.create(account_id=token.account_id, token=token, kind=kind)
        taken = LicenceAssignment.objects.filter(pk__in=[pk for pk, _ in rows])
        taken.update(state=meanwhile, request=request, is_short=False)
    serials = sorted({serial for _, serial in rows})
    if not serials:
        request.delete()
        return 0
    ask = client.associate if kind == RequestKind.ASSOCIATE else client.disassociate
    assets = [(str(asset.adam_id), asset.pricing_param) for asset in batch]
    try:
        event_id = ask(assets, serials)
    except Refused as error:
        if len(batch) > 1:  # nobody says which of them it is about
            _forget(token, request)
            for asset, some in batch.items():
                _send(token, client, kind, {asset: some})
            return len(serials)
        with holding(token):
            _settle(token, request, Outcome.refused(error))
        return len(serials)
    except VppError:
        _forget(token, request)
        raise
    with holding(token):
        due_at = timezone.now() + timedelta(seconds=FIRST_LOOK)
        LicenceRequest.objects.filter(pk=request.pk).update(event_id=event_id, due_at=due_at)
    return len(serials)


def _forget(token: ContentToken, request: LicenceRequest) -> None:
    """Its licences wait as they did before."""
    before, meanwhile = _STATES[RequestKind(request.kind)]
    with holding(token):
        _locked(request, meanwhile).update(state=before, request=None, due_at=timezone.now())
        request.delete()


def _settle(token: ContentToken, request: LicenceRequest, outcome: Outcome) -> None:
    kind = RequestKind(request.kind)
    before, meanwhile = _STATES[kind]
    rows = list(_locked(request, meanwhile).select_related("asset"))
    failed, done = [], []
    for row in rows:
        why = outcome.of(str(row.asset.adam_id), row.serial_number)
        if why is None:
            done.append(row)
            continue
        wait = pause_seconds(row.attempts, first=FIRST_RETRY, longest=LONGEST_RETRY)
        row.state, row.request, row.due_at = before, None, timezone.now() + timedelta(seconds=wait)
        row.is_short, row.error = why.is_short and kind == RequestKind.ASSOCIATE, why.text
        row.attempts = min(row.attempts + 1, MOST_ATTEMPTS)
        failed.append(row)
    LicenceAssignment.objects.bulk_update(
        failed, ["state", "request", "due_at", "is_short", "error", "attempts"], batch_size=500
    )
    mine = LicenceAssignment.objects.filter(pk__in=[row.pk for row in done])
    if kind == RequestKind.ASSOCIATE:
        _assigned(mine)
    else:
        if not token.is_leaving:
            mine.filter(is_needed()).update(state=LicenceState.WANTED, request=None, due_at=timezone.now(), attempts=0)
        mine.filter(request=request).delete()
    log_done(token, kind, done)
    log_refused(token, kind, [row for row in failed if not row.is_short])
    if outcome.is_vague:  # the list says which of them Apple did all the same
        ContentToken.objects.filter(pk=token.pk).update(sync_due_at=timezone.now(), assignments_version="")
    request.delete()


def _assigned(rows: QuerySet[LicenceAssignment]) -> None:
    rows.update(
        state=LicenceState.ASSIGNED,
        request=None,
        due_at=None,
        is_short=False,
        error="",
        attempts=0,
        seen_at=timezone.now(),
    )


def _locked(request: LicenceRequest, state: LicenceState) -> QuerySet[LicenceAssignment]:
    """In the order in which the reconciler locks them; the rows are locked when this returns."""
    rows = LicenceAssignment.objects.filter(request=request, state=state)
    list(rows.order_by("pk").select_for_update(no_key=True).values_list("pk"))
    return rows


def shortages(token: ContentToken) -> dict[int, int]:
    """Asset pk → how many devices wait for a licence of it that is not there."""
    rows = LicenceAssignment.objects.filter(asset__token=token, state=LicenceState.WANTED, is_short=True)
    return dict(rows.order_by().values_list("asset").annotate(count=Count("pk")))
