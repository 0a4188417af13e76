"""Comparing a location with Apple: who manages it, counts, lists of any length, and what others changed."""

import time
from datetime import timedelta
from unittest.mock import patch

from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps_catalog.models import ContentAsset, ContentToken, LicenceAssignment
from apps_catalog.services import vpp_assignments
from apps_catalog.services.licence_tokens import add_token, take_over
from apps_catalog.services.vpp_lease import claim
from apps_catalog.services.vpp_work import manage_due, tend
from apps_catalog.tasks import manage_licences
from mdm.accounts.actors import SYSTEM
from mdm.common.leases import LEASE
from mdm.events.models import Event
from tests.apps_catalog.base_licences import LicenceTestCase
from tests.factories.licences import make_content_token


class SyncTest(LicenceTestCase):
    def test_the_first_sync_says_whose_it_is_and_what_it_owns(self):
        self.vpp.buy(999, 3, productType="Book", deviceAssignable=False, revocable=False)
        self.store.add(self.app.itunes_store_id, "com.example.keynote", name="Keynote", countries=("DE",))
        token = self.connect()
        self.assertEqual((token.location_name, token.country, token.is_ours), ("Berlin", "DE", True))
        self.assertEqual((token.error, token.other_mdm, str(token)), ("", "", "Berlin"))
        book, app = token.assets.order_by("adam_id")
        self.assertEqual((book.product_type, book.is_device_assignable, book.total), ("Book", False, 3))
        self.assertEqual((app.total, app.assigned, app.available, app.platforms), (5, 0, 5, ["iOS"]))
        self.assertEqual((app.name, book.name), ("Keynote", ""))
        self.assertEqual(self.vpp.mdm["id"], token.mdm_id)
        self.assertEqual(self.logged("content_token.synced").metadata["location"], "Berlin")

    def test_counts_change_and_what_is_gone_goes(self):
        self.connect()
        self.vpp.buy(555, 7)
        self.vpp.give(self.app.itunes_store_id, "A")
        self.sync()
        self.assertEqual(
            list(self.token.assets.order_by("adam_id").values_list("adam_id", "total", "available")),
            [(555, 7, 7), (self.app.itunes_store_id, 5, 4)],
        )
        self.vpp.transfer(self.app.itunes_store_id)
        self.sync()
        self.assertEqual([one.adam_id for one in self.token.assets.all()], [555])
        self.assertFalse(LicenceAssignment.objects.exists())

    def test_what_others_gave_out_and_took_back_is_noticed(self):
        self.connect()
        self.vpp.give(self.app.itunes_store_id, "A", "B")
        self.sync()
        self.assertEqual(self.licences(), {"A": "assigned", "B": "assigned"})
        self.vpp.take(self.app.itunes_store_id, "A")
        self.sync()
        self.assertEqual(self.licences(), {"B": "assigned"})
        facts = [one.metadata for one in Event.objects.filter(event_type="content_token.synced").order_by("pk")]
        self.assertEqual(
            [(one["assigned_elsewhere"], one["taken_back_elsewhere"]) for one in facts], [(0, 0), (2, 0), (0, 1)]
        )

    def test_a_licence_of_ours_that_somebody_took_is_asked_for_again(self):
        self.connect()
        phone = self.device()
        self.assign(phone)
        self.work(2)
        self.vpp.take(self.app.itunes_store_id, phone.serial_number)
        self.sync()
        self.work()
        self.assertEqual(self.licences(), {phone.serial_number: "assigned"})
        self.assertEqual(self.vpp.serials(self.app.itunes_store_id), {phone.serial_number})

    def test_a_list_of_the_same_version_is_not_read_again(self):
        self.connect()
        before = self.vpp.count("/assignments")
        self.sync()
        self.assertEqual(self.vpp.count("/assignments"), before + 1)
        self.vpp.give(self.app.itunes_store_id, "A")
        self.sync()
        self.assertEqual(self.vpp.count("/assignments"), before + 3)
        ContentToken.objects.update(read_at=timezone.now() - timedelta(days=2))  # the daily look at all of it
        self.sync()
        self.assertEqual(self.vpp.count("/assignments"), before + 4)

    def test_a_version_that_apple_forgot_is_no_obstacle(self):
        self.connect()
        ContentToken.objects.update(assignments_version="gone")
        self.vpp.give(self.app.itunes_store_id, "A")
        self.sync()
        self.assertEqual((self.licences(), self.token.error), ({"A": "assigned"}, ""))

    def test_nothing_is_dropped_by_a_list_that_changed_while_it_was_read(self):
        self.connect()
        self.vpp.page_limit = 2
        self.vpp.buy(self.app.itunes_store_id, 10)
        self.vpp.give(self.app.itunes_store_id, *"ABCDE")
        self.sync()
        LicenceAssignment.objects.filter(serial_number="C").delete()
        serve, calls = self.vpp._assignments, []

        def change(query):
            calls.append(query)
            if len(calls) == 2:  # the second page
                self.vpp.take(self.app.itunes_store_id, "A")
                self.vpp.give(self.app.itunes_store_id, "F")
            return serve(query)

        ContentToken.objects.update(assignments_version="")
        with patch.object(self.vpp, "_assignments", change):
            self.sync()
        self.assertEqual(set(self.licences()), set("ABDEF"))  # C slipped through, and A is not taken for gone
        self.assertLess(self.token.sync_due_at, timezone.now() + timedelta(minutes=6))
        self.sync()
        self.assertEqual(set(self.licences()), set("BCDEF"))

    def test_half_a_list_goes_on_where_it_broke_off(self):
        self.connect()
        self.vpp.page_limit = 2
        self.vpp.buy(self.app.itunes_store_id, 10)
        self.vpp.give(self.app.itunes_store_id, *"ABCDEFG")
        self.vpp.fail("/assignments", 200, body=b'{"assignments": [{"adamId": "1', is_cut=True, after=3)
        self.sync()
        self.assertEqual((self.token.reading_page, set(self.licences())), (2, set("ABCD")))
        self.assertIn("could not be reached", self.token.error)
        self.work()
        self.assertEqual((self.token.error, set(self.licences())), ("", set("ABCDEFG")))
        self.assertEqual(self.vpp.count("/assignments"), 1 + 1 + 3 + 2)

    def test_a_list_that_got_shorter_is_read_from_its_beginning(self):
        self.connect()
        self.vpp.give(self.app.itunes_store_id, "A")
        ContentToken.objects.update(reading_since=timezone.now(), reading_page=40, reading_version="1")
        self.sync()
        self.assertEqual((self.licences(), self.token.error), ({"A": "assigned"}, ""))

    def test_a_long_list_is_read_in_several_turns(self):
        self.connect()
        self.vpp.page_limit = 2
        self.vpp.buy(self.app.itunes_store_id, 10)
        self.vpp.give(self.app.itunes_store_id, *"ABCDEFG")
        for turn in range(4):
            ContentToken.objects.update(sync_due_at=timezone.now())
            tend(claim(), until=time.monotonic())
            self.assertEqual(len(self.licences()), min(2 * turn + 2, 7))
        self.assertIsNone(ContentToken.objects.get().reading_since)

    def test_nonsense_in_lists_is_passed_over(self):
        items = [None, {}, {"adamId": "x"}, {"adamId": "-5"}, {"adamId": "9" * 30}, {"adamId": True}, 7]
        with patch.object(self.vpp, "_shown", side_effect=lambda one: {"adamId": one[0], "totalCount": -5}):
            serve = self.vpp._page
            with patch.object(
                self.vpp,
                "_page",
                lambda name, some, query: serve(name, items + some if name == "assets" else some, query),
            ):
                self.connect()
        asset = self.token.assets.get(adam_id=self.app.itunes_store_id)
        self.assertEqual((asset.total, asset.is_device_assignable, asset.pricing_param), (0, False, "STDQ"))

    def test_licences_of_people_are_not_ours_to_see(self):
        self.connect()
        serve = self.vpp._page
        people = [{"adamId": str(self.app.itunes_store_id), "pricingParam": "STDQ", "clientUserId": "anna"}]
        self.vpp.give(self.app.itunes_store_id, "A")
        with patch.object(
            self.vpp,
            "_page",
            lambda name, some, query: serve(name, some + people if name == "assignments" else some, query),
        ):
            self.sync()
        self.assertEqual(self.licences(), {"A": "assigned"})


class ManagerTest(LicenceTestCase):
    def setUp(self):
        super().setUp()
        self.vpp.mdm = {"id": "them", "name": "Other MDM", "metadata": "x"}

    def test_a_location_that_another_manages_is_listed_and_left_alone(self):
        token = self.connect()
        self.assertEqual((token.other_mdm, token.is_ours, self.vpp.mdm["id"]), ("Other MDM", False, "them"))
        self.assertEqual(self.logged("content_token.managed_elsewhere").metadata["by"], "Other MDM")
        phone = self.device()
        self.assign(phone)
        self.work(2)
        # As without a location: nothing is wanted of what we do not manage.
        self.assertEqual((self.orders(phone), self.licences(), self.vpp.count("/assets/associate")), (1, {}, 0))

    def test_it_is_taken_over_when_somebody_says_so(self):
        self.connect()
        take_over(self.token, SYSTEM)
        self.work()
        self.assertEqual((self.token.other_mdm, self.token.is_ours), ("", True))
        self.assertEqual(self.vpp.mdm["id"], self.token.mdm_id)
        self.assertEqual(self.logged("content_token.taken_over").metadata["from_mdm"], "Other MDM")
        self.assertEqual(self.token.assets.count(), 1)

    def test_one_that_another_takes_from_us_is_noticed_before_anything_is_changed(self):
        self.vpp.mdm = {}
        self.connect()
        phone = self.device()
        self.assign(phone)
        self.vpp.mdm = {"id": "them", "name": "Other MDM", "metadata": "x"}
        self.long_after()
        self.work(2)
        self.assertEqual((self.token.other_mdm, self.vpp.count("/assets/associate")), ("Other MDM", 0))
        take_over(self.token, SYSTEM)
        self.work(3)
        self.assertEqual(self.vpp.serials(self.app.itunes_store_id), {phone.serial_number})


class WorkersTest(LicenceTestCase):
    def test_a_token_is_with_one_worker_at_a_time(self):
        add_token(self.account, self.vpp.token_file(), actor=SYSTEM)
        self.assertIsNotNone(claim())
        self.assertIsNone(claim())
        ContentToken.objects.update(started_at=timezone.now() - LEASE - timedelta(seconds=1))
        self.assertIsNotNone(claim())

    def test_a_worker_whose_lease_ran_out_stores_nothing_more(self):
        add_token(self.account, self.vpp.token_file(), actor=SYSTEM)
        slow = claim()
        ContentToken.objects.update(started_at=timezone.now() + timedelta(seconds=1))
        with patch("apps_catalog.services.vpp_work.claim", side_effect=[slow, None]):
            manage_due()
        self.assertFalse(ContentAsset.objects.exists())

    def test_the_task_works_off_what_is_due_and_comes_back_for_what_apple_is_at(self):
        self.connect()
        self.vpp.looks = 5
        self.assign(self.device())
        with patch("apps_catalog.tasks.nudge_later") as later:
            self.assertEqual(manage_licences(), 1)
            self.assertEqual(manage_licences(), 0)
        self.assertLess(later.call_args[0][1], 5)

    def test_a_token_that_is_too_old_or_refused_stops_its_own_work_only(self):
        make_content_token(self.account, sync_due_at=timezone.now(), expires_at=timezone.now() - timedelta(days=1))
        self.connect()
        self.assertEqual(self.token.error, "")
        old = ContentToken.objects.exclude(pk=self.token.pk).get()
        self.assertIn("expired on", old.error)
        self.assertGreater(old.paused_until, timezone.now() + timedelta(minutes=30))


class LargeListTest(LicenceTestCase):
    def test_statements_for_a_page_do_not_grow_with_it(self):
        self.connect()
        counts = []
        for size in (10, 400):
            self.vpp.buy(self.app.itunes_store_id, size)
            self.vpp.give(self.app.itunes_store_id, *(f"SER{n:06d}" for n in range(size)))
            with CaptureQueriesContext(connection) as queries:
                self.sync()
            counts.append(len(queries))
        # SQLite takes a thousand values in a statement.
        self.assertLessEqual(abs(counts[0] - counts[1]), 6)


@override_settings(DEBUG=False)
class FlatMemoryTest(LicenceTestCase):
    def test_pages_are_stored_one_by_one(self):
        self.vpp.page_limit = 50
        self.vpp.buy(self.app.itunes_store_id, 1000)
        self.vpp.give(self.app.itunes_store_id, *(f"SER{n:06d}" for n in range(500)))
        sizes = []
        store = vpp_assignments._store
        with patch.object(
            vpp_assignments,
            "_store",
            lambda token, assets, items: sizes.append(len(items)) or store(token, assets, items),
        ):
            self.connect()
        self.assertEqual((sizes, len(self.licences())), ([50] * 10, 500))
