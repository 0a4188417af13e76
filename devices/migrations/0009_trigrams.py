"""Indexes that find a few letters anywhere in a text, on PostgreSQL. `icontains` asks there for UPPER(column).

Its extension pg_trgm comes with PostgreSQL and may be created by the owner of a database. Where it cannot be, search works
without, and takes longer with very many devices.
"""

import logging

from django.db import Error, migrations, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

logger = logging.getLogger(__name__)

INDEXES = {
    "device_search": "devices_device USING gin (UPPER(search_text) gin_trgm_ops)",
    "device_user_search": r"devices_deviceuser USING gin (UPPER(username || E'\n' || full_name) gin_trgm_ops)",
}


def create(apps: object, schema_editor: BaseDatabaseSchemaEditor) -> None:
    connection = schema_editor.connection
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        try:
            with transaction.atomic(using=connection.alias):
                cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        except Error as error:
            logger.warning("Search stays without its index: pg_trgm cannot be created here. %s", error)
            return
        for name, where in INDEXES.items():
            cursor.execute(f"CREATE INDEX IF NOT EXISTS {name} ON {where}")


def drop(apps: object, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        with schema_editor.connection.cursor() as cursor:
            for name in INDEXES:
                cursor.execute(f"DROP INDEX IF EXISTS {name}")


class Migration(migrations.Migration):
    dependencies = [("devices", "0008_known_filevault")]
    operations = [migrations.RunPython(create, drop)]
