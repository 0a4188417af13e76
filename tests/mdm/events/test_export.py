"""The log as a file: complete, flat in memory, harmless in spreadsheets, and never whole when it is not."""

import csv
import json
from datetime import UTC, datetime
from unittest import mock

from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext

from mdm.accounts.actors import SYSTEM, Actor, Source
from mdm.events import export as exporting
from mdm.events.export import COLUMNS, UnknownFormat, export
from mdm.events.log_filters import LogFilters
from mdm.events.models import Event, Level
from mdm.events.services import build, emit, emit_many
from tests.base import AccountTestCase
from tests.factories import make_device, make_event


class ExportTest(AccountTestCase):
    def export(self, format_name: str = "csv", wanted: LogFilters | None = None) -> str:
        found = export(self.account, wanted or LogFilters(), format_name=format_name, actor=SYSTEM)
        return b"".join(found.pieces).decode()

    def rows(self, **filters: object) -> list[dict[str, str]]:
        return list(csv.DictReader(self.export(wanted=LogFilters(**filters)).splitlines()))

    def test_the_columns_and_the_keys_are_those_of_the_documentation(self) -> None:
        device = make_device(self.account, name="Lab Mac", serial_number="C02ABC", udid="0000-AAAA")
        actor = Actor(Source.ADMIN, "owner@example.com", user_id=self.owner.pk)
        event = make_event(event_type="device.updated", device=device, actor=actor, name="Kürbis", count=3)
        Event.objects.update(at=datetime(2026, 1, 31, 8, 0, 0, 123456, tzinfo=UTC), level=Level.WARNING)
        expected = {
            "at": "2026-01-31T08:00:00.123Z",
            "level": "warning",
            "event_type": "device.updated",
            "message": "A device was changed",
            "actor": "owner@example.com",
            "source": "admin ui",
            "namespace": "admin",
            "device_id": device.pk,
            "device_name": "Lab Mac",
            "serial_number": "C02ABC",
            "udid": "0000-AAAA",
            "id": event.log_id,
            "metadata": {"name": "Kürbis", "count": 3},
        }
        self.assertEqual(tuple(expected), COLUMNS)
        [row] = self.rows(event_types=("device.updated",))
        self.assertEqual(json.loads(row.pop("metadata")), expected["metadata"])
        self.assertEqual(row, {name: str(value) for name, value in expected.items() if name != "metadata"})
        line = json.loads(self.export("jsonl", LogFilters(event_types=("device.updated",))))
        self.assertEqual(line, expected)

    def test_every_line_once_newest_first_in_chunks(self) -> None:
        emit_many([build("device.updated", account_id=self.account.pk, metadata={"n": n}) for n in range(23)])
        make_event(self.other_account)
        with mock.patch.object(exporting, "CHUNK", 5), CaptureQueriesContext(connection) as captured:
            rows = self.rows()
        self.assertEqual([json.loads(row["metadata"])["n"] for row in rows], list(range(22, -1, -1)))
        # Its own line, and the chunks: the last of them is not full, so that none is asked for in vain.
        self.assertEqual(len([one for one in captured if one["sql"].startswith("SELECT")]), 5)

    def test_lines_that_come_while_it_runs_are_not_in_it(self) -> None:
        emit_many([build("device.updated", account_id=self.account.pk) for _ in range(4)])
        with mock.patch.object(exporting, "CHUNK", 2):
            pieces = export(self.account, LogFilters(), format_name="jsonl", actor=SYSTEM).pieces
            found = [next(pieces)]
            make_event(self.account, "device.removed")
            found += pieces
        kinds = [json.loads(line)["event_type"] for line in b"".join(found).splitlines()]
        self.assertEqual(kinds, ["device.updated"] * 4)

    def test_an_empty_file_has_its_heading(self) -> None:
        self.assertEqual(self.export().strip(), ",".join(f'"{column}"' for column in COLUMNS))
        self.assertEqual(self.export("jsonl", LogFilters(levels=(2,))), "")

    def test_what_a_spreadsheet_would_run_is_defused(self) -> None:
        dangers = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1")
        for danger in dangers:
            emit("device.updated", account_id=self.account.pk, actor=Actor(Source.API, danger))
        actors = [row["actor"] for row in csv.DictReader(self.export().splitlines(keepends=True))]
        self.assertEqual(sorted(actors), sorted(f"'{danger}" for danger in dangers))
        lines = self.export("jsonl").splitlines()
        self.assertIn("=1+1", [json.loads(line)["actor"] for line in lines])

    def test_a_file_that_breaks_off_says_so_in_its_last_line(self) -> None:
        emit_many([build("device.updated", account_id=self.account.pk) for _ in range(4)])
        for format_name, last in (
            ("csv", '"This export is incomplete: it broke off after 2 lines."'),
            ("jsonl", '{"incomplete": "This export is incomplete: it broke off after 2 lines."}'),
        ):
            whole: list[bytes] = []
            with mock.patch.object(exporting, "CHUNK", 2):
                wanted = LogFilters(event_types=("device.updated",))
                pieces = export(self.account, wanted, format_name=format_name, actor=SYSTEM).pieces
                whole += [next(pieces), next(pieces)]
                gone = mock.patch.object(exporting, "record", side_effect=DatabaseError("gone"))
                with gone, self.assertLogs(exporting.logger):
                    whole.append(next(pieces))
                    with self.assertRaises(DatabaseError):
                        next(pieces)
            self.assertEqual(b"".join(whole).decode().splitlines()[-1], last)

    def test_an_unknown_format_is_refused_and_not_noted(self) -> None:
        with self.assertRaisesMessage(UnknownFormat, "csv or jsonl"):
            export(self.account, LogFilters(), format_name="xlsx", actor=SYSTEM)
        self.assertFalse(Event.objects.exists())
