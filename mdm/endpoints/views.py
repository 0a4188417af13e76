"""The one view behind both device URLs: devices in the field send check-ins and reports to either."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from mdm.endpoints.checkin import answer_checkin
from mdm.endpoints.connect import answer_report
from mdm.endpoints.door import device_view
from mdm.protocol.checkin import declares_message_type
from mdm.protocol.cms import Signer


@device_view
def device_message(request: HttpRequest, body: bytes, signer: Signer, token: str) -> HttpResponse:
    """A body with a MessageType is a check-in, any other a report with the answer to a command."""
    if declares_message_type(body, max_bytes=settings.DEVICE_BODY_MAX_BYTES):
        return answer_checkin(request, body, signer, token)
    return answer_report(request, body, signer)
