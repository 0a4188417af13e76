"""What can be done with many devices at once, as the list of devices offers it and `devices/admin/bulk.py` asks about it."""

from collections import defaultdict
from dataclasses import dataclass

from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from devices.admin.bulk_choice import Reach
from devices.services.bulk_orders import FOR_ONE_ONLY
from mdm.accounts.permissions import Action, may
from mdm.protocol.request_types import REQUEST_TYPES, Platform, RequestType

# Key, title, what it does, whether it destroys.
Entry = tuple[str, str, str, bool]


@dataclass(frozen=True)
class BulkOffer:
    """One action. key: what the list posts as `action`; icon: the name of a Material symbol."""

    key: str
    title: str | Promise
    icon: str
    is_destructive: bool = False

    @property
    def needs(self) -> Action:
        return Action.DESTROY if self.is_destructive else Action.MANAGE_DEVICES


OFFERS: tuple[BulkOffer, ...] = (
    BulkOffer("refresh", _("Refresh inventory"), "refresh"),
    BulkOffer("move", _("Move to a device group"), "drive_file_move"),
    BulkOffer("join_group", _("Add to an assignment group"), "group_add"),
    BulkOffer("set_attribute", _("Set a custom attribute"), "sell"),
    BulkOffer("send_agent", _("Send the script agent"), "smart_toy"),
    BulkOffer("run_script", _("Run a script"), "terminal"),
    BulkOffer("send_command", _("Send a command…"), "send"),
    BulkOffer("lost_mode_off", _("Switch Lost Mode off"), "location_off"),
    BulkOffer("restart", _("Restart"), "restart_alt", is_destructive=True),
    BulkOffer("shut_down", _("Shut down"), "power_settings_new", is_destructive=True),
    BulkOffer("lock", _("Lock"), "lock", is_destructive=True),
    BulkOffer("clear_passcode", _("Clear passcode"), "lock_open", is_destructive=True),
    BulkOffer("lost_mode_on", _("Switch Lost Mode on"), "location_searching", is_destructive=True),
    BulkOffer("wipe", _("Wipe"), "delete_forever", is_destructive=True),
)
BY_KEY = {one.key: one for one in OFFERS}


def offers(request: HttpRequest) -> list[BulkOffer]:
    """Those that the person's role may use, in the order of the menu."""
    return [one for one in OFFERS if may(request.get_role(), one.needs)]


def commands_for_many(request: HttpRequest, reach: Reach) -> dict[str, list[Entry]]:
    """The catalogue by family: what the person may send, and at least one of the devices could obey."""
    platforms = {Platform(one) for one, _is_enrolled in reach.numbers if one} or set(Platform)
    role = request.get_role()
    families: dict[str, list[Entry]] = defaultdict(list)
    for one in REQUEST_TYPES.values():
        needed = Action.DESTROY if one.destructive else Action.MANAGE_DEVICES
        if may(role, needed) and one.name not in FOR_ONE_ONLY and _is_for_any(one, platforms):
            told = gettext(one.label), gettext(one.summary)
            families[gettext(one.family)].append((one.name, *told, one.destructive))
    return dict(families)


def _is_for_any(request_type: RequestType, platforms: set[Platform]) -> bool:
    supports = [request_type.support(platform) for platform in platforms]
    return any(support is not None and support.device_channel for support in supports)
