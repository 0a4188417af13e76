"""How often a device puts a command off is counted where it says so, by the statement that stores it anyway."""

from django.db import connection
from django.test.utils import CaptureQueriesContext

from mdm.commands.models import Command
from tests.factories import make_command
from tests.mdm.endpoints.test_connect import QueueTestCase


class NotNowCountTest(QueueTestCase):
    def counts(self) -> list[int]:
        return list(Command.objects.order_by("pk").values_list("not_now_count", flat=True))

    def test_each_time_counts_and_only_for_the_command_that_was_put_off(self) -> None:
        first, second = (make_command(self.device.channel, "SecurityInfo") for _ in range(2))
        self.device.idle()
        self.device.not_now(first.command_uuid)
        self.assertEqual(self.counts(), [1, 0])
        self.device.acknowledge(second.command_uuid)
        self.device.idle()
        self.device.not_now(first.command_uuid)
        self.assertEqual(self.counts(), [2, 0])
        self.device.idle()
        self.device.acknowledge(first.command_uuid)
        self.assertEqual(self.counts(), [2, 0])

    def test_it_costs_no_further_statement(self) -> None:
        first, _ = (make_command(self.device.channel, "SecurityInfo") for _ in range(2))
        self.device.idle()
        with CaptureQueriesContext(connection) as captured:
            self.device.not_now(first.command_uuid)
        updates = [query["sql"] for query in captured if query["sql"].startswith("UPDATE mdm_commands_command")]
        self.assertEqual(len(updates), 1)
