""" "Your login": one's name, password and sessions."""

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse

from mdm.accounts.models import Role, User
from mdm.sign_in.browsers import browser_words
from mdm.sign_in.sessions import end_sessions, sessions_of
from mdm.sign_in.tasks import tidy_up_sign_in
from tests.factories import PASSWORD
from tests.mdm.sign_in.base import LIST, SignInTestCase, give_app

FIREFOX = "Mozilla/5.0 (Macintosh; Intel Mac OS X 14.4; rv:128.0) Gecko/20100101 Firefox/128.0"
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.4 Mobile/15E148 Safari/604.1"
)
EDGE = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0"
)
NEW = "plum-cherry-quince"


class PageTest(SignInTestCase):
    def test_it_is_in_the_menu_of_every_page(self) -> None:
        self.assertContains(self.people[Role.READ_ONLY].get(LIST), f'href="{reverse("your_login")}"')

    def test_it_is_for_people_who_are_signed_in(self) -> None:
        for name in (
            "your_login",
            "account_change_password",
            "mfa_activate_totp",
            "mfa_add_webauthn",
            "second_factor_required",
        ):
            response = self.nobody.get(reverse(name))
            self.assertTrue(response["Location"].startswith("/admin/login/"), name)

    def test_the_name_can_be_changed(self) -> None:
        self.people[Role.OPERATOR].post(reverse("your_login"), {"name": " Ada Lovelace "})
        self.assertEqual(User.objects.get(pk=self.user.pk).name, "Ada Lovelace")

    def test_it_says_what_one_has(self) -> None:
        page = self.people[Role.OPERATOR].get(reverse("your_login"))
        self.assertContains(page, self.user.email)
        self.assertNotContains(page, "Recovery codes")
        give_app(self.user)
        page = self.people[Role.OPERATOR].get(reverse("your_login"))
        self.assertContains(page, "You have 10 codes left")
        self.assertContains(page, reverse("mfa_deactivate_totp"))

    def test_what_allauth_offers_and_nobody_needs_has_no_address(self) -> None:
        for url in (
            "/accounts/signup/",
            "/signup/",
            "/sign-in/signup/",
            "/your-login/email/",
            "/3rdparty/",
            "/account/login/",
        ):
            self.assertEqual(self.people[Role.OWNER].get(url).status_code, 404, url)

    def test_nothing_of_it_is_kept_by_browsers(self) -> None:
        for name in ("your_login", "account_change_password", "admin:login", "account_reset_password"):
            client = Client() if name in ("admin:login", "account_reset_password") else self.people[Role.OPERATOR]
            self.assertIn("no-store", client.get(reverse(name))["Cache-Control"], name)


class PasswordTest(SignInTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.url = reverse("account_change_password")
        self.sign_in()

    def change(self, new: str = NEW, *, old: str = PASSWORD, again: str = "") -> str:
        response = self.browser.post(self.url, {"oldpassword": old, "password1": new, "password2": again or new})
        return "" if response.status_code == 302 else response.content.decode()

    def test_the_rules_stand_there_before_one_types(self) -> None:
        page = self.browser.get(self.url)
        for rule in ("at least 10 characters", "commonly used", "entirely numeric", "too similar"):
            self.assertContains(page, rule)

    def test_it_is_changed_and_all_other_browsers_are_signed_out(self) -> None:
        others = [Client(), Client()]
        for other in others:
            self.sign_in(browser=other)
        self.assertEqual(self.change(), "")
        self.assert_inside()
        for other in others:
            self.assert_outside(other)
        self.assertEqual(len(sessions_of(self.user)), 1)
        self.assertEqual(len(self.events("user.password_changed")), 1)
        self.assertEqual(self.sign_in(NEW, browser=Client()).status_code, 302)

    def test_weak_ones_are_refused_with_the_reason(self) -> None:
        for weak, why in (
            ("short", "too short"),
            ("1234509876123", "entirely numeric"),
            ("password123", "too common"),
            (self.user.email, "too similar"),
        ):
            self.assertIn(why, self.change(weak), weak)
        self.assertTrue(User.objects.get(pk=self.user.pk).check_password(PASSWORD))

    def test_it_has_to_be_typed_twice_the_same(self) -> None:
        self.assertIn("not the same as above", self.change(again="plum-cherry-quinze"))

    def test_the_old_one_is_asked_for_and_guesses_at_it_are_counted_and_logged(self) -> None:
        self.assertIn("not your password", self.change(old="wrong"))
        for _ in range(9):
            self.change(old="wrong")
        self.assertIn("Too many wrong passwords", self.change())
        self.assertEqual(len(self.events("user.sign_in_failed")), 10)

    def test_people_without_one_can_choose_one(self) -> None:
        self.user.set_unusable_password()
        self.user.save()
        self.browser.force_login(self.user)
        self.assertRedirects(self.browser.get(self.url), reverse("account_set_password"), fetch_redirect_response=False)
        self.assertEqual(
            self.browser.get(reverse("account_set_password")).status_code, 403, "they cannot prove that it is them"
        )
        give_app(self.user)
        self.assertRedirects(
            self.browser.get(reverse("account_set_password")),
            f"{reverse('mfa_reauthenticate')}?next={reverse('account_set_password')}",
        )

    def test_a_password_that_is_sent_too_late_is_kept_nowhere(self) -> None:
        """allauth would keep it in the session until the person has proved that it is still them."""
        give_app(self.user)
        self.user.set_unusable_password()
        self.user.save()
        self.browser.force_login(self.user)
        url = reverse("account_set_password")
        response = self.browser.post(url, {"password1": NEW, "password2": NEW})
        self.assertRedirects(response, url, fetch_redirect_response=False)
        self.assertNotIn(NEW, str(self.browser.session.items()))
        self.assertRedirects(
            self.browser.get(url), f"{reverse('mfa_reauthenticate')}?next={url}", fetch_redirect_response=False
        )
        self.assertFalse(User.objects.get(pk=self.user.pk).has_usable_password())


class SessionsTest(SignInTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.browser = Client(headers={"user-agent": FIREFOX})
        self.phone = Client(headers={"user-agent": SAFARI})
        self.sign_in()
        self.sign_in(browser=self.phone, ip="192.0.2.9")
        self.url = reverse("your_login")

    def end(self, which: object) -> None:
        self.assertRedirects(self.browser.post(reverse("your_login_end_session"), {"session": which}), self.url)

    def test_they_are_listed_with_browser_and_address_and_this_one_is_marked(self) -> None:
        page = self.browser.get(self.url)
        for words in ("Firefox on Mac", "Safari on iPhone", "192.0.2.9", "This browser"):
            self.assertContains(page, words)
        self.assertEqual([one["is_this"] for one in page.context["sessions"]].count(True), 1)

    def test_another_one_can_be_ended(self) -> None:
        row = UserSession.objects.get(ip="192.0.2.9")
        self.end(row.pk)
        self.assert_outside(self.phone)
        self.assert_inside()
        self.assertEqual(self.events("user.sessions_ended")[0].metadata["sessions"], 1)

    def test_all_others_can_be_ended(self) -> None:
        third = Client()
        self.sign_in(browser=third)
        self.end("others")
        for other in (self.phone, third):
            self.assert_outside(other)
        self.assert_inside()

    def test_somebody_elses_is_not_there(self) -> None:
        other = Client()
        self.sign_in(email=self.users[Role.ADMIN].email, browser=other)
        row = UserSession.objects.get(user=self.users[Role.ADMIN])
        self.end(row.pk)
        self.end("no number")
        self.assert_inside(other)
        self.assertNotContains(self.browser.get(self.url), f'value="{row.pk}"')
        self.assertEqual(self.events("user.sessions_ended"), [])

    def test_an_owner_can_end_all_of_somebody_also_those_from_before_they_were_listed(self) -> None:
        older = Client()
        older.force_login(self.user)
        someone = Client()
        self.sign_in(email=self.users[Role.ADMIN].email, browser=someone)
        self.assertEqual(end_sessions(self.user), 4, "with the one that all tests of the admin begin with")
        for browser in (self.browser, self.phone, older):
            self.assert_outside(browser)
        self.assert_inside(someone)

    def test_one_from_before_they_were_listed_is_listed_once_it_is_used(self) -> None:
        older = Client(headers={"user-agent": EDGE})
        older.force_login(self.user)
        older.get(LIST)
        self.assertContains(self.browser.get(self.url), "Edge on Windows")

    def test_when_it_was_last_used_is_noted_every_five_minutes(self) -> None:
        self.phone.get(LIST, REMOTE_ADDR="192.0.2.10")
        first = UserSession.objects.get(session_key=self.phone.session.session_key)
        self.assertEqual(first.ip, "192.0.2.10")
        self.phone.get(LIST, REMOTE_ADDR="192.0.2.11")
        again = UserSession.objects.get(pk=first.pk)
        self.assertEqual((again.ip, again.last_seen_at), (first.ip, first.last_seen_at))

    def test_signing_out_takes_it_off_the_list(self) -> None:
        self.phone.post(reverse("admin:logout"))
        self.assertEqual(len(sessions_of(self.user)), 1)

    def test_what_ran_out_is_forgotten(self) -> None:
        Session.objects.filter(session_key=self.phone.session.session_key).delete()
        tidy_up_sign_in()
        self.assertEqual(UserSession.objects.filter(user=self.user).count(), 1)

    def test_browsers_are_named_as_people_know_them(self) -> None:
        known = {FIREFOX: "Firefox on Mac", EDGE: "Edge on Windows", "curl/8": "Unknown browser", "": "Unknown browser"}
        for agent, words in known.items():
            self.assertEqual(browser_words(agent), words)
