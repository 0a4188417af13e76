"""API keys, the settings of an account, and the switch between accounts."""

from django.urls import reverse

from mdm.accounts.models import Account, ApiKey, Membership, Role
from mdm.accounts.services import find_api_key
from tests.admin.base import AdminTestCase, signed_in
from tests.factories import make_account, make_api_key, make_device, make_user
from tests.mdm.sign_in.base import give_app


class ApiKeyTest(AdminTestCase):
    def test_a_new_key_is_shown_once_and_works(self) -> None:
        client = self.people[Role.ADMIN]
        response = client.post(self.url(ApiKey, "add"), {"name": "Munki", "access": ApiKey.Access.READ_ONLY})
        secret = response.context["secret"]
        self.assertContains(response, secret)
        self.assertIn("no-store", response["Cache-Control"])
        key = find_api_key(secret)
        self.assertEqual((key.name, key.account, key.access), ("Munki", self.account, "read_only"))
        self.assertEqual(key.created_by, self.users[Role.ADMIN])
        for url in (self.url(ApiKey, "change", key.pk), self.url(ApiKey, "changelist")):
            page = client.get(url)
            self.assertNotContains(page, secret)
            self.assertNotContains(page, key.digest)
        self.assertNotIn(secret, str([event.metadata for event in self.events("api_key.created")]))

    def test_a_limited_key_gets_the_sections_that_were_chosen(self) -> None:
        client = self.people[Role.ADMIN]
        data = {"name": "Munki", "access": "limited", "scope_devices": "read", "scope_apps": "write", "scope_logs": ""}
        response = client.post(self.url(ApiKey, "add"), data)
        key = find_api_key(response.context["secret"])
        self.assertEqual((key.access, key.scopes), ("limited", {"apps": "write", "devices": "read"}))
        self.assertEqual(self.events("api_key.created")[0].metadata["scopes"], key.scopes)
        row = client.get(self.url(ApiKey, "changelist"))
        self.assertContains(row, "Limited")
        self.assertContains(row, "apps: write · devices: read")
        page = client.get(self.url(ApiKey, "change", key.pk))
        self.assertContains(page, "Devices, their actions, apps and users")
        self.assertContains(page, "Read and change")
        self.assertNotContains(page, ">Webhooks</th>")

    def test_a_key_of_many_sections_is_told_in_short(self) -> None:
        make_api_key(
            self.account, access="limited", scopes=dict.fromkeys(("apps", "logs", "scripts", "webhooks"), "read")
        )
        page = self.people[Role.ADMIN].get(self.url(ApiKey, "changelist"))
        self.assertContains(page, "apps: read · logs: read · scripts: read · 1 more")

    def test_a_limited_key_without_a_section_is_refused(self) -> None:
        before = ApiKey.objects.count()
        for more in ({}, {"scope_devices": ""}):
            data = {"name": "Munki", "access": "limited", **more}
            response = self.people[Role.ADMIN].post(self.url(ApiKey, "add"), data)
            self.assertContains(response, "Choose at least one section")
        self.assertEqual(ApiKey.objects.count(), before)

    def test_a_section_or_a_right_that_does_not_exist_is_refused(self) -> None:
        data = {"name": "Munki", "access": "limited", "scope_devices": "everything"}
        response = self.people[Role.ADMIN].post(self.url(ApiKey, "add"), data)
        self.assertIn("scope_devices", response.context["form"].errors)
        data = {"name": "Munki", "access": "limited", "scope_printers": "read"}
        self.assertContains(self.people[Role.ADMIN].post(self.url(ApiKey, "add"), data), "at least one section")

    def test_sections_chosen_for_another_kind_of_key_do_not_count(self) -> None:
        data = {"name": "Munki", "access": "read_only", "scope_devices": "write"}
        response = self.people[Role.ADMIN].post(self.url(ApiKey, "add"), data)
        key = find_api_key(response.context["secret"])
        self.assertEqual((key.access, key.scopes), ("read_only", {}))
        self.assertNotIn("scopes", self.events("api_key.created")[0].metadata)

    def test_what_was_chosen_stays_when_something_else_is_wrong(self) -> None:
        data = {"name": "", "access": "limited", "scope_devices": "write"}
        page = self.people[Role.ADMIN].post(self.url(ApiKey, "add"), data).content.decode()
        self.assertRegex(page, r'name="scope_devices" value="write"[^>]*checked')

    def test_a_key_needs_a_name(self) -> None:
        response = self.people[Role.ADMIN].post(self.url(ApiKey, "add"), {"name": "", "access": "read_only"})
        self.assertIn("name", response.context["form"].errors)

    def test_a_revoked_key_opens_nothing(self) -> None:
        key, secret = make_api_key(self.account, name="Old")
        url = self.url(ApiKey, "revoke", key.pk)
        client = self.people[Role.ADMIN]
        self.assertContains(client.get(url), "cannot be taken back")
        self.assertIsNotNone(find_api_key(secret))
        client.post(url)
        client.post(url)
        self.assertIsNone(find_api_key(secret))
        self.assertEqual(len(self.events("api_key.revoked")), 1)


class AccountSettingsTest(AdminTestCase):
    def test_settings_are_changed_and_logged(self) -> None:
        client = self.people[Role.ADMIN]
        data = {"name": "Acme Orchards", "apple_store_country_code": "DE", "license_total": "50"}
        client.post(self.url(Account, "change", self.account.pk), data)
        self.account.refresh_from_db()
        self.assertEqual((self.account.name, self.account.license_total), ("Acme Orchards", 50))
        changed = self.events("account.updated")[0].metadata["changed"]
        self.assertEqual(set(changed), {"name", "apple_store_country_code", "license_total"})

    def test_a_wrong_country_is_refused(self) -> None:
        data = {"name": "Changed", "apple_store_country_code": "Germany"}
        page = self.people[Role.ADMIN].post(self.url(Account, "change", self.account.pk), data)
        self.assertEqual(
            page.context["form"].errors["apple_store_country_code"], ["Two letters, for example US or DE."]
        )
        self.account.refresh_from_db()
        self.assertEqual((self.account.name, self.account.apple_store_country_code), ("Acme", "US"))

    def test_small_letters_of_a_country_are_taken(self) -> None:
        data = {"name": "Acme", "apple_store_country_code": "de"}
        self.people[Role.ADMIN].post(self.url(Account, "change", self.account.pk), data)
        self.account.refresh_from_db()
        self.assertEqual(self.account.apple_store_country_code, "DE")

    def test_whoever_requires_two_factors_and_has_one_only_is_told_and_asked_at_once(self) -> None:
        client = self.people[Role.ADMIN]
        url = self.url(Account, "change", self.account.pk)
        self.assertContains(client.get(url), "You have none yourself")
        data = {"name": "Acme", "apple_store_country_code": "US", "requires_second_factor": "on"}
        response = client.post(url, data)
        self.account.refresh_from_db()
        self.assertTrue(self.account.requires_second_factor)
        self.assertEqual(self.events("account.updated")[0].metadata["changed"], ["requires_second_factor"])
        self.assertEqual(client.get(response["Location"])["Location"], reverse("second_factor_required"))

    def test_whoever_has_two_factors_goes_on_working(self) -> None:
        give_app(self.users[Role.ADMIN])
        client = self.people[Role.ADMIN]
        data = {"name": "Acme", "apple_store_country_code": "US", "requires_second_factor": "on"}
        response = client.post(self.url(Account, "change", self.account.pk), data, follow=True)
        self.assertContains(response, "asked to set one up at their next click")

    def test_licences_in_use_are_told(self) -> None:
        make_device(self.account, enrolled=True)
        url = self.url(Account, "change", self.account.pk)
        self.assertContains(self.people[Role.READ_ONLY].get(url), "There is no limit")
        Account.objects.filter(pk=self.account.pk).update(license_total=1)
        page = self.people[Role.READ_ONLY].get(url)
        self.assertContains(page, "1 of 1 in use")
        self.assertContains(page, "None is left")

    def test_an_operator_looks_and_changes_nothing(self) -> None:
        url = self.url(Account, "change", self.account.pk)
        page = self.people[Role.OPERATOR].get(url)
        self.assertContains(page, "App Store country")
        self.assertNotContains(page, 'name="apple_store_country_code"')
        response = self.people[Role.OPERATOR].post(url, {"name": "Mine", "apple_store_country_code": "US"})
        self.assertEqual(response.status_code, 403)


class SwitchTest(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.switch = reverse("admin:switch_account")

    def test_a_person_of_several_accounts_switches_between_them(self) -> None:
        Membership.objects.create(account=self.other_account, user=self.owner, role=Role.READ_ONLY)
        client = signed_in(self.owner)
        home = client.get(reverse("admin:index"))
        self.assertEqual(home.context["current_account"], self.account)
        self.assertContains(home, 'id="account-switch"')
        client.post(self.switch, {"account": self.other_account.pk})
        home = client.get(reverse("admin:index"))
        self.assertEqual(home.context["current_account"], self.other_account)
        self.assertFalse(home.context["allowed"]["manage_devices"])

    def test_a_person_of_one_account_has_no_switch(self) -> None:
        self.assertNotContains(self.people[Role.OWNER].get(reverse("admin:index")), 'id="account-switch"')

    def test_nobody_switches_to_an_account_that_is_not_theirs(self) -> None:
        client = self.people[Role.OWNER]
        for wanted in (self.other_account.pk, 999, "x", ""):
            self.assertEqual(client.post(self.switch, {"account": wanted}).status_code, 404, wanted)
        self.assertEqual(client.get(reverse("admin:index")).context["current_account"], self.account)

    def test_switching_needs_a_post(self) -> None:
        self.assertEqual(self.people[Role.OWNER].get(self.switch).status_code, 405)

    def test_an_account_that_one_was_removed_from_is_left(self) -> None:
        membership = Membership.objects.create(account=self.other_account, user=self.owner, role=Role.OWNER)
        client = signed_in(self.owner)
        client.post(self.switch, {"account": self.other_account.pk})
        membership.delete()
        self.assertEqual(client.get(reverse("admin:index")).context["current_account"], self.account)

    def test_the_switch_names_the_role_in_each_account_and_finds_them_when_there_are_many(self) -> None:
        client = signed_in(self.owner)
        for number in range(12):
            Membership.objects.create(account=make_account(f"Branch {number}"), user=self.owner, role=Role.OPERATOR)
        page = client.get(reverse("admin:roles"))
        self.assertContains(page, "<small>Operator</small>", count=12, html=True)
        self.assertContains(page, 'data-find="account-list"')
        Membership.objects.filter(account__name="Branch 11").delete()
        self.assertNotContains(client.get(reverse("admin:roles")), 'data-find="account-list"')

    def test_a_person_of_no_account_is_told_so(self) -> None:
        client = signed_in(make_user(None))
        self.assertContains(client.get(reverse("admin:index")), "You belong to no account")
