"""SCEP challenges: a password for exactly one certificate."""

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from devices.models import Device
from enrollment.models import Enrollment, IdentityCertificate, ScepChallenge
from mdm.common.tokens import digest, new_token

KEPT = timedelta(days=30)  # a client that lost its answer may still ask again; then the row has no use


def challenge_for_enrollment(enrollment: Enrollment) -> str:
    """A fresh challenge for whoever comes in by this link."""
    return _new(account_id=enrollment.account_id, enrollment=enrollment)


def challenge_for_device(device: Device) -> str:
    """A fresh challenge by which an enrolled device renews its certificate."""
    return _new(account_id=device.account_id, device=device)


def find_challenge(account_id: int, challenge: str | None) -> ScepChallenge | None:
    """The challenge of that account, used or not; another account's is unknown here."""
    if not challenge:
        return None
    related = ("account", "enrollment__account", "enrollment__device", "device", "certificate")
    return (
        ScepChallenge.objects.select_related(*related).filter(account_id=account_id, digest=digest(challenge)).first()
    )


def spend(challenge: ScepChallenge, identity: IdentityCertificate) -> bool:
    """Bind the challenge to the certificate it paid for. False if it was used or ran out: of several callers one wins."""
    now = timezone.now()
    unused = ScepChallenge.objects.filter(pk=challenge.pk, used_at=None, expires_at__gt=now)
    return bool(unused.update(used_at=now, certificate=identity))


def forget_old_challenges() -> int:
    """Delete what ran out long ago. Returns how many."""
    return ScepChallenge.objects.filter(expires_at__lt=timezone.now() - KEPT).delete()[0]


def _new(**owner: object) -> str:
    challenge = new_token(24)
    lifetime = timedelta(seconds=settings.CHALLENGE_LIFETIME_SECONDS)
    ScepChallenge.objects.create(digest=digest(challenge), expires_at=timezone.now() + lifetime, **owner)
    return challenge
