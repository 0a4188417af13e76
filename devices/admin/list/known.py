"""What an account has that its devices can be filtered by and shown with. Each part is read when it is first asked for."""

from functools import cached_property

from django.db.models.functions import Lower

from devices.models import AssignmentGroup, CustomAttribute, Device, DeviceGroup, Profile
from mdm.accounts.models import Account

# So many are offered in a menu. A link may name any other: it filters as well.
MOST_CHOICES = 500
MOST_VERSIONS = 1000


class Known:
    """One statement for each part, however many filters and columns ask for it."""

    def __init__(self, account: Account) -> None:
        self.account = account

    @cached_property
    def groups(self) -> dict[int, str]:
        return self._names(DeviceGroup)

    @cached_property
    def assignment_groups(self) -> dict[int, str]:
        return self._names(AssignmentGroup)

    @cached_property
    def profiles(self) -> dict[int, str]:
        return self._names(Profile)

    @cached_property
    def attributes(self) -> dict[int, CustomAttribute]:
        """Without the secret ones: whoever may filter by a value can find it out."""
        found = CustomAttribute.objects.for_account(self.account).filter(is_secret=False)
        return {one.pk: one for one in found.order_by(Lower("name"), "pk")[:MOST_CHOICES]}

    def attribute(self, pk: int) -> CustomAttribute | None:
        """Also one that no menu has room for."""
        if pk in self.attributes or len(self.attributes) < MOST_CHOICES:
            return self.attributes.get(pk)
        return CustomAttribute.objects.for_account(self.account).filter(is_secret=False, pk=pk).first()

    @cached_property
    def versions(self) -> list[tuple[str, str]]:
        """(platform, version) of the account's devices, newest first; read from the index `device_numbers` alone."""
        devices = Device.objects.for_account(self.account).exclude(os_version="").order_by()
        pairs = devices.values_list("platform", "os_version").distinct()[:MOST_VERSIONS]
        return sorted(pairs, key=lambda pair: (pair[0], version_numbers(pair[1])), reverse=True)

    def _names(self, model: type[DeviceGroup] | type[AssignmentGroup] | type[Profile]) -> dict[int, str]:
        rows = model.objects.for_account(self.account).order_by(Lower("name"), "pk").values_list("pk", "name")
        return dict(rows[:MOST_CHOICES])


def version_numbers(version: str) -> tuple[int, ...]:
    """ "14.4.1" → (14, 4, 1), and "14.0" the same as "14", so that versions are compared as people do."""
    numbers = [int(part) for part in version.split(".") if part.isdecimal() and len(part) <= 9]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
