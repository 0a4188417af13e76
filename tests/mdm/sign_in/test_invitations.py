"""Inviting people and accepting: the services, and the page that the link opens."""

from datetime import timedelta
from unittest.mock import patch

from django.core.cache import cache
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import timezone

from mdm.accounts.actors import Actor, Source
from mdm.accounts.models import Membership, PersonInvitation, Role, User
from mdm.events.models import Event
from mdm.sign_in.invitations import (
    HasLogin,
    InvitationClosed,
    InvitationError,
    Invited,
    accept_as,
    accept_as_new,
    forget_old,
    invite,
    invite_again,
    revoke,
)
from tests.base import AccountTestCase
from tests.factories import make_person_invitation, make_user

PASSWORD = "plum-cherry-quince"


class InvitationTestCase(AccountTestCase):
    def setUp(self) -> None:
        super().setUp()
        cache.clear()
        self.actor = Actor(Source.ADMIN, label=self.owner.email, user_id=self.owner.pk)

    def invite(self, email: str = "new@example.com", **changes: object) -> Invited:
        given = {"role": Role.OPERATOR, "invited_by": self.owner, "actor": self.actor, "by_mail": False, **changes}
        return invite(self.account, email=email, **given)

    def events(self, event_type: str) -> list[Event]:
        return list(Event.objects.for_account(self.account).filter(event_type=event_type))


class InviteTest(InvitationTestCase):
    def test_a_link_that_is_handed_over_is_kept_by_its_digest_alone(self) -> None:
        invited = self.invite("New@Example.com")
        stored = PersonInvitation.objects.get()
        self.assertEqual((stored.email, stored.token, stored.due_at), ("new@example.com", "", None))
        self.assertNotIn(stored.digest, invited.link)
        self.assertEqual(self.events("member.invited")[0].metadata["way"], "link")

    def test_a_link_that_is_sent_is_kept_until_then(self) -> None:
        invited = self.invite(by_mail=True)
        self.assertEqual(invited.link, "")
        self.assertTrue(PersonInvitation.objects.get().token)

    def test_somebody_in_the_account_is_not_invited(self) -> None:
        with self.assertRaisesMessage(InvitationError, "is in this account already"):
            self.invite(self.colleague.email.upper())

    def test_nobody_has_two_open_invitations(self) -> None:
        self.invite()
        with self.assertRaisesMessage(InvitationError, "is invited already"):
            self.invite()

    def test_one_that_ran_out_makes_room_for_another(self) -> None:
        make_person_invitation(self.account, email="new@example.com", expires_at=timezone.now() - timedelta(hours=1))
        self.invite()
        self.assertEqual(PersonInvitation.objects.filter(revoked_at=None).count(), 1)

    @override_settings(INVITATIONS_PER_HOUR=2)
    def test_an_account_invites_so_many_in_an_hour_and_another_is_not_held_up_by_it(self) -> None:
        self.invite("one@example.com")
        self.invite("two@example.com")
        with self.assertRaisesMessage(InvitationError, "may invite 2 people in an hour"):
            self.invite("three@example.com")
        made = make_person_invitation(self.other_account)
        invite_again(made, invited_by=self.outsider, actor=self.actor, by_mail=False)
        PersonInvitation.objects.update(created_at=timezone.now() - timedelta(hours=2))
        self.invite("three@example.com")

    def test_invitations_of_long_ago_are_forgotten(self) -> None:
        make_person_invitation(self.account, expires_at=timezone.now() - timedelta(days=200))
        kept = make_person_invitation(self.account)
        self.assertEqual(forget_old(), 1)
        self.assertEqual(PersonInvitation.objects.get(), kept)


class AgainTest(InvitationTestCase):
    def test_the_former_link_ends_and_the_role_stays(self) -> None:
        former = make_person_invitation(self.account, role=Role.ADMIN, name="Nina")
        invited = invite_again(former, invited_by=self.owner, actor=self.actor, by_mail=False)
        former.refresh_from_db()
        self.assertIsNotNone(former.revoked_at)
        self.assertEqual((invited.invitation.role, invited.invitation.name), (Role.ADMIN, "Nina"))

    def test_an_older_one_does_not_push_out_a_newer(self) -> None:
        former = make_person_invitation(self.account, email="new@example.com", revoked_at=timezone.now())
        newer = make_person_invitation(self.account, email="new@example.com")
        with self.assertRaisesMessage(InvitationError, "has a newer invitation"):
            invite_again(former, invited_by=self.owner, actor=self.actor, by_mail=False)
        newer.refresh_from_db()
        self.assertIsNone(newer.revoked_at)

    def test_somebody_who_came_in_otherwise_is_not_asked_again(self) -> None:
        invitation = make_person_invitation(self.account, email=self.colleague.email)
        with self.assertRaisesMessage(InvitationError, "is in this account already"):
            invite_again(invitation, invited_by=self.owner, actor=self.actor, by_mail=False)


class AcceptTest(InvitationTestCase):
    def test_a_new_person_gets_a_login_with_the_role(self) -> None:
        invitation = make_person_invitation(self.account, email="new@example.com", role=Role.ADMIN)
        user = accept_as_new(invitation, name="Nina", password=PASSWORD)
        self.assertTrue(user.check_password(PASSWORD))
        self.assertEqual(Membership.objects.get(user=user).role, Role.ADMIN)
        event = self.events("member.joined")[0]
        self.assertEqual((event.metadata, event.user), ({"person": "new@example.com", "role": "admin"}, user))

    def test_a_link_works_once(self) -> None:
        invitation = make_person_invitation(self.account)
        accept_as_new(invitation, name="Nina", password=PASSWORD)
        with self.assertRaises(InvitationClosed):
            accept_as_new(invitation, name="Mallory", password=PASSWORD)

    def test_a_revoked_or_old_link_works_never(self) -> None:
        revoked = make_person_invitation(self.account)
        self.assertTrue(revoke(revoked, self.actor))
        old = make_person_invitation(self.account, expires_at=timezone.now() - timedelta(seconds=1))
        for invitation, reason in ((revoked, "revoked"), (old, "expired")):
            with self.assertRaisesMessage(InvitationClosed, reason):
                accept_as_new(invitation, name="Nina", password=PASSWORD)
        self.assertFalse(revoke(revoked, self.actor))

    def test_no_second_login_is_made_for_an_address_that_has_one(self) -> None:
        invitation = make_person_invitation(self.account, email=self.outsider.email)
        with self.assertRaises(HasLogin):
            accept_as_new(invitation, name="Mallory", password=PASSWORD)
        self.outsider.refresh_from_db()
        self.assertFalse(self.outsider.check_password(PASSWORD))
        self.assertFalse(Membership.objects.filter(account=self.account, user=self.outsider).exists())

    def test_only_the_invited_address_accepts(self) -> None:
        invitation = make_person_invitation(self.account)
        with self.assertRaisesMessage(InvitationError, "This invitation is for"):
            accept_as(invitation, self.outsider)

    def test_somebody_who_was_let_in_meanwhile_keeps_their_role(self) -> None:
        invitation = make_person_invitation(self.account, email="new@example.com", role=Role.OWNER)
        user = make_user(self.account, email="new@example.com", role=Role.READ_ONLY)
        accept_as(invitation, user)
        self.assertEqual(user.memberships.get().role, Role.READ_ONLY)
        self.assertFalse(self.events("member.joined"))


class PageTest(InvitationTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.invitation = make_person_invitation(
            self.account, email="new@example.com", name="Nina", role=Role.OPERATOR, invited_by=self.owner
        )
        self.url = reverse("person_invitation", args=[self.invitation.token])
        self.client = Client()

    def test_it_says_who_invites_to_what_and_shows_the_rules_for_a_password(self) -> None:
        page = self.client.get(self.url)
        for words in ("Work in Acme", "owner@example.com", "new@example.com", "Operator", "at least 10 characters"):
            self.assertContains(page, words)
        self.assertIn("no-store", page["Cache-Control"])

    def test_opening_it_changes_nothing(self) -> None:
        self.client.get(self.url)
        self.client.head(self.url)
        self.assertFalse(User.objects.filter(email="new@example.com").exists())

    def test_a_new_person_chooses_a_password_and_is_inside(self) -> None:
        data = {"name": "Nina", "password": PASSWORD, "again": PASSWORD}
        self.assertRedirects(self.client.post(self.url, data), reverse("admin:index"))
        home = self.client.get(reverse("admin:index"))
        self.assertEqual(home.context["current_account"], self.account)
        self.assertEqual(str(home.context["user"]), "Nina")

    def test_a_weak_or_mistyped_password_is_refused_with_the_reason(self) -> None:
        for password, again, words in (
            ("12345", "12345", "too short"),
            (PASSWORD, "plum-cherry-quinze", "not the same password"),
            ("new@example.com", "new@example.com", "too similar"),
        ):
            page = self.client.post(self.url, {"name": "Nina", "password": password, "again": again})
            self.assertContains(page, words)
        self.assertFalse(User.objects.filter(email="new@example.com").exists())

    def test_the_page_never_gives_a_password_back(self) -> None:
        page = self.client.post(self.url, {"name": "", "password": PASSWORD, "again": PASSWORD})
        self.assertNotContains(page, PASSWORD)

    def test_somebody_with_a_login_is_asked_to_sign_in_and_comes_back(self) -> None:
        make_user(self.other_account, email="new@example.com")
        page = self.client.get(self.url)
        self.assertContains(page, f"{reverse('admin:login')}?next={self.url}")
        self.client.post(self.url, {"name": "Mallory", "password": PASSWORD, "again": PASSWORD})
        self.assertFalse(Membership.objects.filter(account=self.account, user__email="new@example.com").exists())

    def test_whoever_is_signed_in_with_the_invited_address_accepts_by_a_button(self) -> None:
        user = make_user(self.other_account, email="new@example.com")
        self.client.force_login(user)
        self.assertContains(self.client.get(self.url), "Accept")
        self.assertFalse(user.memberships.filter(account=self.account).exists())
        self.assertRedirects(self.client.post(self.url), reverse("admin:index"))
        self.assertEqual(self.client.get(reverse("admin:roles")).context["current_account"], self.account)

    def test_somebody_else_who_is_signed_in_is_told_to_sign_out(self) -> None:
        self.client.force_login(self.outsider)
        for page in (self.client.get(self.url), self.client.post(self.url)):
            self.assertContains(page, "this invitation is for somebody else")
        self.assertFalse(self.outsider.memberships.filter(account=self.account).exists())

    def test_a_login_that_is_switched_off_is_not_let_in(self) -> None:
        make_user(self.other_account, email="new@example.com", is_active=False)
        self.assertContains(self.client.get(self.url), "is switched off")

    def test_each_end_of_a_link_says_what_to_do(self) -> None:
        self.assertContains(self.client.get("/invitation/nothing/"), "leads nowhere", status_code=404)
        ends = (
            ({"accepted_at": timezone.now()}, "was accepted"),
            ({"accepted_at": None, "revoked_at": timezone.now()}, "no longer works"),
            ({"revoked_at": None, "expires_at": timezone.now() - timedelta(days=1)}, "has run out"),
        )
        for changes, words in ends:
            PersonInvitation.objects.update(**changes)
            self.assertContains(self.client.get(self.url), words, status_code=410)

    def test_two_who_accept_at_once_get_in_once(self) -> None:
        """The second one had seen the link open."""
        accept_as_new(self.invitation, name="Nina", password=PASSWORD)
        self.invitation.refresh_from_db()
        data = {"name": "Mallory", "password": PASSWORD, "again": PASSWORD}
        views = "mdm.sign_in.invitation_views"
        with patch(f"{views}.why_closed", return_value=""), patch(f"{views}.login_of", return_value=None):
            page = self.client.post(self.url, data)
        self.assertContains(page, "was accepted", status_code=410)

    @override_settings(OIDC_ONLY=True, OIDC_URL="https://login.example.com", OIDC_NAME="Example Login")
    def test_where_there_is_single_sign_on_only_no_password_is_chosen(self) -> None:
        self.assertNotContains(self.client.get(self.url), 'name="password"')
        page = self.client.post(self.url, {"name": "Nina"})
        self.assertContains(page, "Sign in by Example Login")
        user = User.objects.get(email="new@example.com")
        self.assertFalse(user.has_usable_password())
        self.assertTrue(user.memberships.filter(account=self.account).exists())
