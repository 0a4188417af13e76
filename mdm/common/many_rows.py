"""Writing thousands of rows at a time: what `bulk_create()` and `bulk_update()` write, at a fraction of their cost.

On PostgreSQL one statement with an array for each column whose values differ, whatever the number of rows; on SQLite the
prepared statement once for each row. For models without parents and database defaults: all of ours.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import DEFAULT_DB_ALIAS, connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.expressions import Expression
from django.utils import timezone

from mdm.common.batches import batches

SIZE = 5000
Columns = list[list[Any]]


def insert_many(rows: Sequence[models.Model]) -> None:
    """Insert rows of one model. They do not learn their primary keys."""
    if not rows:
        return
    fields = _all_fields(type(rows[0]))
    table, names = _table(type(rows[0])), ", ".join(_quoted(field.column) for field in fields)
    database = connections[DEFAULT_DB_ALIAS]
    marks = ", ".join(["%s"] * len(fields))
    with database.cursor() as cursor:
        for some in batches(rows, SIZE):
            columns = [_column(some, field, database, adding=True) for field in fields]
            # Names of our own tables and columns, and marks for values.
            if database.vendor == "postgresql":
                selected, values = _selected(fields, columns, database)
                cursor.execute(f"INSERT INTO {table} ({names}) SELECT {selected}", values)
            else:
                cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", _by_row(columns))  # noqa: S608


class RandomUuid(models.Func):
    """Another one for each row, made by the database."""

    template = "gen_random_uuid()"
    arity = 0
    output_field = models.UUIDField()

    def as_sqlite(self, compiler: Any, connection: BaseDatabaseWrapper, **context: Any) -> tuple[str, Sequence[Any]]:
        return self.as_sql(compiler, connection, template="lower(hex(randomblob(16)))", **context)


def insert_selected(model: type[models.Model], chosen: models.QuerySet, columns: Mapping[str, str | Expression]) -> int:
    """Insert a row of the model for each row that the query finds, by one statement: none of them comes here.

    columns: each column of the model that must have a value → a field of the query's model, or an expression. Returns how many.
    """
    try:
        sql, values = chosen.values_list(*columns.values()).query.sql_with_params()
    except EmptyResultSet:
        return 0  # the query itself says that there is none
    names = ", ".join(map(_quoted, columns))
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        # Our own names of tables and columns; whatever came from outside is among the values.
        cursor.execute(f"INSERT INTO {_table(model)} ({names}) {sql}", values)
        return max(cursor.rowcount, 0)


def update_many(rows: Sequence[models.Model], names: Sequence[str]) -> None:
    """Write these fields of stored rows of one model; what is `auto_now` among them is set."""
    if not rows:
        return
    model = type(rows[0])
    changed = [model._meta.get_field(name) for name in names]
    fields = [*changed, model._meta.pk]
    table, key = _table(model), _quoted(model._meta.pk.column)
    database = connections[DEFAULT_DB_ALIAS]
    each = ", ".join(f"{_quoted(field.column)} = %s" for field in changed)
    given = ", ".join(f"{_quoted(field.column)} = given.{_quoted(field.column)}" for field in changed)
    with database.cursor() as cursor:
        for some in batches(rows, SIZE):
            columns = [_column(some, field, database, adding=False) for field in fields]
            if database.vendor == "postgresql":
                selected, values = _selected(fields, columns, database)
                cursor.execute(
                    f"UPDATE {table} SET {given} FROM (SELECT {selected}) AS given WHERE {table}.{key} = given.{key}",  # noqa: S608
                    values,
                )
            else:
                cursor.executemany(f"UPDATE {table} SET {each} WHERE {key} = %s", _by_row(columns))  # noqa: S608


def _column(
    rows: Sequence[models.Model], field: models.Field, database: BaseDatabaseWrapper, *, adding: bool
) -> list[Any]:
    """The field's value of each row as the database takes it; one that all have in common is made ready once."""
    if getattr(field, "auto_now", False) or (adding and getattr(field, "auto_now_add", False)):
        now = field.get_db_prep_save(timezone.now(), database)
        return [now] * len(rows)
    given = [field.pre_save(row, adding) for row in rows]
    first = given[0]
    if all(value is first or _is_same(value, first) for value in given):
        return [field.get_db_prep_save(first, database)] * len(rows)
    return [field.get_db_prep_save(value, database) for value in given]


def _is_same(value: Any, other: Any) -> bool:
    """Python takes 1 for True, and what is nested in a JSON value with them: these are the same by identity only."""
    return type(value) is type(other) and not isinstance(value, dict | list) and value == other


def _selected(fields: Sequence[models.Field], columns: Columns, database: BaseDatabaseWrapper) -> tuple[str, list[Any]]:
    """What the rows are selected from: arrays, side by side, and beside them what all rows have in common."""
    names, arrays, types, common, values = [], [], [], [], []
    for field, column in zip(fields, columns, strict=True):
        name, kind = _quoted(field.column), _type(field, database)
        if len(column) > 1 and all(value is column[0] for value in column) and not field.primary_key:
            names.append(f"%s::{kind} AS {name}")
            common.append(column[0])
        else:
            names.append(f"arrays.{name}")
            arrays.append(name)
            types.append(f"%s::{kind}[]")
            values.append(column)
    if not arrays:  # unnest needs one to know how many rows there are
        return f"{', '.join(names)} FROM generate_series(1, %s)", [*common, len(columns[0])]
    return f"{', '.join(names)} FROM unnest({', '.join(types)}) AS arrays({', '.join(arrays)})", [*common, *values]


def _by_row(columns: Columns) -> list[tuple[Any, ...]]:
    return list(zip(*columns, strict=True))


@lru_cache(maxsize=64)
def _all_fields(model: type[models.Model]) -> tuple[models.Field, ...]:
    """All but a key that the database counts by itself, and what it computes."""
    return tuple(
        field for field in model._meta.concrete_fields if not (isinstance(field, models.AutoField) or field.generated)
    )


def _type(field: models.Field, database: BaseDatabaseWrapper) -> str:
    """Without a length: the column knows it, and refuses what is too long."""
    name = (field.rel_db_type if field.primary_key else field.db_type)(database)
    return name.partition("(")[0] if name.startswith("varchar") else name


def _table(model: type[models.Model]) -> str:
    return _quoted(model._meta.db_table)


def _quoted(name: str) -> str:
    return connections[DEFAULT_DB_ALIAS].ops.quote_name(name)
