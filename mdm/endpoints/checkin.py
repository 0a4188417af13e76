"""Check-in: parse the message, find the function for its MessageType."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from mdm.common.proxies import client_ip
from mdm.endpoints import messages
from mdm.events.micromdm import heard_checkin
from mdm.protocol import checkin as protocol
from mdm.protocol.cms import Signer

HANDLERS = {
    protocol.Authenticate: messages.authenticate,
    protocol.TokenUpdate: messages.token_update,
    protocol.CheckOut: messages.check_out,
    protocol.SetBootstrapToken: messages.set_bootstrap_token,
    protocol.GetBootstrapToken: messages.get_bootstrap_token,
    protocol.UserAuthenticate: messages.user_authenticate,
    protocol.GetToken: messages.get_token,
    protocol.DeclarativeManagement: messages.declarative_management,
}


def answer_checkin(request: HttpRequest, body: bytes, signer: Signer, token: str) -> HttpResponse:
    message = protocol.parse_checkin(body, max_bytes=settings.DEVICE_BODY_MAX_BYTES)
    heard = heard_checkin(type(message).__name__, message.key, body, request.GET.dict())
    return HANDLERS[type(message)](messages.Call(signer, token, client_ip(request), heard), message)
