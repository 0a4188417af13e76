"""Every page of every registered model, for every kind of person: who sees it, who does not, who is told nothing."""

from collections.abc import Iterator

from django.contrib import admin
from django.db import models
from django.test import Client
from django.urls import NoReverseMatch, URLPattern, reverse

from devices.models import InstallerCertificate
from enrollment.models import CertificateAuthority
from mdm.accounts.admin_base import AccountAdmin, Page
from mdm.accounts.models import Account, Role
from mdm.accounts.permissions import Action, may
from mdm.accounts.scoping import AccountScoped
from mdm.events.models import Event
from mdm.push.models import PushCertificate
from tests.admin.base import AdminTestCase, make_rows, registered, signed_in
from tests.factories import make_device, make_user

# Lists that are one page, or lead to one.
LIST_LEADS_ON = {Account}
CHANGE_LEADS_ON = {PushCertificate, CertificateAuthority, InstallerCertificate}
PARTS = {"request_type": "DeviceInformation", "number": 1, "secret": "filevault_recovery_key"}


class AccessTest(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.rows = make_rows(self.account)
        self.foreign = make_rows(self.other_account)
        self.unknown = 999_999

    def test_every_admin_is_filtered_by_account(self) -> None:
        for model, model_admin in registered():
            self.assertIsInstance(model_admin, AccountAdmin, model)
            self.assertTrue(model is Account or issubclass(model, AccountScoped), model)

    def test_nothing_is_registered_that_these_tests_do_not_walk(self) -> None:
        self.assertEqual({model for model, _ in registered()}, set(self.MODELS))
        self.assertEqual(set(self.rows.rows), set(self.MODELS))

    def test_every_url_of_the_admins_is_known_here(self) -> None:
        """A URL added by other means than `pages` would escape the walk below."""
        usual = {"changelist", "add", "history", "delete", "change"}
        for model, model_admin in registered():
            prefix = f"{model._meta.app_label}_{model._meta.model_name}_"
            known = {prefix + name for name in usual} | {prefix + page.view for page in model_admin.pages}
            named = {url.name for url in model_admin.get_urls() if isinstance(url, URLPattern) and url.name}
            self.assertEqual(named, known, model)

    def test_lists_are_for_everybody_with_a_role(self) -> None:
        for model, _ in registered():
            expected = 302 if model in LIST_LEADS_ON else 200
            for role, client in self.people.items():
                self.assert_status(client, self.url(model, "changelist"), expected, role)

    def test_lists_show_no_row_of_another_account(self) -> None:
        for model, _model_admin in registered():
            if model in LIST_LEADS_ON | CHANGE_LEADS_ON:
                continue
            response = self.people[Role.OWNER].get(self.url(model, "changelist"))
            shown = {row.pk for row in response.context["cl"].result_list}
            self.assertIn(self.rows[model].pk, shown, model)
            self.assertNotIn(self.foreign[model].pk, shown, model)

    def test_a_row_is_shown_to_every_role_of_its_account(self) -> None:
        for model, _ in registered():
            expected = 302 if model in CHANGE_LEADS_ON else 200
            for role, client in self.people.items():
                self.assert_status(client, self.url(model, "change", self.rows[model].pk), expected, role)

    def test_adding_is_for_those_whom_the_table_names(self) -> None:
        for model, model_admin in registered():
            for role, client in self.people.items():
                needed = model_admin.needs.get("add")
                expected = 200 if needed and may(role, needed) else 403
                self.assert_status(client, self.url(model, "add"), expected, role)

    def test_own_pages_are_for_those_whom_the_table_names(self) -> None:
        for model, page in self.all_pages():
            for role, client in self.people.items():
                allowed = 405 if page.post_only else 200
                expected = allowed if may(role, page.needs) else 403
                self.assert_status(client, self.page_url(model, page, self.rows[model].pk), expected, role)

    def test_a_post_by_somebody_without_the_right_is_refused_and_changes_nothing(self) -> None:
        """Every change is logged, so that an unchanged log means that nothing happened."""
        for model, page in self.all_pages():
            for role, client in self.people.items():
                if not may(role, page.needs):
                    self.assert_refused(client, self.page_url(model, page, self.rows[model].pk), role)
        for model, model_admin in registered():
            for role, client in self.people.items():
                if not (model_admin.needs.get("add") and may(role, model_admin.needs["add"])):
                    self.assert_refused(client, self.url(model, "add"), role)
                if not (model_admin.needs.get("change") and may(role, model_admin.needs["change"])):
                    # 405: a page to look at; 302: leads to such a page
                    url = self.url(model, "change", self.rows[model].pk)
                    self.assert_refused(client, url, role, statuses=(403, 405, 302))

    def test_nobody_deletes_by_djangos_own_page(self) -> None:
        for model, _ in registered():
            url = self.url(model, "delete", self.rows[model].pk)
            self.assert_refused(self.people[Role.OWNER], url, Role.OWNER)
            self.assertTrue(model.objects.filter(pk=self.rows[model].pk).exists(), model)

    def test_another_accounts_row_does_not_exist_for_anybody_outside(self) -> None:
        clients = {"outsider": self.outside, "stranger": signed_in(make_user(None, email="stranger@example.com"))}
        for name, client in clients.items():
            for url in self.urls_of_rows(self.rows):
                for method in (client.get, client.post):
                    self.assertEqual(method(url).status_code, 404, f"{name} {url}")

    def test_an_unknown_row_looks_the_same_as_another_accounts(self) -> None:
        for model, model_admin in registered():
            for view in ("change", "delete", "history"):
                self.assertEqual(self.outside.get(self.url(model, view, self.unknown)).status_code, 404, model)
            for page in model_admin.pages:
                if page.is_about_a_row:
                    url = self.page_url(model, page, self.unknown)
                    self.assertEqual(self.outside.get(url).status_code, 404, url)

    def test_a_person_without_an_account_sees_the_home_page_and_no_list(self) -> None:
        client = signed_in(make_user(None, email="nowhere@example.com"))
        response = client.get(reverse("admin:index"))
        self.assertContains(response, "You belong to no account")
        for model, _ in registered():
            self.assert_status(client, self.url(model, "changelist"), 403, "no account")
            self.assert_status(client, self.url(model, "add"), 403, "no account")

    def test_nobody_is_let_in_without_signing_in(self) -> None:
        urls = [reverse("admin:index"), *self.urls_of_rows(self.rows)]
        for model, model_admin in registered():
            urls += [self.url(model, "changelist"), self.url(model, "add")]
            urls += [self.page_url(model, page, 1) for page in model_admin.pages if not page.is_about_a_row]
        for url in urls:
            response = self.nobody.get(url)
            self.assertEqual(response.status_code, 302, url)
            self.assertTrue(response["Location"].startswith("/admin/login/"), url)

    def test_an_inactive_person_is_let_in_nowhere(self) -> None:
        user = self.users[Role.OWNER]
        user.is_active = False
        user.save()
        self.assertEqual(self.people[Role.OWNER].get(reverse("admin:index")).status_code, 302)

    def test_a_post_needs_the_pages_own_token(self) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(self.users[Role.OWNER])
        for model, page in self.all_pages():
            url = self.page_url(model, page, self.rows[model].pk)
            self.assertEqual(client.post(url).status_code, 403, url)
        self.assertEqual(client.post(reverse("admin:switch_account"), {"account": 1}).status_code, 403)

    def test_columns_cannot_be_probed_through_the_address(self) -> None:
        client, url = self.people[Role.READ_ONLY], self.url(self.MODELS[1], "changelist")
        for query in ("digest__startswith=a", "created_by__password__startswith=md5", "account__name=Acme"):
            self.assertRedirects(client.get(f"{url}?{query}"), url)

    def test_the_search_window_finds_devices_of_the_account_only(self) -> None:
        make_device(self.account, name="Kiosk here")
        make_device(self.other_account, name="Kiosk elsewhere")
        response = self.people[Role.READ_ONLY].get("/admin/search/?extended=1&s=kiosk")
        self.assertContains(response, "Kiosk here")
        self.assertNotContains(response, "Kiosk elsewhere")
        stranger = signed_in(make_user(None, email="nowhere@example.com"))
        self.assertNotContains(stranger.get("/admin/search/?s=kiosk"), "Kiosk")

    def test_a_superuser_sees_every_account_and_works_in_one_at_a_time(self) -> None:
        client = signed_in(make_user(None, email="root@example.com", is_superuser=True))
        client.post(reverse("admin:switch_account"), {"account": self.account.pk})
        first = client.get(self.url(self.MODELS[4], "change", self.rows[self.MODELS[4]].pk))
        self.assertEqual(first.status_code, 200)
        client.post(reverse("admin:switch_account"), {"account": self.other_account.pk})
        self.assertEqual(client.get(self.url(self.MODELS[4], "change", self.rows[self.MODELS[4]].pk)).status_code, 404)
        self.assertEqual(
            client.get(self.url(self.MODELS[4], "change", self.foreign[self.MODELS[4]].pk)).status_code, 200
        )

    # --- helpers ------------------------------------------------------------------------------------------------------
    def all_pages(self) -> Iterator[tuple[type[models.Model], Page]]:
        for model, model_admin in registered():
            for page in model_admin.pages:
                yield model, page

    def page_url(self, model: type[models.Model], page: Page, pk: object) -> str:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}_{page.view}"
        named = {key: value for key, value in PARTS.items() if f":{key}>" in page.route}
        try:
            return reverse(name, kwargs={**({"pk": pk} if page.is_about_a_row else {}), **named})
        except NoReverseMatch as error:
            raise AssertionError(f"{name} has no address") from error

    def urls_of_rows(self, rows: object) -> Iterator[str]:
        for model, model_admin in registered():
            for view in ("change", "delete", "history"):
                yield self.url(model, view, rows[model].pk)
            for page in model_admin.pages:
                if page.is_about_a_row:
                    yield self.page_url(model, page, rows[model].pk)

    def assert_status(self, client: Client, url: str, expected: int, who: str) -> None:
        self.assertEqual(client.get(url).status_code, expected, f"{who} {url}")

    def assert_refused(self, client: Client, url: str, who: str, statuses: tuple[int, ...] = (403,)) -> None:
        before = Event.objects.count()
        response = client.post(
            url, {"confirmation": "Reception iPad", "name": "x", "role": Role.OWNER, "email": "a@b.de"}
        )
        self.assertIn(response.status_code, statuses, f"{who} {url}")
        self.assertEqual(Event.objects.count(), before, f"{who} {url} changed something")


class RoleTableTest(AdminTestCase):
    def test_the_admin_asks_for_what_the_brief_names(self) -> None:
        """A change of who may do what shows here as well, so that it is meant."""
        needs = {
            f"{model._meta.model_name}.{page.view}": page.needs for model, site in registered() for page in site.pages
        }
        self.assertEqual(needs["device.remove"], Action.DESTROY)
        self.assertEqual(needs["device.send"], Action.MANAGE_DEVICES)
        self.assertEqual(needs["device.list_export"], Action.VIEW)
        self.assertEqual(needs["device.keep_view"], Action.VIEW)
        self.assertEqual(needs["command.cancel"], Action.MANAGE_DEVICES)
        self.assertEqual(needs["enrollment.revoke"], Action.MANAGE_DEVICES)
        self.assertEqual(needs["script.edit"], Action.DESTROY)
        self.assertEqual(needs["script.run"], Action.MANAGE_DEVICES)
        self.assertEqual(needs["scriptjob.cancel"], Action.MANAGE_DEVICES)
        self.assertEqual(needs["installercertificate.upload"], Action.CONFIGURE)
        self.assertEqual(needs["identitycertificate.revoke"], Action.CONFIGURE)
        self.assertEqual(needs["trustedauthority.remove"], Action.CONFIGURE)
        self.assertEqual(needs["pushcertificate.upload"], Action.CONFIGURE)
        self.assertEqual(needs["apikey.revoke"], Action.CONFIGURE)
        self.assertEqual(needs["membership.role"], Action.MANAGE_PEOPLE)
        self.assertEqual(needs["membership.remove"], Action.MANAGE_PEOPLE)

    def test_buttons_that_a_role_may_not_use_are_not_there(self) -> None:
        rows = make_rows(self.account)
        for model in self.MODELS:
            for view in ("changelist", "change"):
                arguments = (rows[model].pk,) if view == "change" else ()
                text = self.people[Role.READ_ONLY].get(self.url(model, view, *arguments), follow=True).content.decode()
                body = text.partition('<div id="content"')[2].replace('id="searchbar-submit"', "")
                header = text.partition('<header class="pm-header">')[2].partition("</header>")[0]
                self.assertNotIn("<form method", header + body, model)
                self.assertNotIn('name="_save"', body, model)
                for word in ("remove/", "revoke/", "edit/", "send/", "role/", "upload/", "cancel/"):
                    self.assertNotIn(word, header + body, model)
                self.assertNotIn("add/", header + body, model)

    def test_the_sidebar_leads_to_pages_that_exist(self) -> None:
        response = self.people[Role.READ_ONLY].get(reverse("admin:index"))
        items = [item for group in response.context["sidebar_navigation"] for item in group["items"]]
        links = [item["link"] for item in items if item.get("has_permission", True)]
        self.assertGreater(len(links), 10)
        for link in links:
            self.assertEqual(self.people[Role.READ_ONLY].get(str(link), follow=True).status_code, 200, link)

    def test_the_admins_of_the_site_are_the_walked_ones(self) -> None:
        self.assertEqual(len(admin.site._registry), len(self.MODELS))
