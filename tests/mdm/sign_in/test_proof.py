"""A login that somebody planted for another's address: who proves the address first has it alone."""

from datetime import timedelta
from importlib import import_module
from unittest.mock import patch
from urllib.parse import urlsplit

from allauth.mfa.models import Authenticator
from django.apps import apps
from django.contrib.auth import SESSION_KEY
from django.http import HttpResponse
from django.test import Client, TestCase
from django.urls import reverse
from django.utils import timezone

from mdm.accounts.models import Membership, PersonInvitation, Role, User
from mdm.common.tokens import digest
from mdm.events.models import Event, Level
from mdm.sign_in.invitations import HasLogin, NotProved, accept_as, accept_as_new, accept_with_proof
from mdm.sign_in.models import PasswordReset
from tests.factories import PASSWORD, make_account, make_person_invitation, make_user
from tests.mdm.sign_in.base import HOME, LOGIN, SignInTestCase, give_app
from tests.mdm.sign_in.test_oidc import OidcTestCase

VICTIM = "victim@corp.example"
ATTACKERS, NEW = "attacker-pass-77", "plum-cherry-quince"
NOTE = "nobody had proved the address before"


class Planted:
    """An owner of the other account has invited the victim by a link, opened it themselves, and added a passkey."""

    def plant(self) -> User:
        data = {"email": VICTIM, "name": "V", "role": Role.READ_ONLY, "way": "link"}
        response = self.outside.post(self.url(Membership, "add"), data)
        self.attacker = Client()
        self.accept_in(self.attacker, urlsplit(response.context["link"]).path, ATTACKERS)
        user = User.objects.get(email=VICTIM)
        Authenticator.objects.create(user=user, type=Authenticator.Type.WEBAUTHN, data={"name": "evil"})
        self.assertEqual(self.attacker.get(HOME).status_code, 200)
        return user

    def accept_in(self, browser: Client, path: str, password: str) -> HttpResponse:
        return browser.post(path, {"name": "V", "password": password, "again": password})

    def mailed(self, **changes: object) -> tuple[PersonInvitation, str]:
        """An invitation of Acme that the victim was sent, and its path."""
        given = {"email": VICTIM, "role": Role.ADMIN, "sent_at": timezone.now(), "attempts": 1, **changes}
        invitation = make_person_invitation(self.account, **given)
        return invitation, reverse("person_invitation", args=[invitation.token])

    def assert_attacker_is_out(self, user: User) -> None:
        self.assertEqual(self.attacker.get(HOME).status_code, 302)
        browser = Client()
        browser.post(LOGIN, {"login": VICTIM, "password": ATTACKERS})
        self.assertNotIn(SESSION_KEY, browser.session)
        self.assertFalse(Authenticator.objects.filter(user=user).exists())
        user.refresh_from_db()
        self.assertIsNotNone(user.email_proved_at)


class SingleSignOnTest(Planted, OidcTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.planted = self.plant()
        self.provider.person["email"] = VICTIM

    def test_the_victim_has_the_login_alone(self) -> None:
        self.assertIsNone(self.planted.email_proved_at)
        self.assertRedirects(self.single_sign_on(), HOME, fetch_redirect_response=False)
        self.assertContains(self.browser.get(HOME), "the first time that your e-mail address is proved")
        self.assert_attacker_is_out(self.planted)
        self.assertFalse(self.planted.has_usable_password())
        lines = Event.objects.for_account(self.other_account)
        for kind in ("user.password_changed", "user.second_factor_removed"):
            line = lines.get(event_type=kind)
            self.assertEqual(
                (line.level, line.metadata["by"], line.metadata["why"]), (Level.WARNING, "single sign-on", NOTE)
            )

    def test_only_the_first_time(self) -> None:
        self.single_sign_on()
        self.planted.refresh_from_db()
        self.planted.set_password(NEW)
        self.planted.save()
        give_app(self.planted)
        self.single_sign_on(Client())
        self.planted.refresh_from_db()
        self.assertTrue(self.planted.check_password(NEW))
        self.assertTrue(Authenticator.objects.filter(user=self.planted).exists())

    def test_also_in_a_browser_that_is_signed_in_by_the_password(self) -> None:
        self.assertRedirects(self.single_sign_on(self.attacker), HOME, fetch_redirect_response=False)
        self.assertEqual(self.attacker.get(HOME).status_code, 200)
        self.planted.refresh_from_db()
        self.assertFalse(self.planted.has_usable_password())

    def test_an_address_that_the_provider_does_not_vouch_for_proves_nothing(self) -> None:
        self.provider.person["email_verified"] = False
        self.single_sign_on()
        self.assertEqual(self.attacker.get(HOME).status_code, 200)

    def test_a_superuser_keeps_the_way_in_for_when_the_provider_is_down(self) -> None:
        root = User.objects.create_superuser("root@corp.example", PASSWORD)
        self.provider.person["email"] = root.email
        self.single_sign_on()
        root.refresh_from_db()
        self.assertTrue(root.check_password(PASSWORD))

    def test_an_invitation_that_is_handed_over_is_accepted_after_it(self) -> None:
        _, path = self.mailed(sent_at=None, attempts=0)
        self.assertRedirects(self.single_sign_on(following=path), path)
        self.assertRedirects(self.browser.post(path), HOME)
        self.assertEqual(self.planted.memberships.get(account=self.account).role, Role.ADMIN)
        self.assertEqual(self.attacker.post("/admin/account/switch/", {"account": self.account.pk}).status_code, 302)
        self.assert_attacker_is_out(self.planted)


class MailedInvitationTest(Planted, SignInTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.planted = self.plant()
        self.invitation, self.path = self.mailed()

    def test_whoever_has_the_link_chooses_a_password_and_has_the_login_alone(self) -> None:
        page = self.browser.get(self.path)
        self.assertContains(page, "nobody has proved yet that the address is theirs")
        self.assertContains(page, 'name="password"')
        self.assertEqual(self.attacker.get(HOME).status_code, 200, "opening the link changes nothing")
        self.assertRedirects(self.accept_in(self.browser, self.path, NEW), HOME)
        self.assertEqual(self.browser.get(HOME).context["current_account"], self.account)
        self.assert_attacker_is_out(self.planted)
        self.assertTrue(self.planted.check_password(NEW))
        self.assertEqual(self.events("user.password_changed")[0].metadata["by"], "an invitation by e-mail")

    def test_a_weak_password_is_refused_and_nothing_is_lost(self) -> None:
        self.assertContains(self.accept_in(self.browser, self.path, "password123"), "too common")
        self.assertEqual(self.attacker.get(HOME).status_code, 200)

    def test_being_signed_in_with_the_planted_login_does_not_accept_it(self) -> None:
        with self.assertRaises(NotProved):
            accept_as(self.invitation, self.planted)
        self.assertContains(self.attacker.post(self.path), "choose a password")
        self.assertFalse(self.planted.memberships.filter(account=self.account).exists())

    def test_in_a_browser_that_is_signed_in_a_new_password_is_chosen_too(self) -> None:
        self.assertRedirects(self.accept_in(self.attacker, self.path, NEW), HOME)
        self.assertEqual(self.attacker.get(HOME).status_code, 200)
        self.planted.refresh_from_db()
        self.assertTrue(self.planted.check_password(NEW))

    def test_a_link_that_was_handed_over_proves_nothing(self) -> None:
        PersonInvitation.objects.filter(pk=self.invitation.pk).update(sent_at=None, attempts=0)
        self.assertContains(self.browser.get(self.path), "Sign in with it, then accept")
        self.accept_in(self.browser, self.path, NEW)
        self.invitation.refresh_from_db()
        with self.assertRaises(HasLogin):
            accept_with_proof(self.invitation, name="V", password=NEW)
        self.planted.refresh_from_db()
        self.assertTrue(self.planted.check_password(ATTACKERS))
        self.assertFalse(self.planted.memberships.filter(account=self.account).exists())

    def test_a_login_whose_address_is_proved_is_signed_in_with_as_ever(self) -> None:
        User.objects.filter(pk=self.planted.pk).update(email_proved_at=timezone.now())
        self.assertContains(self.browser.get(self.path), "Sign in with it, then accept")
        self.accept_in(self.browser, self.path, NEW)
        self.planted.refresh_from_db()
        self.assertTrue(self.planted.check_password(ATTACKERS))

    def test_a_login_that_is_switched_off_stays_off(self) -> None:
        User.objects.filter(pk=self.planted.pk).update(is_active=False)
        self.assertContains(self.browser.get(self.path), "is switched off")
        with self.assertRaises(HasLogin):
            accept_with_proof(self.invitation, name="V", password=NEW)

    def test_where_there_is_single_sign_on_only_no_password_is_left(self) -> None:
        with self.settings(OIDC_ONLY=True, OIDC_URL="https://login.example.com", OIDC_NAME="Example Login"):
            self.assertNotContains(self.browser.get(self.path), 'name="password"')
            self.assertContains(self.attacker.post(self.path, {"name": "V"}), "Sign in by Example Login")
        self.assert_attacker_is_out(self.planted)
        self.assertFalse(self.planted.has_usable_password())

    def test_somebody_new_has_proved_the_address_by_a_link_that_was_mailed_only(self) -> None:
        for sent_at, email in ((timezone.now(), "mailed@corp.example"), (None, "handed@corp.example")):
            invitation = make_person_invitation(self.account, email=email, sent_at=sent_at)
            user = accept_as_new(invitation, name="N", password=NEW)
            self.assertEqual(user.email_proved_at is not None, sent_at is not None, email)

    def test_two_accounts_whose_invitations_are_accepted_at_once_make_one_login(self) -> None:
        """The second one looked before the first was done."""
        elsewhere = make_person_invitation(self.other_account, email="twice@corp.example")
        here = make_person_invitation(self.account, email="twice@corp.example")
        accept_as_new(elsewhere, name="T", password=NEW)
        with patch("mdm.sign_in.invitations.login_of", return_value=None), self.assertRaises(HasLogin):
            accept_as_new(here, name="T", password=NEW)
        self.assertEqual(User.objects.filter(email="twice@corp.example").count(), 1)


class PasswordTest(Planted, SignInTestCase):
    def test_a_link_for_a_forgotten_password_takes_the_planted_passkey_away_too(self) -> None:
        planted = self.plant()
        later = timezone.now() + timedelta(hours=1)
        PasswordReset.objects.create(email=VICTIM, digest=digest("t" * 40), expires_at=later)
        url = reverse("account_reset_password_from_key", args=["t" * 40])
        Client().post(url, {"password1": NEW, "password2": NEW})
        self.assert_attacker_is_out(planted)
        self.assertTrue(planted.check_password(NEW))
        (line,) = Event.objects.for_account(self.other_account).filter(event_type="user.password_changed")
        self.assertEqual((line.metadata["by"], line.metadata["why"]), ("a link by e-mail", NOTE))

    def test_signing_in_with_a_password_proves_nothing_and_takes_nothing_away(self) -> None:
        first = make_user(self.account, email="first@acme.example", email_proved_at=None)
        self.assertEqual(self.sign_in(email=first.email).status_code, 302)
        self.assert_inside()
        first.refresh_from_db()
        self.assertIsNone(first.email_proved_at)
        self.assertTrue(first.check_password(PASSWORD))


class LoginsOfBeforeTest(TestCase):
    def test_a_login_that_a_mailed_invitation_made_and_superusers_are_proved(self) -> None:
        account, now = make_account(), timezone.now()
        made, handed, joined, root = (
            make_user(account, email=f"{name}@corp.example", email_proved_at=None, is_superuser=name == "root")
            for name in ("made", "handed", "joined", "root")
        )
        User.objects.filter(pk=joined.pk).update(created_at=now - timedelta(days=1))  # and accepted the mail later
        for user, sent_at in ((made, now), (handed, None), (joined, now)):
            make_person_invitation(account, email=user.email, sent_at=sent_at, accepted_at=now)
        import_module("mdm.accounts.migrations.0006_who_has_proved_an_address").note_proofs(apps, None)
        proved = set(User.objects.exclude(email_proved_at=None).values_list("email", flat=True))
        self.assertEqual(proved, {made.email, root.email})
