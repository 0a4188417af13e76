"""Runs of scripts that end without an answer of their Mac, and the words for how runs end."""

from collections.abc import Collection, Sequence
from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from devices.models import RunState, ScriptJob, ScriptRun
from devices.services.script_endings import tell_finished
from mdm.accounts.actors import SYSTEM, Actor
from mdm.common.batches import batches
from mdm.events.models import Level
from mdm.events.services import build, emit_many

ANSWER_WITHIN = timedelta(days=1)  # after the time that the script may take
BATCH = 500

SILENCE = "silence"
TIMEOUT = "timeout"
# The agent's words for why it did not carry an order out: nothing ran.
REFUSALS = frozenset({"signature", "device", "clock", "repeat", "unknown"})
# Its words for how a run ended that it had begun; without one, the script ended by itself.
CUT_OFF = frozenset({"reboot", "interrupted"})
NO_USER = "no_user"

NO_ANSWER = "The Mac began the script and has not told how it ended."
ENDING_WORDS: dict[str, str] = {
    TIMEOUT: "The script took longer than it may, and the Mac ended it.",
    "reboot": "The Mac restarted while the script ran. It is not run again.",
    "interrupted": "The script was cut off on the Mac, nobody knows where. It is not run again.",
    NO_USER: "It was to run as whoever is signed in at the screen, and nobody was.",
    "signature": "The Mac did not run it: the order was not signed with the key that its profile names.",
    "device": "The Mac did not run it: the order was for another Mac.",
    "clock": "The Mac did not run it: its clock differs from the server's by more than an hour.",
    "repeat": "The Mac did not run it: it had run it before.",
    "unknown": "The Mac did not run it: its agent does not understand the order.",
    SILENCE: NO_ANSWER,
}


def fail_runs(runs: QuerySet[ScriptRun], why: str, *, ending: str = "", actor: Actor = SYSTEM) -> int:
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
            _end(ended, RunState.ERROR, response=why, ending=ending)
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
    """End runs that were begun and of whose end nobody told: the script may have run or not, so it is not sent again."""
    return fail_runs(_unanswered().order_by("pk"), NO_ANSWER, ending=SILENCE)


def _unanswered() -> QuerySet[ScriptRun]:
    now = timezone.now()
    begun = ScriptRun.objects.filter(state=RunState.SENT, sent_at__lte=now - ANSWER_WITHIN, began_at__isnull=False)
    late = [
        pk
        for pk, began_at, seconds in begun.values_list("pk", "began_at", "job__timeout_seconds")
        if began_at + timedelta(seconds=seconds) + ANSWER_WITHIN <= now
    ]
    return ScriptRun.objects.filter(pk__in=late, state=RunState.SENT)


def take_back_orders() -> int:
    """What a Mac was handed a day ago and has not begun waits for it again, and can be cancelled. Returns how many."""
    unbegun = ScriptRun.objects.filter(state=RunState.SENT, sent_at__lte=timezone.now() - ANSWER_WITHIN, claim="")
    return unbegun.update(state=RunState.PENDING)


def cancel_runs_of_removed_devices() -> int:
    """Nobody will fetch them: a device that comes back is a row of its own."""
    orphans = ScriptRun.objects.filter(state=RunState.PENDING, device__removed_at__isnull=False)
    pks = list(orphans.values_list("pk", flat=True))
    for some in batches(pks, BATCH):
        with transaction.atomic():
            _end(ScriptRun.objects.filter(pk__in=some, state=RunState.PENDING).only("pk", "job"), RunState.CANCELLED)
    return len(pks)


def _end(runs: Collection[ScriptRun], state: RunState, *, response: str = "", ending: str = "") -> None:
    """The runs first, their jobs after them: everybody locks in this order."""
    now = timezone.now()
    found: Sequence[tuple[int, int]] = [(run.pk, run.job_id) for run in runs]
    ScriptRun.objects.filter(pk__in=[pk for pk, _ in found]).update(
        state=state, response=response, ending=ending, finished_at=now
    )
    ScriptJob.objects.filter(pk__in={job_id for _, job_id in found}).update(updated_at=now)
    tell_finished({job_id for _, job_id in found})
