"""The page "System status": do the parts of this server work, who is alive, what waits, what the schedule has done."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Min, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from devices.models import DueDevice
from enrollment.models import Invitation
from enrollment.models.invitation import InvitationState
from mdm.accounts.models import Account
from mdm.accounts.permissions import Action, may
from mdm.channels.models import Channel
from mdm.commands.models import Command
from mdm.commands.states import ApplyState
from mdm.common.counts import MOST, Number
from mdm.common.words import duration
from mdm.events import forwarding
from mdm.events.models import DeliveryState, WebhookDelivery
from mdm.running import standing
from mdm.running.models import ProcessKind
from mdm.running.parts import parts, versions

LATE = timedelta(minutes=5)
TOO_LATE = timedelta(minutes=30)
NOBODY = {
    ProcessKind.WEB: gettext_lazy(
        "No web server says that it is alive, though one made this page: was it started another way?"
    ),
    ProcessKind.WORKER: gettext_lazy(
        "No worker is running. Commands are queued, but nobody wakes devices, reads their answers or delivers webhooks."
    ),
    ProcessKind.SCHEDULE: gettext_lazy(
        "The schedule is not running. Nothing that repeats is done: no retries, no renewals, no sync with Apple."
    ),
}


@dataclass(frozen=True)
class Backlog:
    """What waits to be done by workers. oldest: since when it could have been done."""

    key: str
    title: str
    number: Number
    oldest: datetime | None
    advice: str
    url: str = ""

    @property
    def late(self) -> timedelta:
        return max(timezone.now() - self.oldest, timedelta()) if self.oldest else timedelta()

    @property
    def tone(self) -> str:
        if self.late > TOO_LATE:
            return "bad"
        return "warn" if self.late > LATE else "good"

    @property
    def word(self) -> str:
        return {"good": _("On time"), "warn": _("Late"), "bad": _("Stuck")}[self.tone]

    @property
    def waits(self) -> str:
        return duration(self.late) if self.oldest else ""


def may_see_status(request: HttpRequest) -> bool:
    """Whoever configures an account, and whoever runs the server."""
    return request.user.is_superuser or may(request.get_role(), Action.CONFIGURE)


def status_page(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """For those who configure their account, with what waits in it; for whoever runs the server, with what waits in all.

    What else it shows is the server's: no row of any account. With `?part=` only what refreshes itself is answered.
    """
    account = request.get_account()
    if not may_see_status(request):
        raise PermissionDenied
    of = None if request.user.is_superuser else account
    shown = standing.processes()
    found, tasks, waiting = parts(), standing.schedule(shown), list(backlogs(of))
    silent = standing.silences(shown)
    request.current_app = site.name
    is_part = "part" in request.GET
    context = {
        **({} if is_part else site.each_context(request)),
        "title": _("System status"),
        "parts": found,
        "processes": shown,
        "silent": [(one, NOBODY[one.kind]) for one in silent],
        "are_told": standing.are_told(),
        "tasks": tasks,
        "backlogs": waiting,
        "backlogs_of": of,
        "versions": versions(),
        "troubles": _troubles(found, silent, tasks, waiting),
        "checked_at": timezone.now(),
    }
    template = "admin/status/live.html" if is_part else "admin/status.html"
    return TemplateResponse(request, template, context, headers={"Cache-Control": "no-store"})


def backlogs(account: Account | None) -> Iterator[Backlog]:
    """Of one account, or of all (None). One statement each, which looks at so many rows at the most."""
    now = timezone.now()
    messages = WebhookDelivery.objects.filter(webhook__is_enabled=True, webhook__paused_at=None)
    due = {
        "pushes": (Channel.objects.filter(push_due_at__lte=now), "push_due_at"),
        "answers": (Command.objects.filter(apply_state=ApplyState.PENDING), "finished_at"),
        "devices": (DueDevice.objects.filter(due_at__lte=now), "due_at"),
        "webhooks": (messages.filter(state=DeliveryState.PENDING, due_at__lte=now), "due_at"),
        "invitations": (Invitation.objects.filter(state=InvitationState.WAITING, due_at__lte=now), "due_at"),
    }
    for key, (rows, column) in due.items():
        mine = rows if account is None else rows.filter(account=account)
        number, oldest = _counted(mine, column)
        title, advice, url = _words(key)
        yield Backlog(key, title, number, oldest, advice, url)
    if account is None:
        number, oldest = _counted(forwarding.waiting(), "at")
        yield Backlog(
            "log", _("Lines of the log to forward"), number, oldest, _("To the collector of LOG_FORWARD_URL.")
        )


def _words(key: str) -> tuple[str, str, str]:
    """Title, what it means, and the list behind it where there is one."""
    return {
        "pushes": (_("Devices to be woken"), _("A worker asks Apple's push service to wake them."), ""),
        "answers": (
            _("Answers of devices to be read"),
            _("They are stored; a worker brings inventory and states up to date with them."),
            "",
        ),
        "devices": (
            _("Devices to be compared with what they should have"),
            _("A worker then queues what is missing."),
            reverse("admin:devices_bulkoperation_changelist"),
        ),
        "webhooks": (
            _("Messages of webhooks"),
            _("A worker delivers them."),
            reverse("admin:mdm_events_webhookdelivery_changelist") + "?state=pending",
        ),
        "invitations": (
            _("Invitations to be sent"),
            _("By e-mail or text message, one after the other."),
            reverse("admin:enrollment_enrollment_changelist"),
        ),
    }[key]


def _counted(rows: QuerySet, column: str) -> tuple[Number, datetime | None]:
    found = rows.order_by().values("pk", column)[: MOST + 1].aggregate(number=Count("pk"), oldest=Min(column))
    return Number(min(found["number"], MOST), found["number"] > MOST), found["oldest"]


def _troubles(
    found: list, silent: list[standing.Silence], tasks: list[standing.ShownTask], waiting: list[Backlog]
) -> tuple[str, str]:
    """Tone and sentence above everything."""
    bad = sum(one.tone == "bad" for one in (*found, *waiting)) + len(silent)
    bad += sum(one.state in ("failed", "overdue") for one in tasks)
    warn = sum(one.tone == "warn" for one in (*found, *waiting))
    if bad:
        words = ngettext(
            "%(number)s part does not work as it should", "%(number)s parts do not work as they should", bad
        )
        return "bad", words % {"number": bad}
    if warn:
        words = ngettext("%(number)s part deserves a look", "%(number)s parts deserve a look", warn)
        return "warn", words % {"number": warn}
    return "good", _("Everything works")
