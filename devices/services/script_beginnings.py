"""The rows of a new script job: the job itself, once for each order, and a run for each Mac."""

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import DateTimeField, IntegerField, QuerySet, Value
from django.db.models.functions import Cast
from django.utils import timezone

from devices.models import Device, RunState, Script, ScriptJob, ScriptRun
from devices.services.errors import NotPossible
from mdm.accounts.actors import Actor, Source
from mdm.common.many_rows import RandomUuid, insert_selected
from mdm.common.nudge import nudge_named
from mdm.events.services import emit

PROVIDER = "devices.tasks.provide_script_agents"


def begin(
    script: Script, queue: Callable[[ScriptJob], int], *, token: UUID | None, actor: Actor, **options: Any
) -> ScriptJob:
    """queue: writes the runs of the new job, and says how many. options: fields of the job.

    token: of the form that orders it; should it have come before, the job that was started then is returned, and no other.
    Raises NotPossible when no run was written.
    """
    values = {
        **options,
        "script": script,
        "script_name": script.name,
        "content": script.content,
        "variable_support": script.variable_support,
        "created_by": f"API ({actor.label})" if actor.source == Source.API else actor.label,
        "api_key_id": actor.api_key_id,
    }
    with transaction.atomic():
        job, is_new = _row(script.account_id, token, values)
        if not is_new:
            return job
        count = queue(job)
        if not count:
            raise NotPossible("There is no enrolled Mac among these devices and groups.")
        emit(
            "script_job.created",
            account_id=job.account_id,
            actor=actor,
            job_id=job.job_id,
            script_name=job.script_name,
            device_count=count,
        )
        transaction.on_commit(partial(nudge_named, PROVIDER))
    return job


def freeze_runs(macs: QuerySet[Device], job: ScriptJob) -> int:
    """A run for each of them, by one statement for any number: what they are stays in the database. Returns how many."""
    columns = {
        "account_id": "account_id",
        "job_id": Cast(Value(job.pk), IntegerField()),
        "device_id": "pk",
        "secret_id": RandomUuid(),
        "state": Value(RunState.PENDING.value),
        "is_output_due": Value(False),
        "output_bytes": Cast(Value(0), IntegerField()),
        "created_at": Value(timezone.now(), DateTimeField()),
        **{name: Value("") for name in ("status_code", "response", "claim", "ending")},
    }
    return insert_selected(ScriptRun, macs.order_by("pk"), columns)


def _row(account_id: int, token: UUID | None, values: dict[str, Any]) -> tuple[ScriptJob, bool]:
    """The job, and whether it is new. Who comes with a token that is just being used waits for the other."""
    if token is None:
        return ScriptJob.objects.create(account_id=account_id, **values), True
    return ScriptJob.objects.get_or_create(account_id=account_id, order_token=token, defaults=values)
