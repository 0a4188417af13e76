"""Rows of attribute values: whose they are, locking, finding and replacing them."""

from collections.abc import Collection, Iterable, Sequence

from devices.models import AssignmentGroup, AttributeValue, CustomAttribute, Device, DeviceGroup
from devices.services.errors import NotPossible
from mdm.common.batches import batches

Owner = Device | DeviceGroup | AssignmentGroup

# Whose value it is, and the column that says so.
_COLUMNS: dict[type[Owner], str] = {
    Device: "device",
    DeviceGroup: "device_group",
    AssignmentGroup: "assignment_group",
}
_ROWS_AT_ONCE = 500  # a value may be long


def column_of(owner: Owner) -> str:
    return _COLUMNS[type(owner)]


def new_row(owner: Owner, attribute: CustomAttribute, value: str) -> AttributeValue:
    """Not yet stored."""
    row = AttributeValue(account_id=owner.account_id, attribute=attribute, **{column_of(owner): owner})
    row.set_value(value, is_secret=attribute.is_secret)
    return row


def locked(pks: Collection[int]) -> dict[int, CustomAttribute]:
    """The attributes as they are now, until the end of the transaction: none becomes secret while a value is written.

    Raises NotPossible when one was deleted meanwhile.
    """
    rows = CustomAttribute.objects.select_for_update(no_key=True).filter(pk__in=pks).order_by("pk")
    found = {attribute.pk: attribute for attribute in rows}
    if len(found) < len(pks):
        raise NotPossible("The custom attribute was deleted meanwhile.")
    return found


def stored(owners: Iterable[Owner], attributes: Collection[int]) -> dict[tuple[int, int], AttributeValue]:
    """(pk of the owner, pk of the attribute) → the row, where there is one. The owners are of one kind."""
    by_pk = {owner.pk: owner for owner in owners}
    found = {}
    for some in batches(list(by_pk)):
        column = column_of(by_pk[some[0]])
        for row in AttributeValue.objects.filter(attribute__in=attributes, **{f"{column}__in": some}):
            found[getattr(row, f"{column}_id"), row.attribute_id] = row
    return found


def replace(old: Sequence[int], new: Sequence[AttributeValue]) -> None:
    """In few statements: one can insert many encrypted values, but not update them."""
    for some in batches(old):
        AttributeValue.objects.filter(pk__in=some).delete()
    AttributeValue.objects.bulk_create(new, batch_size=_ROWS_AT_ONCE)


def move_values(attribute: CustomAttribute) -> None:
    """Into the column in which its `is_secret` wants them. The attribute is locked by the caller."""
    pks = list(AttributeValue.objects.filter(attribute=attribute).values_list("pk", flat=True))
    for some in batches(pks, _ROWS_AT_ONCE):
        rows = list(AttributeValue.objects.filter(pk__in=some))
        for row in rows:
            row.set_value(row.value, is_secret=attribute.is_secret)
            row.pk = None
        replace(some, rows)
