"""From Apple's lists to a device at work: DEP sync, settings, automated enrollment, licence, app. Whatever goes wrong on the way,
it ends in the same state.

Apple's services are the local servers of `tests/fakes`, spoken to over sockets; the clock is moved, as workers would wait.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
from django.db import transaction
from django.test import override_settings
from django.utils import timezone

from apps_catalog.models import ContentToken
from apps_catalog.services.licence_tokens import add_token
from apps_catalog.services.reconcile import reconcile_due
from apps_catalog.services.vpp_work import manage_due
from devices.models import Device, DeviceState
from enrollment.models import AssignState, DepDevice, DepServer
from enrollment.services.dep_assign import assign_due
from enrollment.services.dep_settings import update_settings
from enrollment.services.dep_sync import sync_due
from enrollment.services.setup_assistant import release_due
from mdm.accounts.actors import SYSTEM
from mdm.endpoints.tasks import apply_results
from mdm.events.models import Event
from mdm.virtual.device import VirtualDevice
from tests.base import AccountTestCase
from tests.convergence.machines import Server
from tests.enrollment.ade_base import POOL, factory, genuine
from tests.enrollment.dep_base import TOKEN
from tests.factories import make_dep_server, make_group, make_profile
from tests.factories.wanted import assign_profile, make_group_with, make_store_app
from tests.fakes.app_store import FakeAppStore
from tests.fakes.dep import FakeDep
from tests.fakes.vpp import FakeVpp
from tests.mdm.endpoints.base import make_authority

LISTED = 40
PROFILE = "com.example.first"
BUSY = {"Retry-After": "120"}
ROUNDS = 40


@dataclass
class Apple:
    """The fakes, and the devices' way to us. is_waiting: called once the device waits in Setup Assistant."""

    dep: FakeDep
    vpp: FakeVpp
    store: FakeAppStore
    way: Server
    is_waiting: list[Callable[[], Any]] = field(default_factory=list)


Trouble = Callable[[Apple], Any]
# What goes wrong → how it is brought about. Each of them alone, and then many at once.
TROUBLES: dict[str, Trouble] = {
    "nothing": lambda apple: None,
    "no session: 503": lambda apple: apple.dep.fail("/session", 503, headers=BUSY),
    "the account: no answer": lambda apple: apple.dep.fail(
        "/account", 200, is_cut=True, body=b'{"server_name": "half"}'
    ),
    "the list: 429": lambda apple: apple.dep.fail("/server/devices", 429, headers=BUSY, after=1),
    "the list: half a page": lambda apple: apple.dep.fail(
        "/server/devices", 200, b'{"devices": [], "cursor": "00", "more', is_cut=True, after=1
    ),
    "the list: the session ends": lambda apple: apple.dep.end_sessions(after=2),
    "the list: an expired token": lambda apple: apple.dep.fail("/session", 401, b"token_expired"),
    "the list: terms not signed": lambda apple: apple.dep.fail("/account", 403, b"T_C_NOT_SIGNED"),
    "the list: an unknown cursor": lambda apple: apple.dep.fail("/server/devices", 400, b"EXPIRED_CURSOR", after=1),
    "defining: 500": lambda apple: apple.dep.fail("/profile", 500),
    "defining: the answer is lost": lambda apple: apple.dep.fail("/profile", 200, b"{}", is_cut=True, is_late=True),
    "assigning: 503": lambda apple: apple.dep.fail("/profile/devices", 503, headers=BUSY),
    "assigning: the answer is lost": lambda apple: apple.dep.fail(
        "/profile/devices", 200, b"{}", is_cut=True, is_late=True
    ),
    "assigning: the profile is forgotten": lambda apple: apple.dep.fail("/profile/devices", 404, b"NOT_FOUND"),
    "licences: no configuration": lambda apple: apple.vpp.fail("/service/config", 503, headers=BUSY),
    "licences: 429": lambda apple: apple.vpp.fail("/assets", 429, 9646, headers=BUSY),
    "licences: half a page": lambda apple: apple.vpp.fail("/assets", 200, is_cut=True, body=b'{"assets": [], "size"'),
    "licences: an internal error": lambda apple: apple.vpp.fail("/assignments", 500, 9603),
    "associating: 503": lambda apple: apple.vpp.fail("/assets/associate", 503, headers=BUSY),
    "associating: the answer is lost": lambda apple: apple.vpp.fail(
        "/assets/associate", 200, body=b"{}", is_cut=True, is_done=True
    ),
    "associating: it takes long": lambda apple: setattr(apple.vpp, "looks", 4),
    "associating: the event is forgotten": lambda apple: apple.vpp.fail("/status", 400, 9708),
    "associating: its outcome is not told": lambda apple: apple.vpp.fail("/status", 500, 9603),
    "the device: answers are lost": lambda apple: apple.is_waiting.append(
        lambda: setattr(apple.way, "loses_answers", 3)
    ),
}


class BoxToDeskTest(AccountTestCase):
    """office: the group that listed devices come to; what it should have is a profile and an app that needs a licence."""

    def test_each_fault_alone_ends_in_the_same_state(self) -> None:
        for name, trouble in TROUBLES.items():
            with self.subTest(name), self.world() as apple:
                trouble(apple)
                self.assert_at_work(apple, self.run_through(apple))

    def test_all_faults_together_end_in_the_same_state(self) -> None:
        with self.world() as apple:
            for trouble in TROUBLES.values():
                trouble(apple)
            self.assert_at_work(apple, self.run_through(apple))
            # Told in words, and over.
            self.assertTrue(Event.objects.filter(event_type="dep_server.sync_failed").exists())

    def test_a_short_licence_holds_nobody_in_setup_assistant(self) -> None:
        with self.world(licences=0) as apple:
            device = self.run_through(apple, until=lambda device: not device.state.awaiting_configuration)
            self.assertIn(PROFILE, device.state.profiles_of(""))
            self.assertEqual(apple.vpp.serials(self.app.itunes_store_id), set())
            apple.vpp.buy(self.app.itunes_store_id, 1)
            self.go_on(device, until=lambda one: self.app.bundle_identifier in one.state.apps)
            self.assert_at_work(apple, device)

    # --- the way ------------------------------------------------------------------------------------------------------
    def run_through(self, apple: Apple, *, until: Callable[[VirtualDevice], bool] | None = None) -> VirtualDevice:
        """Everything, as an admin and a device do it; workers get their turns until nothing is left to be done."""
        serials = apple.dep.assign(LISTED)
        self.dep_server = make_dep_server(self.account, "Office", **TOKEN, sync_due_at=timezone.now())
        update_settings(
            self.dep_server,
            actor=SYSTEM,
            device_group=self.office,
            options={"profile_name": "Office", "await_device_configured": True, "is_supervised": True},
        )
        add_token(self.account, apple.vpp.token_file(), actor=SYSTEM)
        self.list_until_all_are_assigned(apple)
        device = self.unpack(apple, serials[7])
        for happens in apple.is_waiting:
            happens()
        self.go_on(device, until=until or (lambda one: self.is_at_work(one)))
        return device

    def unpack(self, apple: Apple, serial: str) -> VirtualDevice:
        """The device asks Apple, gets the address of its profile there, and comes to us."""
        client = self.enterContext(httpx.Client(transport=apple.way, base_url="http://127.0.0.1:8000"))
        device = VirtualDevice("ios", client=client, serial=serial, key_source=POOL, model="iPhone16,1")
        device.factory_identity = genuine().identity
        device.store = {self.app.itunes_store_id: (self.app.bundle_identifier, self.app.name, "2.0")}
        given = apple.dep.profiles[apple.dep.devices[serial]["profile_uuid"]]
        device.enroll_automatically(
            given["url"].removeprefix("http://127.0.0.1:8000"), awaits_configuration=given["await_device_configured"]
        )
        self.assertTrue(device.state.awaiting_configuration)
        return device

    def go_on(self, device: VirtualDevice, *, until: Callable[[VirtualDevice], bool]) -> None:
        def turn() -> bool:
            try:
                device.drain()
            except httpx.ConnectError:
                return False
            return until(device)

        self.work_until(turn, "the device")

    def list_until_all_are_assigned(self, apple: Apple) -> None:
        def is_done() -> bool:
            DepServer.objects.filter(pk=self.dep_server.pk).update(sync_due_at=timezone.now())
            return self.all_assigned(apple)

        self.work_until(is_done, "Apple's list and its settings")

    def work_until(self, is_done: Callable[[], bool], what: str) -> None:
        for _ in range(ROUNDS):
            self.turn()
            if is_done():
                return
            self.offset += timedelta(minutes=20)
        self.fail(f"{what} came to no end in {ROUNDS} turns: {self.standing()}")

    def turn(self) -> None:
        sync_due()
        assign_due()
        manage_due()
        apply_results()
        reconcile_due()
        release_due()

    # --- how it stands ------------------------------------------------------------------------------------------------
    def all_assigned(self, apple: Apple) -> bool:
        there = {device.get("profile_uuid") for device in apple.dep.devices.values()}
        known = self.dep_server.dep_devices.filter(assign_state=AssignState.ASSIGNED).count()
        return known == LISTED and len(there) == 1 and there <= set(apple.dep.profiles)

    def is_at_work(self, device: VirtualDevice) -> bool:
        has_all = PROFILE in device.state.profiles_of("") and self.app.bundle_identifier in device.state.apps
        return has_all and not device.state.awaiting_configuration

    def assert_at_work(self, apple: Apple, device: VirtualDevice) -> None:
        self.list_until_all_are_assigned(apple)
        self.assertTrue(self.is_at_work(device), device.state)
        row = Device.objects.for_account(self.account).get(serial_number=device.serial)
        self.assertEqual((row.state, row.group, row.udid), (DeviceState.ENROLLED, self.office, device.udid))
        waiting = Device.objects.for_account(self.account).filter(state=DeviceState.AWAITING, group=self.office)
        self.assertEqual(waiting.count(), LISTED - 1)
        self.assertEqual(DepDevice.objects.filter(server=self.dep_server).count(), LISTED)
        self.assertEqual(apple.vpp.serials(self.app.itunes_store_id), {device.serial})
        installs = Event.objects.filter(event_type="command.acknowledged", device=row)
        sent = [one.metadata["request_type"] for one in installs]
        for once in ("InstallApplication", "DeviceConfigured"):
            self.assertEqual(sent.count(once), 1, sent)
        self.dep_server.refresh_from_db()
        self.assertEqual((self.dep_server.sync_error, self.dep_server.settings.error), ("", ""))

    def standing(self) -> dict[str, Any]:
        server = DepServer.objects.select_related("settings").get(pk=self.dep_server.pk)
        tokens = ContentToken.objects.values("error", "paused_until", "sync_due_at")
        return {"sync": server.sync_error, "settings": server.settings.error, "tokens": list(tokens)}

    @contextmanager
    def world(self, *, licences: int = 3) -> Iterator[Apple]:
        """An account anew, with Apple's services and a clock that can be moved; what was made is taken back afterwards."""
        now, self.offset = timezone.now, timedelta()
        with (
            FakeDep(page_limit=15) as dep,
            FakeVpp() as vpp,
            FakeAppStore() as store,
            tempfile.TemporaryDirectory() as folder,
            override_settings(
                DEP_URL=dep.url,
                VPP_URL=vpp.url,
                APP_STORE_URL=store.url,
                APPLE_DEVICE_CA_FILE=str(factory().write(Path(folder) / "devices.pem")),
                AWAIT_CONFIGURATION_SECONDS=365 * 24 * 3600,
            ),
            mock.patch("mdm.common.nudge._send"),
            mock.patch.object(timezone, "now", side_effect=lambda: now() + self.offset),
            transaction.atomic(),
        ):
            make_authority(self.account)
            self.office = make_group(self.account, "Office")
            self.app = make_store_app(self.account)
            make_group_with(self.account, self.office, apps=(self.app,))
            assign_profile(make_profile(self.account, identifier=PROFILE, user_scope=False), self.office)
            vpp.buy(self.app.itunes_store_id, licences)
            yield Apple(dep, vpp, store, Server())
            transaction.set_rollback(True)
