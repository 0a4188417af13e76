"""Asking the App Store, played by a real server: what comes of each answer, and of none."""

import json
import socket
from datetime import timedelta
from unittest import mock

from django.test import override_settings
from django.utils import timezone

from apps_catalog import store_lookup
from apps_catalog.models import App, ProcessingStatus
from apps_catalog.services import lookups
from apps_catalog.services.catalog import add_store_app, remove_app
from apps_catalog.services.lookups import FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS, claim_due, fill_in, look_up_due
from apps_catalog.store_lookup import NotInStore, StoreUnavailable
from mdm.accounts.actors import SYSTEM
from mdm.events.models import Event, Level
from tests.apps_catalog.base_store import StoreTestCase
from tests.base import AccountTestCase
from tests.factories import make_account, make_app, make_app_assignment, make_assignment_group, make_device
from tests.factories.due import is_marked


class LookUpTest(StoreTestCase):
    def test_by_store_id(self):
        self.store.add(1090161858, "com.example.notes", name="Notes", version="4.5")
        found = self.ask(store_id=1090161858)
        self.assertEqual((found.store_id, found.bundle_identifier), (1090161858, "com.example.notes"))
        self.assertEqual((found.name, found.version, found.platform), ("Notes", "4.5", "iOS"))
        self.assertEqual(found.icon_url, f"{self.store.url}/image/thumb/1090161858/100x100bb.jpg")
        self.assertEqual(self.store.questions, [{"id": "1090161858", "country": "US"}])

    def test_by_bundle_identifier_in_the_country_that_was_asked_for(self):
        self.store.add(5, "de.example.app", countries=("DE",))
        self.assertEqual(self.ask(bundle_identifier="de.example.app", country="DE").store_id, 5)
        self.assertEqual(self.store.questions, [{"bundleId": "de.example.app", "country": "DE"}])
        with self.assertRaisesMessage(NotInStore, "The App Store of US has no app with de.example.app."):
            self.ask(bundle_identifier="de.example.app")

    def test_an_app_for_macs(self):
        self.store.add(6, "com.example.editor", kind="mac-software")
        self.assertEqual(self.ask(store_id=6).platform, "macOS")

    def test_a_song_is_no_app(self):
        self.store.add(7, "com.example.song", kind="song")
        with self.assertRaisesMessage(NotInStore, "The App Store of US has no app with id 7."):
            self.ask(store_id=7)

    def test_results_of_wrong_types_are_passed_over(self):
        for wrong in (
            {"trackId": "8"},
            {"trackId": True},
            {"trackId": -8},
            {"trackId": 2**63},
            {"bundleId": ""},
            {"bundleId": 8},
        ):
            with self.subTest(wrong):
                result = self.store.add(8, "com.example.app") | wrong
                self.store.body = json.dumps({"resultCount": 1, "results": [None, [], result]}).encode()
                with self.assertRaises(NotInStore):
                    self.ask(store_id=8)

    def test_another_app_than_the_one_asked_for_is_no_answer(self):
        self.store.body = json.dumps({"results": [self.store.add(9, "com.example.app")]}).encode()
        with self.assertRaises(NotInStore):
            self.ask(store_id=10)

    def test_texts_are_bounded_and_cleaned(self):
        self.store.add(11, "com.example.app", name="A\x00" * 300, version="1" * 300, artworkUrl100="http://elsewhere/")
        found = self.ask(store_id=11)
        self.assertEqual((len(found.name), found.version, found.icon_url), (128, "1" * 100, ""))
        self.store.add(12, "com.example.other", trackName=None, version=None, artworkUrl100="https://" + "a" * 500)
        found = self.ask(store_id=12)
        self.assertEqual((found.name, found.version, found.icon_url), ("com.example.other", "", ""))

    def test_pictures_are_at_https_or_at_a_test_server_itself(self):
        address = self.store.url
        for number, (url, is_taken) in enumerate(
            (
                ("https://is1-ssl.mzstatic.com/a.jpg", True),
                (f"{address}/a.jpg", True),
                ("http://is1-ssl.mzstatic.com/a.jpg", False),
                (f"{address}0/a.jpg", False),
                (f"{address}@127.0.0.2/a.jpg", False),
                ("file:///etc/hosts", False),
                ("javascript:alert(1)", False),
            ),
            start=1,
        ):
            self.store.add(number, f"com.example.app{number}", artworkUrl100=url)
            self.assertEqual(self.ask(store_id=number).icon_url, url if is_taken else "", url)

    def test_too_many_questions_and_trouble_may_be_tried_again(self):
        for status in (403, 408, 429, 500, 503, 302):
            with self.subTest(status):
                self.store.status = status
                with self.assertRaisesMessage(StoreUnavailable, f"The App Store answered {status}."):
                    self.ask(store_id=1)

    def test_it_is_told_how_long_to_wait(self):
        for text, seconds in (("120", 120), ("soon", 0), ("", 0), ("9" * 50, 24 * 3600)):
            with self.subTest(text):
                self.store.status, self.store.headers = 429, {"Retry-After": text}
                with self.assertRaises(StoreUnavailable) as caught:
                    self.ask(store_id=1)
                self.assertEqual(caught.exception.retry_after_seconds, seconds)

    def test_a_refused_question_is_not_repeated(self):
        self.store.status = 400
        with self.assertRaisesMessage(NotInStore, "refused to look for the app in ZZ (status 400)"):
            self.ask(store_id=1, country="ZZ")

    def test_answers_that_make_no_sense(self):
        for body in (b"", b"<html>", b"[]", b"{}", b'{"results": {}}', b"[" * 100_000, b"\xff\xfe"):
            with self.subTest(body[:20]):
                self.store.body = body
                with self.assertRaisesMessage(StoreUnavailable, "The App Store's answer makes no sense"):
                    self.ask(store_id=1)

    def test_an_endless_answer_is_cut_off(self):
        self.store.body = b" " * (store_lookup.MAX_BYTES + 1)
        with self.assertRaisesMessage(StoreUnavailable, "The App Store sent an answer that is too large."):
            self.ask(store_id=1)

    def test_a_store_that_is_not_there(self):
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        with (
            override_settings(APP_STORE_URL=f"http://127.0.0.1:{port}"),
            self.assertRaisesMessage(StoreUnavailable, "The App Store could not be reached"),
        ):
            self.ask(store_id=1)


class DueLookupsTest(AccountTestCase, StoreTestCase):
    def add(self, **named) -> App:
        return add_store_app(self.account, **named, actor=SYSTEM)

    def test_the_app_gets_what_the_store_knows(self):
        self.store.add(44, "com.example.notes", name="Notes", version="4.5", kind="mac-software")
        app = self.add(store_id=44)
        self.assertEqual(look_up_due(), 1)
        app.refresh_from_db()
        self.assertEqual((app.name, app.bundle_identifier, app.version), ("Notes", "com.example.notes", "4.5"))
        self.assertEqual((app.platform_support, app.processing_status), ("macOS", ProcessingStatus.PROCESSED))
        event, _ = Event.objects.filter(event_type="app.updated").order_by("pk")
        self.assertEqual((event.metadata["app_id"], event.metadata["name"], event.source), (app.pk, "Notes", "system"))

    def test_by_bundle_identifier_it_gets_its_store_id(self):
        self.store.add(45, "com.example.notes")
        app = self.add(bundle_identifier="com.example.notes")
        look_up_due()
        app.refresh_from_db()
        self.assertEqual(app.itunes_store_id, 45)

    def test_the_name_that_somebody_gave_it_stays(self):
        self.store.add(44, "com.example.notes", name="Notes")
        app = self.add(store_id=44, name="For writers")
        look_up_due()
        app.refresh_from_db()
        self.assertEqual(app.name, "For writers")

    def test_the_store_of_the_accounts_country_is_asked(self):
        self.account.apple_store_country_code = "AU"
        self.account.save()
        self.add(store_id=44)
        look_up_due()
        self.assertEqual(self.store.questions, [{"id": "44", "country": "AU"}])

    def test_an_app_that_the_store_does_not_know_fails_in_words(self):
        app = self.add(store_id=44)
        look_up_due()
        app.refresh_from_db()
        self.assertEqual(app.processing_status, ProcessingStatus.FAILED)
        self.assertEqual(app.lookup_error, "The App Store of US has no app with id 44.")
        self.assertIsNone(app.lookup_due_at)
        event = Event.objects.get(event_type="app.lookup_failed")
        self.assertEqual((event.level, event.metadata["why"]), (Level.WARNING, app.lookup_error))
        self.assertEqual(look_up_due(), 0)

    def test_two_names_of_one_app_do_not_become_two_apps(self):
        self.store.add(44, "com.example.notes", name="Notes")
        first, second = self.add(store_id=44), self.add(bundle_identifier="com.example.notes")
        look_up_due()
        first.refresh_from_db()
        second.refresh_from_db()
        self.assertEqual((first.processing_status, second.processing_status), ("processed", "failed"))
        self.assertIn(f"same app of the App Store as Notes (app {first.pk})", second.lookup_error)

    def test_trouble_is_tried_again_later_and_less_often(self):
        self.store.status = 503
        app = self.add(store_id=44)
        now = timezone.now()
        waits = []
        for _ in range(12):
            App.objects.filter(pk=app.pk).update(lookup_due_at=now)
            look_up_due()
            app.refresh_from_db()
            waits.append((app.lookup_due_at - now).total_seconds())
        for wait, minutes in zip([*waits[:4], waits[-1]], [1, 2, 4, 8, LONGEST_RETRY_SECONDS / 60], strict=True):
            self.assertAlmostEqual(wait, minutes * 60, delta=minutes * 6 + 2)
        self.assertEqual(app.processing_status, ProcessingStatus.QUEUED)
        self.assertEqual(app.lookup_error, "The App Store answered 503.")
        self.assertFalse(Event.objects.filter(event_type="app.lookup_failed").exists())
        self.store.status = 200
        self.store.add(44, "com.example.notes")
        App.objects.update(lookup_due_at=now)
        look_up_due()
        app.refresh_from_db()
        self.assertEqual((app.processing_status, app.lookup_error, app.lookup_attempts), ("processed", "", 0))

    def test_the_store_says_how_long_to_wait(self):
        self.store.status, self.store.headers = 429, {"Retry-After": "3600"}
        app = self.add(store_id=44)
        look_up_due()
        app.refresh_from_db()
        self.assertGreater(app.lookup_due_at, timezone.now() + timedelta(minutes=59))

    def test_after_trouble_the_other_apps_wait_a_minute_and_keep_their_count(self):
        self.store.status = 403
        first, second = self.add(store_id=1), self.add(store_id=2)
        self.assertEqual(look_up_due(), 1)
        self.assertEqual(len(self.store.questions), 1)
        first.refresh_from_db()
        second.refresh_from_db()
        self.assertEqual((first.lookup_attempts, second.lookup_attempts), (1, 0))
        self.assertLess(second.lookup_due_at, timezone.now() + timedelta(seconds=FIRST_RETRY_SECONDS + 1))

    def test_many_apps_are_asked_about_in_one_run(self):
        for number in range(1, 24):
            self.store.add(number, f"com.example.app{number}")
            self.add(store_id=number)
        self.assertEqual(look_up_due(), 23)
        self.assertFalse(App.objects.exclude(processing_status="processed").exists())

    def test_a_claimed_app_is_not_claimed_twice(self):
        self.add(store_id=44)
        self.assertEqual(len(claim_due()), 1)
        self.assertEqual(claim_due(), [])

    def test_an_answer_that_comes_too_late_changes_nothing(self):
        self.store.add(44, "com.example.notes", name="Notes")
        app = self.add(store_id=44)
        (claimed,) = claim_due()
        App.objects.update(lookup_due_at=timezone.now())  # the lease ran out, and the app is due again
        fill_in(claimed, self.ask(store_id=44))
        app.refresh_from_db()
        self.assertEqual(app.processing_status, ProcessingStatus.QUEUED)

    def test_a_deleted_app_is_not_asked_about(self):
        app = self.add(store_id=44)
        remove_app(app, actor=SYSTEM)
        self.assertEqual(look_up_due(), 0)

    def test_devices_that_wait_for_it_are_due(self):
        self.store.add(44, "com.example.notes")
        app = self.add(store_id=44)
        device, other = make_device(self.account), make_device(self.account)
        make_app_assignment(make_assignment_group(self.account, members=[device]), app)
        look_up_due()
        device.refresh_from_db()
        other.refresh_from_db()
        self.assertTrue(is_marked(device))
        self.assertFalse(is_marked(other))

    def test_other_accounts_may_have_the_same_app(self):
        self.store.add(44, "com.example.notes")
        self.add(store_id=44)
        add_store_app(make_account(), store_id=44, actor=SYSTEM)
        look_up_due()
        self.assertEqual(App.objects.filter(itunes_store_id=44, processing_status="processed").count(), 2)

    def test_adding_an_app_wakes_a_worker_after_the_commit(self):
        self.store.add(44, "com.example.notes")
        with self.captureOnCommitCallbacks(execute=True):
            app = self.add(store_id=44)
            self.assertEqual(self.store.questions, [])
        app.refresh_from_db()
        self.assertEqual(app.processing_status, ProcessingStatus.PROCESSED)


class DailyLookupsTest(AccountTestCase, StoreTestCase):
    """Apps that are known are asked about again: their version and icon may change."""

    def setUp(self):
        super().setUp()
        self.app = make_app(self.account, store=True, itunes_store_id=44, name="Notes", version="4.5")
        self.sold = self.store.add(44, self.app.bundle_identifier, name="Notes", version="4.5")
        self.look_again()
        Event.objects.all().delete()

    def look_again(self) -> None:
        """What is asked about in a day is now."""
        App.objects.exclude(lookup_due_at=None, processing_status="failed").update(lookup_due_at=timezone.now())
        look_up_due()
        self.app.refresh_from_db()

    def events(self) -> list[tuple[str, str]]:
        return [(event.event_type, event.metadata["why"]) for event in Event.objects.order_by("pk")]

    def test_the_next_question_is_in_a_day_and_not_that_of_all_apps_at_once(self):
        for number in range(100, 140):
            self.store.add(number, f"com.example.app{number}")
            add_store_app(self.account, store_id=number, actor=SYSTEM)
        now = timezone.now()
        look_up_due()
        hours = [(at - now) / timedelta(hours=1) for at in App.objects.values_list("lookup_due_at", flat=True)]
        self.assertTrue(all(19.9 < hour < 28.1 for hour in hours))
        self.assertGreater(max(hours) - min(hours), 2)

    def test_a_new_version_and_icon_are_shown_and_logged(self):
        self.sold |= {"version": "4.6", "artworkUrl100": f"{self.store.url}/image/new.jpg"}
        self.look_again()
        self.assertEqual((self.app.version, self.app.icon_url), ("4.6", f"{self.store.url}/image/new.jpg"))
        self.assertEqual(
            self.events(), [("app.updated", "changed in the App Store"), ("app.updated", "icon of the App Store")]
        )

    def test_without_news_nothing_is_logged_and_nobody_is_due(self):
        device = make_device(self.account)
        make_app_assignment(make_assignment_group(self.account, members=[device]), self.app)
        before = self.app.updated_at
        with mock.patch.object(lookups, "mark_due") as marked:
            self.look_again()
            self.assertEqual((self.app.updated_at, self.events()), (before, []))
            self.sold["version"] = "4.6"
            self.look_again()
            self.assertEqual(len(self.events()), 1)
        marked.assert_not_called()

    def test_devices_are_due_when_it_is_for_another_platform_now(self):
        self.sold["kind"] = "mac-software"
        with mock.patch.object(lookups, "mark_due") as marked:
            self.look_again()
        self.assertEqual((self.app.platform_support, marked.call_count), ("macOS", 1))

    def test_one_that_is_no_longer_sold_stays_as_it_is_and_people_are_told_once(self):
        self.sold["trackId"] = 45
        for _ in range(3):
            self.look_again()
        self.assertEqual((self.app.version, self.app.processing_status), ("4.5", ProcessingStatus.PROCESSED))
        sentence = "The App Store of US has no app with id 44."
        self.assertEqual((self.app.lookup_error, self.events()), (sentence, [("app.lookup_failed", sentence)]))
        self.assertGreater(self.app.lookup_due_at, timezone.now() + timedelta(hours=19))

    def test_one_that_is_sold_again_has_no_error_any_more(self):
        self.sold["trackId"] = 45
        self.look_again()
        self.sold["trackId"] = 44
        self.look_again()
        self.assertEqual(self.app.lookup_error, "")

    def test_the_account_may_have_moved_to_another_country(self):
        self.account.apple_store_country_code = "NZ"
        self.account.save()
        self.look_again()
        self.assertEqual(self.store.questions[-1], {"id": "44", "country": "NZ"})

    def test_a_run_asks_about_some_and_first_about_those_that_people_wait_for(self):
        App.objects.update(lookup_due_at=timezone.now() - timedelta(hours=1))
        for number in range(1, 4):
            self.store.add(number, f"com.example.app{number}")
            add_store_app(self.account, store_id=number, actor=SYSTEM)
        self.store.questions.clear()
        with mock.patch.object(lookups, "MOST_PER_RUN", 3):
            self.assertEqual((look_up_due(), look_up_due(), look_up_due()), (3, 1, 0))
        self.assertEqual([question["id"] for question in self.store.questions], ["1", "2", "3", "44"])
