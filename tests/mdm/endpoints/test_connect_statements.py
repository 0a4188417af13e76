"""What an exchange costs the database: the hot path stays within the budget that the design sets."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from unittest.mock import patch

from django.db import connection
from django.test import TransactionTestCase
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mdm.channels.models import Channel
from mdm.commands.models import Command
from mdm.commands.states import State
from mdm.events.models import WebhookFormat
from tests.factories import make_account, make_command, make_webhook
from tests.mdm.endpoints.base import DeviceRequests

WRITES = ("INSERT", "UPDATE", "DELETE")
BORDERS = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE")


@dataclass
class Cost:
    """sql: everything that went to the database, transaction borders included."""

    sql: list[str]

    @property
    def statements(self) -> int:
        return sum(not text.startswith(BORDERS) for text in self.sql)

    @property
    def writes(self) -> int:
        return sum(text.startswith(WRITES) for text in self.sql)

    @property
    def commits(self) -> int:
        """Writes outside of a transaction commit by themselves."""
        commits, is_inside = 0, False
        for text in self.sql:
            if text.startswith("BEGIN"):
                is_inside = True
            elif text.startswith("COMMIT"):
                is_inside, commits = False, commits + 1
            elif text.startswith(WRITES) and not is_inside:
                commits += 1
        return commits


class ConnectStatementsTest(DeviceRequests, TransactionTestCase):
    def setUp(self) -> None:
        self.account = make_account()
        self.device = self.enrolled_device()
        self.device.idle()
        # Tasks are eager in tests; the worker's statements are not the exchange's.
        patcher = patch("mdm.endpoints.connect.nudge")
        patcher.start()
        self.addCleanup(patcher.stop)

    @contextmanager
    def cost(self) -> Iterator[Cost]:
        cost = Cost([])
        with CaptureQueriesContext(connection) as captured:
            yield cost
        cost.sql = [query["sql"].strip().upper() for query in captured.captured_queries]

    def make_last_seen_old(self) -> None:
        Channel.objects.update(last_seen_at=timezone.now() - timedelta(hours=1))

    def commands(self, count: int) -> list[str]:
        return [make_command(self.device.channel).command_uuid for _ in range(count)]

    def test_an_idle_with_nothing_queued_is_one_statement_and_writes_nothing(self) -> None:
        with self.cost() as cost:
            self.assertIsNone(self.device.idle())
        self.assertEqual((cost.statements, cost.writes, cost.commits, len(cost.sql)), (1, 0, 0, 1), cost.sql)

    def test_an_idle_after_a_long_time_writes_only_when_it_was_seen(self) -> None:
        self.make_last_seen_old()
        with self.cost() as cost:
            self.assertIsNone(self.device.idle())
        self.assertEqual((cost.statements, cost.writes, cost.commits), (2, 1, 1), cost.sql)

    def test_an_answer_and_the_next_command_are_one_select_and_one_update(self) -> None:
        first, second = self.commands(2)
        self.device.idle()
        with self.cost() as cost:
            self.assertEqual(self.device.acknowledge(first)["CommandUUID"], second)
        self.assertEqual((cost.statements, cost.writes, cost.commits), (2, 1, 1), cost.sql)
        self.assertEqual(
            list(Command.objects.order_by("pk").values_list("state", flat=True)), [State.ACKNOWLEDGED, State.SENT]
        )

    def test_an_answer_after_a_long_time_is_three_statements_and_one_commit(self) -> None:
        first, second = self.commands(2)
        self.device.idle()
        self.make_last_seen_old()
        with self.cost() as cost:
            self.assertEqual(self.device.acknowledge(first)["CommandUUID"], second)
        self.assertEqual((cost.statements, cost.writes, cost.commits), (3, 2, 1), cost.sql)
        self.assertNotIn("SAVEPOINT", " ".join(cost.sql))

    def test_not_now_and_the_next_command_are_one_select_and_one_update(self) -> None:
        first, second = self.commands(2)
        self.device.idle()
        with self.cost() as cost:
            self.assertEqual(self.device.not_now(first)["CommandUUID"], second)
        self.assertEqual((cost.statements, cost.commits), (2, 1), cost.sql)

    def test_an_error_at_the_end_of_the_queue_is_one_select_and_one_update(self) -> None:
        (only,) = self.commands(1)
        self.device.idle()
        with self.cost() as cost:
            self.assertIsNone(self.device.error(only, [{"ErrorCode": 1, "ErrorDomain": "D"}]))
        self.assertEqual((cost.statements, cost.commits), (2, 1), cost.sql)

    def test_a_command_handed_out_again_is_not_written_again(self) -> None:
        (only,) = self.commands(1)
        self.device.idle()
        with self.cost() as cost:
            self.assertEqual(self.device.idle()["CommandUUID"], only)
        self.assertEqual((cost.statements, cost.writes), (1, 0), cost.sql)

    def test_the_cost_does_not_grow_with_the_queue(self) -> None:
        first, second, *_ = self.commands(60)
        self.device.idle()
        with self.cost() as cost:
            self.assertEqual(self.device.acknowledge(first)["CommandUUID"], second)
        self.assertEqual((cost.statements, cost.commits), (2, 1), cost.sql)

    def test_a_webhook_of_the_account_that_is_told_other_things_costs_nothing(self) -> None:
        make_webhook(self.account)
        make_webhook(self.account, format=WebhookFormat.MICROMDM, is_enabled=False)
        make_webhook(make_account(), format=WebhookFormat.MICROMDM)
        with self.cost() as cost:
            self.assertIsNone(self.device.idle())
        self.assertEqual((cost.statements, cost.writes, cost.commits, len(cost.sql)), (1, 0, 0, 1), cost.sql)

    def test_to_tell_of_the_message_takes_two_statements_more_and_no_further_commit(self) -> None:
        first, second = self.commands(2)
        self.device.idle()
        for _ in range(2):
            make_webhook(self.account, format=WebhookFormat.MICROMDM)
        self.make_last_seen_old()
        with patch("mdm.events.outbox.nudge_named"), self.cost() as cost:
            self.assertEqual(self.device.acknowledge(first)["CommandUUID"], second)
        self.assertEqual((cost.statements, cost.writes, cost.commits), (5, 3, 1), cost.sql)
        self.assertNotIn("SAVEPOINT", " ".join(cost.sql))
        with patch("mdm.events.outbox.nudge_named"), self.cost() as cost:
            self.assertEqual(self.device.idle()["CommandUUID"], second)
        self.assertEqual((cost.statements, cost.writes, cost.commits), (3, 1, 1), cost.sql)

    def test_a_secret_is_opened_without_another_statement(self) -> None:
        make_command(self.device.channel, "VerifyRecoveryLock", parameters={}, secrets={"/Password": "correct horse"})
        with self.cost() as cost:
            command = self.device.idle()
        self.assertEqual(command["Command"], {"RequestType": "VerifyRecoveryLock", "Password": "correct horse"})
        self.assertEqual((cost.statements, cost.commits), (2, 1), cost.sql)
