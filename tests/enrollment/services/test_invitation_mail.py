"""The e-mail: what stands in it, and how a real mail server's answers are understood."""

import email
import email.policy
import re
import socket
from datetime import timedelta
from html.parser import HTMLParser

from django.core.mail.backends.smtp import EmailBackend
from django.test import override_settings
from django.utils import timezone

from enrollment.models import Invitation, InvitationState
from enrollment.services.invitation_mail import message_for
from enrollment.services.invitation_sending import send_due
from tests.base import AccountTestCase
from tests.factories import make_device, make_enrollment, make_invitation
from tests.fakes.mail_server import FakeMailServer

SMTP = "django.core.mail.backends.smtp.EmailBackend"


class Links(HTMLParser):
    """addresses: of every link; pictures: of every image; words: what a person reads."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.pictures: list[str] = []
        self.words = ""
        self._is_style = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._is_style = tag == "style"
        for name, value in attrs:
            if tag == "a" and name == "href":
                self.addresses.append(value)
            if name == "src":
                self.pictures.append(value)

    def handle_data(self, data: str) -> None:
        if not self._is_style:
            self.words += data


def parse(raw: bytes) -> email.message.EmailMessage:
    return email.message_from_bytes(raw, policy=email.policy.default)


class MessageTest(AccountTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.device = make_device(self.account, enrolled=False, name="Anna's iPhone")
        self.enrollment = make_enrollment(device=self.device, created_by=self.owner)

    def written(self) -> tuple[email.message.EmailMessage, str, Links, bytes]:
        """The message as it goes out: itself, its text, its HTML, its picture."""
        invitation = make_invitation(self.enrollment)
        message = parse(message_for(invitation).message().as_bytes())
        by_type = {part.get_content_type(): part for part in message.walk()}
        html = by_type["text/html"].get_content()
        return message, by_type["text/plain"].get_content(), Links(html), by_type["image/png"].get_content()

    def test_text_and_html_say_the_same_and_have_one_link(self) -> None:
        message, text, html, _ = self.written()
        self.assertEqual(message["To"], "anna@example.com")
        self.assertEqual(message["Subject"], "Set up your device for Acme")
        self.assertEqual(message["Reply-To"], self.owner.email)
        self.assertEqual(re.findall(r"https?://\S+", text), [self.enrollment.url])
        self.assertEqual(html.addresses, [self.enrollment.url])
        for words in ("Acme", "Anna's iPhone", "one device only", self.owner.email, "iPhone or iPad", "Mac", "Allow"):
            self.assertIn(words, text)
            self.assertIn(words, html.words)

    def test_the_qr_code_comes_with_it_and_nothing_is_loaded_from_elsewhere(self) -> None:
        message, _, html, picture = self.written()
        self.assertEqual(message.get_content_type(), "multipart/related")
        self.assertEqual(html.pictures, ["cid:enrollment-link"])
        image = next(part for part in message.walk() if part.get_content_type() == "image/png")
        self.assertEqual(image["Content-ID"], "<enrollment-link>")
        self.assertEqual(image.get_content_disposition(), "inline")
        self.assertTrue(picture.startswith(b"\x89PNG\r\n"))
        self.assertLess(len(picture), 20_000)

    def test_a_group_link_says_until_when_it_is_valid(self) -> None:
        self.enrollment = make_enrollment(self.account, expires_at=timezone.now() + timedelta(days=3))
        _, text, html, _ = self.written()
        until = f"{self.enrollment.expires_at:%B %Y, %H:%M} UTC"
        for words in (until, "people outside Acme", "IT team of Acme"):
            self.assertIn(words, text)
            self.assertIn(words, html.words)

    def test_names_are_escaped_in_html_and_break_no_line_of_the_header(self) -> None:
        self.account.name = "Müller & <b>Söhne</b>\nBcc: x@example.com"
        self.account.save()
        self.enrollment.refresh_from_db()
        invitation = make_invitation(self.enrollment)
        message = message_for(invitation)
        self.assertEqual(message.subject, "Set up your device for Müller & <b>Söhne</b> Bcc: x@example.com")
        self.assertEqual(message.recipients(), ["anna@example.com"])
        self.assertIn("Müller & <b>Söhne</b>", message.body)
        html = message.alternatives[0].content
        self.assertIn("Müller &amp; &lt;b&gt;Söhne&lt;/b&gt;", html)
        self.assertNotIn("<b>", html)

    def test_a_second_attempt_is_the_same_message_to_mail_servers(self) -> None:
        invitation = make_invitation(self.enrollment)
        again = Invitation.objects.get(pk=invitation.pk)
        first, second, other = map(message_for, (invitation, again, make_invitation(self.enrollment)))
        self.assertEqual(first.message()["Message-ID"], second.message()["Message-ID"])
        self.assertNotEqual(first.message()["Message-ID"], other.message()["Message-ID"])


class MailServerTest(AccountTestCase):
    """Over a real socket."""

    def setUp(self) -> None:
        super().setUp()
        self.invitation = make_invitation(make_enrollment(self.account))
        self.server = self.enterContext(FakeMailServer())
        self.enterContext(
            override_settings(EMAIL_BACKEND=SMTP, EMAIL_HOST="127.0.0.1", EMAIL_PORT=self.server.port, EMAIL_TIMEOUT=10)
        )

    def sent(self) -> Invitation:
        send_due()
        self.invitation.refresh_from_db()
        return self.invitation

    def test_it_arrives_whole(self) -> None:
        self.assertEqual(self.sent().state, InvitationState.SENT)
        recipients, raw = self.server.messages[0]
        self.assertEqual(recipients, ["anna@example.com"])
        message = parse(raw)
        self.assertEqual(
            [part.get_content_type() for part in message.walk()],
            ["multipart/related", "multipart/alternative", "text/plain", "text/html", "image/png"],
        )
        self.assertIn(self.invitation.enrollment.url, message.get_body(("plain",)).get_content())

    def test_a_person_whom_the_server_does_not_know_is_final(self) -> None:
        self.server.refusals = ["550 5.1.1 No such person here"]
        self.assertEqual(self.sent().state, InvitationState.FAILED)
        self.assertIn("550 5.1.1 No such person here", self.invitation.error)

    def test_one_who_is_put_off_is_tried_again(self) -> None:
        self.server.refusals = ["451 4.7.1 Greylisted, come back"]
        self.assertEqual(self.sent().state, InvitationState.WAITING)
        self.assertIn("451 4.7.1 Greylisted", self.invitation.error)
        Invitation.objects.update(due_at=timezone.now())
        self.assertEqual(self.sent().state, InvitationState.SENT)

    def test_a_server_that_is_down_is_tried_again(self) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            with override_settings(EMAIL_PORT=unused.getsockname()[1]):
                self.assertEqual(self.sent().state, InvitationState.WAITING)
        self.assertIn("could not be reached", self.invitation.error)

    def test_a_server_without_the_encryption_that_is_demanded_is_final(self) -> None:
        with override_settings(EMAIL_USE_TLS=True):
            self.assertEqual(self.sent().state, InvitationState.FAILED)
        self.assertIn("cannot take it", self.invitation.error)
        self.assertEqual(self.server.messages, [])

    def test_a_silent_server_does_not_hold_a_worker_for_ever(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            with override_settings(EMAIL_PORT=port, EMAIL_TIMEOUT=0.2):
                self.assertEqual(self.sent().state, InvitationState.WAITING)
        self.assertIn("timed out", self.invitation.error)


class TimeoutTest(AccountTestCase):
    def test_every_step_of_a_conversation_has_a_limit(self) -> None:
        self.assertEqual(EmailBackend().timeout, 30)
