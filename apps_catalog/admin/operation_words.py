"""How far an operation has come, in words and bars: colours are never the only sign."""

from collections.abc import Sequence

from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from devices.models import BulkOperation, OperationKind, OperationState
from devices.services.bulk_outcomes import Outcome, Tally
from devices.services.operations import Progress
from mdm.accounts.admin_html import badge

COMMANDS = frozenset({OperationKind.SEND_COMMAND, OperationKind.REFRESH})
# What people call it, and what it means.
OUTCOMES: dict[Outcome, tuple[str | Promise, str | Promise]] = {
    Outcome.DONE: (gettext_lazy("Done"), gettext_lazy("the device has done it")),
    Outcome.QUEUED: (gettext_lazy("Queued"), gettext_lazy("waits for the device, or its answer")),
    Outcome.NOT_NOW: (gettext_lazy("Not now"), gettext_lazy("busy or locked, comes back to it")),
    Outcome.WAITING: (gettext_lazy("Waiting"), gettext_lazy("not reached yet")),
    Outcome.FAILED: (gettext_lazy("Failed"), gettext_lazy("answered with an error")),
    Outcome.REFUSED: (gettext_lazy("Not possible"), gettext_lazy("was sent nothing")),
    Outcome.TAKEN_BACK: (gettext_lazy("Taken back"), gettext_lazy("cancelled, or ran out")),
}
CHANGED = gettext_lazy("changed here, for the device")
TONES = {
    Outcome.DONE: "done",
    Outcome.QUEUED: "queued",
    Outcome.NOT_NOW: "NotNow",
    Outcome.WAITING: "",
    Outcome.FAILED: "failed",
    Outcome.REFUSED: "warning",
    Outcome.TAKEN_BACK: "",
}
# The order in the bar: what is over first.
BAR = (
    *(Outcome.DONE, Outcome.FAILED, Outcome.REFUSED, Outcome.TAKEN_BACK),
    *(Outcome.NOT_NOW, Outcome.QUEUED, Outcome.WAITING),
)
OVER = (Outcome.DONE, Outcome.FAILED, Outcome.REFUSED, Outcome.TAKEN_BACK)
STATES = {
    OperationState.RUNNING: (gettext_lazy("Running"), "running"),
    OperationState.CANCELLED: (gettext_lazy("Held back"), "warning"),
    OperationState.DONE: (gettext_lazy("Finished"), ""),
}


def operation_badge(operation: BulkOperation, *, still_open: int = 0, failed: int = 0) -> SafeString:
    """still_open: devices that are sent what they are to do, and have not answered. failed: those that did not do it.

    Where they were not counted, as in lists, that an operation has finished does not say that all went well.
    """
    if operation.state == OperationState.DONE and failed and not still_open:
        words = ngettext("Finished, %(number)s failed", "Finished, %(number)s failed", failed)
        return badge(words % {"number": f"{failed:,}"}, "failed")
    if operation.state == OperationState.DONE and still_open:
        return badge(_("Sent, waiting for answers"), "running")
    words, tone = STATES[OperationState(operation.state)]
    return badge(str(words), tone)


def progress_bar(progress: Progress) -> SafeString:
    """For lists: how many devices it has reached. The bar, and the same in words for those who do not see it."""
    words = ngettext("%(done)s of %(total)s device", "%(done)s of %(total)s devices", progress.total)
    return format_html(
        '<span class="pm-progress"><progress max="100" value="{}" aria-label="{}">{}</progress><small>{}</small></span>',
        progress.percent,
        _("Devices reached"),
        f"{progress.percent} %",
        words % {"done": f"{progress.done:,}", "total": f"{progress.total:,}"},
    )


def over_number(tally: Tally) -> int:
    return sum(tally[one] for one in OVER)


def percent_over(tally: Tally) -> int:
    """100 only when nothing is open any more."""
    total = tally.total()
    over = over_number(tally)
    return 100 if over == total else min(99, over * 100 // total)


def over_words(tally: Tally) -> str:
    total = tally.total()
    words = ngettext("%(over)s of %(total)s device is done with", "%(over)s of %(total)s devices are done with", total)
    return words % {"over": f"{over_number(tally):,}", "total": f"{total:,}"}


def tally_words(tally: Tally, outcomes: Sequence[Outcome] = BAR) -> str:
    return " · ".join(f"{tally[one]:,} {str(OUTCOMES[one][0]).lower()}" for one in outcomes if tally[one])


def tally_bar(tally: Tally) -> SafeString:
    """The whole width is all devices; a progress bar for those who do not see it."""
    parts, start = [], 0.0
    for one in BAR:
        width = tally[one] * 100 / max(tally.total(), 1)
        if width:
            parts.append((one.value, round(start, 2), round(width, 2)))
        start += width
    return format_html(
        '<div class="pm-run-bar" role="progressbar" aria-label="{}" aria-valuemin="0" aria-valuemax="100" '
        'aria-valuenow="{}" aria-valuetext="{}">'
        '<svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">{}</svg></div>',
        _("Devices done with"),
        percent_over(tally),
        f"{over_words(tally)}: {tally_words(tally)}",
        format_html_join("", '<rect class="pm-out-{}" x="{}" width="{}" height="6"/>', parts),
    )
