"""DeclarativeManagement: what is served so far is an empty set of declarations. Source: Apple, "Declarative Management"."""

import hashlib
import json

from django.http import HttpResponse

from mdm.accounts.actors import DEVICE
from mdm.channels.models import Channel
from mdm.endpoints import replies
from mdm.events.services import emit
from mdm.protocol.checkin import DeclarativeManagement
from mdm.protocol.errors import Malformed

NO_DECLARATIONS = {"Activations": [], "Assets": [], "Configurations": [], "Management": []}
# Changes only when the set of declarations does.
TOKEN = hashlib.sha256(json.dumps(NO_DECLARATIONS, sort_keys=True).encode()).hexdigest()
TOKEN_TIME = "2026-01-01T00:00:00Z"  # noqa: S105 - the time of the set, no secret
MAX_STATUS_BYTES = 1024 * 1024


def answer(channel: Channel, message: DeclarativeManagement) -> HttpResponse:
    """Raises Malformed for an endpoint or data that Apple does not define."""
    if message.endpoint == "tokens":
        return _json({"SyncTokens": {"DeclarationsToken": TOKEN, "Timestamp": TOKEN_TIME}})
    if message.endpoint == "declaration-items":
        return _json({"Declarations": NO_DECLARATIONS, "DeclarationsToken": TOKEN})
    if message.endpoint == "status":
        _take_status(channel, message.data or b"")
        return replies.empty()
    if message.endpoint.startswith("declaration/"):
        return replies.refusal(404, "There is no such declaration.")
    raise Malformed("Endpoint is not one that Apple defines.")


def _take_status(channel: Channel, data: bytes) -> None:
    """Checked and logged by its size and parts; nothing is assigned by declarations yet, so nothing depends on it."""
    if len(data) > MAX_STATUS_BYTES:
        raise Malformed("The status report is too large.")
    try:
        report = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Malformed("The status report is not JSON.") from error
    if not isinstance(report, dict):
        raise Malformed("The status report is not an object.")
    items = report.get("StatusItems")
    emit(
        "declarative.status",
        account_id=channel.account_id,
        actor=DEVICE,
        device=channel.device,
        parts=sorted(items)[:20] if isinstance(items, dict) else [],
        errors=len(report["Errors"]) if isinstance(report.get("Errors"), list) else 0,
    )


def _json(value: dict) -> HttpResponse:
    return replies.json(json.dumps(value).encode())
