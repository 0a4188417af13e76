"""`manage.py search_indexes`: what the migration could not make, as the role did not own the database then."""

from importlib import import_module
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

INDEXES = import_module("devices.migrations.0009_trigrams").INDEXES


class Command(BaseCommand):
    help = "Make the indexes of the search for devices, where PostgreSQL's extension pg_trgm came after the migration."

    def handle(self, *args: Any, **options: Any) -> None:
        if connection.vendor != "postgresql":
            raise CommandError("Only PostgreSQL has these indexes.")
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_extension WHERE extname = 'pg_trgm'")
            if cursor.fetchone() is None:
                raise CommandError("The owner of the database has to create it first: CREATE EXTENSION pg_trgm")
            for name, where in INDEXES.items():
                cursor.execute(f"CREATE INDEX IF NOT EXISTS {name} ON {where}")
        self.stdout.write("The search for devices has its indexes.")
