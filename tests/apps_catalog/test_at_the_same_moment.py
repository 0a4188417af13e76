"""Two of them at the same moment, each on a connection of its own. Needs a database that locks rows."""

from django.db import connection, transaction
from django.test import skipUnlessDBFeature
from django.utils import timezone

from apps_catalog.services import reconcile
from devices.services import groups, profiles
from mdm.accounts.actors import SYSTEM
from mdm.channels.models import Channel
from mdm.channels.services import request_push
from mdm.commands.models import Command
from tests.apps_catalog.test_lock_order import LockTestCase
from tests.factories import make_device, make_group
from tests.factories.wanted import make_stored_profile


@skipUnlessDBFeature("has_select_for_update")
class MovingTest(LockTestCase):
    def setUp(self):
        super().setUp()
        self.sales = make_group(self.account, "Sales")
        self.profile = make_stored_profile(self.account)

    def sent(self) -> list[str]:
        return list(Command.objects.order_by("pk").values_list("request_type", flat=True))

    def test_a_device_that_joins_a_group_while_something_is_assigned_to_it_gets_that(self) -> None:
        with transaction.atomic():
            profiles.assign(self.profile, self.sales, actor=SYSTEM)
            thread = self.at_once(lambda: groups.move_devices([self.device], self.sales, SYSTEM))
            reconcile_elsewhere = self.at_once(reconcile.reconcile_due)
        self.finish(thread)
        self.finish(reconcile_elsewhere)
        reconcile.reconcile_due()
        self.assertEqual(self.sent(), ["InstallProfile"])

    def test_what_is_assigned_while_a_device_joins_comes_to_it(self) -> None:
        with transaction.atomic():
            groups.move_devices([self.device], self.sales, SYSTEM)
            thread = self.at_once(lambda: profiles.assign(self.profile, self.sales, actor=SYSTEM))
        self.finish(thread)
        reconcile.reconcile_due()
        self.assertEqual(self.sent(), ["InstallProfile"])


@skipUnlessDBFeature("has_select_for_update")
class WakingTest(LockTestCase):
    def test_channels_are_woken_in_the_order_of_their_keys_wherever_they_lie(self) -> None:
        second = Channel.objects.get(device=make_device(self.account))
        first = Channel.objects.get(device=self.device)

        def wake() -> None:
            with connection.cursor() as cursor:  # as the planner would do for many channels
                cursor.execute("SET enable_indexscan = off; SET enable_bitmapscan = off")
            request_push([first.pk, second.pk])

        Channel.objects.filter(pk=first.pk).update(last_seen_at=timezone.now())  # now it lies behind the second
        with transaction.atomic():
            rows = Channel.objects.select_for_update(no_key=True)
            rows.get(pk=first.pk)
            thread = self.at_once(wake)
            rows.get(pk=second.pk)
        self.finish(thread)
        self.assertEqual(Channel.objects.filter(push_due_at=None).count(), 0)
