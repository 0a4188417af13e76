"""Enrollment links: making them, taking them back, and letting exactly one device through a one-time link."""

from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from devices.models import Device, DeviceGroup
from devices.services import devices as device_services
from enrollment.models import Enrollment
from enrollment.services.errors import EnrollmentError
from mdm.accounts.actors import Actor
from mdm.accounts.models import Account, User
from mdm.events.services import emit

MAX_CODE_LENGTH = 64


def create_device_with_link(
    account: Account, *, name: str, group: DeviceGroup | None = None, actor: Actor, created_by: User | None = None
) -> tuple[Device, Enrollment]:
    """A device that awaits enrollment, and the one-time link by which it comes in. Raises DeviceError."""
    with transaction.atomic():
        device = device_services.create_device(account, name=name, group=group, actor=actor)
        return device, _create(device=device, group=device.group, actor=actor, created_by=created_by)


def link_for_device(device: Device, actor: Actor, *, created_by: User | None = None) -> Enrollment:
    """The device's open one-time link, or a new one (also for a device that is to enroll again).

    Raises EnrollmentError for a device that was removed.
    """
    if device.removed_at:
        raise EnrollmentError("This device was removed; add it again to enroll it.")
    unused = Enrollment.objects.filter(device=device, spent_at=None, revoked_at=None, is_automated=False)
    present = unused.first()
    if present and not present.why_closed:
        return present
    try:
        with transaction.atomic():
            if present:
                revoke(present, actor)  # it ran out: only one unused link may stand for a device
            return _create(device=device, group=device.group, actor=actor, created_by=created_by)
    except IntegrityError:
        return unused.get()  # somebody else made one at the same moment


def link_for_group(
    group: DeviceGroup,
    *,
    name: str = "",
    expires_at: datetime | None = None,
    actor: Actor,
    created_by: User | None = None,
) -> Enrollment:
    """A new reusable link: every device that comes in by it belongs to the group."""
    with transaction.atomic():
        return _create(group=group, name=name, expires_at=expires_at, actor=actor, created_by=created_by)


def revoke(enrollment: Enrollment, actor: Actor) -> bool:
    """Close a link for good; devices that came in by it stay. False if it was revoked before."""
    with transaction.atomic():
        now = timezone.now()
        done = Enrollment.objects.filter(pk=enrollment.pk, revoked_at=None).update(revoked_at=now)
        if done:
            enrollment.revoked_at = now
            emit(
                "enrollment.revoked",
                account_id=enrollment.account_id,
                actor=actor,
                device=enrollment.device,
                enrollment_id=enrollment.pk,
                name=enrollment.name,
            )
    return bool(done)


def find(code: str) -> Enrollment | None:
    """The enrollment with that code, open or closed, with account, device and group loaded.

    Not those of automated enrollment: nobody was given their URL.
    """
    if not 0 < len(code) <= MAX_CODE_LENGTH or "\x00" in code:
        return None
    links = Enrollment.objects.select_related("account", "device", "device_group", "created_by")
    return links.filter(code=code, is_automated=False).first()


def why_closed(enrollment: Enrollment) -> str:
    """Like `Enrollment.why_closed`, and 'revoked' when its device was removed."""
    if enrollment.device is not None and enrollment.device.removed_at:
        return "revoked"
    return enrollment.why_closed


def enrollment_url(device: Device) -> str | None:
    """URL of the device's open one-time link. Lists prefetch `enrollments`, then this asks nothing more."""
    links = (link for link in device.enrollments.all() if not link.is_automated)
    return next((link.url for link in links if not link.why_closed), None)


def remove_device(device: Device, actor: Actor) -> None:
    """Remove the device from management and close its links."""
    with transaction.atomic():
        device_services.remove_device(device, actor)
        for enrollment in Enrollment.objects.filter(device=device, spent_at=None, revoked_at=None):
            revoke(enrollment, actor)


def claim(enrollment: Enrollment, fingerprint: str) -> bool:
    """Let the device with that identity certificate in. True again for whoever holds a one-time link already.

    One UPDATE decides, so that of any number of simultaneous callers exactly one gets a one-time link.
    """
    now = timezone.now()
    is_current = Q(expires_at=None) | Q(expires_at__gt=now)
    open_link = Enrollment.objects.filter(is_current, pk=enrollment.pk, revoked_at=None)
    if not enrollment.is_one_time:
        # Read a moment ago, and nobody has to be kept out: what the row says is enough.
        return not enrollment.why_closed
    if open_link.filter(spent_at=None).update(spent_at=now, spent_fingerprint=fingerprint):
        enrollment.spent_at, enrollment.spent_fingerprint = now, fingerprint
        return True
    return Enrollment.objects.filter(pk=enrollment.pk, revoked_at=None, spent_fingerprint=fingerprint).exists()


def _create(
    *,
    group: DeviceGroup,
    actor: Actor,
    created_by: User | None,
    device: Device | None = None,
    name: str = "",
    expires_at: datetime | None = None,
) -> Enrollment:
    enrollment = Enrollment.objects.create(
        account_id=group.account_id,
        device=device,
        device_group=group,
        name=name,
        expires_at=expires_at,
        created_by=created_by,
    )
    emit(
        "enrollment.created",
        account_id=group.account_id,
        actor=actor,
        device=device,
        enrollment_id=enrollment.pk,
        device_group=group.name,
        one_time=enrollment.is_one_time,
    )
    return enrollment
