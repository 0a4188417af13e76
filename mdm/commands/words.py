"""Commands and what became of them, in words."""

from typing import Any

from mdm.commands.models import Command
from mdm.commands.states import State
from mdm.protocol.request_types import REQUEST_TYPES, RequestType

# Lists never load these: an answer may have a megabyte and is encrypted.
LARGE = ("result", "raw_plist", "secrets")

STATUS_WORDS = {
    "Acknowledged": "The device has done it.",
    "Error": "The device could not do it.",
    "CommandFormatError": "The device did not understand the command.",
    "NotNow": "The device is busy or locked; it takes the command up again by itself.",
}
STATE_WORDS = {
    State.QUEUED: "Waits for the device to connect.",
    State.SENT: "Handed to the device, which has not answered yet.",
    State.ACKNOWLEDGED: "The device has done it.",
    State.FAILED: "The device could not do it.",
    State.CANCELLED: "Taken back before the device got it.",
    State.EXPIRED: "It ran out before the device connected.",
}


def label_of(command: Command) -> str:
    """The request type as the catalogue calls it for people; a raw one keeps Apple's name."""
    known = REQUEST_TYPES.get(command.request_type)
    return known.label if known else command.request_type


def may_hold_secrets(request_type: str) -> bool:
    """Whether the answer may carry a secret; for a request type that the catalogue does not know, it may."""
    known: RequestType | None = REQUEST_TYPES.get(request_type)
    return known is None or known.secret_answer


def error_lines(command: Command) -> list[dict[str, Any]]:
    """The error chain, outermost first: `text` for people, `origin` ("MCMDMErrorDomain 12011") for searching."""
    lines = []
    for error in command.error_chain or []:
        if isinstance(error, dict):
            text = error.get("USEnglishDescription") or error.get("LocalizedDescription") or "No description."
            origin = f"{error.get('ErrorDomain', '')} {error.get('ErrorCode', '')}".strip()
            lines.append({"text": text, "origin": origin})
    return lines
