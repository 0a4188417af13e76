from datetime import timedelta
from smtplib import SMTPServerDisconnected
from unittest import mock

from celery.exceptions import Retry
from django.core import mail
from django.test import override_settings
from django.utils import timezone

from devices.services.variables import variables_of
from enrollment import tasks
from enrollment.services.errors import EnrollmentError
from enrollment.services.invitations import send_invitation
from enrollment.services.links import revoke
from mdm.accounts.actors import SYSTEM, Actor, Source
from mdm.events.models import Event, Level
from tests.base import AccountTestCase
from tests.factories import make_device, make_enrollment

API = Actor(Source.API, "Munki")


class SendInvitationTest(AccountTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.device = make_device(self.account, enrolled=False, name="Anna's iPhone")
        self.enrollment = make_enrollment(device=self.device, created_by=self.owner)

    def invite(self, contact: str = "anna@example.com") -> None:
        with self.captureOnCommitCallbacks(execute=True):
            send_invitation(self.enrollment, contact, API)

    def test_the_address_is_known_of_the_device_and_a_second_one_does_not_change_it(self) -> None:
        self.invite()
        self.invite("somebody.else@example.com")
        self.device.refresh_from_db()
        self.assertEqual(self.device.email, "anna@example.com")
        self.assertEqual(variables_of(self.device)["email"], "anna@example.com")

    def test_it_mails_the_link_and_logs_it(self):
        self.invite(" anna@example.com ")
        message = mail.outbox[0]
        self.assertEqual(message.to, ["anna@example.com"])
        self.assertEqual(message.subject, "Set up your device for Acme")
        for text in (self.enrollment.url, "Anna's iPhone", "one device only", self.owner.email):
            self.assertIn(text, message.body)
        event = Event.objects.get(event_type="enrollment.invitation_sent")
        self.assertEqual((event.device, event.actor_label, event.source), (self.device, "Munki", "api"))
        self.assertEqual(event.metadata["contact"], "anna@example.com")

    def test_a_group_invitation_says_until_when_it_is_valid(self):
        self.enrollment = make_enrollment(self.account, expires_at=timezone.now() + timedelta(days=3))
        self.invite()
        self.assertIn("valid until", mail.outbox[0].body)
        self.assertIn("iPhone, iPad or Mac", mail.outbox[0].body)

    def test_names_are_not_escaped_as_in_a_web_page(self):
        self.account.name = "Müller & Söhne\nBcc: x@example.com"
        self.account.save()
        self.enrollment.refresh_from_db()
        self.invite()
        self.assertEqual(mail.outbox[0].subject, "Set up your device for Müller & Söhne Bcc: x@example.com")
        self.assertEqual(mail.outbox[0].recipients(), ["anna@example.com"])

    def test_a_phone_number_is_refused_with_the_reason(self):
        for number in ("+49 170 1234567", "(555) 123-4567", "5551234567"):
            with self.assertRaisesMessage(EnrollmentError, "e-mail only"):
                self.invite(number)
        self.assertEqual(mail.outbox, [])

    def test_what_is_no_address_is_refused(self):
        for contact in ("", "anna", "anna@", "a@example.com, b@example.com", "a@example.com\nBcc: b@example.com"):
            with self.subTest(contact), self.assertRaises(EnrollmentError):
                self.invite(contact)

    def test_a_closed_link_is_not_mailed(self):
        revoke(self.enrollment, SYSTEM)
        with self.assertRaisesMessage(EnrollmentError, "revoked"):
            self.invite()

    def test_a_link_closed_before_the_worker_came_is_not_mailed(self):
        with self.captureOnCommitCallbacks() as callbacks:
            send_invitation(self.enrollment, "anna@example.com", API)
        revoke(self.enrollment, SYSTEM)
        for callback in callbacks:
            callback()
        self.assertEqual(mail.outbox, [])

    def test_nothing_is_sent_before_the_commit(self):
        send_invitation(self.enrollment, "anna@example.com", API)
        self.assertEqual(mail.outbox, [])

    def test_a_deleted_enrollment_ends_the_task(self):
        actor = {"source": "api", "label": "Munki", "user_id": None, "api_key_id": None}
        self.assertFalse(tasks.send_invitation(0, "anna@example.com", actor))


@override_settings(CELERY_TASK_EAGER_PROPAGATES=False)
class MailServerTroubleTest(AccountTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.enrollment = make_enrollment(self.account)
        self.actor = {"source": "api", "label": "Munki", "user_id": None, "api_key_id": None}

    def run_task(self, retries: int) -> bool:
        tasks.send_invitation.push_request(retries=retries, called_directly=False, is_eager=False)
        broken = mock.patch("django.core.mail.EmailMessage.send", side_effect=SMTPServerDisconnected("gone"))
        try:
            with broken, mock.patch.object(tasks.send_invitation, "retry", side_effect=Retry()):
                return tasks.send_invitation.run(self.enrollment.pk, "anna@example.com", self.actor)
        finally:
            tasks.send_invitation.pop_request()

    def test_the_mail_server_is_asked_again(self):
        with self.assertRaises(Retry):
            self.run_task(retries=0)
        self.assertFalse(Event.objects.exists())

    def test_in_the_end_the_operator_reads_why_it_failed(self):
        self.assertFalse(self.run_task(retries=tasks.MAIL_RETRIES))
        event = Event.objects.get(event_type="enrollment.invitation_failed")
        self.assertEqual(event.level, Level.ERROR)
        self.assertIn("gone", event.metadata["error"])
