"""Operations: progress, holding back and going on, the end, and waking devices no faster than allowed."""

from datetime import timedelta
from unittest import mock

from django.utils import timezone

from devices.models import BulkOperation, OperationState
from devices.services import due, operations
from devices.services.errors import NotPossible
from devices.services.operations import Progress, cancel, finish, progress_of, resume, wake
from mdm.accounts.actors import Actor, Source
from mdm.channels.models import Channel
from mdm.events.models import Event
from tests.base import AccountTestCase
from tests.factories import make_device, make_operation

ACTOR = Actor(Source.API, label="Test key")


class ProgressTest(AccountTestCase):
    def test_percent_is_100_only_at_the_end(self):
        for total, left, done, percent in (
            (0, 0, 0, 100),
            (3, 0, 3, 100),
            (3, 1, 2, 66),
            (1000, 1, 999, 99),
            (3, 3, 0, 0),
            (2, 5, 0, 0),
        ):
            progress = Progress(total, left)
            self.assertEqual((progress.done, progress.percent), (done, percent), (total, left))

    def test_of_several_in_one_statement(self):
        devices = [make_device(self.account) for _ in range(3)]
        first, second = (
            make_operation(self.account, left=tuple(devices), total=5),
            make_operation(self.account, total=4),
        )
        with self.assertNumQueries(1):
            found = progress_of([first, second])
        self.assertEqual(found, {first.pk: Progress(5, 3), second.pk: Progress(4, 0)})
        self.assertEqual(progress_of([]), {})


class ChangeTest(AccountTestCase):
    def test_only_a_running_one_can_be_cancelled(self):
        for state in (OperationState.CANCELLED, OperationState.DONE):
            operation = make_operation(self.account, state=state)
            with self.assertRaisesRegex(NotPossible, "not running any more"):
                cancel(operation, ACTOR)
            operation.refresh_from_db()
            self.assertEqual(operation.state, state)
        self.assertFalse(Event.objects.exists())

    def test_only_a_cancelled_one_can_be_resumed(self):
        for state in (OperationState.RUNNING, OperationState.DONE):
            with self.assertRaisesRegex(NotPossible, "Only a cancelled operation"):
                resume(make_operation(self.account, state=state), ACTOR)
        self.assertFalse(Event.objects.exists())

    def test_what_somebody_else_has_changed_meanwhile_counts(self):
        operation = make_operation(self.account)
        BulkOperation.objects.update(state=OperationState.DONE)
        with self.assertRaises(NotPossible):
            cancel(operation, ACTOR)

    def test_resuming_tells_the_workers(self):
        operation = make_operation(self.account, state=OperationState.CANCELLED)
        with self.captureOnCommitCallbacks() as callbacks:
            resume(operation, ACTOR)
        self.assertEqual((operation.state, callbacks), (OperationState.RUNNING, [due.nudge_reconciler]))

    def test_a_cancellation_that_cannot_be_logged_is_none(self):
        operation = make_operation(self.account)
        with mock.patch.object(operations, "emit", side_effect=ValueError), self.assertRaises(ValueError):
            cancel(operation, ACTOR)
        operation.refresh_from_db()
        self.assertEqual(operation.state, OperationState.RUNNING)


class FinishTest(AccountTestCase):
    def test_it_is_done_when_no_device_is_left(self):
        operation = make_operation(self.account, commands=3, actor_label="Test key")
        self.assertTrue(finish(operation))
        self.assertEqual(operation.state, OperationState.DONE)
        self.assertIsNotNone(operation.finished_at)
        event = Event.objects.get(event_type="operation.finished")
        self.assertEqual((event.source, event.actor_label, event.metadata["commands"]), ("admin ui", "Test key", 3))

    def test_it_is_not_done_while_a_device_is_left(self):
        operation = make_operation(self.account, left=(make_device(self.account),))
        self.assertFalse(finish(operation))
        operation.refresh_from_db()
        self.assertEqual((operation.state, operation.finished_at), (OperationState.RUNNING, None))

    def test_it_ends_once_and_not_when_it_was_held_back(self):
        operation = make_operation(self.account)
        self.assertTrue(finish(operation))
        self.assertFalse(finish(operation))
        self.assertEqual(Event.objects.filter(event_type="operation.finished").count(), 1)
        self.assertFalse(finish(make_operation(self.account, state=OperationState.CANCELLED)))


class WakeTest(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.channels = [make_device(self.account).device_channel.pk for _ in range(5)]
        self.now = timezone.now() + timedelta(hours=1)
        self.enterContext(mock.patch.object(operations.timezone, "now", return_value=self.now))

    def seconds(self) -> list[float | None]:
        """When each channel is pushed, in seconds from now."""
        times = Channel.objects.filter(pk__in=self.channels).order_by("pk").values_list("push_due_at", flat=True)
        return [None if at is None else (at - self.now).total_seconds() for at in times]

    def operation(self, rate: int) -> BulkOperation:
        return make_operation(self.account, pushes_per_second=rate, next_push_at=self.now - timedelta(hours=1))

    def test_pushes_are_spread_by_the_rate(self):
        operation = self.operation(2)
        wake(operation, self.channels)
        self.assertEqual(self.seconds(), [0, 0, 1, 1, 2])
        operation.refresh_from_db()
        self.assertEqual(operation.next_push_at, self.now + timedelta(seconds=3))

    def test_the_next_chunk_goes_on_where_the_last_one_ended(self):
        operation = self.operation(2)
        wake(operation, self.channels[:3])
        wake(operation, self.channels[3:])
        self.assertEqual(self.seconds(), [0, 0, 1, 2, 2])

    def test_without_a_rate_all_are_woken_at_once(self):
        operation = self.operation(0)
        wake(operation, self.channels)
        self.assertEqual(self.seconds(), [0] * 5)
        operation.refresh_from_db()
        self.assertEqual(operation.next_push_at, self.now)

    def test_several_commands_are_one_push_and_all_count(self):
        operation = self.operation(1)
        wake(operation, [self.channels[0], self.channels[0], self.channels[1]])
        wake(operation, [])
        self.assertEqual(self.seconds()[:3], [0, 1, None])
        operation.refresh_from_db()
        self.assertEqual(operation.commands, 3)

    def test_a_push_that_is_due_earlier_is_not_put_off(self):
        early = self.now - timedelta(seconds=5)
        Channel.objects.filter(pk=self.channels[1]).update(push_due_at=early)
        wake(self.operation(1), self.channels)
        self.assertEqual(self.seconds(), [0, -5, 2, 3, 4])
