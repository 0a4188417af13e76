"""Lines of the log."""

from devices.models import Device
from mdm.accounts.actors import SYSTEM, Actor
from mdm.accounts.models import Account
from mdm.events.models import Event
from mdm.events.services import emit
from tests.factories.accounts import make_account


def make_event(
    account: Account | None = None,
    event_type: str = "device.updated",
    *,
    device: Device | None = None,
    actor: Actor = SYSTEM,
    **metadata: object,
) -> Event:
    owner = account or (device.account if device else make_account())
    return emit(event_type, account_id=owner.pk, actor=actor, device=device, **metadata)
