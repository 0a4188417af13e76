"""Who may enroll, and as which device: certificate, link and device must belong together, and a licence must be free."""

from dataclasses import dataclass

from django.db.models import Q

from devices.models import Device, DeviceState
from devices.services.groups import default_group
from devices.services.matching import make_device
from enrollment.models import DepDevice, Enrollment, IdentityCertificate
from enrollment.services.links import claim, revoke
from mdm.accounts.actors import DEVICE
from mdm.accounts.models import Account
from mdm.channels.models import Channel
from mdm.protocol.checkin import Authenticate


class Refused(Exception):
    """The device may not enroll; the text goes to the log."""


@dataclass(frozen=True)
class Caller:
    """Whose certificate signed the message: identity is None for a certificate of a trusted external CA."""

    account_id: int
    fingerprint: str
    identity: IdentityCertificate | None
    enrollment: Enrollment | None


def admit(account: Account, caller: Caller, message: Authenticate, known: Device | None) -> Device:
    """The row for this enrollment, claiming its link; not saved where it is new. known: the row of the same device.

    Raises Refused where certificate, invitation and device do not belong together.
    """
    identity, enrollment = caller.identity, caller.enrollment
    if identity and identity.device_id and not _came_by_link(identity, enrollment):
        # Renewed by an enrolled device, or used by one before: it speaks for that device only.
        if known is None or identity.device_id != known.pk:
            raise Refused("the certificate belongs to another device")
        return known
    if identity is None and _speaks_for_another(caller, message):
        raise Refused("the certificate belongs to another device")
    if enrollment is None:
        return known or make_device(account, message, default_group(account).pk)
    announced = enrollment.device
    if announced and announced.removed_at:
        raise Refused("the device was removed")
    if announced and _is_another(announced, enrollment, message):
        raise Refused("the link was made for another device")
    if not claim(enrollment, caller.fingerprint):
        raise Refused("the link is not valid any more")
    if announced is None:
        return _join(known, enrollment) or make_device(account, message, enrollment.device_group_id)
    if known is None or known.pk == announced.pk:
        return announced
    if announced.enrolled_at is not None:
        return known  # both have a past: with a new main board, a device may come with its old serial number
    return _fold(known, announced)


def _came_by_link(identity: IdentityCertificate, enrollment: Enrollment | None) -> bool:
    """Issued by a one-time link for the device that it awaits. What came after the link was spent are renewals."""
    if enrollment is None or enrollment.device_id != identity.device_id:
        return False
    return enrollment.spent_at is None or identity.created_at <= enrollment.spent_at


def _speaks_for_another(caller: Caller, message: Authenticate) -> bool:
    """A certificate of an external CA names no device: it belongs to the first one that used it."""
    bound = Channel.objects.filter(account_id=caller.account_id, fingerprint=caller.fingerprint)
    return bound.exclude(device_key=message.key.device_id).exists()


def _is_another(announced: Device, enrollment: Enrollment, message: Authenticate) -> bool:
    if enrollment.is_automated and message.serial_number:
        # Apple's lists name devices by their serial numbers; the UDID changes with the main board.
        return message.serial_number.strip().upper() != announced.serial_number.upper()
    present = announced.enrollment_id if message.key.is_user_enrollment else announced.udid
    return bool(present) and present != message.key.device_id


def _join(known: Device | None, enrollment: Enrollment) -> Device | None:
    """A known device that comes through a group's link moves to that group."""
    if known is not None and known.group_id != enrollment.device_group_id:
        known.group_id = enrollment.device_group_id
        known.save(update_fields=["group"])
    return known


def _fold(known: Device, announced: Device) -> Device:
    """A known device came with the link of a row that awaited a new one: the known row stays, name and group move."""
    for link in Enrollment.objects.filter(device=announced, spent_at=None, revoked_at=None):
        revoke(link, DEVICE)  # nobody is awaited any more, and the known row may have an open one of its own
    Enrollment.objects.filter(device=announced).update(device=known)
    DepDevice.objects.filter(device=announced).update(device=known)
    IdentityCertificate.objects.filter(device=announced).update(device=known)
    known.name, known.group = announced.name or known.name, announced.group
    known.save(update_fields=["name", "group"])
    announced.delete()
    return known


def give_to(device: Device, identity: IdentityCertificate) -> None:
    """The first device that uses a certificate has it for good. Raises Refused if another was quicker."""
    free = IdentityCertificate.objects.filter(Q(device=identity.device_id) | Q(device=device), pk=identity.pk)
    if not free.update(device=device):
        raise Refused("the certificate belongs to another device")


def check_licences(account: Account, device: Device) -> None:
    """Asked twice: at Authenticate, so that it is refused early, and at TokenUpdate, where a licence is taken."""
    if account.license_total is None or device.is_enrolled:
        return
    # The account row is the lock under which licences are counted.
    Account.objects.select_for_update(no_key=True).get(pk=account.pk)
    enrolled = Device.objects.for_account(account).filter(state=DeviceState.ENROLLED).count()
    if enrolled >= account.license_total:
        raise Refused(f"all {account.license_total} device licences of the account are in use")
