"""Script jobs: scripts set to run on Macs, and what came of it. They are listed for a month."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.pagination import paginate
from api.schema import LIST_PARAMETERS, Resource, describe, shape
from api.times import iso
from api.v1.base import ResourceView, resource
from api.v1.custom_attributes import find_attribute
from api.v1.fields import Ids, row_id
from api.views import empty
from devices.models import AssignmentGroup, Device, DeviceGroup, RunAs, RunState, Script, ScriptJob
from devices.services.script_jobs import (
    MAX_REGEX_LENGTH,
    MAX_TIMEOUT_SECONDS,
    TIMEOUT_SECONDS,
    JobStatus,
    RunFacts,
    cancel_job,
    recent,
    runs_of,
    shown_output,
    start_job,
    status_of,
)
from mdm.accounts.scoping import AccountScoped
from mdm.common.batches import batches

MAX_DEVICES = 10_000
MAX_GROUPS = 1000
TARGETS = ("device_ids", "group_ids", "assignment_group_ids")
# A run that was sent is still pending for whoever asks.
RUN_STATUSES = {state.value: state.value for state in RunState} | {RunState.SENT.value: RunState.PENDING.value}

_ATTRIBUTES = {
    "script_name": serializers.CharField(),
    "job_name": serializers.CharField(help_text="Empty if it was given none."),
    "content": serializers.CharField(help_text="The script as it was when the job began."),
    "job_id": serializers.CharField(),
    "variable_support": serializers.BooleanField(),
    "custom_attribute": serializers.CharField(allow_null=True, help_text="The name of the one that gets the output."),
    "custom_attribute_regex": serializers.CharField(allow_null=True),
    "timeout_seconds": serializers.IntegerField(help_text="The Mac ends the script after so long."),
    "run_as": serializers.ChoiceField(choices=RunAs.values),
    "status": serializers.ChoiceField(choices=list(JobStatus)),
    "pending_count": serializers.IntegerField(),
    "success_count": serializers.IntegerField(),
    "errored_count": serializers.IntegerField(),
    "created_by": serializers.CharField(),
    "created_at": serializers.DateTimeField(),
    "updated_at": serializers.DateTimeField(),
}
_RUN = shape(
    "ScriptJobRun",
    type=serializers.CharField(),
    id=serializers.IntegerField(),
    status=serializers.ChoiceField(choices=sorted(set(RUN_STATUSES.values()))),
    status_code=serializers.CharField(required=False, allow_null=True, help_text="Not in lists."),
    response=serializers.CharField(required=False, allow_null=True, help_text="What the script printed; not in lists."),
)
_ATTRIBUTE = shape("ScriptJobAttribute", type=serializers.CharField(), id=serializers.CharField())
SCRIPT_JOB = Resource(
    "ScriptJob",
    _ATTRIBUTES,
    {
        "device": shape("ScriptJobRuns", data=_RUN(many=True))(),
        # Clients that know it take it apart without looking: it is there only if there is one.
        "custom_attribute": shape("ScriptJobAttributeLink", data=_ATTRIBUTE())(required=False),
    },
)


class NewJob(serializers.Serializer):
    script_id = row_id()
    device_ids = Ids(required=False, default=list, max_length=MAX_DEVICES)
    group_ids = Ids(required=False, default=list, max_length=MAX_GROUPS, help_text="Device groups.")
    assignment_group_ids = Ids(required=False, default=list, max_length=MAX_GROUPS)
    name = serializers.CharField(required=False, default="", allow_blank=True, max_length=255)
    custom_attribute = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=255, help_text="Gets what the script prints."
    )
    custom_attribute_regex = serializers.CharField(
        required=False,
        default="",
        allow_blank=True,
        trim_whitespace=False,
        max_length=MAX_REGEX_LENGTH,
        help_text="What it matches is taken out of the output first, for example \\n.",
    )
    timeout_seconds = serializers.IntegerField(
        required=False,
        default=TIMEOUT_SECONDS,
        min_value=1,
        max_value=MAX_TIMEOUT_SECONDS,
        help_text="The Mac ends the script after so long.",
    )
    run_as = serializers.ChoiceField(
        required=False,
        default=RunAs.ROOT.value,
        choices=RunAs.values,
        help_text="console_user: whoever is signed in at the screen.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not any(attrs[name] for name in TARGETS):
            raise serializers.ValidationError(f"Give at least one of {', '.join(TARGETS)}.")
        return attrs


class ScriptJobsView(ResourceView):
    section = "scripts"
    tag = "Script jobs"

    def jobs(self) -> QuerySet:
        return recent(self.rows(ScriptJob)).select_related("custom_attribute")

    @describe(
        "script_jobs_list", "List script jobs of the last month", answers=SCRIPT_JOB.many, query=[*LIST_PARAMETERS]
    )
    def list(self, request: Request) -> Response:
        page = paginate(self.jobs(), request.params)
        runs = runs_of(page.rows)
        return Response({"data": [encode_job(job, runs[job.pk]) for job in page.rows], "has_more": page.has_more})

    @describe("script_jobs_retrieve", "Retrieve a script job with its results", answers=SCRIPT_JOB.one)
    def retrieve(self, request: Request, pk: int) -> Response:
        return self._answer(self.find(self.jobs(), pk))

    @describe(
        "script_jobs_create",
        "Run a script on Macs",
        answers=SCRIPT_JOB.one,
        status=201,
        takes=NewJob,
        example={"script_id": 1, "device_ids": [1, 2]},
    )
    def create(self, request: Request) -> Response:
        """At least one of device_ids, group_ids and assignment_group_ids; the enrolled Macs among them run it, each once."""
        given = self.read(NewJob)
        attribute = given["custom_attribute"]
        job = start_job(
            self.find(self.rows(Script), given["script_id"]),
            devices=self._all(Device, given["device_ids"]),
            device_groups=self._all(DeviceGroup, given["group_ids"]),
            assignment_groups=self._all(AssignmentGroup, given["assignment_group_ids"]),
            name=given["name"],
            custom_attribute=find_attribute(self, attribute) if attribute else None,
            custom_attribute_regex=given["custom_attribute_regex"],
            timeout_seconds=given["timeout_seconds"],
            run_as=given["run_as"],
            actor=request.actor,
        )
        return self._answer(job, status=201)

    @describe("script_jobs_cancel", "Cancel a script job where no Mac has received it yet", status=204)
    def destroy(self, request: Request, pk: int) -> HttpResponse:
        cancel_job(self.find(self.rows(ScriptJob), pk), request.actor)
        return empty(204)

    def _all(self, model: type[AccountScoped], ids: Sequence[int]) -> Sequence[Any]:
        """The rows with these ids; 404 unless the account has every one."""
        wanted = list(dict.fromkeys(ids))
        rows = self.rows(model)
        if model is Device:
            rows = rows.only("account_id", "platform", "state")
        found = [row for some in batches(wanted) for row in rows.filter(pk__in=some)]
        if len(found) < len(wanted):
            raise Http404
        return found

    def _answer(self, job: ScriptJob, *, status: int = 200) -> Response:
        runs = runs_of([job], with_output=True)[job.pk]
        body = encode_job(job, runs)
        for item, run in zip(body["relationships"]["device"]["data"], runs, strict=True):
            item |= {"status_code": run.status_code or None, "response": shown_output(job, run)}
        return Response({"data": body}, status=status)


def encode_job(job: ScriptJob, runs: Sequence[RunFacts]) -> dict[str, Any]:
    states = Counter(run.state for run in runs)
    attribute = job.custom_attribute
    attributes = {
        "script_name": job.script_name,
        "job_name": job.name,
        "content": job.content,
        "job_id": job.job_id,
        "variable_support": job.variable_support,
        "custom_attribute": attribute.name if attribute else None,
        "custom_attribute_regex": job.custom_attribute_regex or None,
        "timeout_seconds": job.timeout_seconds,
        "run_as": job.run_as,
        "status": status_of(job, states).value,
        "pending_count": states[RunState.PENDING] + states[RunState.SENT],
        "success_count": states[RunState.COMPLETED],
        "errored_count": states[RunState.ERROR],
        "created_by": job.created_by,
        "created_at": iso(job.created_at),
        "updated_at": iso(job.updated_at),
    }
    relationships: dict[str, Any] = {
        "device": {
            "data": [{"type": "device", "id": run.device_id, "status": RUN_STATUSES[run.state]} for run in runs]
        },
    }
    if attribute:
        relationships["custom_attribute"] = {"data": {"type": "custom_attribute", "id": attribute.name}}
    return resource("script_job", job.pk, attributes, relationships)
