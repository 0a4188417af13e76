"""Pictures of App Store apps: fetched by workers after a lookup, kept in our storage, and bounded in every way."""

import os
import time
from unittest import mock

from django.db import connection
from django.utils import timezone

from apps_catalog import store_icons
from apps_catalog.models import App, ProcessingStatus
from apps_catalog.services import lookups, upkeep
from apps_catalog.services.catalog import add_store_app, remove_app
from apps_catalog.services.icons import icon_path
from apps_catalog.services.lookups import look_up_due
from mdm.accounts.actors import SYSTEM
from mdm.events.models import Event
from tests.apps_catalog.base_store import StoreTestCase
from tests.apps_catalog.packages.images import build_png, picture
from tests.base import AccountTestCase
from tests.fakes.app_store import JPEG, FakeAppStore

LOGGER = "pomona.apps"


class StoreIconTestCase(AccountTestCase, StoreTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.sold = self.store.add(44, "com.example.notes", name="Notes")
        self.app = add_store_app(self.account, store_id=44, actor=SYSTEM)

    def look(self) -> None:
        """What is asked about in a day is now."""
        App.objects.update(lookup_due_at=timezone.now())
        with self.captureOnCommitCallbacks(execute=True):
            look_up_due()
        self.app.refresh_from_db()

    def failing_look(self) -> str:
        """The warning that is logged."""
        with self.assertLogs(LOGGER, "WARNING") as logged:
            self.look()
        (line,) = logged.output
        return line


class FetchingTest(StoreIconTestCase):
    def test_it_is_kept_and_shown_by_our_server(self):
        self.look()
        self.assertRegex(self.app.icon.name, rf"^apps/{self.account.pk}/[A-Za-z0-9_-]{{32}}\.jpg$")
        self.assertEqual((self.app.icon_url, self.stored()), (self.sold["artworkUrl100"], {self.app.icon.name}))
        response = self.client.get(icon_path(self.app))
        self.assertEqual((response.status_code, response.content), (200, JPEG))
        self.assertEqual((response["Content-Type"], response["X-Content-Type-Options"]), ("image/jpeg", "nosniff"))

    def test_a_png_is_a_png_whatever_its_address_says(self):
        self.store.icon = build_png(picture(4, 4))
        self.look()
        self.assertTrue(icon_path(self.app).endswith(".png"))
        response = self.client.get(icon_path(self.app))
        self.assertEqual((response.content, response["Content-Type"]), (self.store.icon, "image/png"))

    def test_the_next_lookup_does_not_fetch_it_again(self):
        self.look()
        before, count = self.app.icon.name, Event.objects.count()
        self.look()
        self.assertEqual((len(self.store.questions), len(self.store.pictures)), (2, 1))
        self.assertEqual((self.app.icon.name, Event.objects.count()), (before, count))

    def test_another_address_brings_another_file_and_the_one_before_goes(self):
        self.look()
        before = icon_path(self.app)
        self.sold["artworkUrl100"] = f"{self.store.url}/image/new.jpg"
        self.store.icon = build_png(picture(4, 4))
        self.look()
        self.assertEqual((self.app.icon_url, self.stored()), (self.sold["artworkUrl100"], {self.app.icon.name}))
        self.assertEqual(self.client.get(before).status_code, 404)
        self.assertEqual(self.client.get(icon_path(self.app)).content, self.store.icon)

    def test_an_app_whose_icon_was_never_stored_gets_it_at_the_next_lookup(self):
        self.look()
        App.objects.update(icon="")
        self.look()
        self.assertEqual((len(self.store.pictures), bool(self.app.icon)), (2, True))

    def test_an_answer_without_an_icon_leaves_the_one_that_is_there(self):
        self.look()
        before = self.app.icon.name
        self.sold["artworkUrl100"] = "http://elsewhere.example.com/icon.jpg"
        self.look()
        self.assertEqual((self.app.icon.name, self.stored(), len(self.store.pictures)), (before, {before}, 1))

    def test_it_is_fetched_outside_of_transactions_and_after_the_app_is_ready(self):
        outside, seen = len(connection.savepoint_ids), []

        def fetch(url: str) -> store_icons.Picture:
            seen.append((len(connection.savepoint_ids), App.objects.get().processing_status))
            return store_icons.Picture(JPEG, "jpg")

        App.objects.update(lookup_due_at=timezone.now())
        with mock.patch.object(lookups, "fetch_icon", fetch):
            look_up_due()
        self.assertEqual(seen, [(outside, ProcessingStatus.PROCESSED)])

    def test_upkeep_keeps_it(self):
        self.look()
        then = time.time() - 72 * 3600
        os.utime(self.root / self.app.icon.name, (then, then))
        self.assertEqual((upkeep.drop_left_behind(), self.stored()), (0, {self.app.icon.name}))

    def test_it_goes_with_the_app(self):
        self.look()
        with self.captureOnCommitCallbacks(execute=True):
            remove_app(self.app, actor=SYSTEM)
        self.assertEqual(self.stored(), set())

    def test_one_that_is_not_in_the_store_gets_none(self):
        self.sold["trackId"] = 45
        self.look()
        self.assertEqual((self.store.pictures, self.app.icon.name), ([], ""))

    def test_a_second_entry_of_the_same_app_gets_none(self):
        add_store_app(self.account, bundle_identifier="com.example.notes", actor=SYSTEM)
        self.look()
        self.assertEqual(len(self.store.pictures), 1)


class RefusalTest(StoreIconTestCase):
    """No picture, one warning, and everything else as if there were no pictures."""

    def refuse(self, words: str) -> None:
        self.assertIn(words, self.failing_look())
        self.assertEqual((self.app.processing_status, self.app.name), (ProcessingStatus.PROCESSED, "Notes"))
        self.assertEqual((self.app.icon.name, self.app.lookup_error, self.stored()), ("", "", set()))
        self.assertEqual(icon_path(self.app), "")

    def test_what_is_neither_png_nor_jpeg(self):
        for content in (
            b"",
            b"<!doctype html><p>Hello",
            b'<svg xmlns="http://www.w3.org/2000/svg"/>',
            b"GIF89a",
            b"\xff\xd8",
        ):
            with self.subTest(content):
                self.store.icon, self.store.icon_headers = content, {"Content-Type": "image/jpeg"}
                self.refuse("neither a PNG nor a JPEG image")

    def test_one_of_five_megabytes(self):
        self.store.icon = JPEG + bytes(5_000_000)
        self.refuse("more than 1048576 bytes")

    def test_one_that_is_just_small_enough_is_kept(self):
        self.store.icon = JPEG.ljust(store_icons.MAX_BYTES, b"\0")
        self.look()
        self.assertEqual((self.root / self.app.icon.name).stat().st_size, store_icons.MAX_BYTES)

    def test_other_statuses(self):
        for status in (204, 404, 500):
            with self.subTest(status):
                self.store.icon_status, self.store.icon = status, b"" if status == 204 else JPEG
                self.refuse(f"The server answered {status}.")

    def test_a_redirect_is_not_followed(self):
        other = self.enterContext(FakeAppStore())
        self.store.icon_status, self.store.icon_headers = 302, {"Location": f"{other.url}/image/a.jpg"}
        self.refuse("The server answered 302.")
        self.assertEqual(other.pictures, [])

    def test_one_that_drips_is_given_up_in_time(self):
        self.store.icon_delay = 0.15  # each piece is in time, all of them are not
        began = time.monotonic()
        with mock.patch.object(store_icons, "TIMEOUT_SECONDS", 0.4):
            self.refuse("No answer within 0.4 seconds.")
        self.assertLess(time.monotonic() - began, 1.4)

    def test_the_store_cannot_send_us_into_our_own_network(self):
        other = self.enterContext(FakeAppStore())
        for url in (
            other.url.replace("http:", "https:"),
            "https://169.254.169.254",
            "https://localhost",
            "https://[::1]",
        ):
            with self.subTest(url):
                self.sold["artworkUrl100"] = f"{url}/image/a.jpg"
                self.refuse("is an address of a private network, where nothing is sent.")
        self.assertEqual(other.pictures, [])

    def test_it_is_tried_again_with_the_next_lookup(self):
        self.store.icon_status = 503
        self.failing_look()
        self.store.icon_status = 200
        self.look()
        self.assertEqual((len(self.store.pictures), bool(self.app.icon)), (2, True))

    def test_a_new_one_that_cannot_be_had_leaves_the_old_and_is_tried_again(self):
        self.look()
        before = self.app.icon.name
        self.sold["artworkUrl100"] = f"{self.store.url}/image/new.jpg"
        self.store.icon_status = 404
        self.failing_look()
        self.assertEqual((self.app.icon.name, self.stored()), (before, {before}))
        self.store.icon_status = 200
        self.look()
        self.assertEqual((self.app.icon_url, self.stored()), (self.sold["artworkUrl100"], {self.app.icon.name}))

    def test_a_storage_that_fails_is_no_trouble_for_the_other_apps(self):
        self.store.add(45, "com.example.other")
        add_store_app(self.account, store_id=45, actor=SYSTEM)
        with mock.patch("apps_catalog.services.storing.default_storage.save", side_effect=[OSError, "apps/1/x.jpg"]):
            self.assertIn("could not be stored", self.failing_look())
        self.assertEqual(sorted(App.objects.values_list("icon", flat=True)), ["", "apps/1/x.jpg"])

    def test_an_app_that_is_deleted_meanwhile_leaves_no_file(self):
        def fetch(url: str) -> store_icons.Picture:
            remove_app(self.app, actor=SYSTEM)
            return store_icons.Picture(JPEG, "jpg")

        with mock.patch.object(lookups, "fetch_icon", fetch), self.assertNoLogs(LOGGER, "WARNING"):
            self.look()
        self.assertEqual((self.app.icon.name, self.stored()), ("", set()))
