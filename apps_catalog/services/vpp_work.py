"""A worker's turn with each content token for which something is due: compare with Apple, follow what was asked, give licences
back and out, and tell the reconciler of devices whose licence has come.

All of it may run twice, and end anywhere: rows say what is to be done, and each step is stored before the next.
"""

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Case, F, Value, When
from django.utils import timezone

from apps_catalog.models import ContentAsset, ContentToken
from apps_catalog.services.licence_outcomes import names_of
from apps_catalog.services.licence_release import finish_leaving, release_unneeded, wake_licensed
from apps_catalog.services.licence_requests import follow, give_back, give_out, shortages, waits
from apps_catalog.services.vpp_assets import count_assets, name_assets
from apps_catalog.services.vpp_assignments import READ_AGAIN_AFTER, Changes
from apps_catalog.services.vpp_lease import claim, hold, holding, next_due, release
from apps_catalog.services.vpp_sync import compare, log_synced
from apps_catalog.vpp_answers import ManagedElsewhere, Refused, TokenRefused, VppError
from apps_catalog.vpp_client import VppClient
from mdm.common.leases import TakenOver, TurnIsOver, take_turns
from mdm.common.pauses import pause_seconds
from mdm.events.models import Level
from mdm.events.services import emit

logger = logging.getLogger("pomona.vpp")

EVERY = timedelta(hours=4)
WHEN_SHORT = timedelta(minutes=15)  # somebody may have bought some
COUNT_AGAIN_AFTER = timedelta(minutes=5)
TURN_SECONDS = 600.0  # a worker ends a task after 15 minutes
FIRST_PAUSE, LONGEST_PAUSE = 30.0, 2 * 3600.0
REFUSED_PAUSE = 3600.0
MOST_ATTEMPTS = 1000  # counted no further


def manage_due() -> int:
    """Every token for which something is due, one after the other. Several workers may run: each takes its own."""
    release_unneeded()
    tended: set[int] = set()

    def claim_next() -> ContentToken | None:
        """Each once a turn: something is due again soon after."""
        token = claim(tended)
        if token is not None:
            tended.add(token.pk)
        return token

    return take_turns(claim_next, tend, seconds=TURN_SECONDS)


def seconds_to_next() -> float | None:
    """Until the next question about what was asked of Apple; None where nothing is open."""
    now = timezone.now()
    at = next_due(now)
    return None if at is None else max((at - now).total_seconds(), 0.0)


def tend(token: ContentToken, *, until: float) -> None:
    """A turn with a claimed token. until: of time.monotonic()."""
    sync_due_at = token.sync_due_at
    is_sync = sync_due_at is not None and sync_due_at <= timezone.now()
    try:
        if token.is_expired:
            raise TokenRefused(
                f"The content token expired on {token.expires_at:%Y-%m-%d}: download a new one and renew it."
            )
        with VppClient(settings.VPP_URL, token.token, mdm_id=token.mdm_id, ca_file=settings.VPP_CA_FILE) as client:
            changes = compare(token, client, until) if is_sync else None
            if not token.other_mdm:
                _move_licences(token, client)
            if client.token_expires_at and client.token_expires_at != token.expires_at:
                hold(token, expires_at=client.token_expires_at)
    except VppError as error:
        _fail(token, error)
    except TurnIsOver:
        release(token)
    except TakenOver:
        raise
    except Exception:  # one location's trouble delays nobody else
        logger.exception("content token %s could not be worked on", token.pk)
        _fail(token, VppError("Pomona could not store what Apple sent; the log of its workers tells why."))
    else:
        _succeed(token, changes, sync_due_at)
    finally:
        wake_licensed(token)
        finish_leaving(token)


def _move_licences(token: ContentToken, client: VppClient) -> None:
    done = follow(token, client)
    give_back(token, client)
    if done or (waits(token) and _is_old(token.counted_at)):
        count_assets(token, client)
    if not token.is_leaving:
        give_out(token, client)


def _is_old(counted_at: datetime | None) -> bool:
    return counted_at is None or timezone.now() - counted_at > COUNT_AGAIN_AFTER


def _succeed(token: ContentToken, changes: Changes | None, sync_due_at: datetime | None) -> None:
    now = timezone.now()
    short = _note_shortages(token, now)
    first_time = changes is not None and token.last_synced_at is None
    facts = {"attempts": 0, "error": "", "paused_until": None}
    if changes is not None:
        name_assets(token, token.country or token.account.apple_store_country_code)
        again = EVERY if changes.is_certain else READ_AGAIN_AFTER
        again = min(again, WHEN_SHORT) if short else again
        # Whoever asked for a sync meanwhile gets another one.
        facts["last_synced_at"] = now
        facts["sync_due_at"] = Case(When(sync_due_at=sync_due_at, then=Value(now + again)), default=F("sync_due_at"))
    with holding(token):
        if changes is not None:
            log_synced(token, changes, is_first=first_time)
    release(token, **facts)


def _note_shortages(token: ContentToken, now: datetime) -> bool:
    """Say it once for each app that begins to be short. Returns whether any is."""
    short = shortages(token)
    over = token.assets.exclude(short_since=None).exclude(pk__in=short)
    begun = list(token.assets.filter(pk__in=short, short_since=None))
    names = names_of(begun) if begun else {}
    with holding(token):
        over.update(short_since=None)
        ContentAsset.objects.filter(pk__in=names).update(short_since=now)
        for asset in begun:
            emit(
                "licence.shortage",
                account_id=token.account_id,
                level=Level.WARNING,
                app=names[asset.pk],
                itunes_store_id=asset.adam_id,
                location=str(token),
                total=asset.total,
                waiting=short[asset.pk],
            )
    return bool(short)


def _fail(token: ContentToken, error: VppError) -> None:
    """Logged once for each time that it begins; shown until a turn succeeds."""
    if isinstance(error, ManagedElsewhere):
        # The next sync says by whom, and that nothing is given out until somebody wants it taken over.
        now = timezone.now()
        release(token, sync_due_at=now, paused_until=now + timedelta(seconds=FIRST_PAUSE))
        return
    is_final = isinstance(error, TokenRefused | Refused)
    wait = pause_seconds(
        token.attempts,
        first=REFUSED_PAUSE if is_final else FIRST_PAUSE,
        longest=LONGEST_PAUSE,
        asked_for=error.retry_after_seconds,
    )
    with holding(token):
        if token.error != str(error)[:500]:
            emit(
                "content_token.failed",
                account_id=token.account_id,
                level=Level.WARNING,
                content_token_id=token.pk,
                location=str(token),
                why=str(error),
            )
    release(
        token,
        attempts=min(token.attempts + 1, MOST_ATTEMPTS),
        error=str(error)[:500],
        paused_until=timezone.now() + timedelta(seconds=wait),
    )
