"""Addresses of lists that no page of ours leads to: old bookmarks, typing errors, pages beyond the last one."""

from collections.abc import Iterator

from django.contrib import admin
from django.test import override_settings

from devices.models import Device, DeviceGroup, Profile
from mdm.accounts.admin_base import AccountAdmin, EndlessPaginator, OnePageAdmin
from mdm.accounts.models import Role
from mdm.commands.models import Command
from mdm.events.models import Event, WebhookDelivery
from tests.admin.base import AdminTestCase, make_rows
from tests.factories import make_event, make_group

UNKNOWN = ("from=2026-99-99", "foo__bar=1", "account__name=Acme", "_to_field=account", "_popup=1", "%00=1", "p__gt=1")


class ListAddressTest(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.client = self.people[Role.READ_ONLY]

    def lists(self, *, endless_only: bool = False) -> Iterator[AccountAdmin]:
        """Those that Django makes: of devices there is an own one, and some models have one page only."""
        for model, one in admin.site._registry.items():
            is_ours = isinstance(one, AccountAdmin) and not isinstance(one, OnePageAdmin) and model is not Device
            if is_ours and (one.paginator is EndlessPaginator or not endless_only):
                yield one


class UnknownParametersTest(ListAddressTest):
    def test_they_are_taken_out_of_the_address_without_a_trace_in_the_log(self) -> None:
        make_rows(self.account)
        with self.assertNoLogs("django", "ERROR"):
            for model in (Event, Profile, Command, WebhookDelivery, DeviceGroup):
                url = self.url(model, "changelist")
                for query in UNKNOWN:
                    self.assertRedirects(self.client.get(f"{url}?{query}"), url)

    def test_no_list_answers_one_with_an_error(self) -> None:
        make_rows(self.account)
        for one in self.lists():
            response = self.people[Role.OWNER].get(f"{one.list_url}?foo__bar=1")
            self.assertIn(response.status_code, (200, 302), one)

    def test_what_the_list_knows_stays(self) -> None:
        url = self.url(Event, "changelist")
        response = self.client.get(f"{url}?level=1&from=x&q=a+b&q=c%26&since=2026-01-01T00%3A00&o=1")
        known = f"{url}?level=1&q=a+b&q=c%26&since=2026-01-01T00%3A00&o=1"
        self.assertRedirects(response, known)

    def test_a_search_is_unknown_to_a_list_that_has_none(self) -> None:
        url = self.url(WebhookDelivery, "changelist")
        self.assertRedirects(self.client.get(f"{url}?q=x"), url)


class PagesTest(ListAddressTest):
    def test_a_page_beyond_the_last_leads_to_the_first(self) -> None:
        make_rows(self.account)
        seen = 0
        for one in self.lists(endless_only=True):
            for page in ("2", "99", "0", "-1", "9" * 30):
                self.assertRedirects(self.people[Role.OWNER].get(f"{one.list_url}?p={page}"), one.list_url)
            seen += 1
        self.assertGreaterEqual(seen, 8)

    def test_filters_are_kept_on_the_way(self) -> None:
        make_event(self.account, "account.updated")
        url = self.url(Event, "changelist")
        self.assertRedirects(self.client.get(f"{url}?p=99&level=0"), f"{url}?level=0")
        self.assertRedirects(self.client.get(f"{url}?level=2&p=2"), f"{url}?level=2")

    def test_lists_that_count_their_rows_do_the_same(self) -> None:
        for _ in range(101):
            make_group(self.account)
        url = self.url(DeviceGroup, "changelist")
        self.assertEqual(self.client.get(f"{url}?p=2").status_code, 200)
        for page in ("3", "0", "-1"):
            for query in (f"p={page}", f"e=1&p={page}"):
                self.assertNotContains(self.client.get(f"{url}?{query}", follow=True), "Database error")
            self.assertRedirects(self.client.get(f"{url}?p={page}&o=1"), f"{url}?o=1")

    def test_the_second_page_is_shown_while_it_has_rows(self) -> None:
        for _ in range(101):
            make_event(self.account)
        response = self.client.get(f"{self.url(Event, 'changelist')}?p=2")
        self.assertEqual(len(response.context["cl"].result_list), 1)


class NothingTest(ListAddressTest):
    def test_an_empty_account_is_told_what_to_do_and_whoever_searches_that_nothing_matches(self) -> None:
        nothing = "Nothing matches"
        for one in self.lists(endless_only=True):
            client = self.people[Role.OWNER]
            self.assertNotContains(client.get(one.list_url), nothing)
            for filters in one.list_filter:
                name = getattr(filters, "parameter_name", None) or filters.parameters[0]
                response = client.get(one.list_url, {name: "1"})
                self.assertContains(response, nothing, msg_prefix=f"{one} {name}")


class RefusedRequestTest(AdminTestCase):
    def test_what_cannot_be_understood_gets_a_page_and_json_from_the_api(self) -> None:
        with override_settings(ALLOWED_HOSTS=["pomona.example.com"]), self.assertLogs("django.security", "ERROR"):
            page = self.people[Role.OWNER].get("/admin/", headers={"Host": "elsewhere.example.com"})
            answer = self.api.get("/api/v1/account", headers={"Host": "elsewhere.example.com"})
        self.assertContains(page, "This request could not be understood", status_code=400)
        self.assertContains(page, "css/enrollment.css", status_code=400)
        self.assertEqual((answer.status_code, len(answer.json()["errors"])), (400, 1))
