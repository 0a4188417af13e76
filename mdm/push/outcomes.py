"""What an answer, or its absence, means for the push. No ORM.

Source: Apple, "Handling notification responses from APNs".
"""

import json
import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

from mdm.push.http2 import Answer, NotProcessed, StreamFailed

MAX_RETRY_AFTER_SECONDS = 86400
TOKEN_REASONS = {"BadDeviceToken", "DeviceTokenNotForTopic", "ExpiredToken", "MissingDeviceToken", "Unregistered"}
CERTIFICATE_REASONS = {"BadCertificate", "BadCertificateEnvironment", "Forbidden"}


class CertificateUnusable(ValueError):
    """The push certificate or its key cannot be used at all; the sentence says why."""


class Kind(StrEnum):
    ACCEPTED = "accepted"
    TOKEN_DEAD = "token_dead"  # noqa: S105 (a word, not a secret)
    RETRY = "retry"
    CERTIFICATE_REJECTED = "certificate_rejected"
    REFUSED = "refused"


@dataclass(frozen=True)
class Outcome:
    """What became of the wake of this id.

    `status` is Apple's HTTP status, None without an answer. `retry_after_seconds` is the peer's wish, None if it named
    none. `token_dead_at` is when Apple learned it (410 only): a token reported by the device later than that is alive.
    """

    id: int
    kind: Kind
    status: int | None = None
    reason: str = ""
    apns_id: str = ""
    retry_after_seconds: int | None = None
    token_dead_at: datetime | None = None


def may_be_sent_again(result: Answer | BaseException) -> bool:
    """Whether the push certainly was not looked at, for a reason that another connection may cure."""
    return isinstance(result, NotProcessed) and result.peer_reason not in CERTIFICATE_REASONS


def outcome_of_result(wake_id: int, result: Answer | BaseException) -> Outcome:
    """`result` is what a request's future gave. Raises it again if it is neither an answer nor a failed stream."""
    if isinstance(result, Answer):
        return _answered(wake_id, result)
    if isinstance(result, StreamFailed):
        kind = Kind.CERTIFICATE_REJECTED if result.peer_reason in CERTIFICATE_REASONS else Kind.RETRY
        return Outcome(wake_id, kind, reason=result.peer_reason or str(result))
    raise result


def _answered(wake_id: int, answer: Answer) -> Outcome:
    try:
        told = json.loads(answer.body) if answer.body else {}
    except ValueError:
        told = {}
    told = told if isinstance(told, dict) else {}
    reason = str(told.get("reason", ""))[:100]
    return Outcome(
        wake_id,
        classify(answer.status, reason),
        status=answer.status,
        reason=reason,
        apns_id=answer.headers.get("apns-id", "")[:100],
        retry_after_seconds=_retry_after(answer.headers.get("retry-after", "")),
        token_dead_at=_milliseconds(told.get("timestamp")) if answer.status == 410 else None,
    )


def classify(status: int, reason: str) -> Kind:
    """Source: Apple, "Handling notification responses from APNs"."""
    if status == 200:
        return Kind.ACCEPTED
    if status == 410 or (status == 400 and reason in TOKEN_REASONS):
        return Kind.TOKEN_DEAD
    if status == 403:
        return Kind.CERTIFICATE_REJECTED
    if status == 429 or not 200 <= status < 500 or reason == "IdleTimeout":
        return Kind.RETRY
    return Kind.REFUSED


def outcome_of_failed_connection(wake_id: int, error: OSError | ValueError) -> Outcome:
    if isinstance(error, CertificateUnusable):
        return Outcome(wake_id, Kind.CERTIFICATE_REJECTED, reason=str(error))
    if isinstance(error, ssl.SSLCertVerificationError):
        return Outcome(wake_id, Kind.RETRY, reason=f"The server's certificate is not trusted: {error.verify_message}")
    if isinstance(error, ssl.SSLError) and _refuses_certificate(error.reason or ""):
        return Outcome(wake_id, Kind.CERTIFICATE_REJECTED, reason=f"The TLS handshake was refused: {error.reason}")
    if isinstance(error, TimeoutError):
        return Outcome(wake_id, Kind.RETRY, reason="No connection in time.")
    return Outcome(wake_id, Kind.RETRY, reason=f"No connection: {error}")


def _refuses_certificate(openssl_reason: str) -> bool:
    """Alerts about our certificate (RFC 8446, 6.2), as OpenSSL spells them: SSLV3_ALERT_CERTIFICATE_EXPIRED …"""
    return "ALERT" in openssl_reason and any(
        word in openssl_reason for word in ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED")
    )


def _retry_after(value: str) -> int | None:
    """Seconds from a Retry-After header in either form (RFC 9110, 10.2.3), bounded; None if absent or unreadable."""
    if value.isdecimal():
        return min(int(value[:10]), MAX_RETRY_AFTER_SECONDS)
    try:
        seconds = parsedate_to_datetime(value).timestamp() - time.time()
    except ValueError:
        return None
    return max(0, min(round(seconds), MAX_RETRY_AFTER_SECONDS))


def _milliseconds(value: object) -> datetime | None:
    if not isinstance(value, int) or not 0 <= value < 2**42:
        return None
    return datetime.fromtimestamp(value / 1000, UTC)
