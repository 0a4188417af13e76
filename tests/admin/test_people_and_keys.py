"""People, API keys and the account's own settings."""

from django.test import Client
from django.urls import reverse

from mdm.accounts.models import Account, ApiKey, Membership, Role, User
from mdm.accounts.services import find_api_key
from tests.admin.base import AdminTestCase, signed_in
from tests.factories import make_api_key, make_user


class PeopleTest(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.client = self.people[Role.OWNER]

    def member(self, role: Role) -> Membership:
        return self.users[role].memberships.get()

    def test_an_invited_person_signs_in_with_the_password_shown_once(self) -> None:
        data = {"email": "New@Example.com", "name": "Nina", "role": Role.OPERATOR}
        response = self.client.post(self.url(Membership, "add"), data)
        password = response.context["password"]
        self.assertContains(response, password)
        self.assertIn("no-store", response["Cache-Control"])
        member = Membership.objects.get(user__email="new@example.com")
        self.assertEqual((member.account, member.role, member.user.name), (self.account, Role.OPERATOR, "Nina"))
        self.assertTrue(Client().login(username="new@example.com", password=password))
        event = self.events("member.added")[0]
        self.assertEqual(event.metadata, {"person": "new@example.com", "role": "operator"})

    def test_a_chosen_password_must_be_a_good_one(self) -> None:
        data = {"email": "new@example.com", "role": Role.OPERATOR, "password": "12345"}
        response = self.client.post(self.url(Membership, "add"), data)
        self.assertIn("password", response.context["form"].errors)
        data["password"] = "plum-cherry-quince"
        response = self.client.post(self.url(Membership, "add"), data, follow=True)
        self.assertNotContains(response, "plum-cherry-quince")
        self.assertTrue(Client().login(username="new@example.com", password="plum-cherry-quince"))

    def test_a_person_with_a_login_keeps_their_password(self) -> None:
        data = {"email": self.outsider.email, "role": Role.READ_ONLY, "password": "plum-cherry-quince"}
        self.client.post(self.url(Membership, "add"), data)
        self.assertTrue(Membership.objects.filter(account=self.account, user=self.outsider).exists())
        self.assertFalse(Client().login(username=self.outsider.email, password="plum-cherry-quince"))

    def test_somebody_who_is_in_already_is_not_invited_again(self) -> None:
        data = {"email": self.users[Role.READ_ONLY].email, "role": Role.OWNER}
        response = self.client.post(self.url(Membership, "add"), data)
        self.assertIn("email", response.context["form"].errors)
        self.assertEqual(self.member(Role.READ_ONLY).role, Role.READ_ONLY)

    def test_a_role_is_changed(self) -> None:
        member = self.member(Role.READ_ONLY)
        self.client.post(self.url(Membership, "role", member.pk), {"role": Role.ADMIN})
        member.refresh_from_db()
        self.assertEqual(member.role, Role.ADMIN)
        event = self.events("member.changed")[0]
        self.assertEqual((event.metadata["role"], event.metadata["before"]), ("admin", "read_only"))

    def test_a_role_that_does_not_exist_is_refused(self) -> None:
        member = self.member(Role.READ_ONLY)
        response = self.client.post(self.url(Membership, "role", member.pk), {"role": "king"})
        self.assertIn("role", response.context["form"].errors)

    def test_the_last_owner_stays(self) -> None:
        Membership.objects.filter(account=self.account, role=Role.OWNER).exclude(user=self.users[Role.OWNER]).delete()
        member = self.member(Role.OWNER)
        response = self.client.post(self.url(Membership, "role", member.pk), {"role": Role.ADMIN})
        self.assertContains(response, "last owner")
        response = self.client.post(self.url(Membership, "remove", member.pk), follow=True)
        self.assertContains(response, "last owner")
        member.refresh_from_db()
        self.assertEqual(member.role, Role.OWNER)
        self.assertFalse(self.events("member.removed") + self.events("member.changed"))

    def test_an_inactive_owner_does_not_count(self) -> None:
        others = Membership.objects.filter(account=self.account, role=Role.OWNER).exclude(user=self.users[Role.OWNER])
        User.objects.filter(memberships__in=others).update(is_active=False)
        response = self.client.post(self.url(Membership, "remove", self.member(Role.OWNER).pk), follow=True)
        self.assertContains(response, "last owner")

    def test_a_removed_person_sees_the_account_no_more_and_keeps_their_login(self) -> None:
        member = self.member(Role.OPERATOR)
        self.client.post(self.url(Membership, "remove", member.pk))
        self.assertTrue(User.objects.filter(pk=self.users[Role.OPERATOR].pk).exists())
        self.assertEqual(self.people[Role.OPERATOR].get(self.url(ApiKey, "changelist")).status_code, 403)
        self.assertEqual(len(self.events("member.removed")), 1)

    def test_an_administrator_sees_people_and_cannot_change_them(self) -> None:
        client = self.people[Role.ADMIN]
        page = client.get(self.url(Membership, "change", self.member(Role.READ_ONLY).pk))
        self.assertNotContains(page, "Change role")
        self.assertNotContains(client.get(self.url(Membership, "changelist")), "Invite somebody")


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
        self.assertNotContains(page, "Webhooks</dt>")

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
        data = {"name": "Acme", "apple_store_country_code": "Germany"}
        self.people[Role.ADMIN].post(self.url(Account, "change", self.account.pk), data)
        self.account.refresh_from_db()
        self.assertEqual(self.account.apple_store_country_code, "US")

    def test_an_operator_looks_and_changes_nothing(self) -> None:
        url = self.url(Account, "change", self.account.pk)
        self.assertNotContains(self.people[Role.OPERATOR].get(url), 'name="_save"')
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

    def test_a_person_of_no_account_is_told_so(self) -> None:
        client = signed_in(make_user(None))
        self.assertContains(client.get(reverse("admin:index")), "You belong to no account")
