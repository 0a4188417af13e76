from datetime import timedelta

from django.utils import timezone

from devices.services import lost_mode
from devices.services.errors import NotPossible
from mdm.accounts.actors import SYSTEM
from mdm.commands.models import Command
from mdm.commands.states import State
from tests.base import AccountTestCase
from tests.factories import make_channel, make_command, make_device

ON, OFF = lost_mode.ON, lost_mode.OFF


class KnownToBeLostTest(AccountTestCase):
    """Which devices are asked where they are: the inventory says that this one is not in Lost Mode."""

    def setUp(self):
        super().setUp()
        self.inventory_at = timezone.now() - timedelta(hours=1)
        self.device = make_device(
            self.account, information={"IsMDMLostModeEnabled": False}, information_at=self.inventory_at
        )

    def acknowledged(self, request_type: str, *, after: timedelta = timedelta(minutes=1)) -> Command:
        at = self.inventory_at + after
        return make_command(self.device, request_type, state=State.ACKNOWLEDGED, finished_at=at)

    def assert_asked(self):
        self.assertEqual(lost_mode.locate(self.device, actor=SYSTEM).request_type, "DeviceLocation")

    def assert_not_asked(self):
        with self.assertRaisesMessage(NotPossible, "The device is not in Lost Mode."):
            lost_mode.locate(self.device, actor=SYSTEM)
        self.assertFalse(Command.objects.filter(request_type="DeviceLocation").exists())

    def test_the_inventory_alone_says_no(self):
        self.assert_not_asked()

    def test_a_switch_that_waits_will_have_made_it_lost(self):
        for state in (State.QUEUED, State.SENT):
            make_command(self.device, ON, state=state)
            self.assert_asked()
            Command.objects.all().delete()

    def test_a_switch_that_it_obeyed_since_has_made_it_lost(self):
        self.acknowledged(ON)
        self.assert_asked()

    def test_one_from_before_the_inventory_has_not(self):
        self.acknowledged(ON, after=timedelta(minutes=-1))
        self.assert_not_asked()

    def test_one_that_it_refused_or_never_got_has_not(self):
        for state in (State.FAILED, State.CANCELLED, State.EXPIRED):
            make_command(self.device, ON, state=state, finished_at=timezone.now())
        self.assert_not_asked()

    def test_the_last_switch_counts(self):
        self.acknowledged(ON)
        make_command(self.device, OFF)
        self.assert_not_asked()
        make_command(self.device, ON)
        self.assert_asked()

    def test_a_lost_device_that_is_being_released_is_not_asked(self):
        self.device.information = {"IsMDMLostModeEnabled": True}
        make_command(self.device, OFF)
        self.assert_not_asked()

    def test_other_devices_and_users_do_not_matter(self):
        make_command(make_device(self.account), ON)
        make_command(make_channel(self.device, user_key="user"), ON)
        self.assert_not_asked()

    def test_what_is_said_in_another_type_is_not_known(self):
        for said in (None, "false", 0, []):
            self.device.information = {"IsMDMLostModeEnabled": said}
            self.assert_asked()

    def test_without_an_inventory_the_switch_itself_is_enough(self):
        self.device.information, self.device.information_at = {}, None
        self.acknowledged(OFF)
        self.assert_not_asked()
