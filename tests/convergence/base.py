"""Three devices in two groups: an iPhone, a Mac with two users, and another iPhone elsewhere."""

from collections.abc import Iterable
from unittest import mock

from tests.base import AccountTestCase
from tests.convergence.checks import assert_converged
from tests.convergence.desk import Desk
from tests.convergence.machines import Machine
from tests.convergence.model import DEVICE, DEVICE_GROUP, Model, Owner
from tests.convergence.world import KEYS, World


class ConvergenceTestCase(AccountTestCase):
    """sales, office: device groups. phone and mac are in sales, other in office; nothing is assigned."""

    def setUp(self) -> None:
        super().setUp()
        self.model = Model()
        self.world = World(self.model)
        self.enterContext(self.world.running())
        # The account's CA makes a key of its own only once; here one will do for all tests.
        self.enterContext(mock.patch("enrollment.services.ca.new_rsa_key", return_value=KEYS()))
        self.desk = Desk(self.account, self.api, self.world)
        self.sales, self.office = self.desk.add_device_group(), self.desk.add_device_group()
        self.phone = self.desk.enroll("ios", group=self.sales)
        self.mac = self.desk.enroll("macos", group=self.sales, users=("anna", "bert"))
        self.other = self.desk.enroll("ios", group=self.office)
        self.world.forget_sent()

    @property
    def in_sales(self) -> Owner:
        return DEVICE_GROUP, self.sales

    def itself(self, machine: Machine) -> Owner:
        return DEVICE, machine.pk

    def settle(self, *, retries: bool = False) -> None:
        """Until all is done; then it is as it should be."""
        self.world.settle(retries=retries)
        self.assert_converged()

    def assert_converged(self) -> None:
        assert_converged(self, self.desk)

    def assert_sent(self, machine: Machine, **commands: int) -> None:
        """Exactly these commands since the last time, questions not counted; then the count begins anew for the device."""
        self.assertEqual(dict(self.world.sent(machine)), commands, f"sent to {machine}")
        for uuid in [uuid for uuid, one in self.world.delivered.items() if one.device == machine.pk]:
            del self.world.delivered[uuid]

    def assert_nothing_sent(self, machines: Iterable[Machine] = ()) -> None:
        for machine in machines or self.world.machines:
            self.assert_sent(machine)
