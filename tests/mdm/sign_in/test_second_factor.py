"""Authenticator apps and recovery codes: set up, asked for, used once, taken away, and encrypted meanwhile."""

import base64
import json
import re
from io import StringIO

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from mdm.accounts.models import Membership, Role
from mdm.common import crypto
from mdm.events.models import Level
from mdm.sign_in import lockout
from mdm.sign_in.second_factor import has_second_factor, reset_second_factor
from tests.factories import PASSWORD
from tests.mdm.sign_in.base import HOME, LIST, SignInTestCase, give_app, recovery_codes, totp_code, wrong_code

STEP = "/sign-in/second-factor/"
OLD, NEW = (f"{name}:{base64.b64encode(name[:1].encode() * 32).decode()}" for name in ("old", "new"))


class AskedForTest(SignInTestCase):
    def setUp(self) -> None:
        super().setUp()
        give_app(self.user)

    def test_the_password_alone_lets_nobody_in(self) -> None:
        self.assertRedirects(self.sign_in(), STEP)
        self.assertNotIn(SESSION_KEY, self.browser.session)
        self.assert_outside()
        self.assertEqual(self.events("user.signed_in"), [])

    def test_there_is_no_way_round_by_djangos_own_page(self) -> None:
        """`admin.site.login` is what Django shows for a page of its own; its form knows no second factor."""
        self.assertEqual(reverse("admin:login"), reverse("account_login"))
        data = {"username": self.user.email, "login": self.user.email, "password": PASSWORD, "next": HOME}
        for url in (reverse("admin:login"), f"{LIST}?next={HOME}"):
            browser = Client()
            browser.post(url, data)
            self.assertNotIn(SESSION_KEY, browser.session, url)

    def test_the_code_of_the_app_completes_it_and_both_steps_are_logged(self) -> None:
        self.sign_in(next=LIST)
        response = self.browser.post(STEP, {"code": totp_code()}, REMOTE_ADDR="10.0.0.1")
        self.assertRedirects(response, LIST)
        (event,) = self.events("user.signed_in")
        self.assertEqual((event.metadata["method"], event.metadata["second_factor"]), ("password", "authenticator app"))

    def test_a_code_is_good_once(self) -> None:
        code = totp_code()
        self.sign_in()
        self.browser.post(STEP, {"code": code})
        self.assert_inside()
        other = Client()
        self.sign_in(browser=other)
        self.assertContains(other.post(STEP, {"code": code}), "This code is not right")
        self.assert_outside(other)

    def test_a_recovery_code_is_good_once(self) -> None:
        code = recovery_codes(self.user)[3]
        for expected in (302, 200):
            browser = Client()
            self.sign_in(browser=browser)
            self.assertEqual(browser.post(STEP, {"code": code}).status_code, expected)
        self.assertEqual(len(recovery_codes(self.user)), 9)
        self.assertEqual(self.events("user.signed_in")[0].metadata["second_factor"], "recovery code")

    def test_wrong_codes_are_logged_and_after_ten_even_the_right_one_waits(self) -> None:
        self.sign_in()
        for _ in range(lockout.TRIES):
            self.assertContains(self.browser.post(STEP, {"code": wrong_code()}), "not right")
        self.assertContains(self.browser.post(STEP, {"code": totp_code()}), "Too many tries")
        events = self.events("user.sign_in_failed")
        self.assertEqual({event.metadata["method"] for event in events}, {"code"})
        self.assertEqual(events[-1].level, Level.ERROR)

    def test_beginning_anew_gives_no_more_tries(self) -> None:
        """The right password starts the count of passwords again, not the count of codes."""
        for number in range(lockout.TRIES):
            browser = Client()
            self.sign_in(browser=browser, ip=f"10.0.0.{number}")
            browser.post(STEP, {"code": wrong_code()})
        self.sign_in()
        self.assertContains(self.browser.post(STEP, {"code": totp_code()}), "Too many tries")

    def test_one_can_turn_back(self) -> None:
        self.sign_in()
        self.assertContains(self.browser.get(STEP), "Back to the beginning")
        self.assertRedirects(self.browser.post(reverse("account_logout")), reverse("admin:login"))
        self.assertRedirects(self.browser.get(STEP), reverse("admin:login"))

    def test_without_a_password_before_it_the_step_leads_to_the_beginning(self) -> None:
        self.assertRedirects(self.browser.get(STEP), reverse("admin:login"))
        self.assertRedirects(self.browser.post(STEP, {"code": totp_code()}), reverse("admin:login"))

    def test_an_owner_can_take_it_all_away_for_somebody_who_lost_it(self) -> None:
        self.assertTrue(reset_second_factor(self.user))
        self.assertFalse(has_second_factor(self.user))
        self.assertFalse(reset_second_factor(self.user))
        self.assertRedirects(self.sign_in(), HOME, fetch_redirect_response=False)


class SettingUpTest(SignInTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.browser = self.people[Role.OPERATOR]
        self.url = reverse("mfa_activate_totp")

    def set_up(self) -> str:
        """Returns the secret."""
        self.confirm(self.browser)
        page = self.browser.get(self.url)
        secret = page.context["form"].secret
        response = self.browser.post(self.url, {"code": totp_code(secret)})
        self.assertRedirects(response, reverse("mfa_view_recovery_codes"), fetch_redirect_response=False)
        return secret

    def test_whoever_signed_in_long_ago_proves_first_that_it_is_them(self) -> None:
        response = self.browser.get(self.url)
        self.assertRedirects(response, f"{reverse('account_reauthenticate')}?next={self.url}")
        wrong = self.browser.post(response["Location"], {"password": "wrong"})
        self.assertContains(wrong, "This is not your password")
        right = self.browser.post(response["Location"], {"password": PASSWORD, "next": self.url})
        self.assertRedirects(right, self.url)

    def test_the_page_shows_a_code_to_scan_and_a_key_to_type_and_asks_nobody_else(self) -> None:
        self.confirm(self.browser)
        page = self.browser.get(self.url)
        text = page.content.decode()
        self.assertIn("<svg", text)
        typed = "".join(re.findall(r"<span>([A-Z2-7]{1,4})</span>", text))
        self.assertEqual(typed, page.context["form"].secret)
        self.assertIn(f"otpauth://totp/{self.user.email.replace('@', '%40')}?secret=", text)
        self.assertEqual(re.findall(r'(?:src|href)="(?:https?:)?//[^"]+"', text), [])

    def test_a_wrong_code_changes_nothing(self) -> None:
        self.confirm(self.browser)
        self.browser.get(self.url)
        self.assertContains(self.browser.post(self.url, {"code": "000000"}), "not right")
        self.assertFalse(has_second_factor(self.user))

    def test_the_secrets_are_encrypted(self) -> None:
        secret = self.set_up()
        for row in Authenticator.objects.filter(user=self.user):
            self.assertNotIn(secret, json.dumps(row.data))
        app = Authenticator.objects.get(user=self.user, type="totp")
        self.assertTrue(app.wrap().validate_code(totp_code(secret, periods_later=1)))
        self.assertNotIn(secret, json.dumps(dict(self.browser.session)))

    def test_it_is_logged_in_every_account_without_the_secret(self) -> None:
        Membership.objects.create(account=self.other_account, user=self.user, role=Role.READ_ONLY)
        secret = self.set_up()
        (event,) = self.events("user.second_factor_added")
        self.assertEqual(event.metadata["what"], "authenticator app")
        self.assertNotIn(secret, str(event.metadata))

    def test_recovery_codes_are_shown_once_to_be_downloaded_or_written_down(self) -> None:
        self.set_up()
        url = reverse("mfa_view_recovery_codes")
        codes = recovery_codes(self.user)
        text = self.browser.get(url).content.decode()
        self.assertEqual(len(codes), 10)
        for code in codes:
            self.assertIn(f"{code[:4]} {code[4:]}", text)
            self.assertIn(f"{code}%0A", text)
        again = self.browser.get(url).content.decode()
        self.assertIn("shown once", again)
        self.assertFalse(any(code[:4] + " " in again for code in codes))

    def test_new_codes_make_the_old_ones_void(self) -> None:
        self.set_up()
        old = recovery_codes(self.user)
        response = self.browser.post(reverse("mfa_generate_recovery_codes"), follow=True)
        new = recovery_codes(self.user)
        self.assertContains(response, f"{new[0][:4]} {new[0][4:]}")
        self.assertEqual(set(old) & set(new), set())

    def test_taking_it_away_needs_the_person_again_and_takes_the_codes_too(self) -> None:
        give_app(self.user)
        url = reverse("mfa_deactivate_totp")
        self.assertEqual(self.browser.post(url).status_code, 302)
        self.assertTrue(has_second_factor(self.user))
        self.confirm(self.browser)
        self.assertContains(self.browser.get(url), "your recovery codes are void")
        self.assertRedirects(self.browser.post(url), reverse("your_login"))
        self.assertFalse(Authenticator.objects.filter(user=self.user).exists())
        self.assertEqual(self.events("user.second_factor_removed")[0].metadata["what"], "authenticator app")

    def test_just_signed_in_is_proof_enough_for_five_minutes(self) -> None:
        browser = Client()
        self.sign_in(browser=browser)
        self.assertEqual(browser.get(self.url).status_code, 200)
        session = browser.session
        session["account_authentication_methods"][0]["at"] -= 301
        session.save()
        self.assertEqual(browser.get(self.url).status_code, 302)


class RequiredTest(SignInTestCase):
    """The account asks for a second factor."""

    def setUp(self) -> None:
        super().setUp()
        self.account.requires_second_factor = True
        self.account.save()
        self.browser = self.people[Role.OPERATOR]
        self.setup = reverse("second_factor_required")

    def test_whoever_has_none_is_led_to_set_one_up_from_every_page(self) -> None:
        for url in (
            HOME,
            LIST,
            "/admin/devices/device/",
            "/admin/search/?s=a",
            reverse("admin:mdm_events_event_changelist"),
        ):
            self.assertRedirects(self.browser.get(url), self.setup, fetch_redirect_response=False)
            self.assertRedirects(self.browser.post(url), self.setup, fetch_redirect_response=False)
        page = self.browser.get(self.setup)
        self.assertContains(page, "Set up an app")
        self.assertNotContains(page, "/admin/devices/device/")

    def test_a_part_of_a_page_leads_the_whole_page_there(self) -> None:
        response = self.browser.get(HOME, headers={"hx-request": "true"})
        self.assertEqual((response.content, response["HX-Redirect"]), (b"", self.setup))

    def test_setting_one_up_opens_the_account_at_once(self) -> None:
        self.confirm(self.browser)
        url = reverse("mfa_activate_totp")
        secret = self.browser.get(url).context["form"].secret
        self.browser.post(url, {"code": totp_code(secret)})
        self.assert_inside()
        self.assertRedirects(self.browser.get(self.setup), HOME, fetch_redirect_response=False)

    def test_another_account_of_theirs_is_open_meanwhile(self) -> None:
        Membership.objects.create(account=self.other_account, user=self.user, role=Role.READ_ONLY)
        self.assertEqual(self.browser.get(HOME).status_code, 302)
        self.browser.post(reverse("admin:switch_account"), {"account": self.other_account.pk})
        self.assert_inside()
        self.browser.post(reverse("admin:switch_account"), {"account": self.account.pk})
        self.assertEqual(self.browser.get(LIST).status_code, 302)

    def test_taking_the_last_one_away_closes_it_and_is_said_before(self) -> None:
        give_app(self.user)
        self.assert_inside()
        self.confirm(self.browser)
        self.assertContains(self.browser.get(reverse("mfa_deactivate_totp")), "you see nothing of it")
        self.browser.post(reverse("mfa_deactivate_totp"))
        self.assertRedirects(self.browser.get(LIST), self.setup)

    def test_owners_and_superusers_are_no_exception_and_api_keys_are(self) -> None:
        self.assertEqual(self.people[Role.OWNER].get(LIST).status_code, 302)
        self.users[Role.OWNER].is_superuser = True
        self.users[Role.OWNER].save()
        self.assertEqual(self.people[Role.OWNER].get(LIST).status_code, 302)
        self.assertEqual(self.api.get("/api/v1/devices").status_code, 200)

    def test_one_can_sign_out_and_keep_ones_own_login(self) -> None:
        self.assertEqual(self.browser.get(reverse("your_login")).status_code, 200)
        self.assertEqual(self.browser.post(reverse("admin:logout")).status_code, 200)
        self.assert_outside()


class RotationTest(SignInTestCase):
    def rotate(self) -> dict[str, int]:
        out = StringIO()
        call_command("rotate_field_keys", stdout=out, stderr=StringIO())
        return json.loads(out.getvalue())

    def test_the_rotation_command_reaches_them(self) -> None:
        known = list(self.settings_keys())
        with self.settings(FIELD_ENCRYPTION_KEYS=[OLD, *known]):
            give_app(self.user)
            codes = recovery_codes(self.user)
        with self.settings(FIELD_ENCRYPTION_KEYS=[NEW, OLD, *known]):
            self.assertGreaterEqual(self.rotate()["rotated"], 2)
            self.assertEqual(self.rotate(), {"rotated": 0, "unreadable": 0})
        with self.settings(FIELD_ENCRYPTION_KEYS=[NEW]):
            self.assertEqual(recovery_codes(self.user), codes)
            app = Authenticator.objects.get(user=self.user, type="totp")
            self.assertTrue(app.wrap().validate_code(totp_code()))

    def test_one_whose_key_is_gone_is_named_and_left_alone(self) -> None:
        known = list(self.settings_keys())
        with self.settings(FIELD_ENCRYPTION_KEYS=[OLD]):
            app = give_app(self.user)
        errors = StringIO()
        with self.settings(FIELD_ENCRYPTION_KEYS=[NEW, *known]), self.assertRaises(CommandError):
            call_command("rotate_field_keys", stdout=StringIO(), stderr=errors)
        self.assertIn(f"second factor {app.pk}", errors.getvalue())
        with self.settings(FIELD_ENCRYPTION_KEYS=[OLD]):
            self.assertEqual(len(recovery_codes(self.user)), 10)

    def test_a_secret_cannot_be_read_with_another_key(self) -> None:
        with self.settings(FIELD_ENCRYPTION_KEYS=[OLD]):
            app = give_app(self.user)
        with self.settings(FIELD_ENCRYPTION_KEYS=[NEW]), self.assertRaises(crypto.CannotDecrypt):
            app.wrap().validate_code("123456")

    def settings_keys(self) -> list[str]:
        return settings.FIELD_ENCRYPTION_KEYS
