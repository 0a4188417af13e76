"""The worker's part: what is due is sent, once as long as nothing dies, and for a day should the other side be in trouble."""

import threading
from datetime import timedelta
from unittest import mock

from django.core import mail
from django.db import connection
from django.test import TransactionTestCase, override_settings
from django.utils import timezone

from enrollment import tasks
from enrollment.models import Invitation, InvitationKind, InvitationState
from enrollment.services import invitation_sending
from enrollment.services.invitation_sending import MOST_ATTEMPTS, forget_old, send_due
from enrollment.services.links import revoke
from mdm.accounts.actors import SYSTEM
from mdm.common.leases import LEASE
from mdm.common.sending import NotSent, NotSentYet
from mdm.events.models import Event, Level
from tests.base import AccountTestCase
from tests.factories import make_account, make_device, make_enrollment, make_invitation, make_user
from tests.fakes.sms_gateway import FakeSmsGateway


def delivering(**effects: object) -> mock._patch:
    """E-mails and text messages go nowhere, or fail as the given side effects say."""
    fakes = {kind.value: mock.Mock(side_effect=effects.get(kind.value), return_value="") for kind in InvitationKind}
    return mock.patch.object(invitation_sending, "_DELIVER", fakes)


class Killed(BaseException):
    """Not an Exception: as when the process ends there."""


class SendDueTest(AccountTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.device = make_device(self.account, enrolled=False)
        self.enrollment = make_enrollment(device=self.device)

    def sent_again(self, invitation: Invitation, **changes: object) -> Invitation:
        """Made due now, and tried."""
        Invitation.objects.filter(pk=invitation.pk).update(due_at=timezone.now(), **changes)
        send_due()
        invitation.refresh_from_db()
        return invitation

    def test_it_is_sent_and_logged_with_kind_and_contact(self) -> None:
        invitation = make_invitation(self.enrollment)
        self.assertEqual(tasks.send_invitations(), 1)
        invitation.refresh_from_db()
        self.assertEqual((invitation.state, invitation.due_at, invitation.error), (InvitationState.SENT, None, ""))
        self.assertIsNotNone(invitation.sent_at)
        event = Event.objects.get(event_type="enrollment.invitation_sent")
        self.assertEqual((event.device, event.actor_label, event.source), (self.device, "Munki", "api"))
        self.assertEqual(
            event.metadata,
            {"kind": "email", "contact": "anna@example.com", "enrollment_id": self.enrollment.pk},
        )

    def test_a_second_run_sends_nothing_more(self) -> None:
        make_invitation(self.enrollment)
        self.assertEqual([send_due(), send_due()], [1, 0])
        self.assertEqual(len(mail.outbox), 1)
        self.assertEqual(Event.objects.count(), 1)

    def test_what_is_not_due_waits(self) -> None:
        make_invitation(self.enrollment, due_at=timezone.now() + timedelta(minutes=5))
        self.assertEqual(send_due(), 0)

    def test_a_link_that_was_closed_meanwhile_is_not_sent_and_the_reason_is_told(self) -> None:
        invitation = make_invitation(self.enrollment)
        revoke(self.enrollment, SYSTEM)
        send_due()
        invitation.refresh_from_db()
        self.assertEqual(mail.outbox, [])
        self.assertEqual(
            (invitation.state, invitation.error), (InvitationState.FAILED, "The enrollment link was revoked.")
        )
        event = Event.objects.get(event_type="enrollment.invitation_failed")
        self.assertEqual((event.level, event.metadata["error"]), (Level.ERROR, invitation.error))

    def test_a_refusal_is_final(self) -> None:
        invitation = make_invitation(self.enrollment)
        with delivering(email=NotSent("The mail server refused it: 550 No such person.")):
            send_due()
        invitation.refresh_from_db()
        self.assertEqual((invitation.state, invitation.attempts), (InvitationState.FAILED, 1))
        self.assertIn("No such person", invitation.error)

    def test_trouble_is_tried_again_with_growing_pauses_and_in_the_end_it_is_sent(self) -> None:
        invitation = make_invitation(self.enrollment)
        pauses = []
        with delivering(email=NotSentYet("The mail server could not be reached.")):
            for _ in range(8):
                begin = timezone.now()
                self.sent_again(invitation)
                pauses.append((invitation.due_at - begin).total_seconds())
                self.assertEqual((invitation.state, send_due()), (InvitationState.WAITING, 0))
        self.assertEqual(pauses[:6], sorted(pauses[:6]))
        self.assertTrue(50 < pauses[0] < 80 and 3200 < pauses[-1] < 4100, pauses)
        self.assertIn("could not be reached", invitation.error)
        self.assertFalse(Event.objects.exists())
        self.sent_again(invitation)
        self.assertEqual((invitation.state, invitation.error), (InvitationState.SENT, ""))

    def test_a_pause_that_was_asked_for_is_kept(self) -> None:
        invitation = make_invitation(self.enrollment)
        with delivering(email=NotSentYet("Busy.", retry_after_seconds=7200)):
            send_due()
        invitation.refresh_from_db()
        self.assertGreater(invitation.due_at, timezone.now() + timedelta(seconds=7100))

    def test_after_a_day_it_has_failed_and_the_operator_reads_why(self) -> None:
        long_ago = timezone.now() - timedelta(hours=23, minutes=50)
        invitation = make_invitation(self.enrollment, created_at=long_ago, attempts=20)
        with delivering(email=NotSentYet("The mail server could not be reached: refused.")):
            send_due()
        invitation.refresh_from_db()
        self.assertEqual((invitation.state, invitation.due_at), (InvitationState.FAILED, None))
        self.assertIn("tried for a day", invitation.error)
        self.assertIn("refused", Event.objects.get(event_type="enrollment.invitation_failed").metadata["error"])

    def test_while_one_way_is_down_one_invitation_finds_out_and_the_other_way_goes_on(self) -> None:
        emails = [make_invitation(self.enrollment) for _ in range(3)]
        texts = [make_invitation(self.enrollment, kind=InvitationKind.SMS, contact="+14155550123") for _ in range(3)]
        with delivering(email=NotSentYet("The mail server could not be reached.")):
            self.assertEqual(send_due(), 4)
        rows = Invitation.objects.filter(pk__in=[one.pk for one in emails])
        self.assertEqual(sorted(rows.values_list("attempts", flat=True)), [0, 0, 1])
        for one in texts:
            one.refresh_from_db()
            self.assertEqual(one.state, InvitationState.SENT)

    def test_a_mail_server_that_puts_one_person_off_gets_the_others(self) -> None:
        for _ in range(3):
            make_invitation(self.enrollment)
        with delivering(email=[NotSentYet("Greylisted.", is_down=False), "", ""]):
            self.assertEqual(send_due(), 3)
        self.assertEqual(Invitation.objects.filter(state=InvitationState.SENT).count(), 2)

    def test_a_fault_of_ours_keeps_no_other_from_being_sent(self) -> None:
        first, second = make_invitation(self.enrollment), make_invitation(self.enrollment)
        with delivering(email=[KeyError("x"), ""]), self.assertLogs("pomona.invitations", "ERROR"):
            send_due()
        first.refresh_from_db()
        second.refresh_from_db()
        self.assertEqual((first.state, second.state), (InvitationState.WAITING, InvitationState.SENT))

    def test_a_worker_that_dies_in_the_middle_delays_it_and_loses_nothing(self) -> None:
        invitation = make_invitation(self.enrollment)
        with delivering(email=Killed()), self.assertRaises(Killed):
            send_due()
        self.assertEqual(send_due(), 0)
        invitation.refresh_from_db()
        self.assertEqual((invitation.state, invitation.attempts), (InvitationState.WAITING, 1))
        self.assertLessEqual(invitation.due_at, timezone.now() + LEASE)
        self.sent_again(invitation)
        self.assertEqual((invitation.state, len(mail.outbox)), (InvitationState.SENT, 1))
        self.assertEqual(Event.objects.count(), 1)

    def test_one_that_ends_its_worker_each_time_is_given_up(self) -> None:
        invitation = make_invitation(self.enrollment, attempts=MOST_ATTEMPTS)
        send_due()
        invitation.refresh_from_db()
        self.assertEqual((invitation.state, mail.outbox), (InvitationState.FAILED, []))
        self.assertIn("interrupted", invitation.error)

    def test_a_worker_that_wakes_up_after_its_lease_writes_nothing_more(self) -> None:
        invitation = make_invitation(self.enrollment)

        def slow(_: Invitation) -> str:
            with delivering():
                self.sent_again(invitation)
            raise NotSent("Far too late.")

        with delivering(email=slow):
            send_due()
        invitation.refresh_from_db()
        self.assertEqual((invitation.state, invitation.attempts), (InvitationState.SENT, 2))
        self.assertEqual([event.event_type for event in Event.objects.all()], ["enrollment.invitation_sent"])

    def test_a_person_who_is_gone_by_then_is_named_by_the_label(self) -> None:
        user = make_user(self.account, email="gone@example.com")
        actor = {"source": "admin ui", "label": "gone@example.com", "user_id": user.pk, "api_key_id": None}
        make_invitation(self.enrollment, actor=actor)
        user.delete()
        send_due()
        event = Event.objects.get(event_type="enrollment.invitation_sent")
        self.assertEqual((event.actor_label, event.user), ("gone@example.com", None))

    def test_contacts_of_long_ago_are_forgotten_but_not_what_waits(self) -> None:
        old = timezone.now() - timedelta(days=91)
        for state in InvitationState:
            make_invitation(self.enrollment, state=state, created_at=old)
        kept = make_invitation(self.enrollment, state=InvitationState.SENT)
        self.assertEqual(forget_old(), 2)
        self.assertEqual(
            set(Invitation.objects.values_list("state", flat=True)), {InvitationState.WAITING, InvitationState.SENT}
        )
        self.assertTrue(Invitation.objects.filter(pk=kept.pk).exists())


class SeveralWorkersTest(TransactionTestCase):
    def test_two_at_once_send_each_message_once(self) -> None:
        enrollment = make_enrollment(make_account())
        for number in range(6):
            make_invitation(enrollment, kind=InvitationKind.SMS, contact=f"+1415555012{number}")
        begin = threading.Barrier(2)

        def work() -> None:
            begin.wait()
            try:
                while Invitation.objects.filter(state=InvitationState.WAITING).exists():
                    if not send_due():
                        return
            finally:
                connection.close()

        with FakeSmsGateway() as gateway, override_settings(**gateway.json_settings()):
            workers = [threading.Thread(target=work) for _ in range(2)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
        self.assertEqual(sorted(text.to for text in gateway.texts), [f"+1415555012{number}" for number in range(6)])
        self.assertEqual(Event.objects.filter(event_type="enrollment.invitation_sent").count(), 6)
