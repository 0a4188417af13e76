"""Custom attributes and their values."""

from devices.models import AssignmentGroup, AttributeValue, CustomAttribute, Device, DeviceGroup
from devices.services.attribute_rows import new_row
from mdm.accounts.models import Account
from tests.factories.accounts import make_account
from tests.factories.numbers import number


def make_attribute(
    account: Account | None = None, name: str = "", *, default: str = "", secret: bool = False
) -> CustomAttribute:
    attribute = CustomAttribute(account=account or make_account(), name=name or f"attribute_{number()}")
    attribute.is_secret = secret
    attribute.set_value(default, is_secret=secret)
    attribute.save()
    return attribute


def make_attribute_value(
    owner: Device | DeviceGroup | AssignmentGroup, attribute: CustomAttribute, value: str = "set"
) -> AttributeValue:
    row = new_row(owner, attribute, value)
    row.save()
    return row
