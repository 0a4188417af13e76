"""Forgotten passwords: the same answer for everybody, a link that works once, and a worker that sends it."""

import re
from datetime import timedelta
from unittest.mock import patch

from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.db import connection
from django.http import HttpResponse
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from mdm.accounts.models import User
from mdm.sign_in import lockout, resets
from mdm.sign_in.methods import CONSOLE_BACKEND
from mdm.sign_in.models import PasswordReset
from mdm.sign_in.tasks import send_password_resets, tidy_up_sign_in
from tests.factories import PASSWORD
from tests.fakes.mail_server import FakeMailServer
from tests.mdm.sign_in.base import SignInTestCase, give_app

NEW = "plum-cherry-quince"
FORGOTTEN = "/sign-in/forgotten/"


class ResetTestCase(SignInTestCase):
    def ask(self, email: str = "", *, ip: str = "10.0.0.1") -> HttpResponse:
        with self.captureOnCommitCallbacks(execute=True):
            return Client().post(FORGOTTEN, {"email": email or self.user.email}, REMOTE_ADDR=ip)

    def link(self) -> str:
        """The path of the newest link that was sent."""
        return re.search(r"http\S+(/sign-in/new-password/\S+/)", mail.outbox[-1].body)[1]

    def choose(self, link: str, password: str = NEW) -> HttpResponse:
        return Client().post(link, {"password1": password, "password2": password}, REMOTE_ADDR="10.0.0.1")


class AskTest(ResetTestCase):
    def test_a_worker_sends_a_link_to_the_person(self) -> None:
        self.assertRedirects(self.ask(), f"{FORGOTTEN}sent/")
        (message,) = mail.outbox
        self.assertEqual(message.to, [self.user.email])
        self.assertIn("10.0.0.1", message.body)
        html = message.alternatives[0].content
        self.assertIn(self.link(), html)
        self.assertEqual(self.events("user.password_reset_sent")[0].metadata["ip"], "10.0.0.1")

    def test_the_request_itself_sends_nothing(self) -> None:
        with self.captureOnCommitCallbacks(execute=False):
            Client().post(FORGOTTEN, {"email": self.user.email})
        self.assertEqual(mail.outbox, [])
        self.assertEqual(send_password_resets(), 1)
        self.assertEqual(len(mail.outbox), 1)
        self.assertEqual(send_password_resets(), 0)

    def test_capitals_and_spaces_do_not_matter(self) -> None:
        self.ask(f" {self.user.email.upper()} ")
        self.assertEqual(len(mail.outbox), 1)

    def test_the_page_does_and_says_the_same_for_an_address_that_nobody_has(self) -> None:
        statements, answers = [], []
        for email in (self.user.email, "nobody@example.com"):
            with CaptureQueriesContext(connection) as captured, self.captureOnCommitCallbacks(execute=False):
                response = Client().post(FORGOTTEN, {"email": email})
            statements.append([query["sql"].split(" ")[0] for query in captured])
            answers.append((response.status_code, response["Location"], response.content))
        self.assertEqual(statements[0], statements[1])
        self.assertEqual(answers[0], answers[1])
        self.assertEqual(send_password_resets(), 2)
        self.assertEqual([message.to for message in mail.outbox], [[self.user.email]])

    def test_people_whose_login_is_switched_off_get_none(self) -> None:
        User.objects.filter(pk=self.user.pk).update(is_active=False)
        self.ask()
        self.assertEqual(mail.outbox, [])

    def test_nobody_is_flooded(self) -> None:
        for _ in range(resets.MOST_OF_A_PERSON + 2):
            self.assertRedirects(self.ask(), f"{FORGOTTEN}sent/")
        self.assertEqual(len(mail.outbox), resets.MOST_OF_A_PERSON)
        with patch.object(resets, "MOST_OF_AN_ADDRESS", 3):
            self.ask("other@example.com")
        self.assertEqual(PasswordReset.objects.count(), resets.MOST_OF_A_PERSON)

    def test_addresses_of_one_ipv6_network_are_counted_together(self) -> None:
        with patch.object(resets, "MOST_OF_AN_ADDRESS", 3):
            for number in range(5):
                self.ask(f"somebody{number}@example.com", ip=f"2001:db8:1:1::{number:x}")
            self.assertEqual(PasswordReset.objects.count(), 3)
            self.ask("other@example.com", ip="2001:db8:1:2::1")
        self.assertEqual(PasswordReset.objects.count(), 4)

    def test_without_a_mail_server_the_page_says_whom_to_ask(self) -> None:
        with override_settings(EMAIL_BACKEND=CONSOLE_BACKEND):
            self.assertContains(Client().get(FORGOTTEN), "Ask an owner of your account")
            self.ask()
        self.assertEqual(PasswordReset.objects.count(), 0)

    def test_where_everybody_signs_in_elsewhere_only_superusers_get_one(self) -> None:
        with self.settings(OIDC_URL="https://id.example", OIDC_ONLY=True):
            self.ask()
            self.assertEqual(mail.outbox, [])
            User.objects.filter(pk=self.user.pk).update(is_superuser=True)
            self.ask()
            self.assertEqual(len(mail.outbox), 1)

    def test_only_a_digest_of_the_link_is_kept(self) -> None:
        self.ask()
        token = self.link().split("/")[-2]
        row = PasswordReset.objects.get()
        self.assertNotIn(token, str(row.__dict__))


class LinkTest(ResetTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.ask()
        self.url = self.link()

    def test_it_sets_the_password_and_signs_the_person_out_everywhere(self) -> None:
        self.sign_in()
        self.assertContains(Client().get(self.url), "at least 10 characters")
        self.assertRedirects(self.choose(self.url), "/sign-in/new-password/done/")
        self.assert_outside()
        self.assertEqual(self.sign_in(browser=Client()).status_code, 200)
        self.assertEqual(self.sign_in(NEW).status_code, 302)
        self.assertEqual(self.events("user.password_changed")[0].metadata["by"], "a link by e-mail")

    def test_it_works_once(self) -> None:
        self.choose(self.url)
        self.assertContains(self.choose(self.url, "another-one-12345"), "works no more", status_code=410)
        self.assertContains(Client().get(self.url), "works no more", status_code=410)
        self.assertTrue(User.objects.get(pk=self.user.pk).check_password(NEW))

    def test_using_one_ends_the_others(self) -> None:
        self.ask()
        second = self.link()
        self.choose(self.url)
        self.assertEqual(self.choose(second).status_code, 410)

    def test_it_works_for_an_hour(self) -> None:
        PasswordReset.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        self.assertEqual(Client().get(self.url).status_code, 410)
        self.assertEqual(self.choose(self.url).status_code, 410)

    def test_it_works_no_more_for_a_login_that_was_switched_off(self) -> None:
        User.objects.filter(pk=self.user.pk).update(is_active=False)
        self.assertEqual(self.choose(self.url).status_code, 410)

    def test_it_does_not_stand_in_for_the_second_factor(self) -> None:
        give_app(self.user)
        self.choose(self.url)
        self.assertRedirects(self.sign_in(NEW), "/sign-in/second-factor/")

    def test_weak_passwords_are_refused(self) -> None:
        self.assertContains(self.choose(self.url, "password123"), "too common")
        self.assertEqual(self.choose(self.url).status_code, 302)

    def test_an_invented_one_leads_nowhere(self) -> None:
        self.assertEqual(Client().get("/sign-in/new-password/invented/").status_code, 410)

    def test_it_also_lets_in_whom_guesses_kept_out(self) -> None:
        with patch.object(lockout, "TRIES_EVERYWHERE", 2):
            for number in range(2):
                self.sign_in("wrong", ip=f"10.0.1.{number}", browser=Client())
            self.assertContains(self.sign_in(ip="10.5.5.5", browser=Client()), "Too many")
            self.choose(self.url)
            self.assertEqual(self.sign_in(NEW, ip="10.5.5.5").status_code, 302)

    def test_rows_are_forgotten_after_a_day(self) -> None:
        PasswordReset.objects.update(created_at=timezone.now() - timedelta(hours=25))
        tidy_up_sign_in()
        self.assertEqual(PasswordReset.objects.count(), 0)


class SendingTest(ResetTestCase):
    """Over real sockets."""

    def smtp(self, port: int) -> override_settings:
        return self.settings(
            EMAIL_BACKEND="django.core.mail.backends.smtp.EmailBackend", EMAIL_HOST="127.0.0.1", EMAIL_PORT=port
        )

    def test_it_is_handed_to_the_mail_server(self) -> None:
        with FakeMailServer() as server, self.smtp(server.port):
            self.ask()
            ((recipients, raw),) = server.messages
        self.assertEqual(recipients, [self.user.email])
        self.assertIn(b"/sign-in/new-password/", raw)

    def test_while_the_server_is_down_it_is_tried_again_and_nobody_sees_an_error(self) -> None:
        with FakeMailServer() as server:
            port = server.port
        with self.smtp(port):
            self.assertRedirects(self.ask(), f"{FORGOTTEN}sent/")
        row = PasswordReset.objects.get()
        self.assertIsNone(row.sent_at)
        self.assertGreater(row.due_at, timezone.now())
        PasswordReset.objects.update(due_at=timezone.now())
        send_password_resets()
        self.assertEqual(len(mail.outbox), 1)
        self.assertEqual(self.choose(self.link()).status_code, 302)

    def test_one_that_is_refused_is_given_up(self) -> None:
        with FakeMailServer() as server, self.smtp(server.port):
            server.refusals.append("550 No such person")
            self.ask()
        row = PasswordReset.objects.get()
        self.assertEqual((row.sent_at, row.due_at), (None, None))

    def test_it_is_not_tried_for_ever(self) -> None:
        self.ask("nobody@example.com")
        with patch.object(EmailBackend, "send_messages", side_effect=OSError("down")):
            self.ask()
            PasswordReset.objects.update(due_at=timezone.now(), created_at=timezone.now() - timedelta(hours=2))
            send_password_resets()
        self.assertFalse(PasswordReset.objects.exclude(due_at=None).exists())
        self.assertTrue(User.objects.get(pk=self.user.pk).check_password(PASSWORD))

    def test_the_way_to_it_is_on_the_page_for_signing_in(self) -> None:
        self.assertContains(Client().get(reverse("admin:login")), FORGOTTEN)
