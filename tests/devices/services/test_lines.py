"""What has become of commands, asked for many at once."""

from devices.services.lines import open_commands
from mdm.commands.services import withdraw
from mdm.commands.states import State
from tests.base import AccountTestCase
from tests.factories import make_command, make_device

# More than any database takes as values of one statement.
MANY = 260_000


class ManyCommandsTest(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.device = make_device(self.account)
        self.channels = [self.device.device_channel]
        self.uuids = [f"unknown-{number}" for number in range(MANY)]

    def test_of_very_many_commands_those_that_are_under_way_are_found(self):
        waiting, cancelled = make_command(self.device), make_command(self.device, state=State.CANCELLED)
        asked = [waiting.command_uuid, *self.uuids, cancelled.command_uuid]
        self.assertEqual(open_commands(asked, self.channels), {waiting.command_uuid})

    def test_of_very_many_commands_those_that_wait_are_withdrawn(self):
        first, last = make_command(self.device), make_command(self.device)
        asked = [first.command_uuid, *self.uuids, last.command_uuid]
        self.assertEqual(withdraw(asked, self.channels), {first.command_uuid, last.command_uuid})
        first.refresh_from_db()
        self.assertEqual(first.state, State.CANCELLED)
