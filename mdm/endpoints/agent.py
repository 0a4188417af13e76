"""Where the agents of Macs fetch the scripts that they are to run, tell how these ended, and get their own program anew.

Known by the token of the agent's profile: `Authorization: Bearer TOKEN`. What there is to say stands in the query, output of
scripts in the body, byte for byte; docs/scripts.md has the table.
"""

import re
from collections.abc import Callable, Collection
from functools import wraps
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.http.request import UnreadablePostError

from devices.models import ScriptAgent
from devices.services import agent_program
from devices.services.agent_keys import sign
from devices.services.script_agent import find_agent, note_call
from devices.services.script_answers import ENDINGS, MAX_OUTPUT_BYTES, End, add_output, take_end
from devices.services.script_orders import Heard, begin, next_order, refuse
from devices.services.script_runs import REFUSALS
from mdm.common.crypto import CannotDecrypt
from mdm.endpoints import replies

MAX_BODY_BYTES = 2 * MAX_OUTPUT_BYTES
MAX_BYTES = 2**62  # that a script may say it printed
EXIT_CODES = range(-(2**31), 2**32)
NO_EXIT_CODE = ("", "-")
_NUMBER = re.compile(r"-?[0-9]{1,19}")
_CLAIM = re.compile(r"[A-Za-z0-9]{16,64}")

AgentView = Callable[..., HttpResponse]


class BadRequest(Exception):
    """What the Mac sent makes no sense; the text says what is wrong."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


def agent_view(method: str) -> Callable[[AgentView], AgentView]:
    """The view gets the agent and the request.

    400 nonsense; 401 no token, or nobody's; 405 another method; 411 a body of unknown length; 413 too large. The token
    comes first: strangers cannot make us read a body.
    """

    def decorate(view: AgentView) -> AgentView:
        @wraps(view)
        def guarded(request: HttpRequest, **names: Any) -> HttpResponse:
            if request.method != method:
                return replies.not_allowed((method,))
            agent = find_agent(_token(request))
            if agent is None:
                response = replies.refusal(401, "The token is not known here, or not any more.")
                response["WWW-Authenticate"] = "Bearer"
                return response
            note_call(agent, version=request.headers.get("Pomona-Agent-Version", ""))
            try:
                return view(agent, request, **names)
            except BadRequest as error:
                return replies.refusal(error.status, str(error))
            except CannotDecrypt:
                return replies.refusal(503, "The server cannot read its signing key.")

        return guarded

    return decorate


@agent_view("POST")
def next_script(agent: ScriptAgent, request: HttpRequest) -> HttpResponse:
    """200 with a signed order; 204 when no script waits. Again the same order until the Mac says that it begins."""
    order = next_order(agent.device)
    response = _done() if order is None else _signed(order.body, order.signature)
    response["Pomona-Poll-Seconds"] = str(max(1, settings.AGENT_POLL_SECONDS))
    response["Pomona-Agent-Program"] = agent_program.VERSION
    return response


@agent_view("POST")
def script_begins(agent: ScriptAgent, request: HttpRequest, *, name: str) -> HttpResponse:
    """204: run it now. 409: do not, it is over, cancelled, or something else has begun it."""
    return _outcome(begin(agent.device, name, _claim(request)))


@agent_view("POST")
def script_prints(agent: ScriptAgent, request: HttpRequest, *, name: str) -> HttpResponse:
    """204, with how many bytes are known now."""
    claim, offset = _claim(request), _number(request, "offset", range(MAX_BYTES))
    heard, known = add_output(agent.device, name, claim, offset=offset, data=_body(request))
    response = _outcome(heard)
    response["Pomona-Output-Bytes"] = str(known)
    return response


@agent_view("POST")
def script_ended(agent: ScriptAgent, request: HttpRequest, *, name: str) -> HttpResponse:
    """204, also for what was heard before."""
    why = _one_of(request, "why", ENDINGS | REFUSALS)
    if why in REFUSALS:
        return _outcome(refuse(agent.device, name, why))
    has_code = request.GET.get("exit", "") not in NO_EXIT_CODE
    end = End(
        why,
        _number(request, "exit", EXIT_CODES) if has_code else None,
        output=_body(request),
        total=_number(request, "bytes", range(MAX_BYTES)) if "bytes" in request.GET else 0,
    )
    if end.why == "exited" and end.exit_code is None:
        raise BadRequest("exit must be the number with which the script ended.")
    return _outcome(take_end(agent.device, name, _claim(request), end))


@agent_view("GET")
def agent_itself(agent: ScriptAgent, request: HttpRequest) -> HttpResponse:
    """The program, signed, for agents that are older."""
    program = agent_program.program()
    response = _signed(program, sign(agent.account_id, program))
    response["Pomona-Agent-Program"] = agent_program.VERSION
    return response


def _token(request: HttpRequest) -> str:
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _body(request: HttpRequest) -> bytes:
    announced = request.META.get("CONTENT_LENGTH") or "0"
    if "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower() and not request.META.get("CONTENT_LENGTH"):
        raise BadRequest("Send the request with a Content-Length.", 411)  # Django would take the body for empty
    too_large = BadRequest(f"The body is larger than {MAX_BODY_BYTES} bytes.", 413)
    if announced.isascii() and announced.isdigit() and int(announced[:20]) > MAX_BODY_BYTES:
        raise too_large
    try:
        body = request.read(MAX_BODY_BYTES + 1)
    except RequestDataTooBig as error:
        raise too_large from error
    except (UnreadablePostError, OSError) as error:
        raise BadRequest("The body ended too early.") from error
    if len(body) > MAX_BODY_BYTES:
        raise too_large
    return body


def _claim(request: HttpRequest) -> str:
    claim = request.GET.get("claim", "")
    if not _CLAIM.fullmatch(claim):
        raise BadRequest("claim must be 16 to 64 letters and digits.")
    return claim


def _number(request: HttpRequest, name: str, allowed: range) -> int:
    given = request.GET.get(name, "")
    if not _NUMBER.fullmatch(given) or int(given) not in allowed:
        raise BadRequest(f"{name} must be a whole number.")
    return int(given)


def _one_of(request: HttpRequest, name: str, allowed: Collection[str]) -> str:
    given = request.GET.get(name, "")
    if given not in allowed:
        raise BadRequest(f"{name} must be one of {', '.join(sorted(allowed))}.")
    return given


def _outcome(heard: Heard) -> HttpResponse:
    if heard == Heard.NO_SUCH_RUN:
        return replies.refusal(404, "This Mac has no such run.")
    if heard == Heard.NOT_YOURS:
        return replies.refusal(409, "The run is over, was cancelled, or something else on the Mac has begun it.")
    return _done()


def _signed(body: bytes, signature: str) -> HttpResponse:
    response = HttpResponse(body, content_type="application/octet-stream")
    response["Pomona-Signature"] = signature
    return response


def _done() -> HttpResponse:
    response = HttpResponse(status=204)
    del response.headers["Content-Type"]
    return response
