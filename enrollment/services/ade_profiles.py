"""The enrollment profile for a device that Apple's list names: made for it alone, usable once and not for long."""

from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from devices.models import Device
from enrollment.models import DepDevice, Enrollment
from enrollment.services.ade import Arrival, NoLicenceLeft, SignInRequired, Unrecognized, log, require_version
from enrollment.services.dep_devices import follow_page
from enrollment.services.licences import has_room
from enrollment.services.profile import enrollment_profile
from mdm.accounts.actors import DEVICE, Actor
from mdm.events.models import Level

LIFETIME = timedelta(hours=1)  # a device goes on at once, and asks again otherwise
KEPT = timedelta(days=30)
NAME = "Automated enrollment"


def profile_for(arrival: Arrival) -> bytes:
    """The signed profile, for settings that ask nobody to sign in. Raises AdeRefused."""
    if arrival.settings.requires_sign_in:
        facts = {"level": Level.WARNING, "why": "nobody has signed in", "device": arrival.listed.device}
        log("ade.refused", arrival.settings, arrival.info, **facts)
        raise SignInRequired("Somebody has to sign in on this device before it can be set up.")
    require_version(arrival)
    return hand_out(arrival)


def hand_out(arrival: Arrival, *, actor: Actor = DEVICE) -> bytes:
    """A new profile; those handed out before are void. The device gets its row first, if it has none.

    Raises NoLicenceLeft, with a line in the log.
    """
    try:
        with transaction.atomic():
            enrollment = _invite(device_of(arrival), arrival, actor)
    except NoLicenceLeft:
        log("ade.refused", arrival.settings, arrival.info, level=Level.WARNING, why="all device licences are in use")
        raise
    # Signed outside of the transaction: it takes time and needs no lock.
    return enrollment_profile(enrollment)


def device_of(arrival: Arrival) -> Device:
    """The device's row, locked: that of the list, or the one with its serial number, or a new one.

    Call in a transaction. Raises Unrecognized for a device that went from the list a moment ago.
    """
    server = arrival.settings.server
    listed = server.dep_devices.filter(pk=arrival.listed.pk)
    if not (device := _locked(listed)):
        follow_page(server, [arrival.listed.serial_number])
        device = _locked(listed)
    if device is None:
        raise Unrecognized("This device is no longer known to the organization that it was bought for.")
    return device


def _locked(listed: QuerySet[DepDevice]) -> Device | None:
    devices = Device.objects.filter(pk__in=listed.values("device"), removed_at=None)
    return devices.select_for_update(no_key=True).first()


def forget_unused() -> int:
    """Delete those that nobody came in by, long after they ran out. Returns how many."""
    old = Enrollment.objects.filter(is_automated=True, spent_at=None, expires_at__lt=timezone.now() - KEPT)
    return old.filter(identities=None).delete()[0]


def _invite(device: Device, arrival: Arrival, actor: Actor) -> Enrollment:
    """The device is locked, so that of two requests at once the later one's profile counts."""
    account, now = arrival.settings.account, timezone.now()
    enrollment = Enrollment(
        account=account,
        device=device,
        device_group_id=device.group_id,
        is_automated=True,
        name=NAME,
        expires_at=now + LIFETIME,
    )
    if not has_room(enrollment):
        raise NoLicenceLeft(f"{account.name} has enrolled as many devices as its licences allow.")
    former = Enrollment.objects.filter(device=device, is_automated=True, spent_at=None, revoked_at=None)
    replaced = former.update(revoked_at=now)
    enrollment.save(force_insert=True)
    facts = {"enrollment_id": enrollment.pk, "os_version": arrival.info.os_version, "replaces": replaced}
    log("ade.profile_sent", arrival.settings, arrival.info, actor=actor, device=device, **facts)
    return enrollment
