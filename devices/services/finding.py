"""Devices by a few letters of what people know of them: names, numbers, addresses, and who uses them."""

from django.db.models import Exists, F, Func, OuterRef, Q, QuerySet, TextField

from devices.models import Device, DeviceUser
from mdm.accounts.models import Account

SHORTEST_INDEXED = 3  # the indexes are of groups of three characters
# Letter for letter as the index `device_user_search` has it.
_BOTH_NAMES = Func(
    F("username"),
    F("full_name"),
    template="(%(expressions)s)",
    arg_joiner=" || '\n' || ",
    output_field=TextField(),
)


def found_by(devices: QuerySet[Device], account: Account, words: str) -> QuerySet[Device]:
    """Those whose name, numbers, addresses or e-mail contain the words, or the name of one of their users does.

    Two searches, each with the index of its table, whose answers are put together: a single condition with "or" reads all rows.
    That is the quicker way only for what is too short for an index, as many devices have it.
    """
    by_user = DeviceUser.objects.filter(account=account).alias(both=_BOTH_NAMES).filter(both__icontains=words)
    if len(words) < SHORTEST_INDEXED:
        return devices.filter(Q(search_text__icontains=words) | Exists(by_user.filter(device=OuterRef("pk"))))
    by_itself = Device.objects.for_account(account).search(words)
    return devices.filter(pk__in=by_itself.values("pk").union(by_user.values("device_id")))
