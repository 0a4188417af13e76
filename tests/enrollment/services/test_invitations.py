from datetime import timedelta

from django.core import mail
from django.test import override_settings
from django.utils import timezone

from devices.services.variables import variables_of
from enrollment.models import Invitation, InvitationKind, InvitationState
from enrollment.services.errors import EnrollmentError, TooManyInvitations
from enrollment.services.invitation_sending import send_due
from enrollment.services.invitations import send_invitation, sends_texts
from enrollment.services.links import revoke
from mdm.accounts.actors import SYSTEM, Actor, Source
from tests.base import AccountTestCase
from tests.factories import make_device, make_enrollment, make_invitation

API = Actor(Source.API, "Munki")
GATEWAY = {
    "SMS_URL": "https://sms.example.com/messages",
    "SMS_FIELDS": '{"to": "{to}", "text": "{text}"}',
}


NO_MAIL = override_settings(EMAIL_BACKEND="django.core.mail.backends.console.EmailBackend")


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

    @override_settings(**GATEWAY)
    def test_a_phone_number_is_no_address_of_the_device(self) -> None:
        send_invitation(self.enrollment, "+1 415 555 0123", API)
        self.device.refresh_from_db()
        self.assertEqual(self.device.email, "")

    def test_the_order_is_a_row_and_nothing_is_sent_before_the_commit(self) -> None:
        invitation = send_invitation(self.enrollment, " anna@example.com ", API)
        self.assertEqual(mail.outbox, [])
        invitation.refresh_from_db()
        self.assertEqual(
            (invitation.account, invitation.kind, invitation.contact, invitation.state, invitation.attempts),
            (self.account, InvitationKind.EMAIL, "anna@example.com", InvitationState.WAITING, 0),
        )
        self.assertLessEqual(invitation.due_at, timezone.now())
        self.assertEqual(invitation.actor["label"], "Munki")

    @NO_MAIL
    def test_without_a_mail_server_there_is_no_way_to_an_address(self) -> None:
        with self.assertRaisesMessage(EnrollmentError, "This server sends no e-mail (EMAIL_URL is not set)"):
            self.invite()
        with self.assertRaisesMessage(EnrollmentError, "neither text messages nor e-mail"):
            self.invite("+1 415 555 0123")
        self.assertFalse(Invitation.objects.exists())
        self.device.refresh_from_db()
        self.assertEqual(self.device.email, "")

    @NO_MAIL
    def test_a_worker_without_a_mail_server_does_not_say_that_it_was_sent(self) -> None:
        invitation = make_invitation(self.enrollment)
        send_due()
        invitation.refresh_from_db()
        self.assertEqual(invitation.state, InvitationState.FAILED)
        self.assertIn("sends no e-mail", invitation.error)

    def test_the_worker_sends_it_after_the_commit(self) -> None:
        self.invite()
        self.assertEqual(mail.outbox[0].to, ["anna@example.com"])
        self.assertEqual(Invitation.objects.get().state, InvitationState.SENT)

    @override_settings(**GATEWAY)
    def test_a_number_is_stored_in_its_international_form(self) -> None:
        invitation = send_invitation(self.enrollment, "0049 (0)170 / 12345-67", API)
        self.assertEqual((invitation.kind, invitation.contact), (InvitationKind.SMS, "+491701234567"))

    def test_without_a_gateway_a_number_is_refused_with_the_reason(self) -> None:
        self.assertFalse(sends_texts())
        with self.assertRaisesMessage(EnrollmentError, "Text messages are not set up on this server"):
            self.invite("+49 170 1234567")
        self.assertFalse(Invitation.objects.exists())

    @override_settings(**GATEWAY | {"SMS_FIELDS": '{"to": "{to}"}'})
    def test_with_half_a_gateway_too(self) -> None:
        self.assertFalse(sends_texts())
        with self.assertRaisesMessage(EnrollmentError, "not set up rightly on this server (SMS_FIELDS needs"):
            self.invite("+49 170 1234567")

    def test_what_is_no_address_is_refused(self) -> None:
        for contact in ("", "anna", "a@example.com, b@example.com", "a" * 5000, "a@example.com\nBcc: b@example.com"):
            with self.subTest(contact), self.assertRaises(EnrollmentError):
                self.invite(contact)
        self.assertFalse(Invitation.objects.exists())

    def test_nobody_is_invited_with_a_closed_link(self) -> None:
        for fields, word in (
            ({"revoked_at": timezone.now()}, "was revoked"),
            ({"expires_at": timezone.now() - timedelta(days=1)}, "has expired"),
        ):
            enrollment = make_enrollment(self.account, **fields)
            with self.assertRaisesMessage(EnrollmentError, word):
                send_invitation(enrollment, "anna@example.com", API)
        spent = make_enrollment(device=make_device(self.account), spent_at=timezone.now())
        with self.assertRaisesMessage(EnrollmentError, "is spent"):
            send_invitation(spent, "anna@example.com", API)
        revoke(self.enrollment, SYSTEM)
        with self.assertRaisesMessage(EnrollmentError, "was revoked"):
            self.invite()


@override_settings(INVITATIONS_PER_HOUR=3)
class RateTest(AccountTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.enrollment = make_enrollment(self.account)

    def test_an_account_may_send_so_many_in_an_hour_and_is_told_when_it_may_again(self) -> None:
        for minutes in (50, 30, 10):
            make_invitation(self.enrollment, created_at=timezone.now() - timedelta(minutes=minutes))
        with self.assertRaises(TooManyInvitations) as caught:
            send_invitation(self.enrollment, "anna@example.com", API)
        self.assertAlmostEqual(caught.exception.wait, 600, delta=30)
        self.assertIn("3 invitations in an hour", str(caught.exception))
        self.assertEqual(Invitation.objects.count(), 3)

    def test_those_of_an_hour_ago_and_of_other_accounts_do_not_count(self) -> None:
        for _ in range(3):
            make_invitation(self.enrollment, created_at=timezone.now() - timedelta(minutes=61))
            make_invitation(make_enrollment(self.other_account))
        send_invitation(self.enrollment, "anna@example.com", API)
        self.assertEqual(Invitation.objects.for_account(self.account).count(), 4)

    def test_failed_ones_count_as_well(self) -> None:
        for _ in range(3):
            make_invitation(self.enrollment, state=InvitationState.FAILED)
        with self.assertRaises(TooManyInvitations):
            send_invitation(self.enrollment, "anna@example.com", API)

    @override_settings(INVITATIONS_PER_HOUR=0)
    def test_zero_is_no_limit(self) -> None:
        for _ in range(5):
            send_invitation(self.enrollment, "anna@example.com", API)
        self.assertEqual(Invitation.objects.count(), 5)
