"""The schedule's tasks are noted as they end, seldom enough to cost nothing."""

from datetime import timedelta
from unittest.mock import patch

from celery import states
from django.core.files.storage import default_storage
from django.db import OperationalError
from django.test import TestCase, override_settings
from django.utils import timezone

from mdm.celery import app
from mdm.commands.tasks import nudge_waiting
from mdm.running import runs, signals
from mdm.running.models import Heartbeat, Probe, ProcessKind, ScheduledRun
from mdm.running.standing import OVERDUE_AFTER, ShownTask, processes, schedule, silences
from mdm.running.tasks import look_after_status
from tests.mdm.running.test_heartbeats import make_heartbeat

TASK = "mdm.commands.tasks.nudge_waiting"
EVERY = timedelta(minutes=5)


class RunsTest(TestCase):
    def setUp(self) -> None:
        runs._noted.clear()
        runs._begun.clear()

    def run_once(self, error: str = "") -> bool:
        runs.began("id")
        return runs.ended(TASK, "id", error)

    def test_the_end_of_a_task_is_written_in_one_statement(self) -> None:
        with self.assertNumQueries(1):
            self.assertTrue(self.run_once())
        run = ScheduledRun.objects.get()
        self.assertEqual((run.task, run.error), (TASK, ""))
        self.assertLessEqual(run.started_at, run.finished_at)

    def test_a_task_that_runs_all_the_time_is_written_now_and_then(self) -> None:
        self.run_once()
        with self.assertNumQueries(0):
            self.assertFalse(self.run_once())
        runs._noted[TASK].at -= runs.WRITE_EVERY_SECONDS
        self.assertTrue(self.run_once())
        self.assertEqual(ScheduledRun.objects.count(), 1)

    def test_an_error_is_written_at_once_and_so_is_that_it_is_over(self) -> None:
        self.run_once()
        self.assertTrue(self.run_once("OperationalError"))
        self.assertEqual(ScheduledRun.objects.get().error, "OperationalError")
        self.assertTrue(self.run_once())
        self.assertEqual(ScheduledRun.objects.get().error, "")

    def test_a_database_that_is_away_does_not_make_the_task_fail(self) -> None:
        with (
            patch.object(runs, "note_run", side_effect=OperationalError("gone")),
            self.assertLogs(runs.logger, "WARNING"),
        ):
            self.assertFalse(self.run_once())

    def test_only_tasks_of_the_schedule_are_noted(self) -> None:
        for task in (nudge_waiting, app.tasks["celery.chain"]):
            signals._task_begins(task_id="id", task=task)
            signals._task_ends(task_id="id", task=task, state=states.SUCCESS)
        self.assertEqual([run.task for run in ScheduledRun.objects.all()], [TASK])

    def test_the_kind_of_error_is_kept_and_not_its_text_which_may_hold_secrets(self) -> None:
        signals._task_ends(task_id="id", task=nudge_waiting, state=states.FAILURE, retval=ValueError("password"))
        self.assertEqual(ScheduledRun.objects.get().error, "ValueError")

    def test_a_try_that_is_to_be_repeated_is_no_failure(self) -> None:
        signals._task_ends(task_id="id", task=nudge_waiting, state=states.RETRY, retval=ValueError("later"))
        self.assertEqual(ScheduledRun.objects.get().error, "")


class ScheduleTest(TestCase):
    def task(self) -> ShownTask:
        return next(one for one in schedule(processes()) if one.task == TASK)

    def ran(self, ago: timedelta, error: str = "") -> None:
        at = timezone.now() - ago
        ScheduledRun.objects.create(task=TASK, started_at=at - timedelta(seconds=2), finished_at=at, error=error)

    def schedule_runs_for(self, length: timedelta) -> None:
        now = timezone.now()
        make_heartbeat(ProcessKind.SCHEDULE, 1, now, started_at=now - length)

    def test_every_task_of_the_schedule_is_shown(self) -> None:
        self.assertEqual({one.title for one in schedule([])}, set(app.conf.beat_schedule))
        with self.assertNumQueries(1):
            schedule([])

    @override_settings(HEARTBEAT_SECONDS=20)
    def test_a_task_that_ran_is_done_and_due_again(self) -> None:
        self.schedule_runs_for(timedelta(days=1))
        self.ran(timedelta(minutes=2))
        task = self.task()
        self.assertEqual((task.state, task.took), ("done", timedelta(seconds=2)))
        self.assertAlmostEqual(task.next_at, timezone.now() + timedelta(minutes=3), delta=timedelta(seconds=30))

    @override_settings(HEARTBEAT_SECONDS=20)
    def test_a_task_that_missed_its_turns_is_overdue_and_first(self) -> None:
        self.schedule_runs_for(timedelta(days=1))
        self.ran(2 * EVERY + OVERDUE_AFTER + timedelta(minutes=1))
        self.assertEqual(self.task().state, "overdue")

    @override_settings(HEARTBEAT_SECONDS=20)
    def test_a_schedule_that_has_just_begun_is_given_time(self) -> None:
        self.schedule_runs_for(timedelta(minutes=1))
        self.ran(timedelta(days=2))
        self.assertEqual(self.task().state, "done")

    def test_without_a_schedule_what_is_late_is_overdue(self) -> None:
        self.ran(timedelta(days=2))
        self.assertEqual(self.task().state, "overdue")
        self.assertEqual(schedule([])[0].task, TASK)

    def test_a_task_that_broke_off_is_first(self) -> None:
        self.ran(timedelta(minutes=1), error="ValueError")
        self.assertEqual((schedule([])[0].task, self.task().state), (TASK, "failed"))

    def test_a_task_that_was_never_due_waits(self) -> None:
        self.assertEqual((self.task().state, self.task().next_at), ("waiting", None))


@override_settings(HEARTBEAT_SECONDS=20)
class ProcessesTest(TestCase):
    def states(self) -> list[tuple[int, str]]:
        return [(one.row.pid, one.state) for one in processes()]

    def test_who_ended_in_order_is_not_shown_while_another_of_its_kind_lives(self) -> None:
        now = timezone.now()
        make_heartbeat(ProcessKind.WORKER, 1, now)
        make_heartbeat(ProcessKind.WORKER, 2, now, stopped_at=now)
        make_heartbeat(ProcessKind.WEB, 3, now - timedelta(minutes=5))
        self.assertEqual(self.states(), [(3, "silent"), (1, "alive")])
        Heartbeat.objects.filter(pid=1).update(stopped_at=now)
        self.assertIn(("stopped"), {state for _, state in self.states()})

    def test_one_that_was_started_anew_is_not_missed(self) -> None:
        now = timezone.now()
        before = now - timedelta(minutes=5)
        make_heartbeat(ProcessKind.WEB, 1, before)
        make_heartbeat(ProcessKind.WEB, 2, now, started_at=before + timedelta(seconds=3))
        self.assertEqual(self.states(), [(2, "alive")])
        make_heartbeat(ProcessKind.WEB, 3, before, host="elsewhere")
        self.assertEqual(self.states(), [(3, "silent"), (2, "alive")])

    def test_a_kind_without_a_living_process_is_silent_since_its_last_word(self) -> None:
        now = timezone.now()
        make_heartbeat(ProcessKind.WEB, 1, now)
        row = make_heartbeat(ProcessKind.WORKER, 2, now - timedelta(minutes=9))
        found = {one.kind: one.heard_at for one in silences()}
        self.assertEqual(found, {ProcessKind.WORKER: row.heard_at, ProcessKind.SCHEDULE: None})

    @override_settings(HEARTBEAT_SECONDS=0)
    def test_nobody_is_missed_who_was_not_asked_to_tell(self) -> None:
        self.assertEqual(silences(), [])


class ProbeTest(TestCase):
    def test_a_storage_that_works_is_noted_and_left_as_it_was(self) -> None:
        self.assertEqual(look_after_status(), "")
        self.assertEqual(Probe.objects.get().error, "")
        self.assertEqual(default_storage.listdir("probe")[1], [])

    def test_a_storage_that_does_not_is_noted_with_the_kind_of_error(self) -> None:
        with (
            patch.object(default_storage, "save", side_effect=PermissionError("/secret/place")),
            self.assertLogs("mdm.running.probes", "WARNING"),
        ):
            self.assertEqual(look_after_status(), "PermissionError")
        self.assertEqual(Probe.objects.get().error, "PermissionError")
