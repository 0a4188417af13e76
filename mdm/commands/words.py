"""Commands and what became of them, in words."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mdm.commands.models import Command
from mdm.commands.states import State
from mdm.protocol.request_types import REQUEST_TYPES, RequestType

# Lists never load these: an answer may have a megabyte and is encrypted.
LARGE = ("result", "raw_plist", "secrets")

STATUS_WORDS = {
    "Acknowledged": gettext_lazy("The device has done it."),
    "Error": gettext_lazy("The device could not do it."),
    "CommandFormatError": gettext_lazy("The device did not understand the command."),
    "NotNow": gettext_lazy("The device is busy or locked; it takes the command up again by itself."),
}
STATE_WORDS = {
    State.QUEUED: gettext_lazy("Waits for the device to connect."),
    State.SENT: gettext_lazy("Handed to the device, which has not answered yet."),
    State.ACKNOWLEDGED: gettext_lazy("The device has done it."),
    State.FAILED: gettext_lazy("The device could not do it."),
    State.CANCELLED: gettext_lazy("Taken back before the device got it."),
    State.EXPIRED: gettext_lazy("It ran out before the device connected."),
}


def label_of(command: Command) -> str:
    """The request type as the catalogue calls it for people; a raw one keeps Apple's name."""
    known = REQUEST_TYPES.get(command.request_type)
    return _(known.label) if known else command.request_type


def may_hold_secrets(request_type: str) -> bool:
    """Whether the answer may carry a secret; for a request type that the catalogue does not know, it may."""
    known: RequestType | None = REQUEST_TYPES.get(request_type)
    return known is None or known.secret_answer


def words_for(command: Command) -> str:
    """How the command stands, as a sentence."""
    if command.is_waiting and command.status:
        return str(STATUS_WORDS.get(command.status, ""))
    if command.state == State.FAILED and not command.status:
        return _("It could not be completed for the device: %(why)s") % {"why": command.apply_error}
    return str(STATE_WORDS[State(command.state)])


def error_text(command: Command) -> str:
    """What went wrong, in one line; empty if nothing did."""
    lines = error_lines(command)
    if lines:
        return str(lines[0]["text"])
    return command.apply_error if command.state == State.FAILED else ""


def error_lines(command: Command) -> list[dict[str, Any]]:
    """The error chain, outermost first: `text` for people, `origin` ("MCMDMErrorDomain 12011") for searching."""
    lines = []
    for error in command.error_chain or []:
        if isinstance(error, dict):
            text = (
                error.get("USEnglishDescription")
                or error.get("LocalizedDescription")
                or _("The device gives no reason.")
            )
            origin = f"{error.get('ErrorDomain', '')} {error.get('ErrorCode', '')}".strip()
            lines.append({"text": text, "origin": origin})
    return lines
