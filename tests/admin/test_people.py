"""People of an account: inviting them, their roles, letting them go."""

from urllib.parse import urlsplit

from django.core import mail
from django.http import HttpResponse
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import timezone

from mdm.accounts.actors import SYSTEM
from mdm.accounts.models import ApiKey, Membership, PersonInvitation, Role, User
from mdm.sign_in.invitations import revoke
from mdm.sign_in.second_factor import has_second_factor
from tests.admin.base import AdminTestCase, signed_in
from tests.factories import make_person_invitation, make_user
from tests.mdm.sign_in.base import give_app

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
        give_app(self.users[Role.OPERATOR])
        rows = self.client.get(self.url(Membership, "changelist")).context["cl"].result_list
        having = {row.user.email for row in rows if row.has_second_factor}
        self.assertEqual(having, {"operator@acme.example"})

    def test_a_persons_second_factor_can_be_removed_by_an_owner(self) -> None:
        give_app(self.users[Role.OPERATOR])
        url = self.url(Membership, "reset_second_factor", self.member(Role.OPERATOR).pk)
        self.assertContains(self.client.get(url), "really them who asks")
        self.assertEqual(self.people[Role.OPERATOR].get(reverse("admin:index")).status_code, 200)
        self.client.post(url)
        self.assertFalse(has_second_factor(self.users[Role.OPERATOR]))
        self.assertEqual(self.people[Role.OPERATOR].get(reverse("admin:index")).status_code, 302)
        self.assertEqual(self.events("member.second_factor_reset")[0].metadata, {"person": "operator@acme.example"})

    def test_the_second_factor_of_somebody_who_works_elsewhere_too_stays(self) -> None:
        give_app(self.users[Role.OPERATOR])
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
        give_app(root)
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
