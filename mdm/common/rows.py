"""Reading and writing single rows where every millisecond counts: enrollments come in thousands.

The same rows as `get()`, `save()` and `bulk_create()` read and write, in the same form; only the SQL text is not worked out
anew each time, which is most of what they cost. For models without parents, database defaults and signals: all of ours.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Field, Model

Row = TypeVar("Row", bound=Model)


def select(model: type[Row], condition: str, *values: Any, lock: bool = False) -> list[Row]:
    """Rows that meet the condition, SQL text of ours with `%s` for the values. lock: where there is such a thing.

    Locked rows keep their keys, so whoever only refers to them need not wait.
    """
    return _select(model, condition, values, "FOR NO KEY UPDATE" if lock else "")


def hold(model: type[Row], condition: str, *values: Any) -> list[Row]:
    """The same, of rows that nobody can delete before our transaction ends: what it writes may refer to them.

    Everybody may go on changing them.
    """
    return _select(model, condition, values, "FOR KEY SHARE")


def _select(model: type[Row], condition: str, values: Sequence[Any], lock: str) -> list[Row]:
    has_locks = connections[DEFAULT_DB_ALIAS].features.has_select_for_no_key_update
    sql = f"SELECT * FROM {_quoted(model._meta.db_table)} WHERE {condition} {lock if has_locks else ''}"  # noqa: S608
    return list(model.objects.raw(sql, values))


def insert(*rows: Model) -> None:
    """Insert rows of one model in one statement; they know their primary keys afterwards."""
    database = connections[DEFAULT_DB_ALIAS]
    sql, fields = _insert_sql(type(rows[0]), len(rows))
    values = [field.get_db_prep_save(field.pre_save(row, True), database) for row in rows for field in fields]
    with database.cursor() as cursor:
        cursor.execute(sql, values)
        keys = [found[0] for found in cursor.fetchall()]
    # Rows of one INSERT get ascending keys in the order of their values.
    for row, key in zip(rows, sorted(keys), strict=True):
        row.pk = key
        row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS


def update(row: Model, columns: Sequence[str]) -> None:
    """Write these fields of a row that is stored."""
    database = connections[DEFAULT_DB_ALIAS]
    sql, fields = _update_sql(type(row), tuple(columns))
    values = [field.get_db_prep_save(field.pre_save(row, False), database) for field in fields]
    with database.cursor() as cursor:
        cursor.execute(sql, [*values, row.pk])


@lru_cache(maxsize=256)
def _insert_sql(model: type[Model], count: int) -> tuple[str, list[Field]]:
    # What the database computes by itself nobody writes.
    fields = [field for field in model._meta.concrete_fields if not (field.primary_key or field.generated)]
    names = ", ".join(_quoted(field.column) for field in fields)
    marks = "(" + ", ".join(["%s"] * len(fields)) + ")"
    key = _quoted(model._meta.pk.column)
    table = _quoted(model._meta.db_table)
    # Names of our own tables and columns, and marks for values.
    return f"INSERT INTO {table} ({names}) VALUES {', '.join([marks] * count)} RETURNING {key}", fields  # noqa: S608


@lru_cache(maxsize=256)
def _update_sql(model: type[Model], columns: tuple[str, ...]) -> tuple[str, list[Field]]:
    fields = [model._meta.get_field(name) for name in columns]
    assignments = ", ".join(f"{_quoted(field.column)} = %s" for field in fields)
    table, key = _quoted(model._meta.db_table), _quoted(model._meta.pk.column)
    return f"UPDATE {table} SET {assignments} WHERE {key} = %s", fields  # noqa: S608


def _quoted(name: str) -> str:
    return connections[DEFAULT_DB_ALIAS].ops.quote_name(name)
