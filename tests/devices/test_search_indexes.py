"""`manage.py search_indexes`."""

from io import StringIO
from unittest import skipUnless

from django.core.management import CommandError, call_command
from django.db import connection
from django.test import TestCase

IS_POSTGRESQL = connection.vendor == "postgresql"


class SearchIndexesTest(TestCase):
    @skipUnless(IS_POSTGRESQL, "only PostgreSQL has them")
    def test_it_makes_what_the_migration_could_not(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("DROP INDEX device_search")
            call_command("search_indexes", stdout=(said := StringIO()))
            cursor.execute("SELECT count(*) FROM pg_indexes WHERE indexname IN ('device_search', 'device_user_search')")
            self.assertEqual(cursor.fetchone()[0], 2)
        self.assertIn("has its indexes", said.getvalue())

    @skipUnless(IS_POSTGRESQL, "only PostgreSQL has it")
    def test_without_the_extension_it_says_who_has_to_make_it(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("DROP EXTENSION pg_trgm CASCADE")
        with self.assertRaisesMessage(CommandError, "CREATE EXTENSION pg_trgm"):
            call_command("search_indexes")

    @skipUnless(not IS_POSTGRESQL, "PostgreSQL has them")
    def test_elsewhere_there_are_none(self) -> None:
        with self.assertRaisesMessage(CommandError, "Only PostgreSQL"):
            call_command("search_indexes")
