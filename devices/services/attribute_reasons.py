"""Why an attribute has the value that it has for a device: every place that sets one, in the order in which they count."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from django.db.models import Q

from devices.models import AttributeValue, CustomAttribute, Device
from devices.services.memberships import assignment_groups_of


class Place(StrEnum):
    DEVICE = "device"
    DEVICE_GROUP = "device_group"
    ASSIGNMENT_GROUP = "assignment_group"
    ACCOUNT = "account"


@dataclass(frozen=True)
class Reason:
    """One place that has a value. value is empty for a secret one: it is opened only where somebody asks to see it."""

    place: Place
    value: str
    name: str = ""
    pk: int | None = None


@dataclass(frozen=True)
class Explained:
    """reasons: the first one counts, the others are overridden by it; none where the attribute has no value here."""

    attribute: CustomAttribute
    reasons: tuple[Reason, ...]

    @property
    def counts(self) -> Reason | None:
        return self.reasons[0] if self.reasons else None

    @property
    def overridden(self) -> tuple[Reason, ...]:
        return self.reasons[1:]

    @property
    def is_own(self) -> bool:
        return bool(self.reasons) and self.reasons[0].place is Place.DEVICE


def explain(device: Device) -> list[Explained]:
    """All attributes of the account, by name, as `devices.services.attributes` decides it. Three statements."""
    attributes = list(CustomAttribute.objects.filter(account_id=device.account_id).order_by("name", "pk"))
    if not attributes:
        return []
    groups = assignment_groups_of([device])[device.pk]
    rows = (
        AttributeValue.objects.filter(
            Q(device=device) | Q(device_group=device.group_id) | Q(assignment_group__in=list(groups)),
            attribute__in=attributes,
        )
        .select_related("device_group", "assignment_group")
        .order_by("pk")
    )
    set_where: dict[int, list[AttributeValue]] = defaultdict(list)
    for row in rows:
        set_where[row.attribute_id].append(row)
    return [Explained(attribute, tuple(_reasons(attribute, set_where[attribute.pk]))) for attribute in attributes]


def _reasons(attribute: CustomAttribute, rows: Iterable[AttributeValue]) -> Iterable[Reason]:
    for row in sorted(rows, key=_rank):
        yield _reason(row, "" if attribute.is_secret else row.value)
    if attribute.is_set:
        yield Reason(Place.ACCOUNT, "" if attribute.is_secret else attribute.value)


def _rank(row: AttributeValue) -> tuple[int, int, int]:
    if row.device_id:
        return (0, 0, 0)
    if row.device_group_id:
        return (1, 0, 0)
    return (2, row.assignment_group.priority, row.assignment_group_id)


def _reason(row: AttributeValue, value: str) -> Reason:
    if row.device_id:
        return Reason(Place.DEVICE, value)
    if row.device_group_id:
        return Reason(Place.DEVICE_GROUP, value, row.device_group.name, row.device_group_id)
    return Reason(Place.ASSIGNMENT_GROUP, value, row.assignment_group.name, row.assignment_group_id)
