"""Where Macs fetch the scripts that they are to run, and tell how these ended. Known by the token of their agent profile.

`POST /mdm/agent/next` and `POST /mdm/agent/runs/ID`, with `Authorization: Bearer TOKEN` and a JSON object as the body.
"""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.http.request import UnreadablePostError

from devices.models import ScriptAgent
from devices.services.script_agent import find_agent, note_call
from devices.services.script_runs import next_order, take_answer
from mdm.endpoints import replies

METHODS = ("POST",)
MAX_BODY_BYTES = 1024 * 1024
MAX_ID = 2**63 - 1
RUN_SECONDS = 3600  # how long a script may take before the Mac ends it
EXIT_CODES = range(-(2**31), 2**32)

AgentView = Callable[..., HttpResponse]


class BadRequest(Exception):
    """What the Mac sent is not what stands in the module's docstring; the text says what is wrong."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


def agent_view(view: AgentView) -> AgentView:
    """The view gets the agent and the body. 400 no JSON object; 401 no token, or nobody's; 405 not POST; 413 too large.

    The token comes first: strangers cannot make us read a body.
    """

    @wraps(view)
    def guarded(request: HttpRequest, **names: Any) -> HttpResponse:
        if request.method not in METHODS:
            return replies.not_allowed(METHODS)
        agent = find_agent(_token(request))
        if agent is None:
            response = replies.refusal(401, "The token is not known here, or not any more.")
            response["WWW-Authenticate"] = "Bearer"
            return response
        try:
            return view(agent, _read(request), **names)
        except BadRequest as error:
            return replies.refusal(error.status, str(error))

    return guarded


@agent_view
def next_script(agent: ScriptAgent, body: dict[str, Any]) -> HttpResponse:
    """200 with the script that is to be run now; 204 when there is none."""
    version = body.get("version")
    note_call(agent, version=version if isinstance(version, str) else "")
    order = next_order(agent.device)
    if order is None:
        return _done()
    answer = {"run": str(order.run_id), "script": order.content, "timeout_seconds": RUN_SECONDS}
    return replies.json(json.dumps(answer).encode())


@agent_view
def script_ended(agent: ScriptAgent, body: dict[str, Any], *, run_id: int) -> HttpResponse:
    """204, also for an answer that was heard before; 404 for a run that this Mac has not."""
    output = body.get("output", "")
    if not isinstance(output, str):
        raise BadRequest("output must be a text.")
    status_code = _status_code(body.get("status_code"))
    note_call(agent, version="")
    if run_id > MAX_ID or not take_answer(agent.device, run_id, status_code=status_code, output=output):
        return replies.refusal(404, "This Mac has no such run.")
    return _done()


def _token(request: HttpRequest) -> str:
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _read(request: HttpRequest) -> dict[str, Any]:
    """A JSON object; {} without a body. Bytes that are no UTF-8 are replaced: scripts print what they like."""
    announced = request.META.get("CONTENT_LENGTH") or "0"
    if announced.isascii() and announced.isdigit() and int(announced[:20]) > MAX_BODY_BYTES:
        raise BadRequest(f"The body is larger than {MAX_BODY_BYTES} bytes.", 413)
    try:
        raw = request.body
    except RequestDataTooBig as error:
        raise BadRequest(f"The body is larger than {MAX_BODY_BYTES} bytes.", 413) from error
    except UnreadablePostError as error:
        raise BadRequest("The body ended too early.") from error
    if not raw:
        return {}
    try:
        # Not strict: an agent may leave line ends in texts as they are.
        body = json.loads(raw.decode("utf-8", "replace"), strict=False)
    except (ValueError, RecursionError) as error:
        raise BadRequest("The body is not JSON.") from error
    if not isinstance(body, dict):
        raise BadRequest("The body must be a JSON object.")
    return body


def _status_code(value: object) -> int:
    """A number, or one as text."""
    if isinstance(value, str) and value.isascii() and value.removeprefix("-").isdigit() and len(value) <= 11:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value not in EXIT_CODES:
        raise BadRequest("status_code must be the number with which the script ended.")
    return value


def _done() -> HttpResponse:
    response = HttpResponse(status=204)
    del response.headers["Content-Type"]
    return response
