"""What a Mac tells of a script that it runs: what it prints meanwhile, and how it ended."""

import codecs
from dataclasses import dataclass, replace
from functools import partial

from django.db import transaction
from django.db.models import Q, TextField, Value
from django.db.models.functions import Concat
from django.utils import timezone

from devices.models import Device, RunState, ScriptJob, ScriptRun
from devices.services.script_endings import tell_finished
from devices.services.script_orders import Heard, find_run
from devices.services.script_runs import CUT_OFF, ENDING_WORDS, NO_USER, SILENCE, TIMEOUT
from mdm.accounts.actors import DEVICE
from mdm.common.nudge import nudge_named
from mdm.common.text import clean_text
from mdm.events.models import Level
from mdm.events.services import emit

MAX_OUTPUT_BYTES = 64 * 1024
HIDDEN = "(kept in a secret custom attribute)"
APPLIER = "devices.tasks.apply_script_outputs"
EXITED = "exited"
ENDINGS = frozenset({EXITED, TIMEOUT, NO_USER, *CUT_OFF})  # what a Mac may say of a run that it began
_SEALED = ScriptRun._meta.get_field("sealed_response")
# An answer that comes after all, when the wait for it was given up, counts.
_AWAITED = Q(state=RunState.SENT) | Q(state=RunState.ERROR, ending=SILENCE)


@dataclass(frozen=True)
class End:
    """why: one of ENDINGS. exit_code: None where it got no further. total: bytes that it printed; output: the first of them."""

    why: str
    exit_code: int | None
    output: bytes
    total: int = 0

    @property
    def is_good(self) -> bool:
        return self.why == EXITED and self.exit_code == 0


def add_output(device: Device, name: str, claim: str, *, offset: int, data: bytes) -> tuple[Heard, int]:
    """Put what the script printed after the first `offset` bytes behind what is there, for people to see while it runs.

    Returns how many bytes are known now: the Mac goes on from there. A character that is not whole waits for its rest,
    repeats and what is beyond MAX_OUTPUT_BYTES are left out, and nothing is kept of what belongs to a secret attribute.
    """
    run = find_run(device, name)
    if run is None:
        return Heard.NO_SUCH_RUN, 0
    if run.state != RunState.SENT or not claim or run.claim != claim:
        return Heard.NOT_YOURS, 0
    data = data[: max(0, MAX_OUTPUT_BYTES - offset)]
    if run.job.hides_output:
        return Heard.YES, offset + len(data)
    text, used = _whole_characters(data)
    if not used or offset != run.output_bytes:
        return Heard.YES, run.output_bytes
    piece = Value(clean_text(text, len(text)), output_field=TextField())
    # Only behind what it was: of two that come at once, the second changes nothing.
    added = ScriptRun.objects.filter(pk=run.pk, state=RunState.SENT, claim=claim, output_bytes=offset).update(
        response=Concat("response", piece), output_bytes=offset + used
    )
    return Heard.YES, offset + used if added else offset


def take_end(device: Device, name: str, claim: str, end: End) -> Heard:
    """Store how the script ended; repeats change nothing."""
    with transaction.atomic():
        run = find_run(device, name)
        if run is None:
            return Heard.NO_SUCH_RUN
        if not claim or run.claim != claim:
            return Heard.NOT_YOURS
        if not _store(run, end):
            return Heard.YES
        ScriptJob.objects.filter(pk=run.job_id).update(updated_at=timezone.now())
        _tell(run, device, end)
        tell_finished([run.job_id])
        if _is_wanted(run.job, end):
            transaction.on_commit(partial(nudge_named, APPLIER))
    return Heard.YES


def _store(run: ScriptRun, end: End) -> bool:
    """False when it had ended before."""
    kept, is_secret = readable_output(end.output), run.job.hides_output
    shown = "" if is_secret else kept
    return bool(
        ScriptRun.objects.filter(_AWAITED, pk=run.pk).update(
            state=RunState.COMPLETED if end.is_good else RunState.ERROR,
            status_code=_code(end),
            ending="" if end.why == EXITED else end.why,
            # Something to read wherever it did not end by itself.
            response=shown if end.why == EXITED or shown else ENDING_WORDS[end.why],
            output_bytes=max(end.total, len(end.output)),
            # Workers take it out of here.
            sealed_response=_SEALED.seal(kept if is_secret and _is_wanted(run.job, end) else "", run.secret_id),
            is_output_due=_is_wanted(run.job, end),
            finished_at=timezone.now(),
        )
    )


def _tell(run: ScriptRun, device: Device, end: End) -> None:
    actor = replace(DEVICE, api_key_id=run.job.api_key_id)
    if end.why in (EXITED, TIMEOUT):
        emit(
            "script.ran",
            account_id=run.account_id,
            actor=actor,
            device=device,
            level=Level.INFO if end.is_good else Level.WARNING,
            name=run.job.script_name,
            job_status=_code(end),
            job_response=HIDDEN if run.job.hides_output else readable_output(end.output),
            **({} if end.why == EXITED else {"ending": end.why}),
        )
    else:
        emit(
            "script.failed",
            account_id=run.account_id,
            actor=actor,
            device=device,
            level=Level.WARNING,
            name=run.job.script_name,
            job_id=run.job.job_id,
            why=ENDING_WORDS[end.why],
        )


def readable_output(output: bytes) -> str:
    """As much as is kept, 64 KiB of UTF-8, without what a database cannot hold. What is no UTF-8 is replaced."""
    text = clean_text(output[:MAX_OUTPUT_BYTES].decode("utf-8", "replace"), MAX_OUTPUT_BYTES)
    return text.encode()[:MAX_OUTPUT_BYTES].decode("utf-8", "ignore")


def _whole_characters(data: bytes) -> tuple[str, int]:
    """The text, and how many of the bytes it takes: the beginning of a character at the very end is left for later."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(data)
    return text, len(data) - len(decoder.getstate()[0])


def _code(end: End) -> str:
    return "" if end.exit_code is None else str(end.exit_code)


def _is_wanted(job: ScriptJob, end: End) -> bool:
    return end.is_good and job.custom_attribute is not None
