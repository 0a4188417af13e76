"""Operations, and the devices that they have still to reach."""

from devices.models import BulkOperation, Device, DueDevice
from mdm.accounts.actors import Source
from mdm.accounts.models import Account
from tests.factories.accounts import make_account
from tests.factories.numbers import number


def make_operation(account: Account | None = None, *, left: tuple[Device, ...] = (), **fields: object) -> BulkOperation:
    """left: devices of the account that it has not reached."""
    values = {"title": f"Change {number()}", "total": 10, "pushes_per_second": 100}
    values |= {"actor_label": "ann@example.com", "source": Source.ADMIN}
    operation = BulkOperation.objects.create(account=account or make_account(), **(values | fields))
    for device in left:
        DueDevice.objects.create(account=operation.account, device=device, operation=operation)
    return operation
