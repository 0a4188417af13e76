"""Virtual devices of the tests, the way to the server that they share, and whether a command changes anything on them."""

import plistlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
from django.core import signals
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections

from mdm.virtual.channel import Behaviour, Command, ManagementChannel
from mdm.virtual.device import VirtualDevice
from mdm.virtual.enrollment_profile import parse_profile
from mdm.virtual.errors import BadProfile
from mdm.virtual.state import DEVICE_SCOPE
from mdm.virtual.user import VirtualUser
from tests.convergence.model import Model


class Server(httpx.BaseTransport):
    """The server as devices reach it. loses_answers: of so many answers to commands, from now on, it hears nothing."""

    def __init__(self) -> None:
        self._inner = httpx.WSGITransport(app=get_wsgi_application())
        self.loses_answers = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self.loses_answers and request.method == "PUT" and b"<key>CommandUUID</key>" in request.read():
            self.loses_answers -= 1
            raise httpx.ConnectError("the answer was lost on its way", request=request)
        with _connection_stays():
            response = self._inner.handle_request(request)
            response.read()  # to its end, at which the request is finished
            return response


@contextmanager
def _connection_stays() -> Iterator[None]:
    """The transaction of the test is in it; Django's own test client does the same."""
    for signal in (signals.request_started, signals.request_finished):
        signal.disconnect(close_old_connections)
    try:
        yield
    finally:
        for signal in (signals.request_started, signals.request_finished):
            signal.connect(close_old_connections)


class Machine(VirtualDevice):
    """A device that is known to the server as `pk`, with those of its users who are managed."""

    pk: int
    users: dict[str, VirtualUser]

    @property
    def lines(self) -> list[ManagementChannel]:
        return [self, *self.users.values()]

    def behave(self, **how: object) -> None:
        """On all its lines, see `Behaviour`; well, where nothing is given."""
        for line in self.lines:
            line.behaviour = Behaviour(**how)

    def installed(self, identifier: str) -> str:
        """The version of an app that is there, empty where it is not."""
        row = self.state.apps.get(identifier)
        return row["Version"] if row else ""


def is_done(machine: Machine, line: ManagementChannel, command: Command, model: Model) -> bool:
    """Whether the device is as the command wants it already, so that nobody needed to send it."""
    keys, state = command.keys, machine.state
    profiles = state.profiles_of(line.user_name or DEVICE_SCOPE)
    match command.request_type:
        case "InstallProfile":
            try:
                wanted = parse_profile(keys["Payload"])
            except BadProfile:
                return False
            present = profiles.get(wanted.identifier)
            return present is not None and present["managed"] and present["content"] == wanted.content
        case "RemoveProfile":
            return keys["Identifier"] not in profiles
        case "RemoveApplication":
            return keys["Identifier"] not in state.managed_apps
        case "InstallApplication":
            identifier, version = _asked_for(machine, keys, model)
            status = state.managed_apps.get(identifier, {}).get("Status")
            return status == "Managed" and machine.installed(identifier) == version
    return False


def _asked_for(machine: Machine, keys: Mapping[str, Any], model: Model) -> tuple[str, str]:
    """Bundle identifier and version that an InstallApplication would install."""
    if "ManifestURL" in keys:
        manifest = plistlib.loads(machine.client.get(keys["ManifestURL"]).content)
        metadata = manifest["items"][0]["metadata"]
        return metadata["bundle-identifier"], metadata["bundle-version"]
    app = next(one for one in model.all_apps.values() if one.store_id == keys["iTunesStoreID"])
    return app.identifier, app.versions[-1]
