"""What the page of a script job shows: the whole in numbers, and a page of its Macs."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Substr
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from devices.admin.script_words import (
    HIDDEN,
    IN_STAGE,
    READ_FOR_EXCERPT,
    STAGES,
    Stage,
    Tally,
    bar,
    excerpt,
    is_hidden,
    is_open,
    job_badge,
    length_words,
    macs,
    output_of,
    run_badge,
    tallies,
    took,
)
from devices.models import Device, RunAs, RunState, ScriptAgent, ScriptJob, ScriptRun
from devices.services.agent_package import why_not_ready
from devices.services.script_jobs import failed_macs, recent
from devices.services.script_runs import ENDING_WORDS

PAGE = 50


@dataclass(frozen=True)
class Row:
    """One Mac of the job. tail: the beginning of what it printed; words: why it ended, if not by itself."""

    run: ScriptRun
    badge: SafeString
    took: str
    tail: str
    words: str

    @property
    def is_over(self) -> bool:
        return self.run.state in (RunState.COMPLETED, RunState.ERROR)


def page_of(job: ScriptJob, stage: Stage | None, after: int) -> dict[str, Any]:
    tally = tallies([job])[job.pk]
    url = reverse("admin:devices_scriptjob_change", args=[job.pk])
    found = list(_runs(job, stage).filter(pk__gt=after).order_by("pk")[: PAGE + 1])
    can_run_again = bool(tally[Stage.FAILED] and job.script_id)
    return {
        "job": job,
        "badge_html": job_badge(job, tally),
        "bar": bar(tally),
        "reach": macs(tally.total()),
        "boxes": [(one.value, tally[one], *STAGES[one], one is stage) for one in Stage],
        "stage": stage,
        "stage_words": STAGES[stage][0] if stage else _("All Macs"),
        "rows": [_row(job, run) for run in found[:PAGE]],
        "more": f"{url}?state={stage.value if stage else ''}&after={found[PAGE - 1].pk}" if len(found) > PAGE else "",
        "is_first": not after,
        "is_open": is_open(tally),
        "can_be_cancelled": bool(tally[Stage.WAITING]),
        "again": len(failed_macs(job)) if can_run_again else 0,
        "without_agent": macs(silent) if (silent := _without_agent(job, tally)) else "",
        "agent_trouble": why_not_ready(job.account) if silent else "",
        "runs_as": RunAs(job.run_as).label,
        "limit": length_words(timedelta(seconds=job.timeout_seconds)),
        "mark": mark_of(tally),
    }


def mark_of_run(run: ScriptRun) -> str:
    return f"{run.state}/{run.began_at is not None}/{run.output_bytes}"


def _without_agent(job: ScriptJob, tally: Tally) -> int:
    """How many of those that have not fetched it have never been heard of by an agent."""
    if not tally[Stage.WAITING]:
        return 0
    heard_of = ScriptAgent.objects.filter(device=OuterRef("device"), last_seen_at__isnull=False)
    return ScriptRun.objects.filter(~Exists(heard_of), IN_STAGE[Stage.WAITING], job=job).count()


def mark_of(tally: Tally) -> str:
    return "/".join(str(tally[stage]) for stage in Stage)


def runs_on(device: Device, most: int) -> list[Row]:
    """The newest ones of the Mac that are listed."""
    runs = _with_beginning(ScriptRun.objects.filter(device=device, job__in=recent(ScriptJob.objects.all())))
    runs = runs.select_related("job__custom_attribute").defer("response", "sealed_response", "job__content")
    return [_row(run.job, run) for run in runs.order_by("-pk")[:most]]


def _runs(job: ScriptJob, stage: Stage | None) -> QuerySet[ScriptRun]:
    runs = _with_beginning(ScriptRun.objects.filter(IN_STAGE[stage] if stage else Q(), job=job))
    heavy = ("response", "sealed_response", "device__information", "device__security", "device__location")
    return runs.select_related("device").defer(*heavy)


def _with_beginning(runs: QuerySet[ScriptRun]) -> QuerySet[ScriptRun]:
    """Of each output no more than an excerpt needs."""
    return runs.annotate(beginning=Substr("response", Value(1), Value(READ_FOR_EXCERPT)))


def _row(job: ScriptJob, run: ScriptRun) -> Row:
    words = ending_words(run)
    hidden = HIDDEN if run.finished_at else ""
    tail = hidden if is_hidden(job, run) else excerpt(run.beginning)
    return Row(run=run, badge=run_badge(run), took=took(run), tail="" if tail == words else tail, words=words)


def ending_words(run: ScriptRun) -> str:
    return ENDING_WORDS.get(run.ending, run.ending)


def output_page(job: ScriptJob, device_pk: int | None) -> dict[str, Any]:
    runs = ScriptRun.objects.filter(job=job).select_related("device").defer("sealed_response", "device__information")
    if device_pk:
        run = runs.get(device=device_pk)
    else:
        run = runs.order_by(F("finished_at").desc(nulls_last=True), "pk").first()
    if run is None:
        return {"title": _("Output"), "job": job, "run": None}
    kept = len(run.response.encode())
    return {
        "title": str(run.device),
        "job": job,
        "run": run,
        "badge_html": run_badge(run),
        "took": took(run),
        "words": ending_words(run) or (run.response if run.state == RunState.ERROR and not run.status_code else ""),
        "is_hidden": is_hidden(job, run),
        "output": output_of(job, run),
        "is_open": run.state in (RunState.PENDING, RunState.SENT),
        "is_cut": run.output_bytes > kept > 0,
        "kept": kept,
        "mark": mark_of_run(run),
    }
