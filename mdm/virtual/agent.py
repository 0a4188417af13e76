"""The agent of a virtual Mac: fetches scripts and tells how they ended. It never runs one: a callable says what came out.

It keeps to the protocol of the real one (`devices/agent/pomona-agent.sh`), signatures included.
"""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from secrets import token_hex
from typing import TYPE_CHECKING, Any

import httpx
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from mdm.virtual.errors import DeviceError, ServerRefused

if TYPE_CHECKING:
    from mdm.virtual.device import VirtualDevice

DOMAIN = "com.pomona.agent"
VERSION = "1"
PREFERENCES = ("URL", "Token", "Device", "SigningKey")

# The script's text → exit code and output.
Run = Callable[[str], tuple[int, str]]


@dataclass(frozen=True)
class Ran:
    """A script that the Mac was given, and what it answered."""

    run: str
    script: str
    status_code: int
    output: str


def preferences(device: "VirtualDevice") -> dict[str, Any] | None:
    """What a profile brought; None where there is none, or one that lacks something."""
    for payload in reversed(device.state.payloads(DOMAIN)):
        if all(isinstance(payload.get(key), str) for key in PREFERENCES):
            return payload
    return None


def poll(device: "VirtualDevice", client: httpx.Client | None = None, run: Run | None = None) -> Ran | None:
    """Fetch one script, "run" it and answer; None when none waits, or when the Mac has no agent profile.

    Without a callable every script ends with 0 and says hello. Raises ServerRefused, DeviceError.
    """
    known = preferences(device)
    if known is None:
        return None
    client = client or device.client
    headers = {
        "Authorization": f"Bearer {known['Token']}",
        "Pomona-Agent-Version": VERSION,
        "Content-Type": "application/octet-stream",
    }
    asked = client.post(f"{known['URL']}/next", headers=headers)
    if asked.status_code == 204:
        return None
    name, script = _order(asked, known)
    claim = {"claim": token_hex(16)}
    url = f"{known['URL']}/runs/{name}"
    _require(client.post(f"{url}/begin", params=claim, headers=headers), "beginning of a script")
    status_code, output = run(script) if run else (0, f"Hello from {device.serial}\n")
    ended = claim | {"why": "exited", "exit": str(status_code), "bytes": str(len(output.encode()))}
    _require(client.post(f"{url}/end", params=ended, content=output.encode(), headers=headers), "answer to a script")
    return Ran(name, script, status_code, output)


def poll_all(device: "VirtualDevice", limit: int = 100) -> list[Ran]:
    """Until nothing waits any more, or the limit is reached."""
    done: list[Ran] = []
    while len(done) < limit and (ran := poll(device)) is not None:
        done.append(ran)
    return done


def _require(response: httpx.Response, what: str) -> None:
    if response.status_code != 204:
        raise ServerRefused(what, response.status_code, response.content)


def _order(response: httpx.Response, known: dict[str, Any]) -> tuple[str, str]:
    """The run's name and the script."""
    if response.status_code != 200:
        raise ServerRefused("next script", response.status_code, response.content)
    head, _, script = response.content.partition(b"\n\n")
    lines = [line.partition(": ") for line in head.decode("utf-8", "replace").splitlines()]
    fields = {name: value for name, _, value in lines}
    if fields.get("Pomona-Order") != "1" or not fields.get("Run"):
        raise DeviceError("the server sent something that is no order")
    _verify(response, known["SigningKey"])
    if fields.get("Device") != known["Device"]:
        raise DeviceError("the server sent an order for another Mac")
    return fields["Run"], script.decode("utf-8", "replace")


def _verify(response: httpx.Response, signing_key: str) -> None:
    try:
        key = load_der_public_key(base64.b64decode(signing_key))
        signature = base64.b64decode(response.headers.get("Pomona-Signature", ""), validate=True)
    except (ValueError, binascii.Error) as error:
        raise DeviceError(f"the order's signature or its key cannot be read: {error}") from error
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise DeviceError("the key of the profile is no EC key")
    try:
        key.verify(signature, response.content, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as error:
        raise DeviceError("the order is not signed by the server") from error
