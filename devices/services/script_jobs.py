"""Script jobs: setting a script to run on Macs, how far it has come, and taking it back."""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from devices.models import (
    AssignmentGroup,
    AssignmentMember,
    CustomAttribute,
    Device,
    DeviceGroup,
    DeviceState,
    Platform,
    RunAs,
    RunState,
    Script,
    ScriptJob,
    ScriptRun,
)
from devices.services.errors import NotPossible, SetChanged
from devices.services.memberships import named_in
from devices.services.script_beginnings import begin, freeze_runs
from devices.services.script_endings import tell_finished
from mdm.accounts.actors import Actor
from mdm.common.batches import batches
from mdm.events.services import emit

LISTED_FOR = timedelta(days=30)
MAX_REGEX_LENGTH = 500
TIMEOUT_SECONDS = 3600
MAX_TIMEOUT_SECONDS = 86_400
BATCH = 1000
DELETED_AT_ONCE = 20  # jobs, each with up to thousands of runs
NAMED_IN_ERRORS = 10


class JobStatus(StrEnum):
    PENDING = "pending"
    COMPLETED = "completed"
    WITH_ERRORS = "completed-with-errors"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class RunFacts:
    """What lists tell of a run."""

    device_id: int
    state: str
    status_code: str = ""
    response: str = ""


# --- Starting ---------------------------------------------------------------------------------------------------------
def start_job(
    script: Script,
    *,
    devices: Sequence[Device] = (),
    device_groups: Collection[DeviceGroup] = (),
    assignment_groups: Collection[AssignmentGroup] = (),
    name: str = "",
    custom_attribute: CustomAttribute | None = None,
    custom_attribute_regex: str = "",
    timeout_seconds: int = TIMEOUT_SECONDS,
    run_as: str = RunAs.ROOT,
    actor: Actor,
    token: UUID | None = None,
) -> ScriptJob:
    """Set the script, as it is now, to run on the devices, and on all enrolled Macs of the groups. Everything is the account's.

    custom_attribute gets the output of each Mac where the script ends well, without whatever the regex matches; alone, the
    regex has no meaning, and is not kept. timeout_seconds: the Mac ends the script after so long. run_as: one of RunAs.
    token: of the form that orders it; should it have come before, the job that was started then is returned, and no other.
    Raises NotPossible for a device that is not an enrolled Mac, for a regex, a time or a user that is none, and when no
    Mac is left.
    """
    check_regex(custom_attribute_regex)
    _check_options(timeout_seconds, run_as)
    targets = macs_among(script.account_id, devices, device_groups, assignment_groups)

    def queue(job: ScriptJob) -> int:
        runs = (ScriptRun(account_id=job.account_id, job=job, device_id=pk) for pk in targets)
        ScriptRun.objects.bulk_create(runs, batch_size=BATCH)
        return len(targets)

    return begin(
        script,
        queue,
        token=token,
        actor=actor,
        name=name,
        custom_attribute=custom_attribute,
        custom_attribute_regex=custom_attribute_regex if custom_attribute else "",
        is_output_secret=bool(custom_attribute and custom_attribute.is_secret),
        timeout_seconds=timeout_seconds,
        run_as=run_as,
    )


def start_job_for(
    script: Script,
    devices: QuerySet[Device],
    *,
    expected: int,
    timeout_seconds: int = TIMEOUT_SECONDS,
    run_as: str = RunAs.ROOT,
    actor: Actor,
    token: UUID | None = None,
) -> ScriptJob:
    """The same for all enrolled Macs that the query finds at this moment, however many: they stay in the database.

    expected: how many there must be; SetChanged is raised where there are more or fewer. All else as `start_job`.
    """
    _check_options(timeout_seconds, run_as)

    def queue(job: ScriptJob) -> int:
        total = freeze_runs(macs_in(devices, job.account_id), job)
        if total != expected:
            raise SetChanged(total, "Mac")
        return total

    return begin(script, queue, token=token, actor=actor, timeout_seconds=timeout_seconds, run_as=run_as)


def _check_options(timeout_seconds: int, run_as: str) -> None:
    check_timeout(timeout_seconds)
    if run_as not in RunAs.values:
        raise NotPossible(f"run_as is none of {', '.join(RunAs.values)}.")


def check_regex(pattern: str, *, name: str = "custom_attribute_regex") -> None:
    """Raises NotPossible, with the name. Whether it is quick is not looked at: `script_output` gives it but a moment."""
    if len(pattern) > MAX_REGEX_LENGTH:
        raise NotPossible(f"{name} may have {MAX_REGEX_LENGTH} characters at most.")
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise NotPossible(f"{name} is not a regular expression: {error}.") from error


def check_timeout(seconds: int) -> None:
    if not 1 <= seconds <= MAX_TIMEOUT_SECONDS:
        raise NotPossible(f"timeout_seconds must be from 1 to {MAX_TIMEOUT_SECONDS} (a day).")


def macs_among(
    account_id: int,
    devices: Sequence[Device] = (),
    device_groups: Collection[DeviceGroup] = (),
    assignment_groups: Collection[AssignmentGroup] = (),
) -> list[int]:
    """The keys of the Macs that a job for these would run on, each once. Raises NotPossible as `start_job`."""
    _check_macs(devices)
    return sorted({device.pk for device in devices} | _macs_of(account_id, device_groups, assignment_groups))


def _check_macs(devices: Sequence[Device]) -> None:
    others = [str(device.pk) for device in devices if not (device.is_mac and device.is_enrolled)]
    if others:
        more = f" and {len(others) - NAMED_IN_ERRORS} more" if len(others) > NAMED_IN_ERRORS else ""
        raise NotPossible(
            f"Scripts run on enrolled Macs only; these devices are none: {', '.join(others[:NAMED_IN_ERRORS])}{more}."
        )


def _macs_of(
    account_id: int, device_groups: Collection[DeviceGroup], assignment_groups: Collection[AssignmentGroup]
) -> set[int]:
    if not device_groups and not assignment_groups:
        return set()
    members = AssignmentMember.objects.filter(group__in=[group.pk for group in assignment_groups])
    named = Q(group__in=[group.pk for group in device_groups]) | named_in(members)
    return set(enrolled_macs(account_id).filter(named).values_list("pk", flat=True))


def enrolled_macs(account_id: int) -> QuerySet[Device]:
    """Whatever may run a script."""
    return Device.objects.filter(
        account_id=account_id, platform=Platform.MACOS, state=DeviceState.ENROLLED, removed_at=None
    )


def macs_in(devices: QuerySet[Device], account_id: int) -> QuerySet[Device]:
    """Those of the query that may run a script, each once, whatever it joins and sorts by."""
    return enrolled_macs(account_id).filter(pk__in=devices.order_by().values("pk"))


def failed_macs(job: ScriptJob) -> list[Device]:
    """Those where the job did not end well and that could run a script again: what `start_job` needs to know of them."""
    failed = enrolled_macs(job.account_id).filter(script_runs__job=job, script_runs__state=RunState.ERROR)
    return list(failed.only("account_id", "platform", "state").order_by("pk"))


# --- How far they are -------------------------------------------------------------------------------------------------
def recent(jobs: QuerySet[ScriptJob]) -> QuerySet[ScriptJob]:
    """Those that are still listed."""
    return jobs.filter(created_at__gt=timezone.now() - LISTED_FOR)


def runs_of(jobs: Sequence[ScriptJob], *, with_output: bool = False) -> dict[int, list[RunFacts]]:
    """Job pk → its runs, oldest first. One statement, and no models: a job may have thousands of runs."""
    columns = ("device_id", "state", *(("status_code", "response") if with_output else ()))
    rows = ScriptRun.objects.filter(job__in=[job.pk for job in jobs]).order_by("pk").values_list("job_id", *columns)
    found: dict[int, list[RunFacts]] = defaultdict(list)
    for job_id, *facts in rows.iterator():
        found[job_id].append(RunFacts(*facts))
    return found


def count_runs(jobs: Sequence[ScriptJob]) -> dict[int, Counter[tuple[str, bool]]]:
    """Job pk → (state, whether the Mac said that it began) → how many runs. One statement for all of the jobs."""
    rows = ScriptRun.objects.filter(job__in=[job.pk for job in jobs]).order_by()
    counted = rows.values_list("job_id", "state", Q(began_at__isnull=False)).annotate(number=Count("pk"))
    found: dict[int, Counter[tuple[str, bool]]] = {job.pk: Counter() for job in jobs}
    for job_id, state, has_begun, number in counted:
        found[job_id][state, bool(has_begun)] = number
    return found


def shown_output(job: ScriptJob, run: RunFacts) -> str | None:
    """None while there is none, and where it belongs to a secret attribute."""
    if run.state not in (RunState.COMPLETED, RunState.ERROR):
        return None
    return None if run.status_code and job.hides_output else run.response


def status_of(job: ScriptJob, states: Counter[str]) -> JobStatus:
    """states: how many runs are in each RunState."""
    if states[RunState.PENDING] or states[RunState.SENT]:
        return JobStatus.PENDING
    if job.cancelled_at or not (states[RunState.COMPLETED] or states[RunState.ERROR]):
        return JobStatus.CANCELLED
    return JobStatus.WITH_ERRORS if states[RunState.ERROR] else JobStatus.COMPLETED


# --- Ending -----------------------------------------------------------------------------------------------------------
def cancel_job(job: ScriptJob, actor: Actor) -> int:
    """Take back the runs that no Mac has received; returns how many. Raises NotPossible when there is none."""
    with transaction.atomic():
        now = timezone.now()
        count = job.runs.filter(state=RunState.PENDING).update(state=RunState.CANCELLED, finished_at=now)
        if not count:
            raise NotPossible("There is nothing left to cancel: every Mac has received the script, or is done with it.")
        ScriptJob.objects.filter(pk=job.pk).update(cancelled_at=now, updated_at=now)
        emit(
            "script_job.cancelled",
            account_id=job.account_id,
            actor=actor,
            job_id=job.job_id,
            script_name=job.script_name,
            device_count=count,
        )
        tell_finished([job.pk], actor)
    return count


def forget_old_jobs() -> int:
    """Delete jobs that are not listed any more, a few in a transaction. Returns how many."""
    old = ScriptJob.objects.filter(created_at__lte=timezone.now() - LISTED_FOR)
    pks = list(old.order_by("pk").values_list("pk", flat=True))
    for some in batches(pks, DELETED_AT_ONCE):
        ScriptJob.objects.filter(pk__in=some).delete()
    return len(pks)
