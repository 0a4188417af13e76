"""All that the home page shows, put together. Its parts each say how many statements they cost."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from mdm.accounts.admin_base import allowed
from mdm.accounts.models import Account
from mdm.accounts.permissions import Action, may
from mdm.admin_home.alerts import account_alerts
from mdm.admin_home.charts import parts
from mdm.admin_home.checklist import checklist
from mdm.admin_home.expiries import expiries, identities
from mdm.admin_home.failing import failing
from mdm.admin_home.figures import by_platform, by_state, command_figures, counted_devices, enrollments, shares
from mdm.admin_home.installation import installation_alerts
from mdm.admin_home.sources import sources_of
from mdm.events.models import Event
from mdm.events.newest import COLUMNS, newest

NEWEST = 12
# What a device is called: of three hundred of them, nothing else is loaded.
DEVICE_NAMES = ("device__name", "device__device_name", "device__serial_number", "device__udid")
TONES = ("bad", "warn", "info")  # as alerts stand below each other


def home(account: Account, role: str | None) -> dict[str, Any]:
    """The same number of statements whatever the account has."""
    sources, counted = sources_of(account), counted_devices(account)
    states, platforms = by_state(counted), by_platform(counted)
    steps = checklist(account, role, sources.certificate, counted)
    has_devices = any(item.number for item in states)
    days = enrollments(account)
    events = Event.objects.for_account(account).select_related("device").only(*COLUMNS, *DEVICE_NAMES)
    last = newest(events, NEWEST)
    return {
        "alerts": sorted(
            [
                *account_alerts(sources, is_new=not has_devices),
                *installation_alerts(may_configure=may(role, Action.CONFIGURE)),
            ],
            key=lambda alert: TONES.index(alert.tone),
        ),
        "checklist": steps,
        "has_devices": has_devices,
        "states": states,
        "state_parts": parts(states),
        "device_total": sum(item.number for item in states),
        "enrolled": next(item.number for item in states if item.key == "enrolled"),
        "platforms": platforms,
        "platform_parts": shares(platforms),
        "days": days,
        "newly_enrolled": sum(day.bar.item.number for day in days),
        "figures": command_figures(account),
        "failing": failing(account),
        "expiries": expiries(sources),
        "identities": identities(account),
        "lines": last.lines,
        "is_only_routine": last.is_only_routine,
    }


def home_live(request: HttpRequest) -> HttpResponse:
    """What of the page refreshes itself, without its frame."""
    account, role = request.get_account(), request.get_role()
    if account is None or role is None:
        raise PermissionDenied
    context = {**home(account, role), "allowed": allowed(request)}
    return TemplateResponse(request, "admin/home/live.html", context, headers={"Cache-Control": "no-store"})
