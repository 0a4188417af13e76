"""Reports: what a channel says at the connect URL. Source: Apple, "Commands and Queries", response keys."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mdm.protocol import plist
from mdm.protocol.errors import Malformed
from mdm.protocol.ids import ID_KEYS, ChannelKey, channel_key

IDLE = "Idle"
ACKNOWLEDGED = "Acknowledged"
ERROR = "Error"
COMMAND_FORMAT_ERROR = "CommandFormatError"
NOT_NOW = "NotNow"

FINAL_STATUSES = frozenset({ACKNOWLEDGED, ERROR, COMMAND_FORMAT_ERROR})
STATUSES = FINAL_STATUSES | {IDLE, NOT_NOW}
MAX_COMMAND_UUID_LENGTH = 64
MAX_ERRORS = 20
MAX_ERROR_TEXT = 2048

_WANTED = ID_KEYS | {"Status", "CommandUUID"}
_ERROR_KEYS = {"ErrorCode": int, "ErrorDomain": str, "LocalizedDescription": str, "USEnglishDescription": str}


@dataclass(frozen=True, slots=True)
class Report:
    """status is Apple's word; command_uuid is empty when idle; raw is the body as it came, for answer()."""

    status: str
    command_uuid: str
    key: ChannelKey
    raw: bytes = field(repr=False)

    @property
    def is_idle(self) -> bool:
        return self.status == IDLE

    @property
    def is_not_now(self) -> bool:
        return self.status == NOT_NOW

    @property
    def is_final(self) -> bool:
        return self.status in FINAL_STATUSES


def parse_report(body: bytes, *, max_bytes: int = plist.MAX_BYTES) -> Report:
    """Read only what connect needs; the rest stays bytes for the worker. Raises Malformed or TooLarge."""
    found = plist.top_level(body, _WANTED, max_bytes=max_bytes)
    status = found.get("Status", "")
    if status not in STATUSES:
        raise Malformed("Status is missing or not one that Apple defines.")
    if status == IDLE:
        command_uuid = ""
    else:
        command_uuid = found.get("CommandUUID", "")
        if not 1 <= len(command_uuid) <= MAX_COMMAND_UUID_LENGTH or not command_uuid.isprintable():
            raise Malformed(f"CommandUUID must be a string of 1 to {MAX_COMMAND_UUID_LENGTH} printable characters.")
    return Report(status, command_uuid, channel_key(found), body)


def answer(raw: bytes, *, max_bytes: int = plist.MAX_BYTES) -> dict[str, Any]:
    """The whole report as a dictionary. Raises Malformed or TooLarge."""
    value = plist.loads(raw, max_bytes=max_bytes)
    if not isinstance(value, dict):
        raise Malformed("The report is not a dictionary.")
    return value


def error_chain(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The errors of a report, outermost first; empty when there are none.

    Each has those of ErrorCode (int), ErrorDomain, LocalizedDescription and USEnglishDescription that the device sent.
    At most 20 errors are kept, texts are cut at 2,048 characters. Raises Malformed when something has the wrong type.
    Source: Apple, "ErrorChainItem".
    """
    chain = answer.get("ErrorChain", [])
    if not isinstance(chain, list):
        raise Malformed("ErrorChain must be an array.")
    return [_error(item) for item in chain[:MAX_ERRORS]]


def _error(item: Any) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise Malformed("ErrorChain must contain dictionaries.")
    error: dict[str, Any] = {}
    for key, kind in _ERROR_KEYS.items():
        if key not in item:
            continue
        value = item[key]
        if not isinstance(value, kind) or isinstance(value, bool):
            raise Malformed(f"{key} in ErrorChain must be {'an integer' if kind is int else 'a string'}.")
        error[key] = value[:MAX_ERROR_TEXT] if isinstance(value, str) else value
    return error
