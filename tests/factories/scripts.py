"""Scripts, their jobs and runs, and the lines by which Macs fetch them."""

from collections.abc import Iterable

from devices.models import Device, RunState, Script, ScriptAgent, ScriptJob, ScriptRun
from devices.services.agent_keys import agent_key
from mdm.accounts.models import Account
from mdm.common.tokens import digest, new_token
from tests.factories.accounts import make_account
from tests.factories.numbers import number

HELLO = '#!/bin/sh\necho "Hello"\n'


def make_script(account: Account | None = None, name: str = "", *, content: str = HELLO, **fields: object) -> Script:
    name = name or f"Script {number()}"
    return Script.objects.create(account=account or make_account(), name=name, content=content, **fields)


def make_script_job(
    account: Account | None = None,
    *,
    script: Script | None = None,
    devices: Iterable[Device] = (),
    state: str = RunState.PENDING,
    **fields: object,
) -> ScriptJob:
    """A job with a run in that state for each of the devices."""
    script = script or make_script(account)
    values = {"script_name": script.name, "content": script.content, "variable_support": script.variable_support}
    job = ScriptJob.objects.create(account=script.account, script=script, **(values | fields))
    for device in devices:
        make_script_run(job, device, state=state)
    return job


def make_script_run(job: ScriptJob, device: Device, **fields: object) -> ScriptRun:
    return ScriptRun.objects.create(account=job.account, job=job, device=device, **fields)


def make_script_agent(device: Device, **fields: object) -> ScriptAgent:
    """Its token is `agent.token`; its profile would name the account's key."""
    agent_key(device.account_id)
    token = new_token()
    return ScriptAgent.objects.create(
        account=device.account, device=device, token=token, token_digest=digest(token), **fields
    )
