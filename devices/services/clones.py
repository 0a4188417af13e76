"""What copies of groups share: a name that is free, and the same profiles and attribute values."""

from django.db.models import QuerySet

from devices.models import AssignmentGroup, AttributeValue, DeviceGroup, ProfileAssignment
from devices.services.profiles import owner_field

MAX_NAME_LENGTH = 200


def free_name(rows: QuerySet, name: str) -> str:
    """name with the first number that none of the rows has yet: "Sales (1)", then "Sales (2)"."""
    taken = set(rows.filter(name__endswith=")").values_list("name", flat=True))
    number = 1
    while (copy := _numbered(name, number)) in taken:
        number += 1
    return copy


def copy_wishes(source: DeviceGroup | AssignmentGroup, target: DeviceGroup | AssignmentGroup) -> None:
    """Give target the profile assignments and attribute values of source, which is of the same kind."""
    owner = owner_field(source)
    of_source, of_target = {owner: source}, {"account_id": target.account_id, owner: target}
    profiles = ProfileAssignment.objects.filter(**of_source, profile__removed_at=None).order_by("pk")
    ProfileAssignment.objects.bulk_create(
        ProfileAssignment(profile_id=pk, **of_target) for pk in profiles.values_list("profile_id", flat=True)
    )
    values = AttributeValue.objects.filter(**of_source).order_by("pk")
    # Opened and sealed again: a ciphertext is bound to its row.
    AttributeValue.objects.bulk_create(
        AttributeValue(attribute_id=value.attribute_id, plain=value.plain, sealed=value.sealed, **of_target)
        for value in values
    )


def _numbered(name: str, number: int) -> str:
    suffix = f" ({number})"
    return name[: MAX_NAME_LENGTH - len(suffix)] + suffix
