"""The search for apps on the page that adds them: while somebody types, and without scripts."""

from apps_catalog.models import App, SearchState, StoreSearch
from mdm.accounts.models import Role
from tests.admin.base import AdminTestCase
from tests.factories import make_app

FOUND = {
    "store_id": 361309726,
    "bundle_identifier": "com.apple.Pages",
    "name": "Pages",
    "version": "14.2",
    "platform": "iOS",
    "seller": "Apple Inc.",
    "price": "Free",
}


class AppStoreSearchTest(AdminTestCase):
    def post(self, words: str, **headers: str):
        url = self.url(App, "store_search")
        return self.people[Role.OPERATOR].post(url, {"words": words}, headers=headers)

    def found_url(self, search: StoreSearch) -> str:
        return f"{self.url(App, 'store_found')}?search={search.pk}"

    def answered(self) -> StoreSearch:
        search = StoreSearch.objects.get()
        search.state, search.results = SearchState.DONE, [FOUND]
        search.save()
        return search

    def test_a_search_waits_and_then_shows_what_was_found(self) -> None:
        response = self.post("Pages", HX_Request="true")
        self.assertContains(response, "The App Store is asked for “pages”")
        search = self.answered()
        response = self.people[Role.OPERATOR].get(self.found_url(search))
        self.assertContains(response, "Apple Inc.")
        self.assertContains(response, 'name="app" value="361309726"')
        self.assertNotContains(response, "hx-get")

    def test_it_works_without_scripts(self) -> None:
        response = self.post("Pages")
        search = self.answered()
        self.assertRedirects(response, f"{self.url(App, 'add')}?search={search.pk}")
        self.assertContains(self.people[Role.OPERATOR].get(response["Location"]), "Apple Inc.")

    def test_what_is_there_already_leads_to_it(self) -> None:
        app = make_app(self.account, itunes_store_id=361309726)
        self.post("Pages")
        response = self.people[Role.OPERATOR].get(self.found_url(self.answered()))
        self.assertContains(response, self.url(App, "change", app.pk))
        self.assertNotContains(response, 'name="app"')

    def test_too_few_letters_are_said(self) -> None:
        self.assertContains(self.post("p", HX_Request="true"), "at least 2 letters")
        self.assertRedirects(self.post("p"), self.url(App, "add"))

    def test_another_accounts_search_is_not_found(self) -> None:
        self.post("Pages")
        search = self.answered()
        for url in (self.found_url(search), f"{self.url(App, 'add')}?search={search.pk}"):
            self.assertNotContains(self.outside.get(url), "Apple Inc.")

    def test_whoever_only_reads_may_not_search(self) -> None:
        response = self.people[Role.READ_ONLY].post(self.url(App, "store_search"), {"words": "Pages"})
        self.assertEqual(response.status_code, 403)
        self.assertFalse(StoreSearch.objects.exists())
