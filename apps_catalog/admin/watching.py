"""Numbers that follow by themselves while something is on its way, so that nobody has to load the page again."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.http import urlencode

from devices.models import DueDevice, ItemState, OperationState
from mdm.accounts.admin_parts import is_part

UNDER_WAY = (ItemState.PENDING, ItemState.PUSHED, ItemState.REMOVING)
SECONDS = 5
SECONDS_OF_MANY = 30  # where counting takes longer
SOON = timedelta(minutes=1)


@dataclass(frozen=True)
class Following:
    """The totals that a part of a page shows, and whether they may change by themselves."""

    totals: tuple[Mapping[ItemState, int], ...]
    is_moving: bool

    @classmethod
    def of(cls, account_id: int, *totals: Mapping[ItemState, int]) -> "Following":
        """At most one statement."""
        is_moving = any(one.get(state) for one in totals for state in UNDER_WAY) or is_comparing(account_id)
        return cls(totals, is_moving)

    @property
    def mark(self) -> str:
        numbers = "-".join(".".join(str(one.get(state, 0)) for state in ItemState) for one in self.totals)
        return f"{numbers}{'+' if self.is_moving else ''}"

    def watch(self, url: str, *, seconds: int = SECONDS) -> "Watch | None":
        """None when nothing moves. url: without a query, or with one."""
        if not self.is_moving:
            return None
        return Watch(f"{url}{'&' if '?' in url else '?'}{urlencode({'mark': self.mark})}", seconds)

    def answer_if_unchanged(self, request: HttpRequest) -> HttpResponse | None:
        """The empty answer, by which the page stays as it is; None when there is something new to show."""
        is_same = is_part(request) and request.GET.get("mark") == self.mark
        return HttpResponse(status=204) if is_same else None


@dataclass(frozen=True)
class Watch:
    """From where a part of a page comes anew, and how often it is asked for. The answer is empty while nothing has changed."""

    url: str
    seconds: int


def is_comparing(account_id: int) -> bool:
    """Whether devices are about to be compared with what they should have: a change that was just made has not reached the totals
    yet. Those of operations that are held back wait for somebody.
    """
    marks = DueDevice.objects.for_account(account_id).filter(due_at__lte=timezone.now() + SOON)
    return marks.filter(Q(operation=None) | Q(operation__state=OperationState.RUNNING)).exists()
