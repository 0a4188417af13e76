"""Enrollment links."""

from devices.models import Device, DeviceGroup
from enrollment.models import Enrollment
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
