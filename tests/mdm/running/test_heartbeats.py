"""Processes say that they are alive, and are forgotten when they are gone."""

import tomllib
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, OperationalError, connections
from django.test import TestCase, TransactionTestCase, override_settings
from django.utils import timezone

from mdm import __version__
from mdm.running import heartbeats
from mdm.running.heartbeats import ALIAS, KEPT, Process, forget_silent, note, note_end, start_beating, stop_beating
from mdm.running.models import Heartbeat, ProcessKind


def make_heartbeat(kind: ProcessKind, pid: int, heard_at: datetime, **fields: object) -> Heartbeat:
    values = {"host": "here", "started_at": heard_at, **fields}
    return Heartbeat.objects.create(kind=kind, pid=pid, heard_at=heard_at, **values)


class NoteTest(TestCase):
    def test_a_process_has_one_row_however_often_it_beats(self) -> None:
        process = Process(ProcessKind.WORKER, lanes=4, host="here", pid=7)
        note(process)
        first = Heartbeat.objects.get()
        with self.assertNumQueries(1):
            note(process)
        row = Heartbeat.objects.get()
        self.assertEqual((row.kind, row.host, row.pid, row.lanes, row.version), ("worker", "here", 7, 4, __version__))
        self.assertGreater(row.heard_at, first.heard_at)
        self.assertEqual(row.started_at, process.started_at)

    def test_a_number_that_another_process_had_before_is_the_new_ones(self) -> None:
        old = Process(ProcessKind.WEB, host="here", pid=7)
        note(old)
        note_end(old)
        new = Process(ProcessKind.WORKER, host="here", pid=7)
        note(new)
        note_end(old)  # it was slow to end
        row = Heartbeat.objects.get()
        self.assertEqual((row.kind, row.stopped_at), ("worker", None))

    def test_the_end_is_noted(self) -> None:
        process = Process(ProcessKind.SCHEDULE, host="here", pid=7)
        note(process)
        note_end(process)
        self.assertIsNotNone(Heartbeat.objects.get().stopped_at)

    def test_the_version_is_that_of_the_project(self) -> None:
        project = tomllib.loads((Path(settings.ROOT) / "pyproject.toml").read_text())
        self.assertEqual(project["project"]["version"], __version__)


class ForgetTest(TestCase):
    def test_silent_processes_go_but_for_the_last_of_each_kind(self) -> None:
        now = timezone.now()
        long_ago = now - KEPT - timedelta(minutes=1)
        make_heartbeat(ProcessKind.WORKER, 1, long_ago - timedelta(hours=1))
        make_heartbeat(ProcessKind.WORKER, 2, long_ago)
        make_heartbeat(ProcessKind.WEB, 3, long_ago)
        make_heartbeat(ProcessKind.WEB, 4, now)
        make_heartbeat(ProcessKind.WEB, 5, now - timedelta(minutes=2))
        self.assertEqual(forget_silent(), 2)
        self.assertEqual(set(Heartbeat.objects.values_list("pid", flat=True)), {2, 4, 5})

    def test_nothing_is_forgotten_where_nothing_is(self) -> None:
        self.assertEqual(forget_silent(), 0)


class BeatingTest(TransactionTestCase):
    def tearDown(self) -> None:
        stop_beating()

    @override_settings(HEARTBEAT_SECONDS=1)
    def test_a_process_beats_until_it_stops_by_a_connection_of_its_own(self) -> None:
        start_beating(ProcessKind.WEB)
        start_beating(ProcessKind.WEB)  # once is enough
        thread = heartbeats._beating[0].thread
        self.assertEqual(len(heartbeats._beating), 1)
        self.assertTrue(thread.daemon)
        stop_beating()
        self.assertFalse(thread.is_alive())
        row = Heartbeat.objects.get()
        self.assertIsNotNone(row.stopped_at)
        self.assertFalse(hasattr(connections._connections, ALIAS))

    def test_it_says_nothing_unless_it_is_asked_to(self) -> None:
        start_beating(ProcessKind.WEB)
        self.assertEqual(heartbeats._beating, [])

    def test_a_database_that_is_away_is_logged_and_no_more(self) -> None:
        def fail(process: Process, *, using: str) -> None:
            raise OperationalError("gone")

        with self.assertLogs("mdm.running.heartbeats", "WARNING") as logged:
            heartbeats._write(fail, Process(ProcessKind.WEB))
        self.assertIn("gone", logged.output[0])

    def test_the_own_connection_takes_none_of_the_pool(self) -> None:
        with heartbeats._own_connection() as alias:
            self.assertNotIn("pool", connections[alias].settings_dict["OPTIONS"])
            self.assertEqual(
                connections[alias].settings_dict["NAME"], connections[DEFAULT_DB_ALIAS].settings_dict["NAME"]
            )
