"""The tabs of a device's page: one at a time is worked out, so that opening it stays quick however much there is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from devices.admin.facts import hardware_groups, rest_group
from devices.admin.page.answers import answers
from devices.admin.page.attributes import attributes
from devices.admin.page.ledger import ledger
from devices.admin.page.location import is_locatable, location
from devices.admin.page.overview import overview
from devices.admin.page.security import security
from devices.admin.script_job_page import runs_on
from devices.models import Device, ScriptAgent
from mdm.channels.models import ChannelState
from mdm.events.words import details, sentence

NEWEST = 50
MOST = 500  # rows of one inventory list; a Mac has a few hundred certificates

Query = Mapping[str, str]
Context = Callable[[Device, Query], dict[str, Any]]


@dataclass(frozen=True)
class Tab:
    """key stands in the address: `?tab=apps`. context: what its template needs, of the device and the rest of the address.

    A context that holds `is_moving` has the page look again, although no command is open. is_listed: off for a tab that only
    links from elsewhere lead to.
    """

    key: str
    title: str | Promise
    template: str
    context: Context
    is_listed: bool = True


def hardware(device: Device, query: Query) -> dict[str, Any]:
    return {"fact_groups": [*hardware_groups(device), rest_group(device)]}


def certificates(device: Device, query: Query) -> dict[str, Any]:
    found = list(device.installed_certificates.order_by("not_after", "common_name", "pk")[: MOST + 1])
    now = timezone.now()
    rows = [(one, one.not_after is not None and one.not_after < now) for one in found[:MOST]]
    return {"certificates": rows, "is_cut": len(found) > MOST, "most": MOST}


def users(device: Device, query: Query) -> dict[str, Any]:
    found = list(device.users.order_by("-logged_in", "username").defer("details")[: MOST + 1])
    managed = [one for one in device.channels.all() if one.user_key and one.state == ChannelState.OPEN]
    return {"users": found[:MOST], "managed_users": managed, "is_cut": len(found) > MOST, "most": MOST}


def scripts(device: Device, query: Query) -> dict[str, Any]:
    return {"agent": ScriptAgent.objects.filter(device=device).defer("token").first(), "runs": runs_on(device, NEWEST)}


def log(device: Device, query: Query) -> dict[str, Any]:
    lines = device.events.order_by("-id")[:NEWEST]
    return {
        "lines": [(line, sentence(line), details(line)) for line in lines],
        "all_url": f"{reverse('admin:mdm_events_event_changelist')}?device={device.pk}",
    }


def _tab(key: str, title: Promise, context: Context) -> Tab:
    return Tab(key, title, f"admin/devices/tabs/{key}.html", context)


TABS = (
    _tab("overview", _("Overview"), overview),
    _tab("hardware", _("Hardware & network"), hardware),
    _tab("security", _("Security"), security),
    _tab("certificates", _("Certificates"), certificates),
    _tab("users", _("Users"), users),
    _tab("commands", _("Commands"), ledger),
    _tab("scripts", _("Scripts"), scripts),
    _tab("location", _("Location"), location),
    _tab("attributes", _("Attributes"), attributes),
    _tab("log", _("Log"), log),
    _tab("answers", _("Raw answers"), answers),
)
# What a device has before it was ever here.
ALWAYS = {"attributes", "log"}


def tabs_of(device: Device) -> list[Tab]:
    """Without those that the platform never fills."""
    if device.device_channel is None:
        return [tab for tab in TABS if tab.key in ALWAYS]
    is_there = {
        "users": device.is_mac or device.information.get("IsMultiUser") is True or device.users.exists(),
        "scripts": device.is_mac,
        "location": is_locatable(device),
    }
    return [tab for tab in TABS if is_there.get(tab.key, True)]
