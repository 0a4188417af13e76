"""Changes of the tables that this version of Pomona brings and the database has not had yet."""

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder


def migrations_left() -> list[tuple[str, str]]:
    """(app, name) of each. Two statements: Django's way would load every migration, which takes a page's time."""
    done = MigrationRecorder(connection).applied_migrations()
    return sorted(_brought() - set(done))


@lru_cache(maxsize=1)
def _brought() -> frozenset[tuple[str, str]]:
    """By the files there are: they do not change while a process runs."""
    found = set()
    for config in apps.get_app_configs():
        spec = find_spec(settings.MIGRATION_MODULES.get(config.label) or f"{config.name}.migrations")
        for folder in spec.submodule_search_locations or () if spec else ():
            found |= {(config.label, file.stem) for file in Path(folder).glob("[0-9]*.py")}
    return frozenset(found)
