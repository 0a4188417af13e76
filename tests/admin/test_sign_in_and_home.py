"""Signing in, and the page one sees then."""

from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from mdm.accounts.models import Membership, Role
from mdm.events.models import Event, Level
from mdm.sign_in.lockout import TRIES
from tests.admin.base import AdminTestCase
from tests.factories import PASSWORD

LOGIN = "/admin/login/"


class SignInTest(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.user = self.users[Role.OPERATOR]

    def sign_in(
        self, password: str, *, email: str = "", ip: str = "10.0.0.1", client: Client | None = None
    ) -> HttpResponse:
        data = {"login": email or self.user.email, "password": password}
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
        data = {"login": self.user.email, "password": PASSWORD}
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
        self.assertRedirects(client.get(reverse("admin:password_change")), reverse("account_change_password"))
        data = {"oldpassword": PASSWORD, "password1": "plum-cherry-quince", "password2": "plum-cherry-quince"}
        self.assertEqual(client.post(reverse("account_change_password"), data).status_code, 302)
        self.assertTrue(Client().login(username=self.user.email, password="plum-cherry-quince"))
