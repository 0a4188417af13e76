"""All accounts of the server, for those who run it."""

from datetime import timedelta
from unittest.mock import patch

from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from mdm.accounts.models import Account, Membership, Role, User
from mdm.events.models import Event, Level
from mdm.push.models import PushCertificate
from tests.admin.base import AdminTestCase, signed_in
from tests.factories import make_account, make_device, make_event, make_user

LIST, ADD, SWITCH = "/admin/accounts/", "/admin/accounts/add/", "/admin/account/switch/"


class AllAccountsTest(AdminTestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        super().setUpTestData()
        cls.root = make_user(None, email="root@example.com", is_superuser=True)

    def setUp(self) -> None:
        super().setUp()
        self.client = signed_in(self.root)

    def rows(self, query: str = "") -> dict[str, object]:
        return {str(row.account): row for row in self.client.get(LIST + query).context["rows"]}

    def test_nobody_else_sees_it_or_knows_of_it(self) -> None:
        for client in (*self.people.values(), self.outside, signed_in(make_user(None))):
            for url in (LIST, ADD):
                self.assertEqual(client.get(url).status_code, 403)
                self.assertEqual(client.post(url, {"name": "Mine"}).status_code, 403)
        self.assertNotContains(self.people[Role.OWNER].get(reverse("admin:roles")), LIST)
        self.assertEqual(self.nobody.get(LIST).status_code, 302)

    def test_each_account_has_its_numbers(self) -> None:
        make_device(self.account, enrolled=True)
        make_device(self.account, enrolled=False)
        make_event(self.account)
        now = timezone.now()
        PushCertificate.objects.create(
            account=self.account,
            topic="com.apple.mgmt.External.x",
            certificate_pem="pem",
            key_pem="key",
            not_before=now,
            not_after=now + timedelta(days=200, hours=1),
        )
        rows = self.rows()
        acme, elsewhere = rows["Acme"], rows["Elsewhere"]
        self.assertEqual((acme.enrolled, acme.people, acme.days_left), (1, len(self.users) + 2, 200))
        self.assertIsNotNone(acme.last_event_at)
        self.assertEqual((elsewhere.enrolled, elsewhere.people, elsewhere.push[0]), (0, 1, "missing"))
        self.assertContains(self.client.get(LIST), "200 days left")

    def test_it_is_searched_by_name_and_by_people(self) -> None:
        self.assertEqual(set(self.rows("?q=ACM")), {"Acme"})
        self.assertEqual(set(self.rows("?q=outsider@")), {"Elsewhere"})
        self.assertContains(self.client.get(LIST + "?q=nothing-like-it"), "Nothing matches")
        self.assertEqual(self.client.get(LIST + "?q=a%00b&page=x").status_code, 200)
        self.assertEqual(self.client.get(LIST + "?page=99999999999").status_code, 200)

    def test_a_hundred_stand_on_a_page_and_the_number_of_statements_stays(self) -> None:
        with CaptureQueriesContext(connection) as few:
            self.client.get(LIST)
        for number in range(110):
            make_device(make_account(f"Branch {number:03}"), enrolled=True)
        with CaptureQueriesContext(connection) as many:
            first = self.client.get(LIST)
        self.assertLessEqual(len(many), len(few))
        self.assertEqual(len(first.context["rows"]), 100)
        self.assertContains(first, "page=2")
        second = self.client.get(LIST + "?page=2")
        self.assertEqual(len(second.context["rows"]), 12)
        self.assertNotContains(second, "page=3")

    def test_whoever_runs_the_server_is_in_no_account_until_they_open_one(self) -> None:
        self.assertRedirects(self.client.get(reverse("admin:index")), LIST)
        self.assertEqual(self.client.get(self.url(Membership, "changelist")).status_code, 403)

    def test_a_login_that_nobody_has_proved_to_be_theirs_owns_an_account_with_a_new_password_only(self) -> None:
        """Somebody else may have made it, for an address that is not theirs."""
        planted = make_user(self.other_account, email="boss@corp.example", email_proved_at=None)
        theirs = signed_in(planted)
        data = {"name": "Corp", "apple_store_country_code": "de", "owner_email": "Boss@corp.example"}
        response = self.client.post(ADD, data)
        planted.refresh_from_db()
        self.assertTrue(planted.check_password(response.context["password"]))
        self.assertEqual(theirs.get(reverse("admin:index")).status_code, 302)
        line = Event.objects.for_account(self.other_account).get(event_type="user.password_changed")
        self.assertEqual((line.actor_label, line.user), ("root@example.com (superuser)", self.root))

    def test_the_log_names_whoever_opened_an_account_in_english(self) -> None:
        data = {"name": "Corp", "apple_store_country_code": "de", "owner_email": self.root.email}
        with patch("mdm.admin_all_accounts._", lambda text: "⟦" + text + "⟧"):
            self.client.post(ADD, data)
        line = Event.objects.get(event_type="account.created", account__name="Corp")
        self.assertEqual(line.actor_label, "root@example.com (superuser)")

    def test_opening_somebody_elses_account_is_logged_there_with_all_that_is_done(self) -> None:
        self.client.post(SWITCH, {"account": self.account.pk})
        visit = Event.objects.for_account(self.account).get(event_type="account.visited")
        self.assertEqual((visit.level, visit.actor_label), (Level.WARNING, "root@example.com (superuser)"))
        self.assertEqual(visit.user, self.root)
        data = {"name": "Renamed", "apple_store_country_code": "US"}
        self.client.post(self.url(Account, "change", self.account.pk), data)
        self.assertEqual(self.events("account.updated")[0].actor_label, "root@example.com (superuser)")

    def test_opening_ones_own_is_not(self) -> None:
        Membership.objects.create(account=self.account, user=self.root, role=Role.READ_ONLY)
        self.client.post(SWITCH, {"account": self.account.pk})
        self.assertFalse(self.events("account.visited"))
        self.assertContains(self.client.get(self.url(Membership, "changelist")), "Invite somebody")

    def test_an_account_that_is_gone_is_left(self) -> None:
        account = make_account("Short-lived")
        self.client.post(SWITCH, {"account": account.pk})
        account.delete()
        self.assertRedirects(self.client.get(reverse("admin:index")), LIST)

    # --- opening a new one --------------------------------------------------------------------------------------------
    def open(self, owner: str, **changes: str) -> HttpResponse:
        data = {"name": "Orchard", "apple_store_country_code": "de", "owner_email": owner, **changes}
        return self.client.post(ADD, data)

    def test_a_new_owner_gets_a_password_that_is_shown_once(self) -> None:
        response = self.open("New@Example.com")
        password = response.context["password"]
        self.assertContains(response, password)
        self.assertIn("no-store", response["Cache-Control"])
        account = Account.objects.get(name="Orchard")
        self.assertEqual(account.apple_store_country_code, "DE")
        member = account.memberships.get()
        self.assertEqual((member.user.email, member.role), ("new@example.com", Role.OWNER))
        self.assertTrue(member.user.check_password(password))
        event = Event.objects.for_account(account).get(event_type="account.created")
        self.assertEqual(event.actor_label, "root@example.com (superuser)")

    def test_an_owner_with_a_login_keeps_their_password(self) -> None:
        before = User.objects.get(pk=self.outsider.pk).password
        self.assertRedirects(self.open(self.outsider.email), LIST)
        self.assertEqual(User.objects.get(pk=self.outsider.pk).password, before)
        self.assertTrue(
            Membership.objects.filter(user=self.outsider, account__name="Orchard", role=Role.OWNER).exists()
        )

    def test_whoever_opens_their_own_is_in_it(self) -> None:
        self.open(self.root.email)
        self.assertEqual(self.client.get(reverse("admin:roles")).context["current_account"].name, "Orchard")

    def test_nonsense_is_refused_with_a_reason(self) -> None:
        for changes in ({"name": ""}, {"apple_store_country_code": "Germany"}, {"owner_email": "nobody"}):
            response = self.client.post(
                ADD, {"name": "Orchard", "apple_store_country_code": "DE", "owner_email": "a@example.com", **changes}
            )
            self.assertIn(next(iter(changes)), response.context["form"].errors)
        self.assertFalse(Account.objects.filter(name="Orchard").exists())

    def test_a_server_without_accounts_says_what_to_do(self) -> None:
        Account.objects.all().delete()
        self.assertContains(self.client.get(LIST), "Open the first account")

    def test_a_form_without_its_token_is_refused(self) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(self.root)
        self.assertEqual(client.post(ADD, {"name": "Orchard"}).status_code, 403)
