"""Device licences: an account may enroll so many devices at once and no more.

Between a device's certificate and its first TokenUpdate a licence is neither free nor used. Such enrollments hold a
licence for RESERVATION: whoever asks for the last one meanwhile is told to wait (SCEP's PENDING) rather than refused.
"""

from datetime import timedelta
from enum import Enum

from django.utils import timezone

from devices.models import Device, DeviceState
from enrollment.models import Enrollment, IdentityCertificate
from mdm.accounts.models import Account

RESERVATION = timedelta(minutes=2)  # a real device enrolls within seconds of getting its certificate


class Licence(Enum):
    FREE = "free"
    BEING_TAKEN = "being taken"
    NONE_LEFT = "none left"


def has_room(enrollment: Enrollment) -> bool:
    """Whether a device may still come in by this link, as far as enrolled devices tell: for people, takes no lock."""
    total = enrollment.account.license_total
    return total is None or _needs_none(enrollment) or _enrolled(enrollment.account_id) < total


def licence_for(enrollment: Enrollment) -> Licence:
    """Whether one is free for a device that comes in by this link.

    Call in a transaction: the account's row stays locked until it ends, so that two cannot be given the last one.
    """
    if enrollment.account.license_total is None:
        return Licence.FREE
    total = (
        Account.objects.select_for_update(no_key=True)
        .values_list("license_total", flat=True)
        .get(pk=enrollment.account_id)
    )
    if total is None or _needs_none(enrollment):
        return Licence.FREE
    enrolled = _enrolled(enrollment.account_id)
    if enrolled >= total:
        return Licence.NONE_LEFT
    return Licence.FREE if enrolled + _reserved(enrollment) < total else Licence.BEING_TAKEN


def _needs_none(enrollment: Enrollment) -> bool:
    """A device that is enrolled already keeps its licence when it enrolls again."""
    return enrollment.device is not None and enrollment.device.state == DeviceState.ENROLLED


def _enrolled(account_id: int) -> int:
    return Device.objects.for_account(account_id).filter(state=DeviceState.ENROLLED).count()


def _reserved(enrollment: Enrollment) -> int:
    """Enrollments on their way; a one-time link that is tried again does not stand in its own way."""
    others = IdentityCertificate.objects.filter(
        account_id=enrollment.account_id,
        enrollment__isnull=False,
        revoked_at=None,
        created_at__gt=timezone.now() - RESERVATION,
    ).exclude(device__state=DeviceState.ENROLLED)
    if enrollment.is_one_time:
        others = others.exclude(enrollment=enrollment)
    return others.count()
