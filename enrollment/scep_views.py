"""The SCEP endpoint. Source: RFC 8894, section 4. Reached through `mdm.edge`: no session, no CSRF check."""

import logging

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed

from enrollment.models import CertificateAuthority
from enrollment.services import scep as service
from mdm.protocol import scep

logger = logging.getLogger(__name__)


def scep_endpoint(request: HttpRequest, scep_id: str) -> HttpResponse:
    """GetCACaps, GetCACert and PKIOperation of one account's CA."""
    if request.method not in ("GET", "HEAD", "POST"):
        return HttpResponseNotAllowed(["GET", "POST"])
    authority = service.find_authority(scep_id)
    if authority is None:
        return _text("There is no such certificate authority.", 404)
    operation = request.GET.get("operation", "")
    if operation == "PKIOperation" and request.method != "HEAD":
        return _pki_operation(request, authority)
    if request.method != "POST" and operation == "GetCACaps":
        return HttpResponse(scep.CAPABILITIES, content_type="text/plain")
    if request.method != "POST" and operation == "GetCACert":
        content, content_type = service.ca_certificate(authority)
        return HttpResponse(content, content_type=content_type)
    return _text("The operation is missing or not supported here.", 400)


def _pki_operation(request: HttpRequest, authority: CertificateAuthority) -> HttpResponse:
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdigit():
        return _text("The Content-Length is not a number.", 400)
    if int(length) > scep.MAX_MESSAGE_BYTES:
        return _text("The SCEP message is too large.", 413)
    try:
        message = scep.read_transport(
            method=request.method, query_message=request.GET.get("message"), body=request.body
        )
        answer = service.operate(authority, message)
    except scep.ScepError as error:
        logger.info("unreadable SCEP message for account %s: %s", authority.account_id, error.detail)
        return _text(str(error), 400)
    return HttpResponse(answer, content_type=scep.PKI_MESSAGE)


def _text(sentence: str, status: int) -> HttpResponse:
    return HttpResponse(sentence + "\n", content_type="text/plain; charset=utf-8", status=status)
