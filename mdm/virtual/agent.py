"""The agent of a virtual Mac: fetches scripts and tells how they ended. It never runs one: a callable says what came out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from mdm.virtual.errors import DeviceError, ServerRefused

if TYPE_CHECKING:
    from mdm.virtual.device import VirtualDevice

DOMAIN = "com.pomona.agent"
VERSION = "1"

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
    """URL and token, as a profile brought them; None where there is none, or one that lacks either."""
    for payload in reversed(device.state.payloads(DOMAIN)):
        if isinstance(payload.get("URL"), str) and isinstance(payload.get("Token"), str):
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
    headers = {"Authorization": f"Bearer {known['Token']}"}
    asked = client.post(f"{known['URL']}/next", json={"version": VERSION}, headers=headers)
    if asked.status_code == 204:
        return None
    order = _order(asked)
    status_code, output = run(order["script"]) if run else (0, f"Hello from {device.serial}\n")
    ran = Ran(order["run"], order["script"], status_code, output)
    told = client.post(
        f"{known['URL']}/runs/{ran.run}", json={"status_code": status_code, "output": output}, headers=headers
    )
    if told.status_code != 204:
        raise ServerRefused("answer to a script", told.status_code, told.content)
    return ran


def poll_all(device: "VirtualDevice", limit: int = 100) -> list[Ran]:
    """Until nothing waits any more, or the limit is reached."""
    done: list[Ran] = []
    while len(done) < limit and (ran := poll(device)) is not None:
        done.append(ran)
    return done


def _order(response: httpx.Response) -> dict[str, Any]:
    if response.status_code != 200:
        raise ServerRefused("next script", response.status_code, response.content)
    try:
        order = response.json()
    except ValueError as error:
        raise DeviceError(f"the server's script is not JSON: {error}") from error
    if not isinstance(order, dict) or not all(isinstance(order.get(key), str) for key in ("run", "script")):
        raise DeviceError("the server sent a script without run or script")
    return order
