"""The end of a script job: told once, when the last of its Macs is done with it."""

from collections import Counter, defaultdict
from collections.abc import Collection

from django.db.models import Count, Exists, OuterRef
from django.utils import timezone

from devices.models import RunState, ScriptJob, ScriptRun
from mdm.accounts.actors import SYSTEM, Actor
from mdm.events.models import Event
from mdm.events.services import build, emit_many

OPEN = (RunState.PENDING, RunState.SENT)


def tell_finished(job_pks: Collection[int], actor: Actor = SYSTEM) -> int:
    """A line for each of the jobs of which no run is left to wait for, unless it is there. Returns how many.

    Call in the transaction that ended runs of theirs, after that. Of two that end the last runs at the same time the
    second waits here for the first, and then sees that all are done. An answer that comes after all, when the wait for it
    was given up, changes nothing of it.
    """
    unfinished = ScriptJob.objects.filter(pk__in=job_pks, finished_at=None).order_by("pk")
    locked = list(unfinished.select_for_update(no_key=True).values_list("pk", flat=True))
    if not locked:
        return 0
    # A statement of its own: the one that waited for the lock looks at the runs as they were before.
    waiting = ScriptRun.objects.filter(job=OuterRef("pk"), state__in=OPEN)
    jobs = list(ScriptJob.objects.filter(~Exists(waiting), pk__in=locked).defer("content").order_by("pk"))
    if jobs:
        ScriptJob.objects.filter(pk__in=[job.pk for job in jobs]).update(finished_at=timezone.now())
        counts = _counts(jobs)
        emit_many(_line(job, counts[job.pk], actor) for job in jobs)
    return len(jobs)


def _counts(jobs: Collection[ScriptJob]) -> dict[int, Counter[str]]:
    found: dict[int, Counter[str]] = defaultdict(Counter)
    rows = ScriptRun.objects.filter(job__in=[job.pk for job in jobs]).order_by().values_list("job_id", "state")
    for job_id, state, number in rows.annotate(number=Count("pk")):
        found[job_id][state] = number
    return found


def _line(job: ScriptJob, states: Counter[str], actor: Actor) -> Event:
    return build(
        "script_job.finished",
        account_id=job.account_id,
        actor=actor,
        metadata={
            "job_id": job.job_id,
            "job_name": job.name,
            "script_name": job.script_name,
            "device_count": states.total(),
            "success_count": states[RunState.COMPLETED],
            "errored_count": states[RunState.ERROR],
            "cancelled_count": states[RunState.CANCELLED],
        },
    )
