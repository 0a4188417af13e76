"""Guesses are slowed down, and nobody's guesses keep somebody else out."""

from datetime import timedelta
from unittest.mock import patch

from django.core import signing
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.utils import timezone

from mdm.accounts.models import Role
from mdm.events.models import Level
from mdm.sign_in import lockout
from mdm.sign_in.models import SignInTry
from mdm.sign_in.tasks import tidy_up_sign_in
from tests.factories import PASSWORD
from tests.mdm.sign_in.base import LOGIN, SignInTestCase

TOO_MANY = "Too many wrong passwords"


class LockoutTest(SignInTestCase):
    def guess(
        self, times: int = 1, *, ip: str = "10.0.0.1", email: str = "", browser: Client | None = None
    ) -> HttpResponse:
        for _ in range(times):
            response = self.sign_in("wrong", ip=ip, email=email, browser=browser or Client())
        return response

    def later(self, minutes: int) -> None:
        """Ten minutes are over: every guess has become older."""
        SignInTry.objects.update(at=timezone.now() - timedelta(minutes=minutes))

    def test_ten_from_one_address_and_then_even_the_right_one_waits(self) -> None:
        self.assertNotContains(self.guess(lockout.TRIES), TOO_MANY)
        self.assertContains(self.sign_in(), TOO_MANY)
        self.assert_outside()
        events = self.events("user.sign_in_failed")
        self.assertEqual([event.level for event in events], [Level.WARNING] * 9 + [Level.ERROR])
        self.assertEqual({event.metadata["method"] for event in events}, {"password"})

    def test_after_ten_minutes_it_goes_on_however_often_one_knocked_meanwhile(self) -> None:
        self.guess(lockout.TRIES + 5)
        self.later(11)
        self.assertEqual(self.sign_in().status_code, 302)

    def test_guesses_from_everywhere_are_counted_together(self) -> None:
        with patch.object(lockout, "TRIES_EVERYWHERE", 4):
            for number in range(4):
                self.guess(ip=f"10.0.1.{number}")
            self.assertContains(self.sign_in(ip="10.9.9.9"), TOO_MANY)
            self.assertEqual(self.sign_in(email=self.users[Role.ADMIN].email, browser=Client()).status_code, 302)

    def test_a_browser_in_which_the_person_signed_in_before_is_not_held_up_by_that(self) -> None:
        self.sign_in(ip="10.0.0.9")
        self.browser.post("/sign-in/cancel/")
        with patch.object(lockout, "TRIES_EVERYWHERE", 3):
            for number in range(3):
                self.guess(ip=f"10.0.1.{number}")
            self.assertContains(self.sign_in(browser=Client(), ip="10.9.9.9"), TOO_MANY)
            self.assertEqual(self.sign_in(ip="10.0.0.77").status_code, 302)
        self.assert_inside()

    def test_the_mark_of_such_a_browser_is_good_for_that_person_only_and_for_ten_guesses(self) -> None:
        self.sign_in()
        self.browser.post("/sign-in/cancel/")
        for number in range(lockout.TRIES):
            self.guess(ip=f"10.0.2.{number}", browser=self.browser)
        self.assertContains(self.sign_in(ip="10.9.9.9"), TOO_MANY)
        other = self.users[Role.ADMIN]
        with patch.object(lockout, "TRIES_EVERYWHERE", 3):
            for number in range(3):
                self.guess(ip=f"10.0.3.{number}", email=other.email)
            self.assertContains(self.sign_in(ip="10.9.9.8", email=other.email), TOO_MANY)

    def test_a_forged_mark_is_none(self) -> None:
        self.browser.cookies[lockout.MARK] = "eyJlbWFpbCI6ICJhIn0:1abc:forged"
        with patch.object(lockout, "TRIES_EVERYWHERE", 2):
            for number in range(2):
                self.guess(ip=f"10.0.1.{number}")
            self.assertContains(self.sign_in(ip="10.9.9.9"), TOO_MANY)

    def test_one_address_that_tries_many_people_has_to_wait(self) -> None:
        with patch.object(lockout, "TRIES_OF_AN_ADDRESS", 3):
            for number in range(3):
                self.guess(email=f"somebody{number}@example.com")
            self.assertContains(self.sign_in(), TOO_MANY)
            self.assertEqual(self.sign_in(ip="10.0.0.2").status_code, 302)

    def test_addresses_of_one_ipv6_network_count_as_one(self) -> None:
        for number in range(lockout.TRIES):
            self.guess(ip=f"2001:db8:1:1::{number:x}")
        self.assertContains(self.sign_in(ip="2001:db8:1:1:ffff::1"), TOO_MANY)
        self.assertEqual(self.sign_in(ip="2001:db8:1:2::1").status_code, 302)
        with patch.object(lockout, "TRIES_OF_AN_ADDRESS", 3):
            for number in range(3):
                self.guess(ip=f"2001:db8:2:2::{number:x}", email=f"somebody{number}@example.com")
            other = self.users[Role.ADMIN].email
            self.assertContains(self.sign_in(ip="2001:db8:2:2::99", email=other, browser=Client()), TOO_MANY)

    def test_what_counts_as_one_address(self) -> None:
        for address, network in (
            ("192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:1:2::3", "2001:db8:1:1::/64"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("fe80::1%eth0", "fe80::/64"),
            ("", ""),
        ):
            request = RequestFactory().get("/", REMOTE_ADDR=address)
            self.assertEqual(lockout.network_of(request), network, address)

    def test_the_mark_does_not_tell_whose_it_is(self) -> None:
        self.sign_in()
        value = signing.loads(self.browser.cookies[lockout.MARK].value, salt=lockout.MARK_SALT)
        self.assertNotIn(self.user.email, str(value))
        request = RequestFactory().get("/")
        request.COOKIES[lockout.MARK] = self.browser.cookies[lockout.MARK].value
        self.assertTrue(lockout.known_mark(request, self.user.email.upper()))
        self.assertFalse(lockout.known_mark(request, "somebody@example.com"))
        former = {"email": self.user.email, "browser": "x" * 16}
        request.COOKIES[lockout.MARK] = signing.dumps(former, salt=lockout.MARK_SALT)
        self.assertFalse(lockout.known_mark(request, self.user.email), "one of an earlier version counts no more")

    def test_signing_in_leaves_no_guess_counted_against_the_person(self) -> None:
        self.guess(3)
        self.sign_in()
        left = SignInTry.objects.count()
        self.assertEqual(left, 3, "only those of the address, which may have tried others too")

    def test_the_address_is_the_one_that_a_trusted_proxy_names(self) -> None:
        def through_proxy(password: str, address: str) -> HttpResponse:
            data = {"login": self.user.email, "password": password}
            return Client().post(LOGIN, data, REMOTE_ADDR="10.0.0.1", headers={"x-forwarded-for": address})

        with self.settings(TRUSTED_PROXIES=["10.0.0.1"]):
            for _ in range(lockout.TRIES):
                through_proxy("wrong", "192.0.2.7")
            self.assertContains(through_proxy(PASSWORD, "192.0.2.7"), TOO_MANY)
            self.assertEqual(through_proxy(PASSWORD, "192.0.2.8").status_code, 302)
        self.assertEqual(self.events("user.sign_in_failed")[0].metadata["ip"], "192.0.2.7")

    def test_what_is_old_is_forgotten(self) -> None:
        self.guess(2)
        self.later(11)
        tidy_up_sign_in()
        self.assertEqual(SignInTry.objects.count(), 0)

    def test_a_try_is_counted_before_it_is_made(self) -> None:
        """So that of many at once no more than ten get a look."""
        counters = lockout.second_factor_counters(self.user)
        attempts = [lockout.begin(counters) for _ in range(lockout.TRIES)]
        self.assertEqual([attempt.number for attempt in attempts], list(range(1, 11)))
        with self.assertRaises(lockout.TooManyTries):
            lockout.begin(counters)
        attempts[0].succeeded()
        self.assertEqual(lockout.begin(counters).number, 1)
