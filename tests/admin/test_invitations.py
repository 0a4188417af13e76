"""Inviting people from the page of an enrollment link, and what became of it."""

from django.core import mail
from django.db import connection
from django.http import HttpResponse
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from enrollment.models import Enrollment, Invitation
from enrollment.services.links import revoke
from mdm.accounts.actors import SYSTEM
from mdm.accounts.models import Role
from tests.admin.base import AdminTestCase
from tests.factories import make_enrollment, make_invitation
from tests.fakes.sms_gateway import FakeSmsGateway

NO_MAIL = override_settings(EMAIL_BACKEND="django.core.mail.backends.console.EmailBackend")


class InvitationTest(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.enrollment = make_enrollment(self.account)
        self.page = self.url(Enrollment, "change", self.enrollment.pk)

    def invite(self, contact: str) -> HttpResponse:
        with self.captureOnCommitCallbacks(execute=True):
            return self.people[Role.OPERATOR].post(
                self.url(Enrollment, "invite", self.enrollment.pk), {"contact": contact}, follow=True
            )

    def again(self, invitation: Invitation, client: Client) -> HttpResponse:
        url = self.url(Enrollment, "invite_again", self.enrollment.pk, invitation.pk)
        with self.captureOnCommitCallbacks(execute=True):
            return client.post(url, follow=True)

    def state(self) -> str:
        url = self.url(Enrollment, "invitations_state", self.enrollment.pk)
        return self.people[Role.READ_ONLY].get(url).json()["mark"]

    def test_an_invitation_is_sent_by_e_mail_and_listed(self) -> None:
        response = self.invite("teacher@example.com")
        self.assertEqual(mail.outbox[0].to, ["teacher@example.com"])
        self.assertIn(self.enrollment.code, mail.outbox[0].body)
        self.assertContains(response, "An invitation goes to teacher@example.com.")
        self.assertContains(self.people[Role.OPERATOR].get(self.page), ">Sent</span>")
        self.assertEqual(Invitation.objects.get().actor["label"], "operator@acme.example")

    def test_without_a_gateway_the_field_asks_for_an_address_and_refuses_numbers(self) -> None:
        client = self.people[Role.OPERATOR]
        self.assertNotContains(client.get(self.page), "or phone number")
        response = client.post(self.url(Enrollment, "invite", self.enrollment.pk), {"contact": "+49 171 1234567"})
        self.assertContains(response, "Text messages are not set up", status_code=422)
        self.assertIn("contact", response.context["invitation_form"].errors)
        self.assertFalse(Invitation.objects.exists())

    def test_with_one_it_takes_numbers_too(self) -> None:
        with FakeSmsGateway() as gateway, override_settings(**gateway.json_settings()):
            self.assertContains(self.people[Role.OPERATOR].get(self.page), "E-mail address or phone number")
            self.assertContains(self.invite("+49 (0)171 1234567"), "An invitation goes to +491711234567.")
            self.assertEqual(gateway.texts[0].to, "+491711234567")
            self.assertContains(self.people[Role.OPERATOR].get(self.page), "msg-1")
            self.assertContains(self.invite("0171 1234567"), "country code", status_code=422)

    @NO_MAIL
    def test_without_a_mail_server_nobody_is_invited_by_e_mail(self) -> None:
        page = self.people[Role.OPERATOR].get(self.page)
        self.assertContains(
            page, "This server sends no e-mail (EMAIL_URL is not set): you hand over what lets them in."
        )
        self.assertContains(page, self.enrollment.url)
        self.assertNotContains(page, "Send invitation")
        self.invite("teacher@example.com")
        self.assertFalse(Invitation.objects.exists())
        failed = make_invitation(self.enrollment, state="failed")
        self.assertNotContains(self.people[Role.OPERATOR].get(self.page), "Send again to")
        self.assertContains(self.again(failed, self.people[Role.OPERATOR]), "hand over the link yourself")
        self.assertEqual(Invitation.objects.count(), 1)

    @NO_MAIL
    def test_without_one_but_with_a_gateway_it_takes_numbers(self) -> None:
        with FakeSmsGateway() as gateway, override_settings(**gateway.json_settings()):
            page = self.people[Role.OPERATOR].get(self.page)
            self.assertContains(page, "This server sends no e-mail")
            self.assertContains(page, "Phone number")
            self.assertContains(self.invite("+49 171 1234567"), "An invitation goes to +491711234567.")
            self.assertContains(self.invite("a@example.com"), "This server sends no e-mail", status_code=422)

    def test_a_failed_one_shows_why_and_is_sent_again_as_a_new_one(self) -> None:
        failed = make_invitation(self.enrollment, state="failed", error="The mail server refused it: 550 <No> person.")
        client = self.people[Role.OPERATOR]
        page = client.get(self.page)
        self.assertContains(page, "550 &lt;No&gt; person.")
        self.assertContains(page, "Send again to anna@example.com")
        self.assertNotContains(page, "data-watch")
        self.assertContains(self.again(failed, client), "goes to anna@example.com again")
        self.assertEqual(mail.outbox[0].to, ["anna@example.com"])
        self.assertEqual(sorted(Invitation.objects.values_list("state", flat=True)), ["failed", "sent"])

    def test_the_page_follows_while_one_waits(self) -> None:
        invitation = make_invitation(
            self.enrollment, attempts=2, error="The mail server could not be reached: refused.", due_at=timezone.now()
        )
        page = self.people[Role.OPERATOR].get(self.page)
        before = self.state()
        self.assertContains(page, f'data-mark="{before}"')
        self.assertContains(page, "Tried 2 times")
        self.assertNotContains(page, "Send again to")
        self.assertEqual(self.state(), before)
        Invitation.objects.filter(pk=invitation.pk).update(state="sent")
        self.assertNotEqual(self.state(), before)

    def test_a_reader_sees_what_became_of_them_and_sends_none(self) -> None:
        invitation = make_invitation(self.enrollment, state="sent", sent_at=timezone.now())
        client = self.people[Role.READ_ONLY]
        page = client.get(self.page)
        self.assertContains(page, "anna@example.com")
        self.assertNotContains(page, "Send again")
        self.assertNotContains(page, "Send invitation")
        self.assertEqual(self.again(invitation, client).status_code, 403)
        url = self.url(Enrollment, "invite", self.enrollment.pk)
        self.assertEqual(client.post(url, {"contact": "a@example.com"}).status_code, 403)
        self.assertEqual(Invitation.objects.count(), 1)

    def test_one_of_another_link_or_account_is_not_there(self) -> None:
        client = self.people[Role.OWNER]
        for enrollment in (make_enrollment(self.account), make_enrollment(self.other_account)):
            self.assertEqual(self.again(make_invitation(enrollment), client).status_code, 404)
        self.assertEqual(self.again(make_invitation(self.enrollment), self.outside).status_code, 404)
        self.assertEqual(mail.outbox, [])

    def test_with_a_closed_link_there_is_no_way_to_invite(self) -> None:
        invitation = make_invitation(self.enrollment, state="failed")
        revoke(self.enrollment, SYSTEM)
        client = self.people[Role.OPERATOR]
        self.assertNotContains(client.get(self.page), "Send again")
        self.assertContains(self.again(invitation, client), "was revoked")
        self.assertEqual(Invitation.objects.count(), 1)

    @override_settings(INVITATIONS_PER_HOUR=1)
    def test_too_many_are_refused_in_words(self) -> None:
        invitation = make_invitation(self.enrollment, state="failed")
        words = "may send 1 invitation in an hour, and has. The next one can be sent in 59 minutes."
        self.assertContains(self.invite("teacher@example.com"), words, status_code=422)
        self.assertContains(self.again(invitation, self.people[Role.OPERATOR]), words)

    def test_a_longer_list_takes_no_more_statements(self) -> None:
        client = self.people[Role.OPERATOR]
        counts = []
        for number in (1, 30):
            for _ in range(number):
                make_invitation(self.enrollment, state="failed")
            with CaptureQueriesContext(connection) as captured:
                client.get(self.page)
            counts.append(len(captured))
        self.assertEqual(counts[0], counts[1])
