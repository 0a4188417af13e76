"""What the columns show that does not stand in the device's own row: read for all devices of a page at once."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

from django.db.models import F, Max, QuerySet

from devices.admin.list.known import Known
from devices.models import AssignmentGroup, Device, DeviceUser
from devices.services.attributes import Effective, values_for
from devices.services.memberships import Memberships, assignment_groups_of
from mdm.channels.models import Channel

# Of every device, whichever columns are shown: its name and symbol.
ALWAYS = ("name", "device_name", "serial_number", "udid", "model_name", "product_name", "platform", "account", "group")
# Of the device's long answers only these, taken out by the database.
ANSWERS = {
    "answered_free": F("information__AvailableDeviceCapacity"),
    "answered_total": F("information__DeviceCapacity"),
    "answered_battery": F("information__BatteryLevel"),
}


def load(pks: Sequence[int], fields: Sequence[str], *, with_answers: bool) -> list[Device]:
    """These devices in this order, with the group where `group__name` is among the fields. One statement."""
    found: QuerySet[Device] = Device.objects.filter(pk__in=pks)
    if "group__name" in fields:
        found = found.select_related("group")
    if with_answers:
        found = found.annotate(**ANSWERS)
    by_pk = {device.pk: device for device in found.only(*dict.fromkeys((*ALWAYS, *fields)))}
    return [by_pk[pk] for pk in pks if pk in by_pk]


class Facts:
    """Each part is one statement, or a few, when the first column asks for it."""

    def __init__(self, devices: Sequence[Device], known: Known) -> None:
        self.devices, self.known = devices, known

    @cached_property
    def last_seen(self) -> dict[int, datetime]:
        own = Channel.objects.filter(device__in=self._pks, user_key="", last_seen_at__isnull=False)
        return dict(own.order_by().values_list("device").annotate(newest=Max("last_seen_at")))

    @cached_property
    def users(self) -> dict[int, list[str]]:
        """Their full names, else their short ones."""
        found: dict[int, list[str]] = defaultdict(list)
        rows = DeviceUser.objects.filter(device__in=self._pks).order_by("device_id", "username")
        for pk, username, full_name in rows.values_list("device_id", "username", "full_name"):
            found[pk].append(full_name or username)
        return found

    @cached_property
    def memberships(self) -> Memberships:
        return assignment_groups_of(self.devices)

    @cached_property
    def assignment_groups(self) -> dict[int, list[str]]:
        pks = set().union(*self.memberships.values())
        rows = AssignmentGroup.objects.for_account(self.known.account).filter(pk__in=pks).order_by("priority", "pk")
        names = dict(rows.values_list("pk", "name"))
        return {
            pk: [name for group, name in names.items() if group in groups] for pk, groups in self.memberships.items()
        }

    @cached_property
    def attributes(self) -> dict[int, dict[str, Effective]]:
        return values_for(self.devices, attributes=list(self.known.attributes.values()), groups=self.memberships)

    def storage(self, device: Device) -> tuple[float | None, float | None]:
        """Free and in all, in the gigabytes that devices count in."""
        return _number(getattr(device, "answered_free", None)), _number(getattr(device, "answered_total", None))

    def battery(self, device: Device) -> int | None:
        """In percent. Devices without a battery say -1."""
        level = _number(getattr(device, "answered_battery", None))
        return round(level * 100) if level is not None and 0 <= level <= 1 else None

    @property
    def _pks(self) -> list[int]:
        return [device.pk for device in self.devices]


def _number(value: Any) -> float | None:
    """Devices answer what they like."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
