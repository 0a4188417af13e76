"""Enrollment links, and invitations to them."""

from dataclasses import asdict

from devices.models import Device, DeviceGroup
from enrollment.models import Enrollment, Invitation, InvitationKind
from mdm.accounts.actors import Actor, Source
from mdm.accounts.models import Account
from tests.factories.accounts import make_account
from tests.factories.devices import make_default_group


def make_enrollment(
    account: Account | None = None, *, device: Device | None = None, group: DeviceGroup | None = None, **fields: object
) -> Enrollment:
    """A one-time link for that device, or a reusable one for that group (the default group when neither is given)."""
    owner = account or (device.account if device else group.account if group else make_account())
    group = group or (device.group if device else make_default_group(owner))
    return Enrollment.objects.create(account=owner, device=device, device_group=group, **fields)


def make_invitation(enrollment: Enrollment | None = None, **fields: object) -> Invitation:
    """One that waits to be sent by e-mail, ordered by a program."""
    enrollment = enrollment or make_enrollment()
    given = {
        "kind": InvitationKind.EMAIL,
        "contact": "anna@example.com",
        "actor": asdict(Actor(Source.API, "Munki")),
    }
    return Invitation.objects.create(account=enrollment.account, enrollment=enrollment, **given | fields)
