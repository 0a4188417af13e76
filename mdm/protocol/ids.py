"""Who speaks: the identifiers that every check-in and report carries, reduced to one key.

Source: Apple, "Token Update". On a Shared iPad UserID is a constant and UserShortName tells the users apart.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mdm.protocol.errors import Malformed

MAX_LENGTH = 128
SHARED_IPAD_USER_ID = "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"
ID_KEYS = frozenset({"UDID", "EnrollmentID", "UserID", "EnrollmentUserID", "UserShortName"})


@dataclass(frozen=True, slots=True)
class ChannelKey:
    """One MDM conversation: a device's own channel, or that of one of its users.

    device_id is the UDID, or the EnrollmentID of a user enrollment; user_id is empty for the device channel.
    """

    device_id: str
    user_id: str = ""
    is_user_enrollment: bool = False

    @property
    def is_user(self) -> bool:
        return bool(self.user_id)


def channel_key(message: Mapping[str, Any]) -> ChannelKey:
    """The channel that this message belongs to; raises Malformed when it names none."""
    if udid := _identifier(message, "UDID"):
        user_id = _identifier(message, "UserID")
        if user_id.upper() == SHARED_IPAD_USER_ID:
            user_id = _identifier(message, "UserShortName")
            if not user_id:
                raise Malformed("A message from a user of a Shared iPad has no UserShortName.")
        return ChannelKey(udid, user_id)
    if enrollment_id := _identifier(message, "EnrollmentID"):
        user_id = _identifier(message, "EnrollmentUserID") or _identifier(message, "UserID")
        return ChannelKey(enrollment_id, user_id, is_user_enrollment=True)
    raise Malformed("The message has neither UDID nor EnrollmentID.")


def _identifier(message: Mapping[str, Any], name: str) -> str:
    """An absent identifier and an empty one are the same: the empty string."""
    value = message.get(name, "")
    if not isinstance(value, str):
        raise Malformed(f"{name} must be a string.")
    if len(value) > MAX_LENGTH:
        raise Malformed(f"{name} is longer than {MAX_LENGTH} characters.")
    if not value.isprintable():
        raise Malformed(f"{name} contains characters that cannot be printed.")
    return value
