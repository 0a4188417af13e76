"""Licences of Apps and Books with devices that really fetch, install and remove: first the licence, then the app, and back."""

from django.test import override_settings
from django.utils import timezone

from apps_catalog.models import ContentToken, LicenceAssignment, LicenceRequest
from apps_catalog.services.licence_tokens import add_token
from apps_catalog.services.vpp_work import manage_due
from mdm.accounts.actors import SYSTEM
from tests.convergence.base import ConvergenceTestCase
from tests.convergence.machines import Machine
from tests.fakes.app_store import FakeAppStore
from tests.fakes.vpp import FakeVpp


class LicencesTest(ConvergenceTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.vpp = self.enterContext(FakeVpp())
        store = self.enterContext(FakeAppStore())
        self.enterContext(override_settings(VPP_URL=self.vpp.url, APP_STORE_URL=store.url))
        self.app = self.desk.add_store_app()
        self.group = self.desk.add_group()
        self.vpp.buy(self.app.store_id, 1)
        add_token(self.account, self.vpp.token_file(), actor=SYSTEM)
        self.at_apple()

    def at_apple(self, times: int = 1) -> None:
        """Workers talk to Apple, and whatever waits for later is due."""
        for _ in range(times):
            now = timezone.now()
            LicenceRequest.objects.update(due_at=now)
            LicenceAssignment.objects.exclude(due_at=None).update(due_at=now)
            ContentToken.objects.update(paused_until=None)
            manage_due()

    def holders(self) -> set[str]:
        return self.vpp.serials(self.app.store_id)

    def has(self, machine: Machine) -> bool:
        return bool(machine.installed(self.app.identifier))

    def installs(self, machine: Machine) -> list[dict]:
        """The options of each InstallApplication that the device was handed."""
        mine = [one.command for one in self.world.delivered.values() if one.device == machine.pk]
        return [one.keys["Options"] for one in mine if one.request_type == "InstallApplication"]

    def test_licence_then_app_then_back(self) -> None:
        self.vpp.looks = 2
        self.desk.join(self.group, self.itself(self.phone))
        self.desk.assign_app(self.app, self.group)
        for _ in range(3):  # nothing moves on the device while Apple is at it
            self.world.settle()
            self.assertEqual((self.holders(), self.has(self.phone), self.installs(self.phone)), (set(), False, []))
            self.at_apple()
        self.assertEqual(self.holders(), set())
        self.at_apple()
        self.assertEqual(self.holders(), {self.phone.serial})
        self.settle()
        self.assertTrue(self.has(self.phone))
        self.assertEqual(self.installs(self.phone), [{"PurchaseMethod": 1}])
        self.desk.assign_app(self.app, self.group, off=True)
        self.world.work()
        self.at_apple(2)
        self.assertEqual(self.holders(), {self.phone.serial})  # the app is there still
        self.settle()
        self.assertFalse(self.has(self.phone))
        self.vpp.looks = 0
        self.at_apple(2)
        self.assertEqual((self.holders(), LicenceAssignment.objects.count()), (set(), 0))

    def test_the_only_licence_goes_from_one_device_to_the_next(self) -> None:
        for machine in (self.phone, self.other):
            self.desk.join(self.group, self.itself(machine))
        self.desk.assign_app(self.app, self.group)
        for _ in range(3):
            self.world.settle()
            self.at_apple()
        self.world.settle()
        (first, second) = sorted((self.phone, self.other), key=self.has, reverse=True)
        self.assertEqual((self.has(first), self.has(second), self.holders()), (True, False, {first.serial}))
        note = next(item for item in self.desk.assigned(second) if item["attributes"]["name"] == self.app.name)
        self.assertIn("No licence is left", str(note))
        self.desk.join(self.group, self.itself(first), leave=True)
        for _ in range(4):
            self.world.settle()
            self.at_apple()
        self.settle()
        self.assertEqual((self.has(first), self.has(second), self.holders()), (False, True, {second.serial}))

    def test_a_device_that_checks_out_leaves_its_licence(self) -> None:
        self.desk.join(self.group, self.itself(self.phone))
        self.desk.assign_app(self.app, self.group)
        for _ in range(3):
            self.world.settle()
            self.at_apple()
        self.settle()
        self.assertEqual(self.holders(), {self.phone.serial})
        self.phone.check_out()
        self.at_apple(2)
        self.assertEqual(self.holders(), set())
