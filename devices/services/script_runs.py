"""Runs of scripts, from the queue to the Mac and back. A run is handed out once, whatever becomes of the answer."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from devices.models import Device, RunState, ScriptJob, ScriptRun
from devices.services.errors import NotPossible
from devices.services.variables import fill, variables_of
from mdm.accounts.actors import DEVICE, SYSTEM, Actor
from mdm.common.batches import batches
from mdm.common.crypto import CannotDecrypt
from mdm.common.nudge import nudge_named
from mdm.common.text import clean_text
from mdm.events.models import Level
from mdm.events.services import build, emit, emit_many

ANSWER_WITHIN = timedelta(days=1)
NO_ANSWER = "The Mac received the script and has not answered within a day."
MAX_OUTPUT_BYTES = 64 * 1024
HIDDEN = "(kept in a secret custom attribute)"
APPLIER = "devices.tasks.apply_script_outputs"
BATCH = 500
_SEALED = ScriptRun._meta.get_field("sealed_response")


@dataclass(frozen=True)
class Order:
    """What a Mac is told to run."""

    run_id: int
    content: str


def next_order(device: Device) -> Order | None:
    """The oldest run that waits for the Mac, which counts as received from now on; None when nothing waits.

    A script whose variables cannot be filled in ends here, with the reason.
    """
    waiting = ScriptRun.objects.filter(device=device, state=RunState.PENDING).select_related("job").order_by("pk")
    while run := waiting.first():
        try:
            content = _content(run.job, device)
        except (NotPossible, CannotDecrypt) as error:
            fail_runs(waiting.filter(pk=run.pk), str(error))
            continue
        # Whoever asks twice at once gets it once: the second finds it in another state and goes on.
        if waiting.filter(pk=run.pk).update(state=RunState.SENT, sent_at=timezone.now()):
            return Order(run.pk, content)
    return None


def _content(job: ScriptJob, device: Device) -> str:
    return fill(job.content, variables_of(device)) if job.variable_support else job.content


def take_answer(device: Device, run_id: int, *, status_code: int, output: str) -> bool:
    """Store how the script ended; repeats change nothing. False if the Mac has no such run.

    An answer that comes after all, when the wait for it was given up, counts.
    """
    with transaction.atomic():
        run = ScriptRun.objects.select_related("job__custom_attribute").filter(device=device, pk=run_id).first()
        if run is None:
            return False
        now, ended_well = timezone.now(), status_code == 0
        attribute = run.job.custom_attribute
        is_secret = attribute is not None and attribute.is_secret
        is_wanted = ended_well and attribute is not None
        awaited = Q(state=RunState.SENT) | Q(state=RunState.ERROR, status_code="", sent_at__isnull=False)
        kept = bounded_output(output)
        is_new = ScriptRun.objects.filter(awaited, pk=run.pk).update(
            state=RunState.COMPLETED if ended_well else RunState.ERROR,
            status_code=str(status_code),
            response="" if is_secret else kept,
            # Workers take it out of here.
            sealed_response=_SEALED.seal(kept if is_secret and is_wanted else "", run.secret_id),
            is_output_due=is_wanted,
            finished_at=now,
        )
        if not is_new:
            return True
        ScriptJob.objects.filter(pk=run.job_id).update(updated_at=now)
        emit(
            "script.ran",
            account_id=run.account_id,
            actor=replace(DEVICE, api_key_id=run.job.api_key_id),
            device=device,
            level=Level.INFO if ended_well else Level.WARNING,
            name=run.job.script_name,
            job_status=str(status_code),
            job_response=HIDDEN if is_secret else output,
        )
        if is_wanted:
            transaction.on_commit(partial(nudge_named, APPLIER))
    return True


def bounded_output(output: str) -> str:
    """As much as is kept: 64 KiB of UTF-8, without what a database cannot hold."""
    text = clean_text(output, MAX_OUTPUT_BYTES)
    return text.encode()[:MAX_OUTPUT_BYTES].decode("utf-8", "ignore")


def fail_runs(runs: QuerySet[ScriptRun], why: str, *, actor: Actor = SYSTEM) -> int:
    """End those of the runs that are in the state that the queryset asks for, with a reason. Returns how many."""
    total = 0
    for some in batches(list(runs.values_list("pk", flat=True)), BATCH):
        with transaction.atomic():
            ended = list(
                runs.filter(pk__in=some)
                .select_related("device", "job")
                .defer("device__information", "device__security", "job__content")
                .select_for_update(of=("self",), no_key=True)
            )
            _end(ended, RunState.ERROR, response=why)
            emit_many(
                build(
                    "script.failed",
                    account_id=run.account_id,
                    actor=actor,
                    device=run.device,
                    level=Level.WARNING,
                    metadata={"name": run.job.script_name, "job_id": run.job.job_id, "why": why},
                )
                for run in ended
            )
        total += len(ended)
    return total


def give_up_waiting() -> int:
    """End runs whose Mac has not answered for too long: the script may have run or not, so it is not sent again."""
    unanswered = ScriptRun.objects.filter(state=RunState.SENT, sent_at__lte=timezone.now() - ANSWER_WITHIN)
    return fail_runs(unanswered.order_by("pk"), NO_ANSWER)


def cancel_runs_of_removed_devices() -> int:
    """Nobody will fetch them: a device that comes back is a row of its own."""
    orphans = ScriptRun.objects.filter(state=RunState.PENDING, device__removed_at__isnull=False)
    pks = list(orphans.values_list("pk", flat=True))
    for some in batches(pks, BATCH):
        with transaction.atomic():
            _end(ScriptRun.objects.filter(pk__in=some, state=RunState.PENDING).only("pk", "job"), RunState.CANCELLED)
    return len(pks)


def _end(runs: Collection[ScriptRun], state: RunState, *, response: str = "") -> None:
    """The runs first, their jobs after them: everybody locks in this order."""
    now = timezone.now()
    found: Sequence[tuple[int, int]] = [(run.pk, run.job_id) for run in runs]
    ScriptRun.objects.filter(pk__in=[pk for pk, _ in found]).update(state=state, response=response, finished_at=now)
    ScriptJob.objects.filter(pk__in={job_id for _, job_id in found}).update(updated_at=now)
