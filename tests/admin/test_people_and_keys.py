"""People, API keys and the account's own settings."""

from urllib.parse import urlsplit

from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.core import mail
from django.http import HttpResponse
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import timezone

from mdm.accounts.actors import SYSTEM
from mdm.accounts.models import Account, ApiKey, Membership, PersonInvitation, Role, User
from mdm.accounts.services import find_api_key
from mdm.sign_in.invitations import revoke
from mdm.sign_in.second_factor import has_second_factor
from tests.admin.base import AdminTestCase, signed_in
from tests.factories import make_account, make_api_key, make_device, make_person_invitation, make_user


def set_up_app(user: User) -> None:
    """An authenticator app."""
    TOTP.activate(user, generate_totp_secret())


MAIL = override_settings(EMAIL_BACKEND="django.core.mail.backends.locmem.EmailBackend")
NO_MAIL = override_settings(EMAIL_BACKEND="django.core.mail.backends.console.EmailBackend")


class InvitingTest(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.client = self.people[Role.OWNER]

    def invite(self, way: str, **changes: object) -> HttpResponse:
        data = {"email": "New@Example.com", "name": "Nina", "role": Role.OPERATOR, "way": way, **changes}
        return self.client.post(self.url(Membership, "add"), data)

    @MAIL
    def test_with_a_mail_server_an_e_mail_is_offered_first_and_no_password(self) -> None:
        page = self.client.get(self.url(Membership, "add"))
        self.assertContains(page, "An e-mail with a link")
        self.assertNotContains(page, "A password that you hand over")
        self.assertIn("way", self.invite("password").context["form"].errors)

    @MAIL
    def test_an_e_mail_brings_somebody_a_link_and_the_page_of_the_invitation_says_so(self) -> None:
        with self.captureOnCommitCallbacks(execute=True):
            response = self.invite("mail")
        invitation = PersonInvitation.objects.get()
        self.assertRedirects(response, self.url(PersonInvitation, "change", invitation.pk))
        self.assertEqual([message.to for message in mail.outbox], [["new@example.com"]])
        page = self.client.get(self.url(PersonInvitation, "change", invitation.pk))
        self.assertContains(page, "The mail server has taken it")
        self.assertFalse(User.objects.filter(email="new@example.com").exists())
        self.assertEqual(
            self.events("member.invited")[0].metadata,
            {"person": "new@example.com", "role": "operator", "way": "e-mail"},
        )

    @NO_MAIL
    def test_without_a_mail_server_the_page_says_that_something_is_to_be_handed_over(self) -> None:
        page = self.client.get(self.url(Membership, "add"))
        self.assertContains(page, "This server sends no e-mail")
        self.assertNotContains(page, "An e-mail with a link")

    def test_a_link_is_shown_once_and_lets_one_person_in(self) -> None:
        response = self.invite("link")
        link = response.context["link"]
        self.assertContains(response, link)
        self.assertIn("no-store", response["Cache-Control"])
        invitation = PersonInvitation.objects.get()
        for url in (self.url(PersonInvitation, "change", invitation.pk), self.url(Membership, "changelist")):
            page = self.client.get(url)
            self.assertNotContains(page, link.split("/")[-2])
        data = {"name": "Nina", "password": "plum-cherry-quince", "again": "plum-cherry-quince"}
        Client().post(urlsplit(link).path, data)
        self.assertEqual(Membership.objects.get(user__email="new@example.com").role, Role.OPERATOR)

    @NO_MAIL
    def test_a_password_is_shown_once_and_opens_the_login(self) -> None:
        response = self.invite("password")
        password = response.context["password"]
        self.assertContains(response, password)
        self.assertIn("no-store", response["Cache-Control"])
        member = Membership.objects.get(user__email="new@example.com")
        self.assertEqual((member.account, member.role, member.user.name), (self.account, Role.OPERATOR, "Nina"))
        self.assertTrue(member.user.check_password(password))
        self.assertEqual(self.events("member.added")[0].metadata, {"person": "new@example.com", "role": "operator"})

    @NO_MAIL
    def test_somebody_with_a_login_gets_a_link_whatever_was_chosen(self) -> None:
        """Nobody puts another person's login into an account: they accept it themselves."""
        response = self.invite("password", email=self.outsider.email.upper())
        self.assertIn("link", response.context)
        self.assertFalse(Membership.objects.filter(account=self.account, user=self.outsider).exists())

    def test_somebody_who_is_in_already_is_not_invited_again(self) -> None:
        response = self.invite("link", email=self.users[Role.READ_ONLY].email, role=Role.OWNER)
        self.assertContains(response, "is in this account already")
        self.assertEqual(self.users[Role.READ_ONLY].memberships.get().role, Role.READ_ONLY)

    def test_somebody_who_is_invited_already_is_not_invited_again(self) -> None:
        make_person_invitation(self.account, email="new@example.com")
        self.assertContains(self.invite("link"), "is invited already")

    def test_a_role_that_does_not_exist_is_refused(self) -> None:
        self.assertIn("role", self.invite("link", role="king").context["form"].errors)


class InvitationPagesTest(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.client = self.people[Role.OWNER]
        self.invitation = make_person_invitation(self.account, email="new@example.com", role=Role.ADMIN)

    def test_open_invitations_stand_above_the_people(self) -> None:
        page = self.client.get(self.url(Membership, "changelist"))
        self.assertContains(page, "Invited, and not here yet")
        self.assertContains(page, "new@example.com")
        revoke(self.invitation, SYSTEM)
        self.assertNotContains(self.client.get(self.url(Membership, "changelist")), "Invited, and not here yet")

    def test_another_accounts_invitations_do_not(self) -> None:
        make_person_invitation(self.other_account, email="elsewhere@example.com")
        self.assertNotContains(self.client.get(self.url(Membership, "changelist")), "elsewhere@example.com")

    @MAIL
    def test_sending_again_makes_a_new_link_and_ends_the_former(self) -> None:
        with self.captureOnCommitCallbacks(execute=True):
            response = self.client.post(self.url(PersonInvitation, "again", self.invitation.pk), follow=True)
        self.assertContains(response, "gets an e-mail with a link now")
        self.assertEqual(len(mail.outbox), 1)
        newer = PersonInvitation.objects.get(revoked_at=None)
        self.assertEqual((newer.email, newer.role), ("new@example.com", Role.ADMIN))
        self.assertEqual(Client().get(f"/invitation/{self.invitation.token}/").status_code, 410)

    def test_a_new_link_can_be_handed_over_instead(self) -> None:
        response = self.client.post(self.url(PersonInvitation, "new_link", self.invitation.pk))
        self.assertEqual(Client().get(urlsplit(response.context["link"]).path).status_code, 200)

    def test_what_was_accepted_cannot_be_sent_again(self) -> None:
        PersonInvitation.objects.update(accepted_at=timezone.now())
        response = self.client.post(self.url(PersonInvitation, "new_link", self.invitation.pk), follow=True)
        self.assertContains(response, "has accepted it already")

    def test_a_revoked_link_says_so_to_whoever_opens_it(self) -> None:
        url = self.url(PersonInvitation, "revoke", self.invitation.pk)
        self.assertContains(self.client.get(url), "told that it no longer works")
        self.client.post(url)
        self.assertContains(Client().get(f"/invitation/{self.invitation.token}/"), "no longer works", status_code=410)
        self.assertEqual(self.events("member.invitation_revoked")[0].metadata, {"person": "new@example.com"})
        self.assertContains(self.client.post(url, follow=True), "accepted or revoked already")

    def test_the_page_follows_while_the_e_mail_is_on_its_way(self) -> None:
        url = self.url(PersonInvitation, "change", self.invitation.pk)
        self.assertNotContains(self.client.get(url), "data-watch")
        PersonInvitation.objects.update(due_at=timezone.now(), error="The mail server asks to try later: 451.")
        page = self.client.get(url)
        self.assertContains(page, "data-watch")
        self.assertContains(page, "tries again for a day")
        mark = self.client.get(self.url(PersonInvitation, "state_mark", self.invitation.pk)).json()["mark"]
        self.assertEqual(mark, page.context["mark"])

    def test_an_administrator_sees_invitations_and_cannot_change_them(self) -> None:
        page = self.people[Role.ADMIN].get(self.url(PersonInvitation, "change", self.invitation.pk))
        self.assertContains(page, "new@example.com")
        self.assertNotContains(page, "Revoke")


class PeopleTest(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.client = self.people[Role.OWNER]

    def member(self, role: Role) -> Membership:
        return self.users[role].memberships.get()

    def test_the_list_says_who_has_a_second_factor(self) -> None:
        set_up_app(self.users[Role.OPERATOR])
        rows = self.client.get(self.url(Membership, "changelist")).context["cl"].result_list
        having = {row.user.email for row in rows if row.has_second_factor}
        self.assertEqual(having, {"operator@acme.example"})

    def test_a_persons_second_factor_can_be_removed_by_an_owner(self) -> None:
        set_up_app(self.users[Role.OPERATOR])
        url = self.url(Membership, "reset_second_factor", self.member(Role.OPERATOR).pk)
        self.assertContains(self.client.get(url), "really them who asks")
        self.assertEqual(self.people[Role.OPERATOR].get(reverse("admin:index")).status_code, 200)
        self.client.post(url)
        self.assertFalse(has_second_factor(self.users[Role.OPERATOR]))
        self.assertEqual(self.people[Role.OPERATOR].get(reverse("admin:index")).status_code, 302)
        self.assertEqual(self.events("member.second_factor_reset")[0].metadata, {"person": "operator@acme.example"})

    def test_the_second_factor_of_somebody_who_works_elsewhere_too_stays(self) -> None:
        set_up_app(self.users[Role.OPERATOR])
        Membership.objects.create(account=self.other_account, user=self.users[Role.OPERATOR], role=Role.READ_ONLY)
        member = self.users[Role.OPERATOR].memberships.get(account=self.account)
        page = self.client.get(self.url(Membership, "change", member.pk))
        self.assertNotContains(page, "second-factor/reset")
        response = self.client.post(self.url(Membership, "reset_second_factor", member.pk), follow=True)
        self.assertContains(response, "They work in other accounts too")
        self.assertTrue(has_second_factor(self.users[Role.OPERATOR]))
        self.assertFalse(self.events("member.second_factor_reset"))

    def test_an_owner_cannot_take_the_second_factor_of_whoever_runs_the_server(self) -> None:
        root = make_user(self.account, role=Role.READ_ONLY, is_superuser=True)
        set_up_app(root)
        url = self.url(Membership, "reset_second_factor", root.memberships.get().pk)
        self.assertContains(self.client.post(url, follow=True), "They run this server")
        self.assertTrue(has_second_factor(root))

    def test_a_person_is_signed_out_everywhere(self) -> None:
        self.assertEqual(self.people[Role.OPERATOR].get(reverse("admin:index")).status_code, 200)
        url = self.url(Membership, "end_sessions", self.member(Role.OPERATOR).pk)
        self.assertContains(self.client.get(url), "signed out at once")
        self.client.post(url)
        self.assertEqual(self.people[Role.OPERATOR].get(reverse("admin:index")).status_code, 302)
        self.assertEqual(self.events("member.sessions_ended")[0].metadata, {"person": "operator@acme.example"})

    def test_whoever_signs_themselves_out_everywhere_stays_signed_in_here(self) -> None:
        elsewhere = signed_in(self.users[Role.OWNER])
        response = self.client.post(self.url(Membership, "end_sessions", self.member(Role.OWNER).pk), follow=True)
        self.assertContains(response, "everywhere but here")
        self.assertEqual(elsewhere.get(reverse("admin:index")).status_code, 302)

    def test_whoever_works_elsewhere_too_or_runs_the_server_is_not_signed_out_by_an_owner(self) -> None:
        root = make_user(self.account, role=Role.READ_ONLY, is_superuser=True)
        both = self.users[Role.OPERATOR]
        Membership.objects.create(account=self.other_account, user=both, role=Role.READ_ONLY)
        for user, words in ((root, "They run this server"), (both, "They work in other accounts too")):
            theirs = signed_in(user)
            member = user.memberships.get(account=self.account)
            url = self.url(Membership, "end_sessions", member.pk)
            page = self.client.get(self.url(Membership, "change", member.pk))
            self.assertNotContains(page, url)
            self.assertContains(page, words)
            self.assertContains(self.client.post(url, follow=True), words)
            self.assertNotEqual(theirs.get(reverse("your_login")).status_code, 302)
        self.assertFalse(self.events("member.sessions_ended"))

    def test_whoever_works_elsewhere_too_signs_themselves_out(self) -> None:
        Membership.objects.create(account=self.other_account, user=self.users[Role.OWNER], role=Role.READ_ONLY)
        elsewhere = signed_in(self.users[Role.OWNER])
        member = self.users[Role.OWNER].memberships.get(account=self.account)
        url = self.url(Membership, "end_sessions", member.pk)
        self.assertContains(self.client.get(self.url(Membership, "change", member.pk)), url)
        self.client.post(url)
        self.assertEqual(elsewhere.get(reverse("admin:index")).status_code, 302)

    def test_with_a_person_go_the_invitations_that_they_made(self) -> None:
        leaving = make_user(self.account, role=Role.OWNER, email="leaving@acme.example")
        theirs = make_person_invitation(self.account, email="me@private.example", role=Role.OWNER, invited_by=leaving)
        others = make_person_invitation(self.account, email="a@example.com", invited_by=self.users[Role.OWNER])
        elsewhere = make_person_invitation(self.other_account, email="b@example.com", invited_by=leaving)
        url = self.url(Membership, "remove", leaving.memberships.get().pk)
        page = self.client.get(url)
        self.assertContains(page, "me@private.example")
        self.assertNotContains(page, "a@example.com")
        self.client.post(url)
        self.assertEqual(Client().get(f"/invitation/{theirs.token}/").status_code, 410)
        for invitation in (others, elsewhere):
            self.assertEqual(Client().get(f"/invitation/{invitation.token}/").status_code, 200)
        (line,) = self.events("member.invitation_revoked")
        self.assertEqual((line.metadata["person"], line.user), ("me@private.example", self.users[Role.OWNER]))

    def test_with_a_higher_role_go_the_invitations_to_more_than_the_new_one(self) -> None:
        second = make_user(self.account, role=Role.OWNER, email="second@acme.example")
        links = {role: make_person_invitation(self.account, role=role, invited_by=second) for role in Role}
        self.client.post(self.url(Membership, "role", second.memberships.get().pk), {"role": Role.OPERATOR})
        found = {role: Client().get(f"/invitation/{link.token}/").status_code for role, link in links.items()}
        self.assertEqual(found, {Role.OWNER: 410, Role.ADMIN: 410, Role.OPERATOR: 200, Role.READ_ONLY: 200})

    def test_whoever_removes_themselves_is_led_home(self) -> None:
        response = self.client.post(self.url(Membership, "remove", self.member(Role.OWNER).pk), follow=True)
        self.assertContains(response, "You belong to no account")

    def test_a_role_is_changed(self) -> None:
        member = self.member(Role.READ_ONLY)
        self.client.post(self.url(Membership, "role", member.pk), {"role": Role.ADMIN})
        member.refresh_from_db()
        self.assertEqual(member.role, Role.ADMIN)
        event = self.events("member.changed")[0]
        self.assertEqual((event.metadata["role"], event.metadata["before"]), ("admin", "read_only"))

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
        set_up_app(self.users[Role.ADMIN])
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
