"""Statements whose best plan depends on the values: filters of large tables, where one kind is every fifth row, another none."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.db import DatabaseError, connection


@contextmanager
def planned_for_each_value() -> Iterator[None]:
    """Within it PostgreSQL plans every statement for the values it is given.

    Else it keeps one plan for all values after some executions, as statements are prepared (see the settings of the
    database): it reads a million rows for a value that few have. For the hot paths that one plan is what makes them quick.
    """
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SET plan_cache_mode = force_custom_plan")
    try:
        yield
    finally:
        # In a transaction that has failed it is not possible, and not needed: its end takes the setting back.
        with suppress(DatabaseError), connection.cursor() as cursor:
            cursor.execute("RESET plan_cache_mode")
