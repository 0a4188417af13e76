"""The whole server in one process: real devices' HTTP, its real database, its workers by hand, and a clock to be moved."""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from unittest import mock

import httpx
from django.conf import settings
from django.utils import timezone

from apps_catalog.models import AppInstall
from apps_catalog.services.following import PAUSE, ask_about_installs, give_up_unseen
from apps_catalog.services.reconcile import compare_all, reconcile_due
from devices.models import DueDevice, ItemState
from devices.services.inventories import ask_due
from mdm.channels.models import ChannelState
from mdm.commands.models import Command as CommandRow
from mdm.commands.states import WAITING, ApplyState
from mdm.endpoints.tasks import apply_results
from mdm.virtual.channel import Command, ManagementChannel
from mdm.virtual.keys import KeyPool
from tests.convergence.machines import Machine, Server, is_done
from tests.convergence.model import Model

KEYS = KeyPool(2)
MODELS = {"ios": "iPhone16,1", "macos": "Mac14,2"}
ROUNDS = 60
A_MOMENT = timedelta(seconds=1)
# They change nothing on a device, and are counted apart.
QUESTIONS = frozenset(
    {
        "DeviceInformation", "SecurityInfo", "InstalledApplicationList", "ProfileList", "CertificateList", "UserList",
        "ManagedApplicationList", "ManagedApplicationFeedback",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Delivered:
    """A command as it was handed out for the first time. was_idle: the device was as it asks for already."""

    device: int
    user: str
    command: Command
    was_idle: bool


@dataclass
class Clock:
    """How far the server's clock is ahead of the real one."""

    offset: timedelta = timedelta()


class World:
    """machines, and what was handed out to them. Use it within `running()`."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.server = Server()
        self.client = httpx.Client(transport=self.server, base_url=settings.BASE_URL)
        self.machines: list[Machine] = []
        self.delivered: dict[str, Delivered] = {}
        self.clock = Clock()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Nobody but the test starts workers, and the clock can be moved."""
        now = timezone.now
        with ExitStack() as stack:
            stack.enter_context(mock.patch("mdm.common.nudge._send"))
            stack.enter_context(mock.patch.object(timezone, "now", side_effect=lambda: now() + self.clock.offset))
            stack.enter_context(self.client)
            yield

    # Devices

    def machine(self, platform: str, *, os_version: str = "", users: Iterable[str] = ()) -> Machine:
        """Out of the box; platform: "ios" or "macos"."""
        number = len(self.machines) + 1
        machine = Machine(
            platform,
            client=self.client,
            key_source=KEYS,
            model=MODELS[platform],
            seed=number,
            serial=f"CONV{number:06d}",
        )
        machine.state.os_version = os_version or machine.state.os_version
        machine.users = {name: machine.user(name) for name in users}
        self.equip(machine)
        self.machines.append(machine)
        return machine

    def equip(self, machine: Machine) -> None:
        """The App Store and the contents of packages, as far as the catalogue knows them."""
        apps = self.model.all_apps.values()
        machine.store = {app.store_id: (app.identifier, app.name, app.versions[-1]) for app in apps if app.store_id}
        machine.packages = {
            app.identifier: tuple((brought, "App", app.versions[-1]) for brought in app.brings)
            for app in apps
            if app.brings is not None
        }

    def enroll(self, machine: Machine, url: str) -> None:
        machine.enroll(url)
        machine.users = {name: machine.user(name) for name in machine.users}
        for user in machine.users.values():
            user.token_update()

    def connect(self, *machines: Machine, most: int = 1000) -> None:
        """Each of them drains its lines, or answers so many commands at most. A session ends where an answer gets lost."""
        for machine in machines:
            for line in machine.lines if machine.is_enrolled else ():
                self._session(line, most)

    def _session(self, line: ManagementChannel, most: int) -> None:
        try:
            command = line.idle()
            while command is not None and most > 0:
                if command.uuid not in self.delivered:
                    self._note(line, command)
                command, most = line.respond(command), most - 1
        except httpx.ConnectError:
            return

    def _note(self, line: ManagementChannel, command: Command) -> None:
        machine = line.device
        delivered = Delivered(machine.pk, line.user_name or "", command, is_done(machine, line, command, self.model))
        self.delivered[command.uuid] = delivered

    # Workers and the clock

    def work(self) -> None:
        """What workers do as soon as there is something to do."""
        for _ in range(ROUNDS):
            if not apply_results() + reconcile_due():
                return
        raise AssertionError("the workers give work to each other for ever")

    def wait(self, time: timedelta) -> None:
        """The clock of the server goes on; the schedule runs when it has."""
        self.clock.offset += time
        give_up_unseen()
        ask_about_installs()

    def compare_all(self) -> None:
        """The daily comparison of all devices."""
        compare_all()

    def ask_for_inventories(self) -> None:
        """The next day: every device is asked for its inventory."""
        self.wait(timedelta(hours=settings.INVENTORY_HOURS, minutes=30))
        ask_due()

    def settle(self, *, retries: bool = False) -> None:
        """Go on until nothing is queued, under way or left to be read. retries: wait for what is to be tried again, too."""
        for _ in range(ROUNDS):
            self.work()
            if self._has_queue():
                self.connect(*self.machines)
            elif AppInstall.objects.filter(state=ItemState.PUSHED, answered_at__isnull=False).exists():
                self.wait(PAUSE + A_MOMENT)
                for machine in self.machines:
                    machine.pass_time()
            elif retries and (at := self._next_appointment()):
                self.wait(max(at - timezone.now(), timedelta()) + A_MOMENT)
            else:
                return
        raise AssertionError(f"not settled after {ROUNDS} rounds: {self._left_over()}")

    def _has_queue(self) -> bool:
        return CommandRow.objects.filter(state__in=WAITING, channel__state=ChannelState.OPEN).exists()

    def _next_appointment(self) -> datetime | None:
        dates = [
            *DueDevice.objects.values_list("due_at", flat=True),
            *CommandRow.objects.filter(apply_state=ApplyState.PENDING).values_list("apply_due_at", flat=True),
        ]
        return min((at for at in dates if at is not None), default=None)

    def _left_over(self) -> list[tuple[object, ...]]:
        waiting = CommandRow.objects.filter(state__in=WAITING)
        pushed = AppInstall.objects.filter(state=ItemState.PUSHED)
        return [
            *waiting.values_list("channel__device", "request_type", "state"),
            *pushed.values_list("device", "app__name", "state", "error"),
            *DueDevice.objects.values_list("device", "due_at", "attempts"),
        ]

    # What was sent

    def sent(self, machine: Machine | None = None) -> Counter[str]:
        """Request type → how many commands that are no questions were handed out, to one device or to all."""
        return Counter(
            one.command.request_type
            for one in self.delivered.values()
            if one.command.request_type not in QUESTIONS and machine in (None, self._machine(one.device))
        )

    def idle_commands(self) -> list[tuple[int, str, str]]:
        """(device, user, request type) of commands that changed nothing, since all was as they wanted it."""
        found = [one for one in self.delivered.values() if one.was_idle]
        return [(one.device, one.user, one.command.request_type) for one in found]

    def forget_sent(self) -> None:
        self.delivered.clear()

    def _machine(self, pk: int) -> Machine:
        return next(machine for machine in self.machines if machine.pk == pk)
