"""Which tests are the same on every database: CI runs them once, see `.ci/run`. And which come first: those that take longest."""

import pytest
from django.test import TransactionTestCase

# CI asks these on the embedded default only (`once`), or on PostgreSQL and Redis only (`distributed`); a folder stands for all in
# it but what EVERYWHERE names: statements, hostile input and locks differ from database to database.
ONCE = (
    "tests/admin/",
    "tests/convergence/",
    "tests/flows/test_schema_against_server.py",
    "tests/flows/test_day_of_work.py",
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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not _needs_a_database(item):
            item.add_marker("pure")
        path = item.nodeid.partition("::")[0]
        if path.startswith(ONCE) and path not in EVERYWHERE:
            item.add_marker("once")
        if path in DISTRIBUTED:
            item.add_marker("distributed")
    # Processes that start and wait: at the end, all other cores would wait with them.
    items.sort(key=lambda item: item.get_closest_marker("flow") is None)


def _needs_a_database(item: pytest.Item) -> bool:
    """Its class is one of Django's with a database, it asks for one, or it starts the whole server."""
    by_class = isinstance(getattr(item, "cls", None), type) and issubclass(item.cls, TransactionTestCase)
    by_mark = any(item.get_closest_marker(name) for name in ("django_db", "flow", "browser"))
    return by_class or by_mark or bool(DATABASE_FIXTURES & set(getattr(item, "fixturenames", ())))
