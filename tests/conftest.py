"""Which tests are the same on every database: CI runs them once, see `.ci/run`. And which come first: those that take longest.

The test database is a copy, see `tests/database.py`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.test import TransactionTestCase
from django.test.utils import setup_databases, teardown_databases
from pytest_django import DjangoDbBlocker

from tests.database import copy_file, copy_on_server

# CI asks these on the embedded default only (`once`), or on PostgreSQL and Redis only (`distributed`); a folder stands for all in
# it but what EVERYWHERE names: statements, hostile input and locks differ from database to database.
ONCE = (
    "tests/admin/",
    "tests/convergence/",
    "tests/flows/test_schema_against_server.py",
    "tests/flows/test_day_of_work.py",
    "tests/flows/test_admin_day.py",
    "tests/browser/",
    "tests/flows/test_agent.py",
)
DISTRIBUTED = (
    "tests/flows/test_apple_services.py",
    "tests/flows/test_ade.py",
    "tests/enrollment/test_from_box_to_desk.py",
)
EVERYWHERE = (
    "tests/admin/test_hostile_requests.py",
    "tests/admin/test_access.py",
    "tests/admin/test_statements.py",
    "tests/convergence/test_at_once.py",
)
DATABASE_FIXTURES = {"db", "transactional_db", "live_server", "django_db_setup"}


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None, django_db_modify_db_settings: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    """In place of pytest-django's: a copy of the template is made beforehand, under the name that Django's set-up looks for.

    Its `migrate` then finds everything done. Each process of pytest-xdist has a name, and so a copy, of its own.
    """
    name = connection.creation._get_test_db_name()
    if connection.vendor == "postgresql":
        copy_on_server(settings.DATABASE_URL, name)
    else:
        copy_file(Path(name))
    with django_db_blocker.unblock():
        databases = setup_databases(verbosity=0, interactive=False, keepdb=True)
        yield
        teardown_databases(databases, verbosity=0)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not _needs_a_database(item):
            item.add_marker("pure")
        path = item.nodeid.partition("::")[0]
        if path.startswith(ONCE) and path not in EVERYWHERE:
            item.add_marker("once")
        if path in DISTRIBUTED:
            item.add_marker("distributed")
    # What takes long: at the end, all other cores would wait for it.
    items.sort(key=lambda item: not any(item.get_closest_marker(name) for name in ("flow", "browser")))


def _needs_a_database(item: pytest.Item) -> bool:
    """Its class is one of Django's with a database, it asks for one, or it starts the whole server."""
    by_class = isinstance(getattr(item, "cls", None), type) and issubclass(item.cls, TransactionTestCase)
    by_mark = any(item.get_closest_marker(name) for name in ("django_db", "flow", "browser"))
    return by_class or by_mark or bool(DATABASE_FIXTURES & set(getattr(item, "fixturenames", ())))
