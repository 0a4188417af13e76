"""How many devices are in groups, as lists show it."""

from collections.abc import Collection

from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from devices.models import Device, DeviceGroup


def numbers_of(groups: Collection[DeviceGroup]) -> dict[int, int]:
    """Device group pk → its devices that people see. One statement for a page of groups, whatever is in them."""
    rows = Device.objects.filter(group__in=[one.pk for one in groups], removed_at=None).order_by()
    found = dict(rows.values_list("group").annotate(number=Count("pk")))
    return {one.pk: found.get(one.pk, 0) for one in groups}


def with_numbers(groups: QuerySet[DeviceGroup]) -> QuerySet[DeviceGroup]:
    """The same as `number` on each, for the choices of a form; by name."""
    devices = Device.objects.filter(account=OuterRef("account"), group=OuterRef("pk"), removed_at=None).order_by()
    number = devices.values("group").annotate(number=Count("pk")).values("number")
    return groups.annotate(number=Coalesce(Subquery(number), 0)).order_by("name", "pk")
