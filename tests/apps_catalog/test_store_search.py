"""Finding apps of the App Store by name: against a real server that answers as Apple's does."""

from datetime import timedelta

from django.test import override_settings
from django.utils import timezone

from apps_catalog.models import SearchState, StoreSearch
from apps_catalog.services.errors import CatalogError
from apps_catalog.services.store_search import PER_MINUTE, answer_due, ask_store, known_apps
from tests.apps_catalog.base_store import StoreTestCase
from tests.factories import make_account, make_app


class StoreSearchTest(StoreTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.account = make_account()
        self.store.add(361309726, "com.apple.Pages", name="Pages", sellerName="Apple Inc.", formattedPrice="Free")
        self.store.add(409201541, "com.apple.iWork.Pages", name="Pages for Mac", kind="mac-software")
        self.store.add(1, "com.example.elsewhere", name="Pages of Germany", countries=("DE",))

    def found(self, words: str = "Pages") -> StoreSearch:
        row = ask_store(self.account, words)
        answer_due()
        row.refresh_from_db()
        return row

    def test_it_finds_apps_for_phones_and_macs_in_the_accounts_country(self) -> None:
        row = self.found("  PAGES ")
        self.assertEqual((row.state, row.words), (SearchState.DONE, "pages"))
        self.assertEqual([one["store_id"] for one in row.results], [361309726, 409201541])
        self.assertEqual(
            row.results[0],
            {
                "store_id": 361309726,
                "bundle_identifier": "com.apple.Pages",
                "name": "Pages",
                "version": "3.2.1",
                "platform": "iOS",
                "seller": "Apple Inc.",
                "price": "Free",
            },
        )

    def test_the_same_words_are_asked_once_a_day(self) -> None:
        self.found()
        questions = len(self.store.questions)
        self.assertEqual(self.found("pages").state, SearchState.DONE)
        self.assertEqual(len(self.store.questions), questions)
        StoreSearch.objects.update(created_at=timezone.now() - timedelta(days=2))
        self.found()
        self.assertEqual(len(self.store.questions), 2 * questions)

    def test_what_is_in_the_catalogue_is_known(self) -> None:
        app = make_app(self.account, itunes_store_id=361309726)
        make_app(make_account(), itunes_store_id=409201541)
        self.assertEqual(known_apps(self.found()), {361309726: app.pk})

    def test_a_store_that_is_down_is_said_and_asked_anew_a_little_later(self) -> None:
        self.store.status = 503
        row = self.found()
        self.assertEqual((row.state, row.error), (SearchState.FAILED, "The App Store answered 503."))
        self.store.status = 200
        self.assertEqual(self.found().state, SearchState.FAILED)
        StoreSearch.objects.update(created_at=timezone.now() - timedelta(minutes=1))
        self.assertEqual(self.found().state, SearchState.DONE)

    def test_nonsense_from_the_store_is_no_result(self) -> None:
        self.store.body = b'{"results": [7, {"kind": "song", "trackId": 5}, {"kind": "software", "trackId": "x"}]}'
        self.assertEqual(self.found().results, [])

    def test_too_few_letters_are_refused(self) -> None:
        with self.assertRaisesMessage(CatalogError, "at least 2 letters"):
            ask_store(self.account, " p ")

    def test_an_account_that_asks_too_often_is_refused(self) -> None:
        for number in range(PER_MINUTE):
            ask_store(self.account, f"app {number}")
        with self.assertRaisesMessage(CatalogError, "Wait a minute"):
            ask_store(self.account, "one more")
        ask_store(make_account(), "one more")

    def test_a_worker_that_died_is_followed_by_another(self) -> None:
        row = ask_store(self.account, "pages")
        StoreSearch.objects.update(due_at=timezone.now() + timedelta(minutes=1))
        self.assertEqual(answer_due(), 0)
        StoreSearch.objects.update(due_at=timezone.now() - timedelta(seconds=1))
        self.assertEqual(answer_due(), 1)
        row.refresh_from_db()
        self.assertEqual(row.state, SearchState.DONE)

    @override_settings(APP_STORE_URL="http://127.0.0.1:9")
    def test_nobody_there_is_a_sentence(self) -> None:
        row = self.found()
        self.assertEqual(row.state, SearchState.FAILED)
        self.assertIn("The App Store", row.error)
