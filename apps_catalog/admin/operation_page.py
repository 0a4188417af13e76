"""What the page of an operation shows: the whole in numbers, and a page of its devices with what became of each."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from apps_catalog.admin.operation_words import (
    CHANGED,
    COMMANDS,
    OUTCOMES,
    TONES,
    operation_badge,
    over_words,
    percent_over,
    progress_bar,
    tally_bar,
)
from devices.models import BulkOperation, Device, OperationDevice, OperationState
from devices.services.bulk import CAN_BE_REPEATED
from devices.services.bulk_outcomes import Outcome, Tally, commands_of, in_outcome, open_number, outcome_of, tally_of
from devices.services.operations import DONE_ONCE, Progress, progress_of
from mdm.accounts.admin_base import row_number
from mdm.accounts.admin_html import badge
from mdm.commands.models import Command
from mdm.commands.words import LARGE, STATE_WORDS, STATUS_WORDS, error_lines

PAGE = 50
HEAVY = ("device__information", "device__security", "device__location", "device__search_text")
MOST_WORDS = 100


@dataclass(frozen=True)
class Row:
    """One device of the operation; words: what came of it, said in full."""

    device: Device
    outcome: Outcome
    badge: SafeString
    words: str
    command: Command | None


@dataclass(frozen=True)
class Asked:
    """Which part of its devices the address asks for. after: the step behind which the page begins."""

    outcome: Outcome | None = None
    words: str = ""
    after: int = 0

    @classmethod
    def of(cls, request: HttpRequest) -> "Asked":
        name = request.GET.get("outcome", "")
        outcome = Outcome(name) if name in set(Outcome) else None
        words = request.GET.get("q", "").replace("\x00", "").strip()[:MOST_WORDS]
        return cls(outcome, words, row_number(request.GET.get("after")) or 0)

    def address(self, **changes: object) -> str:
        """The end of an address with these changes, without what is empty."""
        values = {"outcome": self.outcome.value if self.outcome else "", "q": self.words, "after": self.after or ""}
        return f"?{urlencode({key: value for key, value in (values | changes).items() if value})}"


def context_of(operation: BulkOperation, asked: Asked) -> dict[str, Any]:
    """Everything that the page shows: of an operation that is done with each device once, with its devices."""
    common = {
        "operation": operation,
        "is_running": operation.state == OperationState.RUNNING,
        "is_cancelled": operation.state == OperationState.CANCELLED,
        "live": reverse("admin:devices_bulkoperation_live", args=[operation.pk]),
    }
    if operation.kind not in DONE_ONCE:
        progress = progress_of([operation])[operation.pk]
        return common | {
            "progress": progress,
            "left": progress.left,
            "bar": progress_bar(progress),
            "badge_html": operation_badge(operation),
            "is_watched": common["is_running"],
            "mark": mark_of_progress(operation, progress),
        }
    return common | _with_devices(operation, asked)


def _with_devices(operation: BulkOperation, asked: Asked) -> dict[str, Any]:
    commands = commands_of(operation)
    tally = tally_of(operation, commands)
    still_open = open_number(tally)
    rows, following = _rows(operation, asked, tally, commands)
    return {
        "is_done_once": True,
        "tally": tally,
        "left": tally[Outcome.WAITING],
        "badge_html": operation_badge(operation, still_open=still_open, failed=tally[Outcome.FAILED]),
        "bar": tally_bar(tally),
        "over_words": over_words(tally),
        "tenth": percent_over(tally) // 10 * 10,  # said aloud ten times, not at each change
        "boxes": _boxes(operation, asked, tally),
        "asked": asked,
        "title_of_rows": OUTCOMES[asked.outcome][0] if asked.outcome else _("All devices"),
        "rows": rows,
        "everything": asked.address(outcome="", q="", after=""),
        "first_page": asked.address(after="") if asked.after else "",
        "next_page": asked.address(after=following) if following else "",
        "has_commands": operation.kind in COMMANDS,
        "repeatable": sum(tally[one] for one in CAN_BE_REPEATED),
        # Of one that is held back, what waits changes by nobody's doing but a person's.
        "is_watched": bool(still_open - (tally[Outcome.WAITING] if operation.state == OperationState.CANCELLED else 0)),
        "mark": mark_of_tally(operation, tally),
        "here": asked.address(),
    }


def mark_of_progress(operation: BulkOperation, progress: Progress) -> str:
    """Changes whenever there is something new to show."""
    return f"{operation.state}/{progress.left}/{operation.commands}"


def mark_of_tally(operation: BulkOperation, tally: Tally) -> str:
    return "/".join([operation.state, *(str(tally[one]) for one in Outcome)])


def _boxes(operation: BulkOperation, asked: Asked, tally: Tally) -> list[dict[str, Any]]:
    has_commands = operation.kind in COMMANDS
    shown = list(OUTCOMES) if has_commands else [Outcome.DONE, Outcome.WAITING, Outcome.REFUSED]
    boxes = []
    for one in shown:
        if one is Outcome.TAKEN_BACK and not tally[one]:
            continue
        label, meaning = OUTCOMES[one]
        meaning = CHANGED if one is Outcome.DONE and not has_commands else meaning
        address = asked.address(outcome=one.value, after="")
        is_chosen = one is asked.outcome
        boxes.append(
            {"key": one.value, "number": tally[one], "label": label, "help": meaning, "url": address, "on": is_chosen}
        )
    return boxes


def _rows(operation: BulkOperation, asked: Asked, tally: Tally, commands: QuerySet[Command]) -> tuple[list[Row], int]:
    """A page of its devices, and the step behind which the next one begins; 0 if there is none."""
    if asked.outcome and not tally[asked.outcome]:
        return [], 0  # nothing to look for among all its steps
    steps = _steps(operation, asked, commands).filter(pk__gt=asked.after).order_by("pk")
    found = list(steps[: PAGE + 1])
    return [_row(step) for step in found[:PAGE]], found[PAGE - 1].pk if len(found) > PAGE else 0


def _steps(operation: BulkOperation, asked: Asked, commands: QuerySet[Command]) -> QuerySet[OperationDevice]:
    steps = OperationDevice.objects.filter(operation=operation)
    if asked.outcome:
        steps = in_outcome(operation, asked.outcome, commands)
    steps = steps.select_related("device", "command")
    if asked.words:
        devices = Device.objects.filter(account=operation.account_id).search(asked.words)
        steps = steps.filter(device__in=devices.values("pk"))
    return steps.defer(*HEAVY, *(f"command__{name}" for name in LARGE))


def _row(step: OperationDevice) -> Row:
    command = step.command
    outcome = outcome_of(
        step.state,
        command.state if command else None,
        is_not_now=bool(command and command.not_now_at),
    )
    label = str(OUTCOMES[outcome][0])
    return Row(step.device, outcome, badge(label, TONES[outcome] or "plain"), _words(step, outcome), command)


def _words(step: OperationDevice, outcome: Outcome) -> str:
    command = step.command
    if outcome is Outcome.REFUSED:
        return step.fault
    if outcome is Outcome.WAITING:
        return _("Not reached yet.")
    if command is None:
        return _("Done.")
    if outcome is Outcome.NOT_NOW:
        return str(STATUS_WORDS["NotNow"])
    if outcome is Outcome.FAILED and (lines := error_lines(command)):
        return f"{lines[0]['text']} ({lines[0]['origin']})" if lines[0]["origin"] else lines[0]["text"]
    return str(STATE_WORDS[command.state])
