"""What the schedule does for the queue."""

from datetime import timedelta
from unittest.mock import patch

from django.utils import timezone

from mdm.channels.models import Channel, ChannelState
from mdm.commands import tasks
from mdm.commands.models import Command
from mdm.commands.states import State
from mdm.events.models import Event
from tests.base import AccountTestCase
from tests.factories import make_command, make_device


def ago(**fields: int):
    return timezone.now() - timedelta(**fields)


class TaskTestCase(AccountTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.channel = make_device(self.account).device_channel

    def waiting(self, channel: Channel | None = None, **fields) -> Command:
        command = make_command(channel or self.channel, **fields)
        Command.objects.filter(pk=command.pk).update(created_at=ago(minutes=11))
        return command


class NudgeWaitingTest(TaskTestCase):
    def nudged(self) -> int:
        with patch.object(tasks, "wake_soon") as wake_soon:
            count = tasks.nudge_waiting()
        self.assertEqual(wake_soon.called, bool(count))
        return count

    def test_a_channel_whose_command_waits_is_pushed_again(self) -> None:
        self.waiting()
        self.waiting(state=State.SENT)
        self.assertEqual(self.nudged(), 1)
        self.assertIsNotNone(Channel.objects.get().push_due_at)
        self.assertEqual(self.nudged(), 0)  # it is due already

    def test_a_fresh_command_is_given_time(self) -> None:
        make_command(self.channel)
        self.assertEqual(self.nudged(), 0)

    def test_a_push_that_apns_took_lately_is_not_repeated(self) -> None:
        self.waiting()
        Channel.objects.update(last_push_at=ago(minutes=50))
        self.assertEqual(self.nudged(), 0)
        Channel.objects.update(last_push_at=ago(minutes=61))
        self.assertEqual(self.nudged(), 1)

    def test_finished_commands_are_no_reason(self) -> None:
        for state in (State.ACKNOWLEDGED, State.FAILED, State.CANCELLED, State.EXPIRED):
            self.waiting(state=state)
        self.assertEqual(self.nudged(), 0)

    def test_channels_that_cannot_be_pushed_are_left_alone(self) -> None:
        for fields in ({"push_token": b""}, {"push_token_dead_at": timezone.now()}, {"state": ChannelState.CLOSED}):
            channel = make_device(self.account).device_channel
            Channel.objects.filter(pk=channel.pk).update(**fields)
            self.waiting(channel)
        self.assertEqual(self.nudged(), 0)


class ExpireTest(TaskTestCase):
    def test_queued_commands_whose_time_ran_out_expire(self) -> None:
        past, future = ago(seconds=1), timezone.now() + timedelta(hours=1)
        states = {
            make_command(self.channel, expires_at=past).pk: State.EXPIRED,
            make_command(self.channel, expires_at=past, not_now_at=past).pk: State.EXPIRED,
            make_command(self.channel, expires_at=future).pk: State.QUEUED,
            make_command(self.channel).pk: State.QUEUED,
            make_command(self.channel, expires_at=past, state=State.SENT).pk: State.SENT,
            make_command(self.channel, expires_at=past, state=State.FAILED).pk: State.FAILED,
        }
        self.assertEqual(tasks.expire_commands(), 2)
        self.assertEqual(dict(Command.objects.values_list("pk", "state")), states)
        self.assertEqual(Event.objects.filter(event_type="command.expired").count(), 2)
        self.assertEqual(tasks.expire_commands(), 0)
        self.assertEqual(Event.objects.count(), 2)

    def test_more_than_one_batch_is_taken(self) -> None:
        for _ in range(5):
            make_command(self.channel, expires_at=ago(seconds=1))
        with patch.object(tasks, "BATCH", 2):
            self.assertEqual(tasks.expire_commands(), 5)


class PruneTest(TaskTestCase):
    def test_old_answers_are_forgotten_and_their_commands_kept(self) -> None:
        old, new = ago(days=91), ago(days=89)
        kept = {
            make_command(self.channel, state=State.ACKNOWLEDGED, result=b"answer", finished_at=old).pk: b"",
            make_command(self.channel, state=State.FAILED, result=b"answer", finished_at=old).pk: b"",
            make_command(self.channel, state=State.ACKNOWLEDGED, result=b"answer", finished_at=new).pk: b"answer",
        }
        self.assertEqual(tasks.prune_results(), 2)
        self.assertEqual({command.pk: command.result for command in Command.objects.all()}, kept)
        self.assertEqual(tasks.prune_results(), 0)

    def test_the_days_come_from_the_settings(self) -> None:
        make_command(self.channel, state=State.ACKNOWLEDGED, result=b"answer", finished_at=ago(days=3))
        with self.settings(RESULT_RETENTION_DAYS=2):
            self.assertEqual(tasks.prune_results(), 1)
