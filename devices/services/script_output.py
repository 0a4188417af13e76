"""What scripts print becomes the value of a custom attribute: done by workers, since the operator's regex may be slow.

Python's regular expressions cannot be interrupted, and some need more than a lifetime for a text that suits them. So they
run in a process of their own, which is ended when its time is over.
"""

import json
import subprocess
import sys
from collections.abc import Sequence

from django.db import transaction

from devices.models import CustomAttribute, Device, ScriptRun
from devices.services.attributes import set_values
from mdm.accounts.actors import DEVICE
from mdm.common.crypto import CannotDecrypt
from mdm.events.models import Event, Level
from mdm.events.services import build, emit_many

REGEX_SECONDS = 2.0
AT_ONCE = 50

_PROGRAM = "import json, re, sys; p, t = json.load(sys.stdin); json.dump(re.sub(p, '', t), sys.stdout)"
TOO_SLOW = "custom_attribute_regex takes too long on this output."
BROKEN = "custom_attribute_regex cannot be applied to this output."


class CannotApply(Exception):
    """The regex does not get through the text; the text of the error is a sentence for the log."""


def apply_outputs() -> int:
    """Take answers until none is left; returns how many. Several may run at once: what is set twice is the same value."""
    due = ScriptRun.objects.filter(is_output_due=True).select_related("job__custom_attribute", "device")
    oldest = due.defer("device__information", "device__security", "job__content").order_by("finished_at", "pk")
    total = 0
    while runs := list(oldest[:AT_ONCE]):
        _apply(runs)
        total += len(runs)
    return total


def without_matches(pattern: str, text: str) -> str:
    """The text without all that the pattern matches. Raises CannotApply."""
    if not pattern:
        return text
    command = [sys.executable, "-I", "-S", "-c", _PROGRAM]
    given = json.dumps([pattern, text]).encode()
    try:
        # The program is ours; pattern and text are its input.
        done = subprocess.run(command, input=given, capture_output=True, timeout=REGEX_SECONDS, check=True)  # noqa: S603
    except subprocess.TimeoutExpired as error:
        raise CannotApply(TOO_SLOW) from error
    except subprocess.CalledProcessError as error:
        raise CannotApply(BROKEN) from error
    return json.loads(done.stdout)


def _apply(runs: Sequence[ScriptRun]) -> None:
    """The slow part stands outside of the transaction: on SQLite nobody else could write meanwhile."""
    wanted: dict[int, tuple[Device, CustomAttribute, str]] = {}
    dropped: dict[int, Event] = {}
    secret: list[int] = []
    for run in runs:
        attribute = run.job.custom_attribute
        if attribute is None:
            continue  # deleted since
        if attribute.is_secret:
            secret.append(run.pk)
        try:
            value = without_matches(run.job.custom_attribute_regex, run.sealed_response or run.response)
            wanted[run.pk] = (run.device, attribute, value)
        except (CannotApply, CannotDecrypt) as error:
            dropped[run.pk] = _dropped(run, attribute, str(error))
    with transaction.atomic():
        due = ScriptRun.objects.filter(pk__in=[run.pk for run in runs], is_output_due=True)
        # Another worker may have been quicker, and a later script of the Mac may have set another value since.
        mine = set(due.select_for_update(no_key=True).values_list("pk", flat=True))
        set_values([value for pk, value in wanted.items() if pk in mine], DEVICE)
        ScriptRun.objects.filter(pk__in=mine).update(is_output_due=False, sealed_response=None)
        ScriptRun.objects.filter(pk__in=mine.intersection(secret)).update(response="")
        emit_many(event for pk, event in dropped.items() if pk in mine)


def _dropped(run: ScriptRun, attribute: CustomAttribute, why: str) -> Event:
    return build(
        "script.output_dropped",
        account_id=run.account_id,
        device=run.device,
        level=Level.WARNING,
        metadata={
            "name": run.job.script_name,
            "job_id": run.job.job_id,
            "custom_attribute": attribute.name,
            "why": why,
        },
    )
