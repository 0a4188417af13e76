"""What uses a custom attribute, and on how many devices a change of its values would be seen."""

from dataclasses import dataclass

from django.db.models import OuterRef, Q, QuerySet

from devices.models import (
    AttributeValue,
    CustomAttribute,
    Device,
    DeviceState,
    Profile,
    ProfileInstall,
    Script,
)
from devices.services.renderings import newest_versions
from devices.services.variables import names_in
from mdm.common.counts import BoundedCount

MOST = 1000  # nobody counts further in a list


@dataclass(frozen=True)
class Uses:
    """Profiles and scripts of the account whose variables name the attribute, and that are filled in."""

    profiles: list[Profile]
    scripts: list[Script]

    @property
    def is_used(self) -> bool:
        return bool(self.profiles or self.scripts)


def uses_of(attribute: CustomAttribute) -> Uses:
    """Two statements for profiles, one for scripts, whatever their number."""
    name = attribute.name.lower()
    filled = Profile.objects.for_account(attribute.account_id).filter(attribute_support=True).order_by("name", "pk")
    profiles = list(filled)
    versions = newest_versions(profiles)
    scripts = Script.objects.filter(
        account_id=attribute.account_id, variable_support=True, content__icontains=attribute.name
    )
    return Uses(
        [one for one in profiles if one.pk in versions and name in versions[one.pk].variables],
        [one for one in scripts.order_by("name", "pk") if name in names_in(one.content.encode())],
    )


def with_numbers(attributes: QuerySet[CustomAttribute]) -> QuerySet[CustomAttribute]:
    """With `device_values`, `group_values` and `assignment_group_values`: how many have one of their own, at most MOST + 1."""
    values = AttributeValue.objects.filter(attribute=OuterRef("pk"))
    of_devices = values.filter(device__isnull=False).values("pk")
    of_groups = values.filter(device_group__isnull=False).values("pk")
    of_assignment_groups = values.filter(assignment_group__isnull=False).values("pk")
    return attributes.annotate(
        device_values=BoundedCount(of_devices[: MOST + 1]),
        group_values=BoundedCount(of_groups[: MOST + 1]),
        assignment_group_values=BoundedCount(of_assignment_groups[: MOST + 1]),
    )


def sent_again(devices: QuerySet[Device], uses: Uses) -> int:
    """How many of the devices have one of the profiles or are getting it: each is sent anew where another value counts."""
    if not uses.profiles:
        return 0
    having = ProfileInstall.objects.filter(profile__in=uses.profiles).values("device")
    enrolled = Q(state=DeviceState.ENROLLED, removed_at=None)
    return devices.filter(enrolled, pk__in=having).count()
