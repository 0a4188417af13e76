"""How the e-mails of invitations are sent, tried again and given up."""

from datetime import timedelta
from smtplib import SMTPRecipientsRefused, SMTPResponseException
from unittest.mock import patch

from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.test import override_settings
from django.utils import timezone

from mdm.accounts.models import PersonInvitation, Role
from mdm.common.tokens import digest, new_token
from mdm.events.models import Event
from mdm.sign_in.invitation_sending import MOST_ATTEMPTS, send_due
from tests.base import AccountTestCase
from tests.factories import make_person_invitation

LOCMEM = override_settings(EMAIL_BACKEND="django.core.mail.backends.locmem.EmailBackend")


@LOCMEM
class SendingTest(AccountTestCase):
    def waiting(self, email: str = "new@example.com", **fields: object) -> PersonInvitation:
        """A link that is to be sent."""
        token = new_token(32)
        given = {"token": token, "digest": digest(token), "due_at": timezone.now(), "invited_by": self.owner, **fields}
        row = PersonInvitation(
            account=self.account, email=email, expires_at=timezone.now() + timedelta(days=7), role=Role.OPERATOR
        )
        for name, value in given.items():
            setattr(row, name, value)
        row.save()
        return row

    def failing(self, error: Exception) -> object:
        return patch.object(EmailMultiAlternatives, "send", side_effect=error)

    def test_text_and_html_say_who_invites_to_what_and_hold_the_link(self) -> None:
        invitation = self.waiting(name="Nina")
        token = invitation.token
        self.assertEqual(send_due(), 1)
        message = mail.outbox[0]
        self.assertEqual((message.to, message.reply_to), (["new@example.com"], ["owner@example.com"]))
        self.assertEqual(message.subject, "You are invited to Acme in Pomona")
        for text in (message.body, message.alternatives[0][0]):
            for words in ("Acme", "owner@example.com", "Operator", f"/invitation/{token}/", "UTC"):
                self.assertIn(words, text)
        self.assertIn("Hello Nina,", message.body)

    def test_names_are_escaped_in_the_html_and_not_in_the_text(self) -> None:
        self.account.name = "Plums & <Pears>"
        self.account.save()
        self.waiting()
        send_due()
        self.assertIn("Plums & <Pears>", mail.outbox[0].body)
        self.assertIn("Plums &amp; &lt;Pears&gt;", mail.outbox[0].alternatives[0][0])

    def test_the_secret_of_the_link_is_forgotten_once_it_is_sent(self) -> None:
        invitation = self.waiting()
        send_due()
        stored = PersonInvitation.objects.get(pk=invitation.pk)
        self.assertEqual((stored.token, stored.due_at), ("", None))
        self.assertIsNotNone(stored.sent_at)
        self.assertEqual(send_due(), 0)

    def test_a_link_that_was_handed_over_is_not_sent(self) -> None:
        make_person_invitation(self.account)
        self.assertEqual(send_due(), 0)

    def test_a_server_that_is_down_is_tried_again_with_the_same_message_id(self) -> None:
        invitation = self.waiting()
        self.waiting("second@example.com")
        with self.failing(ConnectionRefusedError("refused")):
            self.assertEqual(send_due(), 1)  # the other one waits for the next turn
        stored = PersonInvitation.objects.get(pk=invitation.pk)
        self.assertGreater(stored.due_at, timezone.now() + timedelta(seconds=30))
        self.assertIn("could not be reached", stored.error)
        self.assertTrue(stored.token)
        PersonInvitation.objects.update(due_at=timezone.now())
        with patch("mdm.sign_in.invitation_sending._mine", return_value=PersonInvitation.objects.none()):
            send_due()  # sent, and the worker died before it could say so
        PersonInvitation.objects.update(due_at=timezone.now())
        send_due()
        ids = [message.extra_headers["Message-ID"] for message in mail.outbox if message.to == ["new@example.com"]]
        self.assertEqual(len(ids), 2)
        self.assertEqual(len(set(ids)), 1)

    def test_an_address_that_is_refused_is_given_up_at_once_and_logged(self) -> None:
        invitation = self.waiting()
        with self.failing(SMTPRecipientsRefused({"new@example.com": (550, b"no such user")})):
            send_due()
        stored = PersonInvitation.objects.get(pk=invitation.pk)
        self.assertEqual((stored.due_at, stored.token), (None, ""))
        self.assertIn("550 no such user", stored.error)
        event = Event.objects.for_account(self.account).get(event_type="member.invitation_failed")
        self.assertEqual(event.metadata["person"], "new@example.com")

    def test_a_server_that_asks_for_later_is_asked_later_for_a_day(self) -> None:
        invitation = self.waiting()
        with self.failing(SMTPResponseException(451, b"greylisted")):
            send_due()
            self.assertIsNotNone(PersonInvitation.objects.get(pk=invitation.pk).due_at)
            long_ago = timezone.now() - timedelta(days=1)
            PersonInvitation.objects.update(created_at=long_ago, due_at=timezone.now())
            send_due()
        stored = PersonInvitation.objects.get(pk=invitation.pk)
        self.assertIsNone(stored.due_at)
        self.assertIn("It was tried for a day", stored.error)

    def test_one_that_breaks_its_worker_again_and_again_is_given_up(self) -> None:
        invitation = self.waiting(attempts=MOST_ATTEMPTS)
        send_due()
        self.assertIn("interrupted again and again", PersonInvitation.objects.get(pk=invitation.pk).error)
        self.assertEqual(mail.outbox, [])

    def test_what_was_revoked_or_has_run_out_is_not_sent(self) -> None:
        self.waiting("revoked@example.com", revoked_at=timezone.now())
        self.waiting("late@example.com", expires_at=timezone.now() - timedelta(hours=1))
        send_due()
        self.assertEqual(mail.outbox, [])
        self.assertIn("ran out", PersonInvitation.objects.get(email="late@example.com").error)

    def test_trouble_with_one_keeps_no_other_from_being_sent(self) -> None:
        self.waiting("first@example.com")
        self.waiting("second@example.com")
        real = EmailMultiAlternatives.send

        def send(message: EmailMultiAlternatives) -> int:
            if message.to == ["first@example.com"]:
                raise RuntimeError("boom")
            return real(message)

        with patch.object(EmailMultiAlternatives, "send", send), self.assertLogs("pomona.invitations", "ERROR"):
            self.assertEqual(send_due(), 2)
        self.assertEqual([message.to for message in mail.outbox], [["second@example.com"]])
