"""Signing in, and the page one sees then."""

import re
from datetime import timedelta

from django.contrib.staticfiles import finders
from django.core.cache import cache
from django.http import HttpResponse
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import timezone

from mdm.accounts.models import Membership, Role
from mdm.admin_sign_in import TRIES
from mdm.channels.models import Channel
from mdm.events.models import Event, Level
from tests.admin.base import AdminTestCase, make_rows
from tests.factories import PASSWORD, make_command, make_device
from tests.mdm.push.certificates import make_push_certificate

LOGIN = "/admin/login/"


class SignInTest(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        cache.clear()
        self.user = self.users[Role.OPERATOR]

    def sign_in(
        self, password: str, *, email: str = "", ip: str = "10.0.0.1", client: Client | None = None
    ) -> HttpResponse:
        data = {"username": email or self.user.email, "password": password}
        return (client or Client()).post(LOGIN, data, REMOTE_ADDR=ip)

    def test_the_page_carries_the_brand(self) -> None:
        response = Client().get(LOGIN)
        self.assertContains(response, "Pomona")
        self.assertContains(response, "img/pomona.svg")
        self.assertNotContains(response, "Django")

    def test_the_right_password_leads_home_and_is_logged_in_every_account(self) -> None:
        Membership.objects.create(account=self.other_account, user=self.user, role=Role.READ_ONLY)
        client = Client()
        self.assertEqual(self.sign_in(PASSWORD, client=client).status_code, 302)
        self.assertEqual(client.get(reverse("admin:index")).status_code, 200)
        events = Event.objects.filter(event_type="user.signed_in")
        self.assertEqual({event.account for event in events}, {self.account, self.other_account})
        self.assertEqual({event.metadata["ip"] for event in events}, {"10.0.0.1"})
        self.assertEqual({event.user for event in events}, {self.user})

    def test_capitals_in_the_address_do_not_matter(self) -> None:
        self.assertEqual(self.sign_in(PASSWORD, email=self.user.email.upper()).status_code, 302)

    def test_one_goes_on_to_the_page_one_wanted_but_to_no_other_site(self) -> None:
        data = {"username": self.user.email, "password": PASSWORD}
        for wanted, expected in (
            ("/admin/mdm_events/event/", "/admin/mdm_events/event/"),
            ("https://evil.example/", "/admin/"),
        ):
            self.assertEqual(Client().post(LOGIN, data | {"next": wanted})["Location"], expected)

    def test_a_wrong_password_is_logged_without_the_password(self) -> None:
        response = self.sign_in("guess-me-not")
        self.assertEqual(response.status_code, 200)
        event = self.events("user.sign_in_failed")[0]
        self.assertEqual((event.level, event.actor_label), (Level.WARNING, self.user.email))
        self.assertNotIn("guess-me-not", str(event.metadata) + response.content.decode())

    def test_a_stranger_is_not_told_whether_the_address_is_known(self) -> None:
        known, unknown = self.sign_in("wrong"), self.sign_in("wrong", email="nobody@example.com")
        self.assertEqual(known.context["form"].non_field_errors(), unknown.context["form"].non_field_errors())

    def test_after_ten_wrong_passwords_even_the_right_one_waits(self) -> None:
        for _ in range(TRIES):
            self.assertNotContains(self.sign_in("wrong"), "Too many")
        response = self.sign_in(PASSWORD)
        self.assertContains(response, "Too many wrong passwords")
        self.assertEqual(self.events("user.sign_in_failed")[-1].level, Level.ERROR)

    def test_another_address_or_person_is_not_held_up(self) -> None:
        for _ in range(TRIES):
            self.sign_in("wrong")
        self.assertEqual(self.sign_in(PASSWORD, ip="10.0.0.2").status_code, 302)
        self.assertEqual(self.sign_in(PASSWORD, email=self.users[Role.ADMIN].email).status_code, 302)

    def test_the_right_password_starts_the_count_again(self) -> None:
        for _ in range(TRIES - 1):
            self.sign_in("wrong")
        self.sign_in(PASSWORD)
        self.sign_in("wrong")
        self.assertEqual(self.sign_in(PASSWORD).status_code, 302)

    def test_an_inactive_person_stays_outside(self) -> None:
        self.user.is_active = False
        self.user.save()
        self.assertEqual(self.sign_in(PASSWORD).status_code, 200)

    def test_signing_out_ends_it(self) -> None:
        client = self.people[Role.OWNER]
        client.post(reverse("admin:logout"))
        self.assertEqual(client.get(reverse("admin:index")).status_code, 302)

    def test_the_password_can_be_changed(self) -> None:
        client = self.people[Role.OPERATOR]
        data = {"old_password": PASSWORD, "new_password1": "plum-cherry-quince", "new_password2": "plum-cherry-quince"}
        self.assertEqual(client.post(reverse("admin:password_change"), data).status_code, 302)
        self.assertTrue(Client().login(username=self.user.email, password="plum-cherry-quince"))


class HomeTest(AdminTestCase):
    def home(self, role: Role = Role.READ_ONLY) -> HttpResponse:
        return self.people[role].get(reverse("admin:index"))

    def figures(self) -> dict[str, int]:
        return {figure.title: figure.number for figure in self.home().context["figures"]}

    def test_an_empty_account_is_led_to_its_first_device(self) -> None:
        self.assertContains(self.home(Role.OPERATOR), "Add device")
        self.assertContains(self.home(), "Enroll the first device")
        self.assertNotContains(self.home(), "Add device")

    def test_the_numbers_are_those_of_the_account(self) -> None:
        device = make_device(self.account)
        make_device(self.account, enrolled=False)
        make_device(self.account, removed_at=timezone.now())
        make_device(self.other_account)
        make_command(device, "SecurityInfo")
        make_command(device, "DeviceLock", state="failed", finished_at=timezone.now())
        make_command(device, "DeviceLock", state="failed", finished_at=timezone.now() - timedelta(days=2))
        expected = {
            "Enrolled devices": 1,
            "Awaiting enrollment": 1,
            "Unenrolled": 0,
            "Commands waiting": 1,
            "Failed in 24 hours": 1,
        }
        self.assertEqual(self.figures(), expected)

    def test_every_number_leads_to_its_list(self) -> None:
        make_device(self.account)
        for figure in self.home().context["figures"]:
            self.assertEqual(self.people[Role.READ_ONLY].get(figure.url).status_code, 200, figure.url)

    def test_the_newest_lines_are_of_the_account(self) -> None:
        make_rows(self.account)
        make_rows(self.other_account)
        lines = self.home().context["lines"]
        self.assertTrue(lines)
        self.assertEqual({line[0].account for line in lines}, {self.account})

    def test_what_needs_attention_is_said(self) -> None:
        make_device(self.account)
        Channel.objects.update(push_token_dead_at=timezone.now())
        with override_settings(IS_HTTPS=False, BASE_URL="http://mdm.example", USES_EMBEDDED_KEYS=True):
            response = self.home()
        for words in ("No push certificate", "1 device cannot be woken", "Real devices need HTTPS", "data directory"):
            self.assertContains(response, words)
        with override_settings(IS_HTTPS=True, USES_EMBEDDED_KEYS=False):
            response = self.home()
        for words in ("Real devices need HTTPS", "data directory"):
            self.assertNotContains(response, words)

    def test_devices_of_another_topic_are_told_to_enroll_again(self) -> None:
        reached, unreached = make_device(self.account), make_device(self.account)
        make_device(self.other_account)
        certificate = make_push_certificate(self.account, topic=reached.device_channel.topic)
        self.assertNotIn("must enroll again", self.titles())
        Channel.objects.filter(device=unreached).update(topic="com.apple.mgmt.External.before")
        self.assertIn("1 device must enroll again", self.titles())
        certificate.delete()
        self.assertIn("No push certificate", self.titles())

    def titles(self) -> str:
        return ", ".join(alert.title for alert in self.home().context["alerts"])

    def test_the_pages_of_single_packages_lead_home(self) -> None:
        self.assertRedirects(self.people[Role.OWNER].get("/admin/devices/"), reverse("admin:index"))

    def test_no_page_names_another_host(self) -> None:
        rows = make_rows(self.account)
        urls = [LOGIN, reverse("admin:index")]
        urls += [self.url(model, "change", rows[model].pk) for model in self.MODELS]
        for url in urls:
            text = self.people[Role.OWNER].get(url, follow=True).content.decode()
            loaded = re.findall(r'(?:src|href)="(https?:)?//([^"]+)"', text)
            self.assertEqual(loaded, [], url)

    def test_our_own_styles_and_scripts_name_no_other_host(self) -> None:
        for name in ("css/admin.css", "js/admin.js", "img/pomona.svg"):
            with open(finders.find(name)) as file:
                text = file.read().replace("http://www.w3.org/2000/svg", "")
            self.assertNotIn("http", text, name)
