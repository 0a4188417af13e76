"""Pomona as an operator starts it: web server, worker and schedule as processes, with a database and broker of their own."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psycopg

from tests.database import DATABASE_FILE, copy_file, copy_on_server, drop_on_server

ROOT = Path(__file__).resolve().parent.parent.parent
START_SECONDS = 180


@dataclass
class Running:
    """base_url and api_key to work with; `process` is that of `manage.py run_pomona`."""

    process: subprocess.Popen
    base_url: str
    environment: dict[str, str]
    lines: list[str] = field(default_factory=list)
    api_key: str = ""
    password: str = ""
    email: str = ""

    @cached_property
    def api(self) -> httpx.Client:
        return httpx.Client(base_url=self.base_url, auth=(self.api_key, ""), timeout=30)

    @cached_property
    def raw(self) -> httpx.Client:
        """As clients of the raw command endpoint sign in."""
        return httpx.Client(base_url=self.base_url, auth=("micromdm", self.api_key), timeout=30)

    def close_clients(self) -> None:
        for name in ("api", "raw"):
            if name in self.__dict__:
                self.__dict__[name].close()

    def manage(self, *arguments: str) -> str:
        """Run a management command against the same database; returns what it printed."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def log(self) -> str:
        return "\n".join(self.lines)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running_pomona(data_dir: Path, *, is_fresh: bool = False, **settings: str) -> Iterator[Running]:
    """Start it with `run_pomona`, as `make run` does, wait until it is ready, stop it with Ctrl-C.

    is_fresh: it has to make its tables by itself, which takes seconds; otherwise they are there.
    """
    with own_services(data_dir, is_fresh=is_fresh) as services, started(data_dir, services | settings) as server:
        yield server


@contextmanager
def started(data_dir: Path, settings: dict[str, str]) -> Iterator[Running]:
    port = int(settings.get("PORT") or free_port())
    environment = {
        **{key: value for key, value in os.environ.items() if key not in ("DATABASE_URL", "REDIS_URL")},
        "DJANGO_SETTINGS_MODULE": "mdm.settings",
        "PYTHONUNBUFFERED": "1",
        "DATA_DIR": str(data_dir),
        "PORT": str(port),
        "BASE_URL": f"http://127.0.0.1:{port}",
        **settings,
    }
    process = subprocess.Popen(
        [sys.executable, "manage.py", "run_pomona"],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    server = Running(process, f"http://127.0.0.1:{port}", environment)
    reader = threading.Thread(target=_read, args=(server,), daemon=True)
    reader.start()
    try:
        _wait_until_ready(server)
        yield server
    finally:
        server.close_clients()
        stop(server)
        reader.join(10)
        process.stdout.close()


def stop(server: Running) -> int:
    """Ctrl-C, as a terminal sends it to the foreground process. Returns the exit status."""
    if server.process.poll() is None:
        server.process.send_signal(signal.SIGINT)
    return server.process.wait(40)


def _read(server: Running) -> None:
    for line in server.process.stdout:
        server.lines.append(line.rstrip("\n"))
        for attribute, pattern in (
            ("api_key", r"^  API key\s+(\S+)"),
            ("password", r"^  Password\s+(\S+)"),
            ("email", r"^  E-mail\s+(\S+)"),
        ):
            if found := re.match(pattern, line):
                setattr(server, attribute, found[1])


def _wait_until_ready(server: Running) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            raise AssertionError(f"Pomona ended while starting:\n{server.log()}")
        try:
            if httpx.get(f"{server.base_url}/readyz", timeout=5).status_code == 200 and _worker_is_up(server):
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise AssertionError(f"Pomona was not ready after {START_SECONDS} s:\n{server.log()}")


def _worker_is_up(server: Running) -> bool:
    return any(" ready." in line for line in server.lines)


@contextmanager
def own_services(data_dir: Path, *, is_fresh: bool) -> Iterator[dict[str, str]]:
    """With DATABASE_URL set (and REDIS_URL), a new database beside it and another Redis database; else the embedded ones."""
    url, redis = os.environ.get("DATABASE_URL"), os.environ.get("REDIS_URL", "")
    if not url:
        if not is_fresh:
            copy_file(data_dir / DATABASE_FILE)
        yield {}
        return
    with _new_database(url, is_fresh=is_fresh) as new_url:
        settings = {"DATABASE_URL": new_url}
        if redis:
            # Redis has 16 databases; pytest-xdist's workers are told apart so that no worker takes another's tasks.
            number = 10 + int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "0")) or 0) % 6
            settings["REDIS_URL"] = urlsplit(redis)._replace(path=f"/{number}").geturl()
        yield settings


@contextmanager
def _new_database(url: str, *, is_fresh: bool) -> Iterator[str]:
    """Its URL; it is gone afterwards."""
    name = f"pomona_flow_{uuid.uuid4().hex[:12]}"
    if is_fresh:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
    else:
        copy_on_server(url, name)
    try:
        yield urlsplit(url)._replace(path=f"/{name}").geturl()
    finally:
        drop_on_server(url, name)


def eventually(check, *, seconds: float = 30, message: str = "") -> object:
    """Call check until it returns something true; what it returned is returned."""
    deadline = time.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(message or f"not within {seconds} s: {check}")
        time.sleep(0.2)


def pretty(value: object) -> str:
    return json.dumps(value, indent=1, default=str)[:4000]
