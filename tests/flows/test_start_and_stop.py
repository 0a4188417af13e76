"""Starting and stopping as an operator does it: nothing is left behind, nothing is lost."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from mdm.virtual.device import VirtualDevice
from tests.flows.server import ROOT, eventually, running_pomona, started, stop

pytestmark = pytest.mark.flow


def _parents() -> dict[int, int]:
    """From pid to the parent's, for all processes that run."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(") ", 1)[1].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if fields[0] != "Z":
                found[int(entry.name)] = int(fields[1])
    return found


def descendants(pid: int) -> set[int]:
    parents = _parents()
    found, new = set(), {pid}
    while new:
        found |= new
        new = {child for child, parent in parents.items() if parent in found} - found
    return found - {pid}


def still_running(pids: set[int]) -> set[int]:
    return pids & set(_parents())


@pytest.mark.once
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything(tmp_path: Path, how: signal.Signals) -> None:
    with running_pomona(tmp_path) as server:
        children = descendants(server.process.pid)
        assert len(children) >= 3  # web server, worker, schedule
        server.process.send_signal(how)
        assert server.process.wait(40) == 0
        eventually(lambda: not still_running(children), seconds=5, message="processes were left behind")
    assert "SIGKILL" not in server.log(), "a process did not end by itself"


def test_what_was_queued_survives_a_restart_and_keys_are_shown_once(tmp_path: Path) -> None:
    with running_pomona(tmp_path, is_fresh=True) as server, httpx.Client(timeout=60) as client:
        key, password = server.api_key, server.password
        assert len(key) > 20
        assert len(password) > 10
        created = server.api.post("/api/v1/devices", data={"name": "Survivor"}).json()["data"]
        device = VirtualDevice("ios", client=client)
        device.enroll(created["attributes"]["enrollment_url"])
        device.drain()
        server.raw.post("/v1/commands", json={"udid": device.udid, "request_type": "ProfileList"}).raise_for_status()
        saved = device.dump()
        settings = {k: server.environment[k] for k in ("DATABASE_URL", "REDIS_URL") if k in server.environment}
        assert stop(server) == 0
        with started(tmp_path, {**settings, "PORT": server.environment["PORT"], "BASE_URL": server.base_url}) as again:
            assert again.api_key == ""
            assert httpx.get(f"{server.base_url}/api/v1/devices/{created['id']}", auth=(key, "")).status_code == 200
            device = VirtualDevice.load(saved, client=client)
            assert device.idle().request_type == "ProfileList"
            device.drain()


@pytest.mark.once
def test_a_port_in_use_is_said_in_one_sentence(tmp_path: Path) -> None:
    with running_pomona(tmp_path) as server:
        environment = {**server.environment, "DATA_DIR": str(tmp_path / "other")}
        environment.pop("DATABASE_URL", None)
        done = subprocess.run(
            [sys.executable, "manage.py", "run_pomona"],
            cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode != 0
        assert "cannot be used" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_killed_worker_is_replaced_by_a_restart_without_loss(tmp_path: Path) -> None:
    """The worker dies with answers stored and not yet read; whoever comes next reads them."""
    with running_pomona(tmp_path) as server, httpx.Client(timeout=60) as client:
        created = server.api.post("/api/v1/devices", data={"name": "Left alone"}).json()["data"]
        settings = {k: server.environment[k] for k in ("DATABASE_URL", "REDIS_URL") if k in server.environment}
        workers = [
            pid
            for pid in descendants(server.process.pid)
            if _command_line(pid).find("celery --quiet --app mdm worker") >= 0
        ]
        device = VirtualDevice("macos", client=client)
        device.enroll(created["attributes"]["enrollment_url"])
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
        device.drain()
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        server.process.wait(40)
        key = server.api_key
        time.sleep(0.5)
        with started(tmp_path, {**settings, "PORT": server.environment["PORT"], "BASE_URL": server.base_url}):
            facts = eventually(
                lambda: (
                    (
                        a := httpx.get(f"{server.base_url}/api/v1/devices/{created['id']}", auth=(key, "")).json()[
                            "data"
                        ]["attributes"]
                    )["wifi_mac"]
                    and a
                ),
                seconds=60,
            )
            assert facts["serial_number"] == device.serial


def _command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
