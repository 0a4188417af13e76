"""Which devices the list shows: of words and filters, as they stand in its address. Also used by actions on all that match."""

from django.db.models import QuerySet
from django.http import HttpRequest, QueryDict

from devices.admin.list import filters
from devices.admin.list.attribute_filter import ATTRIBUTE
from devices.admin.list.filters import Chip, Filter, Values, each_set
from devices.admin.list.known import Known
from devices.admin.list.version_range import VERSION_RANGE
from devices.models import Device
from devices.services.finding import found_by

WORDS = "q"
MOST_CHARACTERS = 200  # of one value in the address
# In the order in which they are said above the list.
FILTERS: tuple[Filter, ...] = (
    *(filters.STATE, filters.PLATFORM, filters.VERSION, VERSION_RANGE, filters.GROUP, filters.SEEN),
    *(filters.SUPERVISED, filters.FILEVAULT, filters.AUTOMATED, filters.PUSH, filters.ENROLLED),
    *(filters.ASSIGNED, filters.APP, filters.PROFILE, ATTRIBUTE),
)
PARAMETERS = (WORDS, *(name for one in FILTERS for name in one.parameters))


def matching(request: HttpRequest, query_string: str) -> QuerySet[Device]:
    """The devices of the account in which the person works that fit the list's address (after the question mark).

    In no order. What is no filter is left out of account, and a condition that makes no sense fits no device.
    """
    account = request.get_account()
    if account is None:
        return Device.objects.none()
    return narrowed(Known(account), read(QueryDict(query_string)))


def read(address: QueryDict) -> dict[str, str]:
    """What of the address narrows the list, without what is empty."""
    found = {name: address[name].strip()[:MOST_CHARACTERS] for name in PARAMETERS if name in address}
    return {name: value.replace("\x00", "") for name, value in found.items() if value.replace("\x00", "")}


def narrowed(known: Known, values: Values) -> QuerySet[Device]:
    devices = Device.objects.for_account(known.account)
    if WORDS in values:
        devices = found_by(devices, known.account, values[WORDS])
    for one in each_set(FILTERS, values):
        devices = devices.filter(one.condition(values, known))
    return devices


def chips_of(known: Known, values: Values) -> list[Chip]:
    return [chip for one in each_set(FILTERS, values) for chip in one.chips(values, known)]
