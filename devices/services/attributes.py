"""Custom attributes: defining them, setting values, and which value counts where.

Of a device that is its own value, else that of its device group, else that of the first of its assignment groups that has
one (lowest priority number, then lowest id), else the default of the account. An empty text is no value: setting it takes
back the one that was there.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Lower

from devices.models import AttributeValue, CustomAttribute, Device
from devices.services.attribute_rows import Owner, column_of, locked, move_values, new_row, replace, stored
from devices.services.due import mark_due, mark_owner_due
from devices.services.errors import NotPossible
from devices.services.memberships import Memberships, assignment_groups_of
from mdm.accounts.actors import Actor
from mdm.accounts.models import Account
from mdm.common.batches import batches
from mdm.events.models import Event
from mdm.events.services import build, emit, emit_many

MAX_VALUE_BYTES = 64 * 1024
MAX_NAME_LENGTH = 255
_NAME = re.compile(r"[A-Za-z0-9_]+")


class ValueSource(StrEnum):
    """Where a value that counts was set."""

    DEVICE = "device"
    GROUP = "group"
    ACCOUNT = "account"


class Effective(NamedTuple):
    """The value that counts: a plain text, or the row that holds an encrypted one, opened when `value` is asked for."""

    plain: str
    sealed: CustomAttribute | AttributeValue | None
    source: ValueSource
    is_secret: bool

    @property
    def value(self) -> str:
        return self.sealed.sealed if self.sealed else self.plain

    @property
    def is_set(self) -> bool:
        return bool(self.plain or self.sealed)


_Values = dict[int, dict[str, Effective]]


# --- Definitions ------------------------------------------------------------------------------------------------------
def named(attributes: QuerySet[CustomAttribute], *names: str) -> QuerySet[CustomAttribute]:
    """Those with these names, whatever their case."""
    return attributes.alias(folded_name=Lower("name")).filter(folded_name__in=[name.lower() for name in names])


def create_attribute(
    account: Account, *, name: str, default_value: str = "", is_secret: bool = False, actor: Actor
) -> CustomAttribute:
    """Raises NotPossible for a name that is taken or not made of letters, digits and underscores, or too long a default."""
    if not _NAME.fullmatch(name) or len(name) > MAX_NAME_LENGTH:
        raise NotPossible(
            "The name of a custom attribute is made of letters from a to z, digits and underscores, "
            f"{MAX_NAME_LENGTH} at most."
        )
    attribute = CustomAttribute(account=account, name=name, is_secret=is_secret)
    attribute.set_value(_checked(default_value), is_secret=is_secret)
    try:
        with transaction.atomic():
            attribute.save()
            emit("custom_attribute.created", account_id=account.pk, actor=actor, name=name, secret=is_secret)
            _mark_account_due(account.pk, attribute, actor)
    except IntegrityError as error:
        raise NotPossible(f"There is a custom attribute called {name} already.") from error
    return attribute


def change_attribute(
    attribute: CustomAttribute, *, default_value: str | None = None, is_secret: bool | None = None, actor: Actor
) -> CustomAttribute:
    """None leaves it as it is. A change of is_secret moves default and values between the plain and the encrypted column.

    Raises NotPossible for too long a default, or when somebody deleted the attribute meanwhile.
    """
    with transaction.atomic():
        attribute = locked([attribute.pk])[attribute.pk]
        old_value = attribute.value
        value = old_value if default_value is None else _checked(default_value)
        changed = ["default_value"] if value != old_value else []
        if is_secret is not None and is_secret != attribute.is_secret:
            changed.append("secret")
            attribute.is_secret = is_secret
            move_values(attribute)
        if not changed:
            return attribute
        attribute.set_value(value, is_secret=attribute.is_secret)
        attribute.save(update_fields=["is_secret", "plain", "sealed"])
        emit(
            "custom_attribute.updated",
            account_id=attribute.account_id,
            actor=actor,
            name=attribute.name,
            changed=changed,
            secret=attribute.is_secret,
        )
        if value != old_value:
            _mark_account_due(attribute.account_id, attribute, actor)
    return attribute


def delete_attribute(attribute: CustomAttribute, actor: Actor) -> None:
    """With all its values. Raises NotPossible when somebody else was faster."""
    with transaction.atomic():
        attribute = locked([attribute.pk])[attribute.pk]
        emit("custom_attribute.removed", account_id=attribute.account_id, actor=actor, name=attribute.name)
        attribute.delete()
        _mark_account_due(attribute.account_id, attribute, actor)


# --- Setting values ---------------------------------------------------------------------------------------------------
def set_value(owner: Owner, attribute: CustomAttribute, value: str, actor: Actor) -> bool:
    """See `set_values`. False if it had that value before."""
    return bool(set_values([(owner, attribute, value)], actor))


def set_values(wanted: Iterable[tuple[Owner, CustomAttribute, str]], actor: Actor) -> int:
    """Set several values, all or none. The owners are of one kind; of a pair that comes twice the last value counts.

    Returns how many changed: those are logged, without the value, and their devices marked. The attributes stay locked
    until the end of the transaction, so call it before the transaction changes rows of devices.
    Raises NotPossible for too long a value, or when somebody deleted an attribute meanwhile.
    """
    latest = {(owner.pk, attribute.pk): (owner, _checked(value)) for owner, attribute, value in wanted}
    if not latest:
        return 0
    with transaction.atomic():
        attributes = locked({attribute_pk for _, attribute_pk in latest})
        old = stored([owner for owner, _ in latest.values()], attributes)
        changes = [
            (old.get(key), owner, attributes[key[1]], value)
            for key, (owner, value) in latest.items()
            if value != (old[key].value if key in old else "")
        ]
        replace(
            [row.pk for row, _, _, _ in changes if row],
            [new_row(owner, attribute, value) for _, owner, attribute, value in changes if value],
        )
        emit_many(_value_set(owner, attribute, value, actor) for _, owner, attribute, value in changes)
        _mark_owners_due({owner.pk: owner for _, owner, _, _ in changes}, actor)
    return len(changes)


def _value_set(owner: Owner, attribute: CustomAttribute, value: str, actor: Actor) -> Event:
    return build(
        "custom_attribute.value_set",
        account_id=owner.account_id,
        actor=actor,
        device=owner if isinstance(owner, Device) else None,
        metadata={"name": attribute.name, f"{column_of(owner)}_id": owner.pk, "cleared": not value},
    )


def _checked(value: str) -> str:
    if len(value.encode()) > MAX_VALUE_BYTES:
        raise NotPossible(f"The value of a custom attribute may have {MAX_VALUE_BYTES} bytes at most.")
    return value


def _mark_account_due(account_id: int, attribute: CustomAttribute, actor: Actor) -> None:
    mark_due(Device.objects.filter(account_id=account_id), why=f"Change the attribute {attribute.name}", actor=actor)


def _mark_owners_due(owners: Mapping[int, Owner], actor: Actor) -> None:
    if not all(isinstance(owner, Device) for owner in owners.values()):
        for owner in owners.values():
            mark_owner_due(owner, why=f"Change attributes of {owner}", actor=actor)
        return
    for some in batches(sorted(owners)):
        mark_due(Device.objects.filter(pk__in=some), why="Change attributes of devices", actor=actor)


# --- Which value counts -----------------------------------------------------------------------------------------------
def default_of(attribute: CustomAttribute) -> Effective:
    sealed = attribute if attribute.is_set and not attribute.plain else None
    return Effective(attribute.plain, sealed, ValueSource.ACCOUNT, attribute.is_secret)


def values_of(owner: Owner, attributes: Sequence[CustomAttribute] | None = None) -> dict[str, Effective]:
    """Name → value, in the order of the attributes. Without attributes: all of the account, unset ones included."""
    if isinstance(owner, Device):
        return values_for([owner], attributes=attributes)[owner.pk]
    attributes = _attributes({owner.account_id}) if attributes is None else attributes
    own = {name: value for _, name, value in _set_values(Q(**{column_of(owner): owner}), attributes)}
    return _defaults(attributes)[owner.account_id] | own


def values_for(
    devices: Sequence[Device],
    *,
    attributes: Sequence[CustomAttribute] | None = None,
    groups: Memberships | None = None,
) -> dict[int, dict[str, Effective]]:
    """Device pk → as `values_of`. Three statements, less with what is known; at most a few thousand devices at once.

    groups: the assignment groups of the devices, see `assignment_groups_of`.
    """
    if attributes is None:
        attributes = _attributes({device.account_id for device in devices})
    if not attributes:
        return {device.pk: {} for device in devices}
    groups = assignment_groups_of(devices) if groups is None else groups
    owners = (
        Q(device__in=[device.pk for device in devices])
        | Q(device_group__in={device.group_id for device in devices})
        | Q(assignment_group__in=set().union(*groups.values()))
    )
    of_device: _Values = defaultdict(dict)
    of_device_group: _Values = defaultdict(dict)
    of_assignment_group: _Values = defaultdict(dict)
    priorities: dict[int, int] = {}
    for owner, name, value in _set_values(owners, attributes):
        if owner.device:
            of_device[owner.device][name] = value
        elif owner.device_group:
            of_device_group[owner.device_group][name] = value
        else:
            of_assignment_group[owner.assignment_group][name] = value
            priorities[owner.assignment_group] = owner.priority
    defaults = _defaults(attributes)
    found = {}
    for device in devices:
        values = dict(defaults[device.account_id])
        joined = priorities.keys() & groups.get(device.pk, ())
        # Each overrides those before it.
        for pk in sorted(joined, key=lambda pk: (priorities[pk], pk), reverse=True):
            values |= of_assignment_group[pk]
        found[device.pk] = values | of_device_group.get(device.group_id, {}) | of_device.get(device.pk, {})
    return found


class _OwnerPk(NamedTuple):
    """One of the three, and the priority of an assignment group."""

    device: int | None
    device_group: int | None
    assignment_group: int | None
    priority: int | None


def _set_values(owners: Q, attributes: Sequence[CustomAttribute]) -> Iterator[tuple[_OwnerPk, str, Effective]]:
    """Whose, name, value: as tuples, since building a model for each of a page's values takes longer than all the rest."""
    by_pk = {attribute.pk: attribute for attribute in attributes}
    owner = ("device", "device_group", "assignment_group", "assignment_group__priority")
    rows = AttributeValue.objects.filter(owners, attribute__in=attributes)
    for attribute_pk, plain, sealed, secret_id, *pks in rows.values_list(
        "attribute", "plain", "sealed", "secret_id", *owner
    ):
        attribute = by_pk[attribute_pk]
        row = AttributeValue(sealed=sealed, secret_id=secret_id) if sealed else None
        source = ValueSource.DEVICE if pks[0] else ValueSource.GROUP
        yield _OwnerPk(*pks), attribute.name, Effective(plain, row, source, attribute.is_secret)


def _attributes(account_ids: Collection[int]) -> list[CustomAttribute]:
    return list(CustomAttribute.objects.filter(account__in=account_ids).order_by("pk"))


def _defaults(attributes: Iterable[CustomAttribute]) -> _Values:
    found: _Values = defaultdict(dict)
    for attribute in attributes:
        found[attribute.account_id][attribute.name] = default_of(attribute)
    return found
