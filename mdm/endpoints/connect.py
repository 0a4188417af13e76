"""Connect: the device's answer in, its next command out. The hot path."""

from dataclasses import replace

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from mdm.accounts.actors import DEVICE
from mdm.commands import queue
from mdm.commands.queue import Answered, Exchange
from mdm.common.nudge import nudge
from mdm.common.proxies import client_ip
from mdm.endpoints import replies
from mdm.endpoints.bindings import rebind_renewed, refuse_wrong_device, require_live
from mdm.endpoints.door import Forbidden
from mdm.endpoints.renderers import CannotRender, complete, give_up
from mdm.endpoints.tasks import apply_results
from mdm.events.micromdm import Heard, heard_report
from mdm.events.models import Level
from mdm.events.services import emit
from mdm.protocol.cms import Signer
from mdm.protocol.report import ACKNOWLEDGED, Report, parse_report


def answer_report(request: HttpRequest, body: bytes, signer: Signer) -> HttpResponse:
    """Store the report, then hand out the next command that can be completed, or an empty body at the end of the queue."""
    report = parse_report(body, max_bytes=settings.DEVICE_BODY_MAX_BYTES)
    ip = client_ip(request)
    exchange = _exchange(signer, report, ip, heard_report(report, request.GET.dict()))
    if exchange.answered == Answered.STORED:
        nudge(apply_results)
    elif exchange.answered == Answered.UNKNOWN:
        _log_unknown(exchange, report)
    while exchange.next_command is not None:
        try:
            return replies.plist(complete(exchange.next_command))
        except CannotRender as error:
            give_up(exchange.next_command, str(error))
            exchange = _exchange(signer, _only_asking(report), ip)
    return replies.empty()


def _only_asking(report: Report) -> Report:
    """The same report without its answer, which is stored; what the device postponed is offered again at Idle only."""
    return report if report.is_idle else replace(report, status=ACKNOWLEDGED, command_uuid="")


def _exchange(signer: Signer, report: Report, ip: str | None, heard: Heard | None = None) -> Exchange:
    """heard: for those that are told of messages; without it none is. Raises Forbidden, MustLeave."""
    try:
        return queue.exchange(signer.fingerprint, report, ip=ip, heard=heard)
    except queue.UnknownChannel as error:
        if rebind_renewed(signer, report.key):
            return _exchange(signer, report, ip, heard)
        raise Forbidden("The certificate is not bound to this device.") from error
    except queue.NotThisDevice as error:
        refuse_wrong_device(error.exchange.account_id, error.exchange.device_id, report.key)
    except queue.ChannelGone as error:
        require_live(error.exchange.state)
        raise


def _log_unknown(exchange: Exchange, report: Report) -> None:
    """Not an error of the device's: after a restored backup it may answer what another server sent."""
    emit(
        "command.unknown_answer",
        account_id=exchange.account_id,
        actor=DEVICE,
        device=queue.device_of(exchange),
        level=Level.WARNING,
        command_uuid=report.command_uuid,
        status=report.status,
    )
