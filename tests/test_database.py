"""The copy that tests run on has what migrating would have made, and templates do not pile up."""

import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from unittest import mock

from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.test import SimpleTestCase, TestCase

from tests import database
from tests.database import PREFIX, TEMPLATES_KEPT, copy_file


class TestDatabaseTest(TestCase):
    def test_every_migration_has_been_applied(self) -> None:
        loader = MigrationLoader(connection)
        self.assertEqual(set(loader.disk_migrations) - set(loader.applied_migrations), set())


class TemplateTest(SimpleTestCase):
    def setUp(self) -> None:
        self.enterContext(mock.patch.object(database, "_migrate_file", self.make_template))
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.enterContext(mock.patch.object(tempfile, "gettempdir", return_value=str(self.folder)))
        self.made: list[Path] = []

    def make_template(self, template: Path) -> None:
        """Instead of migrating for half a minute."""
        self.made.append(template)
        with closing(sqlite3.connect(template)) as made, made:
            made.execute("CREATE TABLE a_table (a_column)")

    def templates(self) -> list[Path]:
        return list(self.folder.glob(f"*/{PREFIX}*"))

    def test_the_first_makes_the_template_and_others_copy_it(self) -> None:
        for number in range(3):
            copy_file(self.folder / f"{number}.sqlite3")
        self.assertEqual(len(self.made), 1)
        with closing(sqlite3.connect(self.folder / "2.sqlite3")) as copy:
            self.assertEqual(copy.execute("SELECT name FROM sqlite_master").fetchall(), [("a_table",)])

    def test_a_copy_replaces_what_an_interrupted_run_left(self) -> None:
        target = self.folder / "test.sqlite3"
        for name in ("test.sqlite3", "test.sqlite3-wal", "test.sqlite3-shm"):
            (self.folder / name).write_bytes(b"left over")
        copy_file(target)
        with closing(sqlite3.connect(target)) as copy:
            self.assertEqual(copy.execute("SELECT count(*) FROM a_table").fetchone(), (0,))

    def test_a_changed_migration_gets_a_template_of_its_own_and_the_oldest_are_dropped(self) -> None:
        for number in range(4):
            with mock.patch.object(database, "_digest", lambda number=number: f"digest{number}"):
                copy_file(self.folder / "test.sqlite3")
            for age, template in enumerate(reversed(self.made)):
                if template.exists():
                    os.utime(template, (1_000_000 - age, 1_000_000 - age))
        self.assertEqual(set(self.templates()), set(self.made[-TEMPLATES_KEPT:]))

    def test_a_folder_of_somebody_else_is_not_trusted(self) -> None:
        copy_file(self.folder / "test.sqlite3")
        with mock.patch.object(os, "getuid", return_value=4242):
            theirs = self.folder / "pomona-templates-4242"
            shutil.copytree(self.made[0].parent, theirs)
            with self.assertRaises(PermissionError):
                copy_file(self.folder / "test.sqlite3")
