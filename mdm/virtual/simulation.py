"""Many virtual devices at once: enroll them, and keep them answering for a while."""

import os
import plistlib
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import httpx

from mdm.virtual import agent
from mdm.virtual.catalogue import Platform
from mdm.virtual.channel import Behaviour
from mdm.virtual.device import VirtualDevice
from mdm.virtual.device_authority import DeviceAuthority
from mdm.virtual.errors import DeviceError, EnrollmentRefused, ManagementRemoved
from mdm.virtual.keys import KeyPool, KeySource

GONE = 410
Item = TypeVar("Item")
FAILURES = (DeviceError, httpx.HTTPError, httpx.InvalidURL)


@dataclass
class Summary:
    """Counts of one run. `answers`: status → how many; `seconds`: whole run, wall clock."""

    devices: list[VirtualDevice] = field(default_factory=list)
    enrolled: int = 0
    failed: int = 0
    unenrolled: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    was_refused_as_gone: bool = False


@dataclass(frozen=True)
class Automated:
    """Devices that Apple's list names, by their serial numbers; with an email their person signs in first."""

    url: str
    serials: Sequence[str]
    authority: DeviceAuthority
    email: str = ""
    password: str = field(default="", repr=False)


@dataclass
class Plan:
    """What one run does. `resumed` devices are not enrolled again; `count` is how many there are to be in all.

    With `automated` they are set up anew with the serial numbers named there, and the enrollment URL is not used.
    """

    enrollment_url: str
    count: int
    platform: Platform = "ios"
    answer_for_seconds: float = 0.0
    poll_seconds: float = 5.0
    concurrency: int = 8
    behaviour: Behaviour = field(default_factory=Behaviour)
    resumed: list[VirtualDevice] = field(default_factory=list)
    key_source: KeySource | None = None
    seed: int | None = None
    automated: Automated | None = None


class Simulation:
    """Threads over one shared HTTP client. `stop` may be set from anywhere; `run` then ends within one exchange."""

    def __init__(
        self,
        plan: Plan,
        client: httpx.Client,
        on_enrolled: Callable[[VirtualDevice], None] = lambda device: None,
        on_problem: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.plan, self.client = plan, client
        self.on_enrolled, self.on_problem = on_enrolled, on_problem
        self.stop = threading.Event()
        self._counting = threading.Lock()
        self.summary = Summary()
        # Few keys for many devices: what is simulated is the traffic, not the quality of the keys.
        self.key_source = plan.key_source or KeyPool(min(8, max(1, plan.count)))

    def run(self) -> Summary:
        """Enroll, then answer until the time is over. An interrupt from the keyboard ends it early, not badly."""
        started = time.monotonic()
        try:
            self._enroll_all()
            self._answer_all(time.monotonic() + self.plan.answer_for_seconds)
        except KeyboardInterrupt:
            self.stop.set()
        self.summary.seconds = time.monotonic() - started
        return self.summary

    def _enroll_all(self) -> None:
        self.summary.devices = list(self.plan.resumed)
        missing = range(len(self.plan.resumed), self.plan.count)
        self._in_threads(self._enroll_one, missing)

    def _enroll_one(self, number: int) -> None:
        plan = self.plan
        seed = None if plan.seed is None else f"{plan.seed}/{number}"
        serial = plan.automated.serials[number] if plan.automated else None
        device = VirtualDevice(plan.platform, client=self.client, key_source=self.key_source, seed=seed, serial=serial)
        try:
            self._let_in(device)
        except FAILURES as error:
            self._problem(device, error, failed=1)
            return
        with self._counting:
            self.summary.devices.append(device)
            self.summary.enrolled += 1
            self.on_enrolled(device)

    def _let_in(self, device: VirtualDevice) -> None:
        automated = self.plan.automated
        if automated is None:
            device.enroll(self.plan.enrollment_url)
            return
        device.factory_identity = automated.authority.issue(device.udid, self.key_source())
        if automated.email:
            device.enroll_by_sign_in(automated.url, automated.email, automated.password)
        else:
            device.enroll_automatically(automated.url)

    def _answer_all(self, until: float) -> None:
        """Round after round; the first one at once, so that even zero seconds answer what is waiting."""
        for device in self.summary.devices:
            device.behaviour = self.plan.behaviour
        while not self.stop.is_set():
            round_started = time.monotonic()
            self._in_threads(self._answer_one, [d for d in self.summary.devices if d.is_enrolled])
            pause = min(self.plan.poll_seconds - (time.monotonic() - round_started), until - time.monotonic())
            if time.monotonic() >= until or self.stop.wait(max(0.0, pause)):
                return

    def _answer_one(self, device: VirtualDevice) -> None:
        try:
            answered = device.drain()
        except ManagementRemoved:
            self._problem(device, DeviceError("the server took it out of management"), unenrolled=1)
            return
        except FAILURES as error:
            self._problem(device, error, failed=1)
            return
        with self._counting:
            self.summary.answers.update(row.status for row in answered)
            self.summary.unenrolled += not device.is_enrolled
        self._run_scripts(device)

    def _run_scripts(self, device: VirtualDevice) -> None:
        """A Mac that has the agent's profile asks for scripts after each session."""
        try:
            agent.poll_all(device)
        except FAILURES as error:
            self._problem(device, error, failed=1)

    def _problem(self, device: VirtualDevice, error: Exception, *, failed: int = 0, unenrolled: int = 0) -> None:
        text = f"{type(error).__name__}: {error}"
        with self._counting:
            self.summary.failed += failed
            self.summary.unenrolled += unenrolled
            self.summary.problems[text] += 1
            if isinstance(error, EnrollmentRefused) and error.status_code == GONE:
                self.summary.was_refused_as_gone = True
            self.on_problem(f"{device.serial}: {text}")

    def _in_threads(self, work: Callable[[Item], None], items: Iterable[Item]) -> None:
        """Run `work` over `items`; on an interrupt those not begun are dropped and the running ones awaited."""
        pool = ThreadPoolExecutor(max_workers=self.plan.concurrency)
        try:
            futures: list[Future[None]] = [pool.submit(self._unless_stopped, work, item) for item in items]
            for future in as_completed(futures):
                future.result()
        except BaseException:
            self.stop.set()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _unless_stopped(self, work: Callable[[Item], None], item: Item) -> None:
        if not self.stop.is_set():
            work(item)


def simulate(
    enrollment_url: str,
    count: int,
    platform: Platform = "ios",
    answer_for_seconds: float = 0.0,
    concurrency: int = 8,
    *,
    client: httpx.Client | None = None,
) -> Summary:
    """The short way: a plan with the usual settings and, if need be, a client of its own."""
    plan = Plan(enrollment_url, count, platform, answer_for_seconds, concurrency=concurrency)
    if client is not None:
        return Simulation(plan, client).run()
    with make_client(concurrency) as own:
        return Simulation(plan, own).run()


def make_client(concurrency: int) -> httpx.Client:
    limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    return httpx.Client(timeout=60, limits=limits)


def save_devices(path: Path, devices: list[VirtualDevice]) -> None:
    """Write all devices with their private keys, readable by the owner only, in one step."""
    data = plistlib.dumps([device.dump() for device in devices], fmt=plistlib.FMT_BINARY)
    # mkstemp creates with mode 0600, and the rename keeps it.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def load_devices(path: Path, client: httpx.Client) -> list[VirtualDevice]:
    """Devices of a former run that are still enrolled; none if there is no such file. Raises DeviceError."""
    if not path.exists():
        return []
    try:
        rows = plistlib.loads(path.read_bytes())
        devices = [VirtualDevice.load(row, client=client) for row in rows]
    except (plistlib.InvalidFileException, ValueError, TypeError, LookupError) as error:
        raise DeviceError(f"{path} is not a state file of virtual devices: {error}") from error
    return [device for device in devices if device.is_enrolled]
