"""The part of the fake device assignment service that keeps enrollment profiles and gives them to devices.

Source: Apple, "Define a Profile", "Get a Profile", "Assign a Profile", "Remove a Profile".
"""

import json
import secrets
from dataclasses import dataclass, field
from typing import Any

MOST_DEVICES = 1000  # in one request that assigns or removes a profile


@dataclass
class Fault:
    """An answer out of turn. is_cut: the headers promise more than comes. is_late: the request is carried out first."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    is_cut: bool = False
    is_late: bool = False
    delay: float = 0.0


class Profiles:
    """profiles, devices, assigned, refuses, retry_after_seconds, assign_methods: those of `FakeDep`."""

    def _define(self, profile: dict[str, Any]) -> Fault:
        for name, limit in (("profile_name", 125), ("url", 2000)):
            if not 0 < len(profile.get(name, "")) <= limit:
                return Fault(400, {"profile_name": b"CONFIG_NAME_INVALID", "url": b"CONFIG_URL_INVALID"}[name])
        if profile.get("is_mdm_removable") is False and not profile.get("is_supervised"):
            return Fault(400, b"FLAGS_INVALID")
        uuid = secrets.token_hex(16).upper()
        self.profiles[uuid] = profile
        return json_answer({"profile_uuid": uuid, "devices": {}})

    def _profile(self, query: dict[str, list[str]]) -> Fault:
        uuid = query.get("profile_uuid", [""])[0]
        found = self.profiles.get(uuid)
        return Fault(400, b"NOT_FOUND") if found is None else json_answer(found | {"profile_uuid": uuid})

    def _profile_devices(self, method: str, asked: dict[str, Any]) -> Fault:
        serials, uuid = asked.get("devices"), asked.get("profile_uuid")
        if method not in (*self.assign_methods, "DELETE"):
            return Fault(405)
        if not serials or len(serials) > MOST_DEVICES:
            return Fault(400, b"DEVICE_ID_REQUIRED")
        if method == "DELETE":
            return json_answer({"devices": {serial: self._give(serial, "", "empty") for serial in serials}})
        if uuid not in self.profiles:
            return Fault(404, b"NOT_FOUND")
        self.assigned.append(serials)
        answer = {"profile_uuid": uuid, "devices": {one: self._give(one, uuid, "assigned") for one in serials}}
        if "THROTTLED" in answer["devices"].values() and self.retry_after_seconds is not None:
            answer["retry_after_seconds"] = self.retry_after_seconds
        return json_answer(answer)

    def _give(self, serial: str, uuid: str, status: str) -> str:
        if serial not in self.devices:
            return "NOT_ACCESSIBLE"
        if uuid and serial in self.refuses:
            return self.refuses[serial]
        self.modify(serial, profile_uuid=uuid, profile_status=status, profile_assign_time=self._now())
        return "SUCCESS"


def json_answer(value: Any) -> Fault:
    return Fault(200, json.dumps(value).encode(), {"Content-Type": "application/json;charset=UTF8"})
