"""PostgreSQL plans anew for each value where it is asked to, and only there."""

from django.db import DatabaseError, connection, transaction

from mdm.accounts.models import Account
from mdm.common.planning import planned_for_each_value
from tests.base import AccountTestCase


def mode() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW plan_cache_mode")
        return cursor.fetchone()[0]


class PlanningTest(AccountTestCase):
    def test_within_it_and_no_longer(self) -> None:
        if connection.vendor != "postgresql":
            with self.assertNumQueries(0), planned_for_each_value():
                pass
            return
        with planned_for_each_value():
            self.assertEqual(mode(), "force_custom_plan")
        self.assertEqual(mode(), "auto")

    def test_a_failure_within_it_is_told_and_leaves_nothing_behind(self) -> None:
        with self.assertRaises(DatabaseError), transaction.atomic(), planned_for_each_value():
            list(Account.objects.raw("SELECT nothing FROM nowhere"))
        if connection.vendor == "postgresql":
            self.assertEqual(mode(), "auto")
