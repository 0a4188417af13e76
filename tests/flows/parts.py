"""Pomona's processes one by one, each to be killed and started again: web, workers, schedule, and a broker of their own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.flows.server import ROOT, START_SECONDS, eventually, free_port, own_services

WORKERS = ("worker-1", "worker-2")
REDIS = shutil.which("redis-server")


@dataclass
class Parts:
    """base_url and api_key to work with; `processes` by name, `deaths` counts how often each was killed."""

    environment: dict[str, str]
    folder: Path
    base_url: str
    broker_port: int | None
    api_key: str = ""
    account_id: int = 0
    processes: dict[str, subprocess.Popen] = field(default_factory=dict)
    deaths: dict[str, int] = field(default_factory=dict)

    def start(self, name: str) -> None:
        log = (self.folder / f"{name}.log").open("ab")
        self.processes[name] = subprocess.Popen(
            self._command(name), cwd=ROOT, env=self.environment, stdout=log, stderr=log, start_new_session=True
        )
        log.close()

    def kill(self, name: str) -> None:
        """As kill -9 of everything that belongs to it: nobody gets to put anything in order."""
        process = self.processes[name]
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
        self.deaths[name] = self.deaths.get(name, 0) + 1

    def restart(self, name: str) -> None:
        self.kill(name)
        self.start(name)

    def stop(self) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        for process in self.processes.values():
            process.wait(10)

    def manage(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")[-4000:]

    def _command(self, name: str) -> list[str]:
        """As `run_pomona` starts them, but for the broker."""
        python, kind = sys.executable, name.partition("-")[0]
        pool = "prefork" if "DATABASE_URL" in self.environment else "threads"
        return {
            "broker": [
                *(REDIS or "", "--port", str(self.broker_port), "--bind", "127.0.0.1", "--save", ""),
                *("--dir", str(self.folder)),
            ],
            "web": [
                *(python, "-m", "granian", "--interface", "wsgi", "mdm.wsgi:application", "--host", "127.0.0.1"),
                *("--port", self.base_url.rpartition(":")[2], "--workers", "1", "--blocking-threads", "4"),
            ],
            "worker": [
                *(python, "-m", "celery", "--quiet", "--app", "mdm", "worker", "--loglevel", "INFO", "--pool", pool),
                *("--concurrency", "2", "--hostname", f"{name}@pomona"),
                *("--without-gossip", "--without-mingle", "--without-heartbeat"),
            ],
            "beat": [python, "-m", "celery", "--quiet", "--app", "mdm", "beat", "--loglevel", "INFO", "--pidfile="],
        }[kind]  # fmt: skip


@contextmanager
def running_parts(folder: Path, **settings: str) -> Iterator[Parts]:
    """Everything started, with one account and its key. With REDIS_URL the broker is a Redis of this test's own."""
    with own_services(folder, is_fresh=False) as services:
        port = free_port()
        broker_port = free_port() if "REDIS_URL" in services and REDIS else None
        if broker_port:
            services["REDIS_URL"] = f"redis://127.0.0.1:{broker_port}/0"
        outside = {key: value for key, value in os.environ.items() if key not in ("DATABASE_URL", "REDIS_URL")}
        environment = {
            **outside,
            "DJANGO_SETTINGS_MODULE": "mdm.settings",
            "PYTHONUNBUFFERED": "1",
            "DATA_DIR": str(folder),
            "BASE_URL": f"http://127.0.0.1:{port}",
            **services,
            **settings,
        }
        parts = Parts(environment, folder, environment["BASE_URL"], broker_port)
        try:
            _start_all(parts)
            yield parts
        finally:
            parts.stop()


def _start_all(parts: Parts) -> None:
    owner = ("--owner", "owner@example.com", "--password", "correct horse 9 battery")
    made = json.loads(parts.manage("create_account", "Flows", *owner))
    parts.api_key, parts.account_id = made["api_key"], made["account_id"]
    for name in (*(("broker",) if parts.broker_port else ()), "web", *WORKERS, "beat"):
        parts.start(name)
    eventually(lambda: _is_ready(parts), seconds=START_SECONDS, message="the web server is not ready")


def _is_ready(parts: Parts) -> bool:
    assert parts.processes["web"].poll() is None, parts.log("web")
    try:
        return httpx.get(f"{parts.base_url}/readyz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


class Killer(threading.Thread):
    """Kills one worker after the other, and starts it again at once; in between, once, the broker loses all it had."""

    def __init__(self, parts: Parts, *, every_seconds: float) -> None:
        super().__init__(daemon=True)
        self.parts, self.every_seconds = parts, every_seconds
        self.enough = threading.Event()

    def run(self) -> None:
        turn = 0
        while not self.enough.wait(self.every_seconds):
            self.parts.restart(WORKERS[turn % len(WORKERS)])
            if turn == 2:
                self._lose_messages()
            turn += 1

    def finish(self) -> None:
        self.enough.set()
        self.join(30)

    def _lose_messages(self) -> None:
        if self.parts.broker_port:
            self.parts.restart("broker")
            return
        for message in self.parts.folder.rglob("*.msg"):
            message.unlink(missing_ok=True)
        self.parts.deaths["broker"] = 1
