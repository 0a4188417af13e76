"""Two people, two workers and a device at the same moment, each on a connection of its own. Needs a database that locks rows."""

import threading
from collections.abc import Callable
from unittest import mock

from django.db import connection
from django.test import TransactionTestCase, skipUnlessDBFeature

from mdm.accounts.models import Role
from tests.base import ApiClient
from tests.convergence.checks import assert_converged
from tests.convergence.desk import Desk
from tests.convergence.model import DEVICE_GROUP, Model
from tests.convergence.world import KEYS, World
from tests.factories import make_account, make_api_key, make_default_group, make_user

TIMES = 8


@skipUnlessDBFeature("has_select_for_update_skip_locked")
class AtOnceTest(TransactionTestCase):
    def setUp(self) -> None:
        super().setUp()
        account = make_account("Acme")
        group = make_default_group(account)
        make_user(account, role=Role.OWNER, email="owner@example.com")
        _, key = make_api_key(account, name="Test key")
        self.world = World(Model())
        self.enterContext(self.world.running())
        self.enterContext(mock.patch("enrollment.services.ca.new_rsa_key", return_value=KEYS()))
        self.desk = Desk(account, ApiClient(key), self.world)
        self.phone = self.desk.enroll("ios", group=group.pk)
        self.owner = (DEVICE_GROUP, group.pk)

    def test_what_two_order_against_each_other_ends_in_one_of_the_two(self) -> None:
        profile, app, group = self.desk.add_profile(), self.desk.add_app(), self.desk.add_group()
        self.desk.join(group, self.owner)
        faults: list[BaseException] = []

        def orders(off: bool) -> None:
            for _ in range(TIMES):
                self.desk.assign_profile(profile, self.owner, off=off)
                self.desk.assign_app(app, group, off=off)

        def works() -> None:
            for _ in range(TIMES):
                self.world.work()

        def connects() -> None:
            for _ in range(TIMES):
                self.world.connect(self.phone)

        self.at_once([lambda: orders(False), lambda: orders(True), works, works, connects], faults)
        self.assertEqual(faults, [])
        # Nobody knows who came last of the two, so both say once more what they think.
        for off in (True, False):
            self.desk.assign_profile(profile, self.owner, off=off)
            self.desk.assign_app(app, group, off=off)
        self.world.settle()
        assert_converged(self, self.desk)
        self.assertIn(profile.identifier, self.phone.state.profiles_of(""))
        self.world.forget_sent()
        self.world.compare_all()
        self.world.ask_for_inventories()
        self.world.settle()
        self.assertEqual(dict(self.world.sent()), {})

    def at_once(self, functions: list[Callable[[], None]], faults: list[BaseException]) -> None:
        def run(function: Callable[[], None]) -> None:
            try:
                function()
            except BaseException as fault:
                faults.append(fault)
            finally:
                connection.close()

        threads = [threading.Thread(target=run, args=[function]) for function in functions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertFalse([thread for thread in threads if thread.is_alive()])
