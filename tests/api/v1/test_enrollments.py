import time
from datetime import timedelta

from django.core import mail
from django.test import override_settings
from django.utils import timezone

from enrollment.models import Enrollment, Invitation
from mdm.events.models import Event
from tests.base import AccountTestCase
from tests.factories import make_device, make_enrollment, make_group, make_invitation
from tests.fakes.sms_gateway import FakeSmsGateway

URL = "/api/v1/enrollments"


class EnrollmentsTest(AccountTestCase):
    def test_one_for_a_group_and_one_for_a_device(self):
        device = make_device(self.account, enrolled=False)
        reusable, one_time = make_enrollment(self.account), make_enrollment(device=device)
        rows = self.api.get(URL).json()["data"]
        group = {"data": {"type": "device_group", "id": self.group.pk}}
        self.assertEqual(
            rows[0],
            {
                "type": "enrollment",
                "id": reusable.pk,
                "attributes": {
                    "url": reusable.url,
                    "user_enrollment": False,
                    "welcome_screen": True,
                    "authentication": False,
                },
                "relationships": {"device_group": group},
            },
        )
        self.assertEqual(
            rows[1]["relationships"],
            {"device_group": group, "device": {"data": {"type": "device", "id": device.pk}}},
        )
        self.assertEqual(self.api.get(f"{URL}/{one_time.pk}").json(), {"data": rows[1]})

    def test_a_used_link_stays_and_that_of_a_removed_device_goes(self):
        device = make_device(self.account)
        enrollment = make_enrollment(device=device, spent_at=timezone.now())
        self.assertEqual(self.api.get(f"{URL}/{enrollment.pk}").status_code, 200)
        self.api.delete(f"/api/v1/devices/{device.pk}")
        self.assertEqual(self.api.get(f"{URL}/{enrollment.pk}").status_code, 404)
        self.assertEqual(self.api.get(URL).json()["data"], [])

    def test_create_for_a_group(self):
        group = make_group(self.account)
        response = self.api.post(URL, {"device_group_id": group.pk})
        self.assertEqual(response.status_code, 201, response.content)
        enrollment = Enrollment.objects.get()
        self.assertEqual((enrollment.device_group, enrollment.device), (group, None))
        self.assertEqual(response.json()["data"]["attributes"]["url"], enrollment.url)

    def test_create_needs_a_group_of_the_account(self):
        self.assertEqual(self.api.post(URL, {}).status_code, 422)
        foreign = make_group(self.other_account)
        self.assertEqual(self.api.post(URL, {"device_group_id": foreign.pk}).status_code, 404)
        self.assertEqual(Enrollment.objects.count(), 0)

    def test_deleting_revokes(self):
        enrollment = make_enrollment(self.account)
        response = self.api.delete(f"{URL}/{enrollment.pk}")
        self.assertEqual((response.status_code, response.content), (204, b""))
        enrollment.refresh_from_db()
        self.assertEqual(enrollment.why_closed, "revoked")
        self.assertEqual(self.api.delete(f"{URL}/{enrollment.pk}").status_code, 404)

    def test_adding_and_deleting_are_logged_with_the_key(self):
        pk = self.api.post(URL, {"device_group_id": self.group.pk, "name": "Front desk"}).json()["data"]["id"]
        self.api.delete(f"{URL}/{pk}")
        self.assertEqual(
            [(event.event_type, event.api_key) for event in Event.objects.order_by("pk")],
            [("enrollment.created", self.api_key), ("enrollment.revoked", self.api_key)],
        )
        self.assertEqual(Enrollment.objects.get().name, "Front desk")

    def test_strangers_get_404(self):
        enrollment = make_enrollment(self.account)
        url = f"{URL}/{enrollment.pk}"
        for response in (
            self.outsider_api.get(url),
            self.outsider_api.delete(url),
            self.outsider_api.post(f"{url}/invitations", {"contact": "sara@example.com"}),
        ):
            self.assertEqual(response.status_code, 404)
        enrollment.refresh_from_db()
        self.assertEqual((enrollment.why_closed, mail.outbox), ("", []))

    def test_it_has_pages(self):
        enrollments = [make_enrollment(self.account) for _ in range(3)]
        body = self.api.get(URL, {"limit": 2}).json()
        self.assertEqual(
            ([row["id"] for row in body["data"]], body["has_more"]), ([e.pk for e in enrollments[:2]], True)
        )
        body = self.api.get(URL, {"starting_after": enrollments[1].pk}).json()
        self.assertEqual(([row["id"] for row in body["data"]], body["has_more"]), ([enrollments[2].pk], False))

    def test_a_longer_page_takes_no_more_statements(self):
        make_enrollment(self.account)
        self.api.get(URL)
        with self.assertNumQueries(2):
            self.api.get(URL, {"limit": 100})
        for _ in range(4):
            make_enrollment(device=make_device(self.account, enrolled=False))
        with self.assertNumQueries(2):
            self.api.get(URL, {"limit": 100})


class InvitationTest(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.enrollment = make_enrollment(self.account)
        self.url = f"{URL}/{self.enrollment.pk}/invitations"

    def test_the_link_is_mailed(self):
        with self.captureOnCommitCallbacks(execute=True):
            response = self.api.post(self.url, {"contact": "sara@example.com"})
        self.assertEqual((response.status_code, response.content), (200, b""))
        self.assertEqual(mail.outbox[0].to, ["sara@example.com"])
        self.assertIn(self.enrollment.code, mail.outbox[0].body)
        event = Event.objects.get(event_type="enrollment.invitation_sent")
        self.assertEqual(event.api_key, self.api_key)

    def test_a_phone_number_gets_a_text_message(self):
        with FakeSmsGateway() as gateway, override_settings(**gateway.json_settings()):
            with self.captureOnCommitCallbacks(execute=True):
                response = self.api.post(self.url, {"contact": "+49 (0)170 1234567"})
            self.assertEqual((response.status_code, response.content), (200, b""))
            self.assertEqual(gateway.texts[0].to, "+491701234567")
            self.assertIn(self.enrollment.url, gateway.texts[0].text)
            refused = self.api.post(self.url, {"contact": "(503) 555-1234"})
        self.assertEqual(refused.status_code, 422)
        self.assertIn("country code", refused.json()["errors"][0]["title"])
        event = Event.objects.get(event_type="enrollment.invitation_sent")
        self.assertEqual(
            (event.api_key, event.metadata["kind"], event.metadata["contact"]), (self.api_key, "sms", "+491701234567")
        )

    def test_without_a_gateway_phone_numbers_are_refused_in_plain_words(self):
        response = self.api.post(self.url, {"contact": "+15035551234"})
        self.assertEqual(response.status_code, 422)
        self.assertIn("give an e-mail address, not a phone number", response.json()["errors"][0]["title"])
        self.assertFalse(Event.objects.exists())

    @override_settings(EMAIL_BACKEND="django.core.mail.backends.console.EmailBackend")
    def test_without_a_mail_server_addresses_are_refused_in_plain_words(self):
        response = self.api.post(self.url, {"contact": "sara@example.com"})
        self.assertEqual(response.status_code, 422)
        self.assertIn("This server sends no e-mail", response.json()["errors"][0]["title"])
        self.assertFalse(Invitation.objects.exists())

    @override_settings(INVITATIONS_PER_HOUR=2)
    def test_too_many_in_an_hour_are_told_when_to_come_again(self):
        for minutes in (45, 5):
            make_invitation(self.enrollment, created_at=timezone.now() - timedelta(minutes=minutes))
        response = self.api.post(self.url, {"contact": "sara@example.com"})
        self.assertEqual(response.status_code, 429)
        self.assertIn("2 invitations in an hour", response.json()["errors"][0]["title"])
        self.assertAlmostEqual(int(response["Retry-After"]), 900, delta=30)
        self.assertAlmostEqual(int(response["X-RateLimit-Reset"]) - time.time(), 900, delta=30)
        self.assertEqual(Invitation.objects.count(), 2)

    def test_a_contact_is_needed(self):
        for given in ({}, {"contact": ""}, {"contact": "nobody"}, {"contact": "a@example.com, b@example.com"}):
            self.assertEqual(self.api.post(self.url, given).status_code, 422, given)
        self.assertEqual(mail.outbox, [])

    def test_a_link_that_was_used_up_is_not_sent(self):
        enrollment = make_enrollment(device=make_device(self.account), spent_at=timezone.now())
        response = self.api.post(f"{URL}/{enrollment.pk}/invitations", {"contact": "sara@example.com"})
        self.assertEqual(response.status_code, 422)
        self.assertIn("spent", response.json()["errors"][0]["title"])
        self.assertEqual(mail.outbox, [])
