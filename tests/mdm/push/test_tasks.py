"""The schedule's tasks for pushes: thin, safe to run twice, and a broker that is away is no fault."""

from unittest.mock import patch

from django.core.cache import cache
from django.test import SimpleTestCase, override_settings
from kombu.exceptions import OperationalError

from mdm.celery import app
from mdm.common import nudge as nudging
from mdm.push import tasks


class TasksTest(SimpleTestCase):
    def test_the_schedule_names_tasks_that_exist(self) -> None:
        app.loader.import_default_modules()
        for entry in app.conf.beat_schedule.values():
            self.assertIn(entry["task"], app.tasks)

    def test_send_due_pushes_and_watch_certificates_call_their_services(self) -> None:
        with (
            patch.object(tasks, "send_due", return_value=3),
            patch.object(tasks, "seconds_to_next", return_value=None),
            patch.object(tasks, "warn_expiring", return_value=2),
        ):
            self.assertEqual((tasks.send_due_pushes(), tasks.watch_certificates()), (3, 2))

    def test_pushes_that_are_due_in_a_moment_are_sent_then_and_not_only_by_the_schedule(self) -> None:
        cache.clear()
        with (
            patch.object(tasks, "send_due", return_value=3),
            patch.object(tasks, "seconds_to_next", side_effect=[4.0, 4.0, 60.0]),
            patch.object(tasks.send_due_pushes, "apply_async") as apply_async,
        ):
            for _ in range(3):
                tasks.send_due_pushes()
        self.assertEqual([call.kwargs.get("countdown") for call in apply_async.call_args_list], [4.0])


@override_settings(NUDGE_SECONDS=60)
class WakeSoonTest(SimpleTestCase):
    def setUp(self) -> None:
        self.enterContext(patch.dict(nudging._last_sent, clear=True))
        self.apply_async = self.enterContext(patch.object(tasks.send_due_pushes, "apply_async"))

    def test_the_task_is_queued_now_and_once_more_for_whatever_comes_meanwhile(self) -> None:
        for _ in range(5):
            tasks.wake_soon()
        countdowns = [call.kwargs.get("countdown") for call in self.apply_async.call_args_list]
        self.assertEqual(countdowns, [None, 66.0])

    def test_after_the_pause_it_is_queued_again(self) -> None:
        tasks.wake_soon()
        nudging._last_sent[tasks.send_due_pushes.name] -= 61
        tasks.wake_soon()
        self.assertEqual(self.apply_async.call_count, 4)

    def test_a_broker_that_is_away_is_logged_and_no_more(self) -> None:
        self.apply_async.side_effect = OperationalError("no broker")
        with self.assertLogs("mdm.common.nudge", "WARNING"):
            tasks.wake_soon()
