"""Single sign-on, against a real provider over sockets: who is let in, and what is said to all others."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit

import httpx
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from cryptography.hazmat.primitives.asymmetric import rsa
from django.contrib.auth import SESSION_KEY
from django.http import HttpResponse
from django.test import Client

from mdm.accounts.models import Membership, Role, User
from mdm.sign_in import oidc
from tests.factories import PASSWORD, make_user
from tests.fakes.oidc import CLIENT_ID, CLIENT_SECRET, FakeOidc, challenge_of
from tests.mdm.sign_in.base import HOME, LIST, LOGIN, SignInTestCase, give_app

BEGIN = "/sign-in/single-sign-on/"
BACK = "/sign-in/single-sign-on/back/"
BASE_URL = "http://testserver"


class OidcTestCase(SignInTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.provider = FakeOidc()
        self.enterContext(self.provider)
        self.provider.person["email"] = self.user.email
        self.enterContext(self.configured())

    @contextmanager
    def configured(self, **more: object) -> Iterator[None]:
        settings = {
            "BASE_URL": BASE_URL,
            "OIDC_URL": self.provider.url,
            "OIDC_CLIENT_ID": CLIENT_ID,
            "OIDC_CLIENT_SECRET": CLIENT_SECRET,
            "OIDC_NAME": "Orchard ID",
            **more,
        }
        with self.settings(**settings):
            yield

    def go(self, browser: Client | None = None, *, following: str = "") -> str:
        """To the provider, which sends the person back; returns the path to come back to."""
        response = (browser or self.browser).get(BEGIN, {"next": following} if following else None)
        self.assertEqual(response.status_code, 302, response.content)
        answer = httpx.get(response["Location"])
        self.assertEqual(answer.status_code, 302, answer.text)
        back = answer.headers["Location"]
        self.assertTrue(back.startswith(f"{BASE_URL}{BACK}"), back)
        return back.removeprefix(BASE_URL)

    def single_sign_on(self, browser: Client | None = None, *, following: str = "") -> HttpResponse:
        browser = browser or self.browser
        return browser.get(self.go(browser, following=following), REMOTE_ADDR="10.0.0.1")

    def assert_refused(self, response: HttpResponse, sentence: str, status: int) -> None:
        self.assertContains(response, sentence, status_code=status)
        self.assertContains(response, LOGIN, status_code=status)
        self.assertNotIn(SESSION_KEY, self.browser.session)


class LetInTest(OidcTestCase):
    def test_the_button_is_on_the_page_for_signing_in(self) -> None:
        page = self.browser.get(LOGIN, {"next": LIST})
        self.assertContains(page, "Sign in with Orchard ID")
        self.assertContains(page, f"{BEGIN}?next={LIST}")
        with self.configured(OIDC_URL=""):
            self.assertNotContains(self.browser.get(LOGIN), BEGIN)
            self.assertEqual(self.browser.get(BEGIN).status_code, 404)
            self.assertEqual(self.browser.get(BACK).status_code, 404)

    def test_a_person_whom_the_provider_vouches_for_is_let_in_and_logged(self) -> None:
        Membership.objects.create(account=self.other_account, user=self.user, role=Role.READ_ONLY)
        self.assertRedirects(self.single_sign_on(), HOME, fetch_redirect_response=False)
        self.assert_inside()
        (event,) = self.events("user.signed_in")
        self.assertEqual((event.metadata["method"], event.metadata["ip"]), ("single sign-on", "10.0.0.1"))

    def test_one_goes_on_to_the_page_one_wanted_and_to_no_other_site(self) -> None:
        self.assertRedirects(self.single_sign_on(following=LIST), LIST)
        self.assertRedirects(
            self.single_sign_on(Client(), following="https://evil.example/"), HOME, fetch_redirect_response=False
        )

    def test_what_is_asked_is_bound_to_this_browser_by_state_nonce_and_challenge(self) -> None:
        self.single_sign_on()
        (asked,) = self.provider.asked_for("/authorize")
        (fetched,) = self.provider.asked_for("/token")
        self.assertEqual(asked["code_challenge_method"], "S256")
        self.assertEqual(challenge_of(fetched["code_verifier"]), asked["code_challenge"])
        self.assertGreaterEqual(len(asked["nonce"]), 32)
        self.assertGreaterEqual(len(asked["state"]), 16)
        self.assertEqual(asked["redirect_uri"], f"{BASE_URL}{BACK}")

    def test_nothing_about_the_person_is_stored_and_their_password_stays_once_the_address_is_proved(self) -> None:
        self.single_sign_on()
        for model in (SocialAccount, SocialApp, SocialToken):
            self.assertFalse(model.objects.exists(), model)
        self.assertTrue(User.objects.get(pk=self.user.pk).check_password(PASSWORD))

    def test_the_address_may_come_from_the_other_answer(self) -> None:
        self.provider.in_token = ()
        self.single_sign_on()
        self.assert_inside()

    def test_capitals_of_the_address_do_not_matter(self) -> None:
        self.provider.person["email"] = self.user.email.upper()
        self.single_sign_on()
        self.assert_inside()

    def test_it_counts_as_the_second_factor_too(self) -> None:
        give_app(self.user)
        self.account.requires_second_factor = True
        self.account.save()
        self.single_sign_on()
        self.assert_inside()
        without = make_user(self.account, role=Role.READ_ONLY, email="new@acme.example")
        self.provider.person["email"] = without.email
        browser = Client()
        self.single_sign_on(browser)
        self.assert_inside(browser)

    def test_people_without_a_password_prove_themselves_there_again(self) -> None:
        self.user.set_unusable_password()
        self.user.save()
        self.browser.force_login(self.user)
        response = self.browser.get("/your-login/app/")
        self.assertRedirects(response, f"{BEGIN}?next=/your-login/app/", fetch_redirect_response=False)
        self.assertRedirects(self.single_sign_on(following="/your-login/app/"), "/your-login/app/")


class RefusedTest(OidcTestCase):
    def test_somebody_unknown_here_is_told_whom_to_ask_and_gets_no_login(self) -> None:
        self.provider.person["email"] = "stranger@example.com"
        count = User.objects.count()
        self.assert_refused(self.single_sign_on(), "Ask an owner of your account to invite this address", 403)
        self.assertEqual(User.objects.count(), count)

    def test_an_address_that_is_not_verified_is_nobodys(self) -> None:
        for verified in (False, "false", None, ""):
            self.provider.person["email_verified"] = verified
            self.assert_refused(self.single_sign_on(), "does not say whether", 403)
        self.assertEqual(self.events("user.sign_in_failed")[0].metadata["method"], "single sign-on")

    def test_a_provider_that_never_says_it_can_be_trusted_with_addresses_by_a_setting(self) -> None:
        del self.provider.person["email_verified"]
        self.assert_refused(self.single_sign_on(), "does not say whether", 403)
        with self.configured(OIDC_TRUSTS_EMAIL=True):
            self.provider.person["email_verified"] = False
            self.assert_refused(self.single_sign_on(), "does not say whether", 403)
            del self.provider.person["email_verified"]
            self.single_sign_on()
        self.assert_inside()

    def test_without_an_address_nobody_is_known(self) -> None:
        del self.provider.person["email"]
        self.assert_refused(self.single_sign_on(), "did not tell your e-mail address", 403)

    def test_a_login_that_was_switched_off_stays_off(self) -> None:
        User.objects.filter(pk=self.user.pk).update(is_active=False)
        self.assertRedirects(self.single_sign_on(), LOGIN, fetch_redirect_response=False)
        self.assertContains(self.browser.get(LOGIN), "Your login is switched off")
        self.assertNotIn(SESSION_KEY, self.browser.session)
        event = self.events("user.sign_in_failed")[0]
        self.assertEqual(event.metadata["why"], "the login is switched off")

    def test_a_token_of_another_sign_in_is_refused(self) -> None:
        for nonce in ("of somebody else", None):
            self.provider.claims = {"nonce": nonce}
            self.assert_refused(self.single_sign_on(), "cannot be trusted", 502)

    def test_tokens_that_are_not_from_the_provider_not_for_us_or_not_of_now_are_refused(self) -> None:
        for claims in (
            {"iss": "https://elsewhere.example"},
            {"aud": "another program"},
            {"aud": [CLIENT_ID, "another"], "azp": "another"},
            {"exp": 1_700_000_000},
            {"exp": None},
            {"sub": None},
        ):
            self.provider.claims = claims
            self.assert_refused(self.single_sign_on(), "cannot be trusted", 502)

    def test_a_signature_by_another_key_is_refused(self) -> None:
        self.provider.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.assert_refused(self.single_sign_on(), "cannot be trusted", 502)

    def test_a_token_that_is_signed_by_nobody_or_by_a_secret_is_refused(self) -> None:
        for algorithm, key in (("none", None), ("HS256", CLIENT_SECRET * 2)):
            self.provider.algorithm, self.provider.key = algorithm, key
            self.assert_refused(self.single_sign_on(), "cannot be trusted", 502)

    def test_what_is_told_about_another_person_is_refused(self) -> None:
        self.provider.in_token = ()
        self.provider.userinfo_sub = "somebody else"
        self.assert_refused(self.single_sign_on(), "cannot be trusted", 502)

    def test_another_issuer_at_the_address_is_refused(self) -> None:
        self.provider.config = {"issuer": "https://elsewhere.example"}
        self.assert_refused(self.browser.get(BEGIN), "cannot be trusted", 502)

    def test_coming_back_with_a_wrong_state_leads_nowhere(self) -> None:
        back = self.go()
        state = parse_qs(urlsplit(back).query)["state"][0]
        self.assert_refused(self.browser.get(back.replace(state, "x" * 16)), "Begin again", 401)
        self.assert_refused(self.browser.get(BACK), "Begin again", 401)

    def test_another_browser_cannot_finish_it(self) -> None:
        """Somebody is led to an address that would sign them in as the one who began."""
        back = self.go()
        victim = Client()
        self.assertContains(victim.get(back), "Begin again", status_code=401)
        self.assert_outside(victim)

    def test_it_cannot_be_finished_twice(self) -> None:
        back = self.go()
        self.browser.get(back)
        self.browser.post("/sign-in/cancel/")
        self.assert_refused(self.browser.get(back), "Begin again", 401)

    def test_a_code_of_another_sign_in_does_not_fit_the_challenge(self) -> None:
        code = parse_qs(urlsplit(self.go(Client())).query)["code"][0]
        back = self.go()
        own = parse_qs(urlsplit(back).query)["code"][0]
        self.assert_refused(self.browser.get(back.replace(own, code)), "cannot be trusted", 502)

    def test_turning_back_there_is_no_error(self) -> None:
        self.provider.refuses = "access_denied"
        self.assert_refused(self.single_sign_on(), "You turned back", 401)

    def test_a_refusal_by_the_provider_is_said(self) -> None:
        self.provider.refuses = "server_error"
        self.assert_refused(self.single_sign_on(), "Orchard ID did not let you in", 401)


class TroubleTest(OidcTestCase):
    def test_a_provider_that_is_down_is_a_sentence(self) -> None:
        with FakeOidc() as gone:
            address = gone.url
        with self.configured(OIDC_URL=address):
            self.assert_refused(self.browser.get(BEGIN), "does not answer", 502)

    def test_one_that_goes_down_meanwhile_too(self) -> None:
        back = self.go()
        self.provider.__exit__(None, None, None)
        try:
            self.assert_refused(self.browser.get(back), "does not answer", 502)
        finally:
            self.provider.__enter__()

    def test_one_that_is_silent_is_waited_for_a_bounded_time(self) -> None:
        back = self.go()
        self.provider.delay = 1.0
        with patch.object(oidc, "OIDC_TIMEOUT_SECONDS", 0.2):
            self.assert_refused(self.browser.get(back), "does not answer", 502)

    def test_answers_that_make_no_sense_are_a_sentence(self) -> None:
        for path in ("/.well-known/openid-configuration", "/token", "/keys"):
            for faults in (self.provider.broken, self.provider.garbled):
                faults.clear()
            back = self.go()
            for faults in (self.provider.broken, self.provider.garbled):
                faults.add(path)
                response = self.browser.get(BEGIN) if "well-known" in path else self.browser.get(back)
                faults.discard(path)
                self.assertIn(response.status_code, (401, 502), path)
                self.assertNotIn(SESSION_KEY, self.browser.session)
        for config in ({"issuer": 7}, {"authorization_endpoint": None}, {"jwks_uri": "file:///etc/passwd"}):
            self.provider.config = config
            self.assertEqual(self.browser.get(BEGIN).status_code, 502)

    def test_its_certificate_must_come_from_the_authority_that_is_named(self) -> None:
        with self.configured(OIDC_CA_FILE="/etc/ca.pem"):
            self.assertEqual(oidc.SocialAdapter().get_requests_session().verify, "/etc/ca.pem")
        self.assertIs(oidc.SocialAdapter().get_requests_session().verify, True)


class OnlyTest(OidcTestCase):
    """OIDC_ONLY: passwords are for superusers."""

    def setUp(self) -> None:
        super().setUp()
        self.enterContext(self.configured(OIDC_ONLY=True))

    def test_the_right_password_lets_nobody_in_but_superusers(self) -> None:
        response = self.sign_in()
        self.assertContains(response, "is not right")
        self.assert_outside()
        self.assertEqual(self.events("user.sign_in_failed")[0].metadata["why"], "passwords are switched off")
        root = make_user(self.account, email="root@example.com", is_superuser=True)
        self.assertEqual(self.sign_in(email=root.email).status_code, 302)

    def test_the_page_says_so(self) -> None:
        page = self.browser.get(LOGIN)
        self.assertContains(page, "Superusers of this installation")
        self.assertNotContains(page, "Forgot your password")

    def test_the_provider_lets_in(self) -> None:
        self.single_sign_on()
        self.assert_inside()
        page = self.browser.get("/your-login/")
        self.assertContains(page, "People sign in with Orchard ID here")
        self.assertNotContains(page, "Change the password")
