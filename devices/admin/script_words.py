"""How far scripts have come, in words and bars, and what they printed, made fit to be read."""

import re
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum

from django.db.models import Q
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from devices.models import RunState, ScriptJob, ScriptRun
from devices.services.script_jobs import JobStatus, count_runs, status_of
from mdm.accounts.admin_html import badge
from mdm.common.words import count_of, duration

EXCERPT_LENGTH = 160
# Enough of an output for an excerpt, however many colours and empty lines it begins with.
READ_FOR_EXCERPT = 800
HIDDEN = gettext_lazy("Kept in a secret attribute.")


class Stage(StrEnum):
    """Where a run is, as people tell it: `RunState`, with what the Mac said since it was sent."""

    WAITING = "waiting"
    SENT = "sent"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


STAGES = {
    Stage.WAITING: (gettext_lazy("Waiting"), gettext_lazy("has not fetched it yet")),
    Stage.SENT: (gettext_lazy("Sent"), gettext_lazy("has it, and has not begun")),
    Stage.RUNNING: (gettext_lazy("Running"), gettext_lazy("is at it now")),
    Stage.COMPLETED: (gettext_lazy("Completed"), gettext_lazy("ended with 0")),
    Stage.FAILED: (gettext_lazy("Failed"), gettext_lazy("ended otherwise, or not at all")),
    Stage.CANCELLED: (gettext_lazy("Cancelled"), gettext_lazy("taken back before")),
}
TONES = {
    Stage.WAITING: "",
    Stage.SENT: "sent",
    Stage.RUNNING: "running",
    Stage.COMPLETED: "done",
    Stage.FAILED: "failed",
    Stage.CANCELLED: "",
}
# The order in a bar: what is over first.
BAR = (Stage.COMPLETED, Stage.FAILED, Stage.RUNNING, Stage.SENT, Stage.WAITING, Stage.CANCELLED)
OPEN = (Stage.WAITING, Stage.SENT, Stage.RUNNING)

IN_STAGE = {
    Stage.WAITING: Q(state=RunState.PENDING),
    Stage.SENT: Q(state=RunState.SENT, began_at=None),
    Stage.RUNNING: Q(state=RunState.SENT, began_at__isnull=False),
    Stage.COMPLETED: Q(state=RunState.COMPLETED),
    Stage.FAILED: Q(state=RunState.ERROR),
    Stage.CANCELLED: Q(state=RunState.CANCELLED),
}
_STAGE_OF = {
    RunState.PENDING: Stage.WAITING,
    RunState.SENT: Stage.SENT,
    RunState.COMPLETED: Stage.COMPLETED,
    RunState.ERROR: Stage.FAILED,
    RunState.CANCELLED: Stage.CANCELLED,
}
JOB_WORDS = {
    JobStatus.PENDING: (gettext_lazy("Under way"), "running"),
    JobStatus.COMPLETED: (gettext_lazy("Completed"), "done"),
    JobStatus.WITH_ERRORS: (gettext_lazy("Completed with errors"), "failed"),
    JobStatus.CANCELLED: (gettext_lazy("Cancelled"), ""),
}

# Colours, cursor movements and titles (ECMA-48 control functions), as terminals take them.
_TERMINAL = re.compile(
    r"\x1b\[[0-?]{0,64}[ -/]{0,16}[@-~]|\x1b[\]PX^_][^\x07\x1b]{0,4096}(?:\x07|\x1b\\)?|\x1b[ -/]{0,4}[0-~]|\x9b[0-?]{0,64}[@-~]"
)
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


# --- One run ----------------------------------------------------------------------------------------------------------
def stage_of(state: str, has_begun: bool) -> Stage:
    return Stage.RUNNING if state == RunState.SENT and has_begun else _STAGE_OF[RunState(state)]


def run_badge(run: ScriptRun) -> SafeString:
    stage = stage_of(run.state, run.began_at is not None)
    return badge(STAGES[stage][0], TONES[stage])


def took(run: ScriptRun) -> str:
    """How long it ran: "4 s", "3 minutes"; empty while that is not known."""
    if not (run.began_at and run.finished_at):
        return ""
    length = run.finished_at - run.began_at
    return length_words(max(length, timedelta()))


def length_words(length: timedelta) -> str:
    """ "40 s", "5 minutes", "1 h 30 min"."""
    if length < timedelta(seconds=1):
        return _("less than a second")
    seconds = int(length.total_seconds())
    if seconds >= 60 and seconds % (3600 if seconds >= 3600 else 60) == 0:
        return duration(length)
    hours, minutes, rest = seconds // 3600, seconds // 60 % 60, seconds % 60
    if hours:
        return _("%(hours)s h %(minutes)s min") % {"hours": hours, "minutes": minutes}
    if minutes:
        return _("%(minutes)s min %(seconds)s s") % {"minutes": minutes, "seconds": rest}
    return _("%(seconds)s s") % {"seconds": rest}


def output_of(job: ScriptJob, run: ScriptRun) -> str:
    """What it printed so far, fit to be read; nothing where it belongs to a secret attribute."""
    return "" if is_hidden(job, run) else readable(run.response)


def is_hidden(job: ScriptJob, run: ScriptRun) -> bool:
    """Of a secret attribute nothing is shown but why a script that printed nothing came to its end."""
    return job.hides_output and (bool(run.status_code) or run.state == RunState.SENT)


def readable(text: str) -> str:
    """Without what terminals obey and nobody reads: colours, cursor movements, marks that turn the direction of writing."""
    text = _TERMINAL.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return _UNPRINTABLE.sub("", text)


def excerpt(text: str | None) -> str:
    """The first words of an output, on one line."""
    line = " ".join(readable(text or "").split())
    return line if len(line) <= EXCERPT_LENGTH else f"{line[:EXCERPT_LENGTH]}…"


# --- A job ------------------------------------------------------------------------------------------------------------
Tally = Counter[Stage]


def tallies(jobs: Sequence[ScriptJob]) -> dict[int, Tally]:
    """Job pk → how many of its runs are in each stage. One statement."""
    return {pk: _by_stage(found) for pk, found in count_runs(jobs).items()}


def _by_stage(found: Counter[tuple[str, bool]]) -> Tally:
    tally: Tally = Counter()
    for (state, has_begun), number in found.items():
        tally[stage_of(state, has_begun)] += number
    return tally


def job_badge(job: ScriptJob, tally: Tally) -> SafeString:
    status = status_of(job, _states(tally))
    if status is JobStatus.PENDING and not (tally[Stage.SENT] or tally[Stage.RUNNING] or tally[Stage.COMPLETED]):
        return badge(_("Waiting for Macs"), "queued") if not tally[Stage.FAILED] else badge(*JOB_WORDS[status])
    return badge(*JOB_WORDS[status])


def is_open(tally: Tally) -> bool:
    return any(tally[stage] for stage in OPEN)


def _states(tally: Tally) -> Counter[str]:
    states: Counter[str] = Counter()
    for state, stage in _STAGE_OF.items():
        states[state] += tally[stage]
    states[RunState.SENT] += tally[Stage.RUNNING]
    return states


def bar(tally: Tally) -> SafeString:
    """A small bar, and the numbers in words: colours are never the only sign."""
    total = tally.total()
    if not total:
        return format_html('<span class="pm-soft">{}</span>', _("no Mac any more"))
    parts, start = [], 0.0
    for stage in BAR:
        width = tally[stage] * 100 / total
        if width:
            parts.append((stage.value, round(start, 2), round(width, 2)))
        start += width
    words = " · ".join(f"{tally[stage]:,} {STAGES[stage][0].lower()}" for stage in BAR if tally[stage])
    return format_html(
        '<span class="pm-tally"><svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">{}</svg>'
        "<small>{}</small></span>",
        format_html_join("", '<rect class="pm-run-{}" x="{}" width="{}" height="6"/>', parts),
        words,
    )


def macs(number: int) -> str:
    return count_of(number, "Mac")
