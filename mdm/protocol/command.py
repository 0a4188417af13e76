"""Commands as the device receives them, and raw ones as operators supply them.

Source: Apple, "Commands and Queries".
"""

import re
from collections.abc import Mapping
from typing import Any

from mdm.protocol import plist
from mdm.protocol.errors import Malformed
from mdm.protocol.report import MAX_COMMAND_UUID_LENGTH

_REQUEST_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}")


def render(command_uuid: str, command: Mapping[str, Any]) -> bytes:
    """The property list that delivers this Command dictionary (RequestType and its parameters)."""
    return plist.dumps({"Command": command, "CommandUUID": command_uuid})


def read_raw(body: bytes, *, max_bytes: int = plist.MAX_BYTES) -> tuple[str, str | None, bytes]:
    """Read a whole {Command, CommandUUID}, or only what stands under Command; line ends may be missing.

    Returns request type, command UUID (None when not given) and the Command dictionary as a normalised property list.
    Raises Malformed or TooLarge.
    """
    value = plist.loads(body, max_bytes=max_bytes)
    if not isinstance(value, dict):
        raise Malformed("The command is not a dictionary.")
    command, command_uuid = value, None
    if "RequestType" not in value:
        command, command_uuid = value.get("Command"), value.get("CommandUUID")
        if not isinstance(command, dict):
            raise Malformed("The property list has neither a Command dictionary nor a RequestType.")
    request_type = command.get("RequestType")
    if not isinstance(request_type, str) or not _REQUEST_TYPE.fullmatch(request_type):
        raise Malformed("RequestType must be a string of letters and digits.")
    if command_uuid is not None:
        _check_uuid(command_uuid)
    return request_type, command_uuid, plist.dumps(command)


def _check_uuid(value: Any) -> None:
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_COMMAND_UUID_LENGTH or not value.isprintable():
        raise Malformed(f"CommandUUID must be a string of 1 to {MAX_COMMAND_UUID_LENGTH} printable characters.")
