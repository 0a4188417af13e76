"""Somebody of the account signs in on the device that is set up; the device is theirs from then on."""

import base64
import json
from datetime import timedelta
from unittest.mock import patch

from django.http import HttpResponse
from django.utils import timezone

from devices.models import DeviceState
from enrollment.services import ade_sign_in
from mdm.accounts.models import Account
from mdm.virtual.automated import SignInPage, _FormFinder
from mdm.virtual.errors import EnrollmentRefused
from tests.enrollment.ade_base import AdeTestCase
from tests.factories import PASSWORD, make_dep_device, make_dep_server, make_dep_settings, make_device
from tests.fakes.device_authority import make_certified


class SignInTest(AdeTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.change(requires_sign_in=True)
        self.sign_in_url = f"{self.url}/sign-in"

    def open(self, url: str = "", **keys: object) -> HttpResponse:
        header = base64.b64encode(self.message(**keys)).decode()
        return self.http.get(url or self.sign_in_url, headers={"x-apple-aspen-deviceinfo": header})

    def form(self, response: HttpResponse) -> SignInPage:
        self.assertEqual(response.status_code, 200, response.content)
        finder = _FormFinder()
        finder.feed(response.content.decode())
        return SignInPage(finder.action, finder.hidden, response.content.decode())

    def send(self, email: str = "colleague@example.com", password: str = PASSWORD, **fields: str) -> HttpResponse:
        page = self.form(self.open())
        return self.http.post(page.action, {**page.hidden, "email": email, "password": password, **fields})

    def test_the_page_asks_for_nothing_from_elsewhere_and_keeps_nothing(self) -> None:
        response = self.open()
        page = self.form(response)
        self.assertEqual(page.action, self.sign_in_url)
        self.assertNotIn("http", page.text.replace("<!doctype html>", ""))
        self.assertNotIn("<script", page.text)
        self.assertFalse(response.cookies)
        self.assertIn("form-action 'self'", response.headers["Content-Security-Policy"])
        self.assertEqual(response.headers["Referrer-Policy"], "no-referrer")

    def test_a_member_gets_the_profile_and_the_device_is_theirs(self) -> None:
        self.profile_of(self.send(" Colleague@Example.com "))
        row = self.row()
        self.assertEqual((row.email, row.group), ("colleague@example.com", self.office))
        (event,) = self.events("ade.signed_in")
        self.assertEqual((event.actor_label, event.user, event.device), ("colleague@example.com", self.colleague, row))
        self.assertNotIn(PASSWORD, str([one.metadata for one in self.events("ade.signed_in")]))

    def test_the_whole_way_of_a_virtual_device(self) -> None:
        device = self.device()
        with self.assertRaises(EnrollmentRefused):
            device.enroll_by_sign_in(self.sign_in_url, "colleague@example.com", "wrong")
        device.enroll_by_sign_in(self.sign_in_url, "colleague@example.com", PASSWORD)
        self.assertEqual((self.row().state, self.row().email), (DeviceState.ENROLLED, "colleague@example.com"))

    def test_a_wrong_password_and_somebody_unknown_look_the_same(self) -> None:
        answers = [
            self.send(password="wrong"),
            self.send("nobody@example.com", "wrong"),
            self.send("outsider@example.com"),  # of another account, with the right password
        ]
        texts = [answer.content.decode() for answer in answers]
        for answer, text in zip(answers, texts, strict=True):
            self.refused(answer, 200)
            self.assertIn("is not right", text)
        failed = [(one.metadata["email"], one.level) for one in self.events("ade.sign_in_failed")]
        self.assertEqual(failed, [("colleague@example.com", 1), ("", 1), ("", 1)])

    def test_somebody_who_may_not_sign_in_any_more_is_refused(self) -> None:
        self.colleague.is_active = False
        self.colleague.save()
        self.refused(self.send(), 200)

    def test_a_person_is_locked_out_after_too_many_tries_on_any_device(self) -> None:
        for number in range(ade_sign_in.TRIES):
            make_dep_device(self.server, f"C02MANY{number:05d}")
            page = self.form(self.open(SERIAL=f"C02MANY{number:05d}"))
            self.http.post(page.action, {**page.hidden, "email": "colleague@example.com", "password": "wrong"})
        self.assertIn("Too many", self.refused(self.send(), 429))
        self.assertEqual(self.events("ade.sign_in_failed")[-1].level, 2)
        self.profile_of(self.send("owner@example.com"))

    def test_a_device_is_locked_out_after_too_many_tries_by_anybody(self) -> None:
        for number in range(ade_sign_in.TRIES):
            self.send(f"person{number}@example.com", "wrong")
        self.refused(self.send(), 429)

    def test_who_gets_in_begins_anew(self) -> None:
        for _ in range(3):
            self.send(password="wrong")
            self.send()
        for _ in range(ade_sign_in.TRIES - 1):
            self.send(password="wrong")
        self.profile_of(self.send())

    def test_what_the_form_knows_of_the_device_cannot_be_made_up(self) -> None:
        other = make_dep_settings(make_dep_server(self.account), requires_sign_in=True)
        for text in ("", "nonsense", "a:b:c", self.form(self.open()).hidden["pass"] + "x"):
            self.refused(self.send(**{"pass": text}), 400)
        page = self.form(self.open())
        response = self.http.post(
            f"/e/ade/{other.token}/sign-in", {**page.hidden, "email": "owner@example.com", "password": PASSWORD}
        )
        self.refused(response, 400)

    def test_a_page_that_stood_open_for_long_is_of_no_use(self) -> None:
        page = self.form(self.open())
        later = timezone.now() + timedelta(seconds=ade_sign_in.PASS_SECONDS + 5)
        with patch("django.core.signing.time.time", return_value=later.timestamp()):
            answer = self.http.post(page.action, {**page.hidden, "email": "owner@example.com", "password": PASSWORD})
        self.assertIn("too old", self.refused(answer, 400))

    def test_a_device_that_left_the_list_meanwhile_gets_nothing(self) -> None:
        page = self.form(self.open())
        self.listed.delete()
        answer = self.http.post(page.action, {**page.hidden, "email": "owner@example.com", "password": PASSWORD})
        self.assertEqual(json.loads(self.refused(answer, 403))["code"], "com.apple.unrecognized.device")

    def test_only_a_genuine_device_sees_the_page(self) -> None:
        self.assertIn("belongs to the setup", self.refused(self.http.get(self.sign_in_url), 400))
        self.refused(self.open(SERIAL="C02OTHER0001"), 403)
        stranger = self.device()
        stranger.factory_identity = make_certified("device", is_ca=False).identity
        header = base64.b64encode(self.message(stranger)).decode()
        self.refused(self.http.get(self.sign_in_url, headers={"x-apple-aspen-deviceinfo": header}), 403)

    def test_a_device_has_to_update_before_anybody_signs_in(self) -> None:
        self.change(minimum_os={"iOS": "26.0"})
        self.assertEqual(json.loads(self.refused(self.open(), 403))["code"], "com.apple.softwareupdate.required")

    def test_without_a_licence_the_person_is_told(self) -> None:
        make_device(self.account)
        Account.objects.filter(pk=self.account.pk).update(license_total=1)
        answer = self.send()
        self.assertIn("licences allow", self.refused(answer, 403))
        self.assertIn("<html", answer.content.decode())

    def test_where_nobody_has_to_sign_in_the_page_is_passed_over(self) -> None:
        self.change(requires_sign_in=False)
        self.profile_of(self.open())

    def test_text_that_no_database_stores_is_a_wrong_address(self) -> None:
        self.refused(self.send("a\x00b@example.com", "wr\x00ong"), 200)
        self.refused(self.send("x" * 1000, "y" * 5000), 200)
