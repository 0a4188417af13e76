"""The user channel of a Mac's user, or of a Shared iPad's."""

import uuid
from typing import TYPE_CHECKING, Any

from mdm.virtual.channel import Behaviour, ManagementChannel, read_plist
from mdm.virtual.errors import ServerRefused

if TYPE_CHECKING:
    from mdm.virtual.device import VirtualDevice

GONE = 410
# Shared iPads have no directory GUIDs; they send this for every user.
NO_USER_ID = "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"


class VirtualUser(ManagementChannel):
    def __init__(self, device: "VirtualDevice", short_name: str, long_name: str | None = None) -> None:
        self.device = device
        self.user_name = short_name
        self.long_name = long_name or short_name.title()
        self.behaviour = Behaviour()
        keys = device.state.user_channels.setdefault(short_name, {})
        keys.setdefault("push_token", device.rng.randbytes(32))
        keys.setdefault("push_magic", str(uuid.UUID(int=device.rng.getrandbits(128), version=4)).upper())
        self.push_keys = keys

    @property
    def user_id(self) -> str:
        if self.device.platform == "ios":
            return NO_USER_ID
        user = self.device.state.users.get(self.user_name or "")
        own = uuid.uuid5(uuid.NAMESPACE_OID, f"{self.device.facts.udid}/{self.user_name}")
        return user["UserGUID"] if user else str(own).upper()

    def channel_ids(self) -> dict[str, Any]:
        id_key = "EnrollmentUserID" if self.device.is_user_enrollment else "UserID"
        return {
            **self.device.channel_ids(),
            id_key: self.user_id,
            "UserShortName": self.user_name,
            "UserLongName": self.long_name,
        }

    def token_update(self, *, awaiting_configuration: bool | None = None) -> None:
        """awaiting_configuration: on a Shared iPad, whether the user waits in Setup Assistant; None as it is."""
        if awaiting_configuration is not None:
            self.push_keys["awaiting_configuration"] = awaiting_configuration
        keys: dict[str, Any] = {"Token": self.push_keys["push_token"], "PushMagic": self.push_keys["push_magic"]}
        if self.push_keys.get("awaiting_configuration"):
            keys["AwaitingConfiguration"] = True
        if self.device.platform == "macos":
            keys["NotOnConsole"] = False
        self._token_update(keys)

    def user_authenticate(self, digest_response: str | None = None) -> str | None:
        """UserAuthenticate of a network user: the DigestChallenge ("" for none), or None when the server answers 410.

        410 means that the server does not want this user's channel, and is no error.
        """
        message = {"UserID": self.user_id} | ({} if digest_response is None else {"DigestResponse": digest_response})
        try:
            body = self.check_in("UserAuthenticate", message)
        except ServerRefused as refusal:
            if refusal.status_code == GONE:
                return None
            raise
        return read_plist(body).get("DigestChallenge", "") if body else ""
