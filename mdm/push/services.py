"""Sending the pushes that are due. Rows say what is due; a claim is a lease, so a lost worker delays a push and loses none."""

import logging
import time
from collections import Counter, defaultdict
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Min
from django.utils import timezone

from mdm.channels.models import Channel
from mdm.common.pauses import pause_seconds
from mdm.events.models import Level
from mdm.events.services import emit
from mdm.push.apns import Credentials, Kind, Outcome, Pusher, Wake
from mdm.push.models import PushCertificate

BATCH = 500
LEASE = timedelta(minutes=2)
TIMEOUT_SECONDS = 20.0
FIRST_RETRY_SECONDS = 30
LONGEST_RETRY_SECONDS = 3600
REJECTED_RETRY = timedelta(minutes=15)
NO_CERTIFICATE = "The account has no push certificate."

logger = logging.getLogger("pomona.push")
pusher = Pusher()


def send_due() -> int:
    """Send every push that is due, in batches, until none is left. Returns how many were tried."""
    total = 0
    while claimed := claim_due():
        for account_id, channels in _by_account(claimed).items():
            try:
                push_channels(account_id, channels)
            except Exception:  # one account's trouble delays nobody else; the lease ends and it is tried again
                logger.exception("the pushes of account %s could not be sent", account_id)
        total += len(claimed)
    return total


def seconds_to_next() -> float | None:
    """How long until the next push is due; None if none is."""
    now = timezone.now()
    soonest = Channel.objects.filter(push_due_at__gt=now).aggregate(at=Min("push_due_at"))["at"]
    return (soonest - now).total_seconds() if soonest else None


def claim_due(limit: int = BATCH) -> list[Channel]:
    """Take due channels for this worker: their `push_due_at` becomes the end of the lease. Others skip them meanwhile."""
    now = timezone.now()
    with transaction.atomic():
        channels = list(
            Channel.objects.filter(push_due_at__lte=now)
            .order_by("push_due_at")
            .select_for_update(skip_locked=True, of=("self",))
            .select_related("device")[:limit]
        )
        lease = now + LEASE
        Channel.objects.filter(pk__in=[channel.pk for channel in channels]).update(push_due_at=lease)
    for channel in channels:
        channel.push_due_at = lease
    return channels


def push_channels(account_id: int, channels: list[Channel]) -> list[Outcome]:
    """Send to channels claimed before, all of one account, and keep what APNs said of each."""
    certificate = PushCertificate.objects.filter(account_id=account_id).first()
    if certificate is None:
        _finish(channels, push_due_at=None, push_error=NO_CERTIFICATE)
        return []
    wakes = [Wake(channel.pk, channel.topic, bytes(channel.push_token), channel.push_magic) for channel in channels]
    credentials = Credentials(certificate.topic, certificate.certificate_pem.encode(), certificate.key_pem.encode())
    begin = time.monotonic()
    outcomes = pusher.send(
        credentials,
        wakes,
        base_url=settings.APNS_URL,
        ca_file=settings.APNS_CA_FILE or None,
        timeout=TIMEOUT_SECONDS,
    )
    _log(account_id, outcomes, time.monotonic() - begin)
    record_outcomes(certificate, {channel.pk: channel for channel in channels}, outcomes)
    return outcomes


def _log(account_id: int, outcomes: list[Outcome], seconds: float) -> None:
    """One line for each batch, like those of other services (`mdm/common/peers.py`)."""
    counts = Counter(outcome.kind.name.lower() for outcome in outcomes)
    level = logging.INFO if counts.keys() <= {"accepted"} else logging.WARNING
    told = " ".join(f"{kind}={count}" for kind, count in sorted(counts.items()))
    logger.log(level, "peer='APNs' account=%s pushes=%s %s ms=%.0f", account_id, len(outcomes), told, seconds * 1000)


def record_outcomes(certificate: PushCertificate, channels: dict[int, Channel], outcomes: list[Outcome]) -> None:
    """Keep what APNs said. Accepted ones, the usual case, are one statement."""
    now = timezone.now()
    accepted = [channels[outcome.id] for outcome in outcomes if outcome.kind == Kind.ACCEPTED]
    with transaction.atomic():
        _finish(accepted, push_due_at=None, push_attempts=0, last_push_at=now, push_error="")
        for outcome in outcomes:
            channel = channels[outcome.id]
            match outcome.kind:
                case Kind.TOKEN_DEAD:
                    _token_is_dead(channel, outcome, now)
                case Kind.RETRY:
                    wait = retry_seconds(channel.push_attempts, outcome.retry_after_seconds)
                    due = now + timedelta(seconds=wait)
                    _finish(
                        [channel],
                        push_due_at=due,
                        push_attempts=F("push_attempts") + 1,
                        push_error=outcome.reason[:200],
                    )
                case Kind.CERTIFICATE_REJECTED:
                    _finish([channel], push_due_at=now + REJECTED_RETRY, push_error=outcome.reason[:200])
                case Kind.REFUSED:
                    _finish([channel], push_due_at=None, push_error=outcome.reason[:200])
        rejected = [outcome for outcome in outcomes if outcome.kind == Kind.CERTIFICATE_REJECTED]
        if rejected:
            _certificate_is_rejected(certificate, rejected[0].reason, now)
        elif accepted and certificate.rejected_at:
            PushCertificate.objects.filter(pk=certificate.pk).update(rejected_at=None, rejected_reason="")


def retry_seconds(attempts: int, asked_for: float | None) -> float:
    """Doubling from half a minute to an hour; APNs' own Retry-After is obeyed if it is longer."""
    return pause_seconds(attempts, first=FIRST_RETRY_SECONDS, longest=LONGEST_RETRY_SECONDS, asked_for=asked_for or 0)


def _finish(channels: list[Channel], **changes: object) -> None:
    """Only while our lease stands: a push asked for during the sending keeps its own time."""
    if channels:
        Channel.objects.filter(pk__in=[c.pk for c in channels], push_due_at=channels[0].push_due_at).update(**changes)


def _token_is_dead(channel: Channel, outcome: Outcome, now: datetime) -> None:
    """Until the device brings a new token with TokenUpdate it cannot be woken."""
    # A token that was replaced while the push was on its way is alive.
    changed = Channel.objects.filter(pk=channel.pk, push_token=channel.push_token).update(
        push_due_at=None, push_token_dead_at=now, push_error=outcome.reason[:200]
    )
    if changed:
        emit(
            "push.token_dead",
            account_id=channel.account_id,
            device=channel.device,
            level=Level.WARNING,
            reason=outcome.reason,
        )


def _certificate_is_rejected(certificate: PushCertificate, reason: str, now: datetime) -> None:
    """Shown on the dashboard until APNs accepts a push again; logged once for each time it begins."""
    mine = PushCertificate.objects.filter(pk=certificate.pk)
    # The row decides, not our copy of it: another worker may have logged it meanwhile.
    is_first = mine.filter(rejected_at=None).update(rejected_at=now, rejected_reason=reason[:200])
    if not is_first:
        mine.update(rejected_at=now, rejected_reason=reason[:200])
    else:
        emit("push_certificate.rejected", account_id=certificate.account_id, level=Level.ERROR, reason=reason)


def _by_account(channels: list[Channel]) -> dict[int, list[Channel]]:
    groups: dict[int, list[Channel]] = defaultdict(list)
    for channel in channels:
        groups[channel.account_id].append(channel)
    return groups
