"""What a Mac is handed to run, and the one beginning that each run has.

An order may be handed out more than once, as answers get lost: until the Mac says that it begins. Whoever begins names a
claim, a number that this one attempt made; whoever comes with another one later, or after the end, may not run it.
"""

from dataclasses import dataclass
from enum import Enum, auto

from django.db.models import Q, QuerySet
from django.utils import timezone

from devices.models import Device, RunState, ScriptJob, ScriptRun
from devices.services.agent_keys import sign
from devices.services.errors import NotPossible
from devices.services.script_runs import ENDING_WORDS, fail_runs
from devices.services.variables import fill, variables_of
from mdm.accounts.actors import DEVICE
from mdm.common.crypto import CannotDecrypt

# Handed out, and not begun. What was not begun for a day waits again (`take_back_orders`), and may still be begun.
UNBEGUN = Q(state=RunState.SENT, claim="") | Q(state=RunState.PENDING, sent_at__isnull=False)
MAX_ID_DIGITS = 18
SECRET_DIGITS = 32


class Heard(Enum):
    """What becomes of what a Mac tells about a run."""

    YES = auto()
    NO_SUCH_RUN = auto()
    NOT_YOURS = auto()  # it is over, cancelled, or another claim has it


@dataclass(frozen=True)
class Order:
    """body: lines `Name: value`, an empty line, the script's bytes. signature: of all of it, in base64."""

    run_id: int
    body: bytes
    signature: str


def next_order(device: Device) -> Order | None:
    """The oldest run that waits for the Mac, which counts as sent from now on; None when nothing waits.

    The same again as long as it has not begun. A script whose variables cannot be filled in ends here, with the reason.
    Raises CannotDecrypt when the account's key cannot be read.
    """
    of_mac = ScriptRun.objects.filter(device=device)
    waiting = of_mac.filter(Q(state=RunState.PENDING) | Q(state=RunState.SENT, claim=""))
    oldest = waiting.select_related("job__custom_attribute").order_by("pk")
    while run := oldest.first():
        try:
            content = _content(run.job, device)
        except (NotPossible, CannotDecrypt) as error:
            fail_runs(waiting.filter(pk=run.pk), str(error))
            continue
        if run.state == RunState.SENT or _mark_sent(of_mac.filter(pk=run.pk)):
            body = _body(run, device, content.encode())
            return Order(run.pk, body, sign(device.account_id, body))
    return None


def _mark_sent(runs: QuerySet[ScriptRun]) -> bool:
    """Whoever asks twice at once gets the same: both find it unbegun. False when it was cancelled or begun meanwhile."""
    return bool(runs.filter(UNBEGUN | Q(state=RunState.PENDING)).update(state=RunState.SENT, sent_at=timezone.now()))


def _content(job: ScriptJob, device: Device) -> str:
    content = _for_shells(job.content)
    return fill(content, variables_of(device)) if job.variable_support else content


def _for_shells(content: str) -> str:
    """A script that was written on Windows, with the line ends that systems with shebangs take; others as they are."""
    is_from_windows = content.partition("\n")[0].endswith("\r")
    return content.replace("\r\n", "\n") if is_from_windows else content


def _body(run: ScriptRun, device: Device, script: bytes) -> bytes:
    head = (
        ("Pomona-Order", 1),
        ("Run", order_id(run)),
        ("Device", device.uuid),
        ("Issued", int(timezone.now().timestamp())),
        ("Run-As", run.job.run_as),
        ("Timeout", run.job.timeout_seconds),
        ("Live", "no" if run.job.hides_output else "yes"),
        ("Script-Length", len(script)),
    )
    return "".join(f"{name}: {value}\n" for name, value in head).encode() + b"\n" + script


def order_id(run: ScriptRun) -> str:
    """How Macs name the run. The second part is of this row alone: they remember it and never run it again, even if the
    database came from a backup and counts from a lower number."""
    return f"{run.pk}-{run.secret_id.hex}"


def find_run(device: Device, name: str) -> ScriptRun | None:
    """The Mac's run of that name, with its job."""
    number, _, secret = name.partition("-")
    if not (number.isascii() and number.isdigit() and len(number) <= MAX_ID_DIGITS and len(secret) == SECRET_DIGITS):
        return None
    runs = ScriptRun.objects.filter(device=device, pk=int(number)).select_related("job__custom_attribute")
    run = runs.defer("job__content").first()
    return run if run is not None and run.secret_id.hex == secret else None


def begin(device: Device, name: str, claim: str) -> Heard:
    """The Mac is about to run it. YES once, and for the same claim again as long as it has not ended."""
    run = find_run(device, name)
    if run is None:
        return Heard.NO_SUCH_RUN
    this = ScriptRun.objects.filter(pk=run.pk)
    began = this.filter(UNBEGUN).update(
        state=RunState.SENT, claim=claim, began_at=timezone.now(), response="", output_bytes=0
    )
    return Heard.YES if began or this.filter(state=RunState.SENT, claim=claim).exists() else Heard.NOT_YOURS


def refuse(device: Device, name: str, why: str) -> Heard:
    """The Mac does not carry the order out, for one of REFUSALS. Nothing becomes of it once the run has begun or ended."""
    run = find_run(device, name)
    if run is None:
        return Heard.NO_SUCH_RUN
    fail_runs(ScriptRun.objects.filter(UNBEGUN, pk=run.pk), ENDING_WORDS[why], ending=why, actor=DEVICE)
    return Heard.YES
