"""What Apple tells at our address: who is believed, and that it only makes a worker ask."""

import json
from datetime import timedelta
from unittest.mock import patch

from django.http import HttpResponse
from django.test import override_settings
from django.urls import reverse
from django.utils import timezone

from apps_catalog.models import ContentToken, LicenceAssignment, LicenceRequest, LicenceState, RequestKind
from apps_catalog.services.reconcile import reconcile_due
from apps_catalog.services.vpp_work import manage_due
from apps_catalog.views import MAX_NOTIFICATION_BYTES
from tests.apps_catalog.base_licences import LicenceTestCase
from tests.base import AccountTestCase
from tests.factories.licences import make_content_token


class NotificationTest(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.token = make_content_token(self.account, last_synced_at=timezone.now() - timedelta(hours=1))
        self.due_at = self.token.sync_due_at

    def tell(self, kind: str, facts: object = None, *, body: bytes | None = None, secret: str = "") -> HttpResponse:
        said = {"notificationType": kind, "notification": facts or {}, "notificationId": "1", "uId": "1"}
        return self.client.post(
            reverse("licence-notifications", args=[self.token.notification_key]),
            json.dumps(said).encode() if body is None else body,
            content_type="application/json",
            headers={"Authorization": f"Bearer {secret or self.token.notification_token}"},
        )

    def sync_due_at(self):
        return ContentToken.objects.get().sync_due_at

    def test_bought_licences_make_a_sync(self):
        with patch("apps_catalog.services.licence_notifications.nudge_named") as nudge:
            self.assertEqual(self.tell("ASSET_COUNT", {"adamId": "1", "countDelta": 5}).status_code, 200)
        nudge.assert_called_once()
        self.assertLessEqual(self.sync_due_at(), timezone.now())

    def test_an_event_of_ours_is_looked_after_and_no_more(self):
        later = timezone.now() + timedelta(minutes=5)
        request = LicenceRequest.objects.create(
            account=self.account, token=self.token, kind=RequestKind.ASSOCIATE, event_id="e1", due_at=later
        )
        self.tell("ASSET_MANAGEMENT", {"eventId": "e1", "result": "SUCCESS", "type": "ASSOCIATE"})
        request.refresh_from_db()
        self.assertLessEqual(request.due_at, timezone.now())
        self.assertEqual(self.sync_due_at(), self.due_at)

    def test_an_event_of_others_makes_a_sync_and_not_too_many(self):
        self.tell("ASSET_MANAGEMENT", {"eventId": "foreign"})
        self.assertLessEqual(self.sync_due_at(), timezone.now())
        ContentToken.objects.update(last_synced_at=timezone.now(), sync_due_at=self.due_at)
        self.tell("ASSET_MANAGEMENT", {"eventId": "foreign"})
        self.assertGreater(self.sync_due_at(), timezone.now() + timedelta(seconds=50))

    def test_what_is_of_no_interest_changes_nothing(self):
        for kind, facts in (("TEST_NOTIFICATION", None), ("USER_MANAGEMENT", {"users": []}), ("x", [])):
            self.assertEqual(self.tell(kind, facts).status_code, 200)
        self.assertEqual(self.sync_due_at(), self.due_at)

    def test_a_wrong_secret_a_wrong_address_and_none_are_refused(self):
        other = make_content_token(self.other_account)
        self.assertEqual(self.tell("ASSET_COUNT", secret="wrong").status_code, 403)
        self.assertEqual(self.tell("ASSET_COUNT", secret=other.notification_token).status_code, 403)
        url = reverse("licence-notifications", args=[self.token.notification_key])
        for headers in ({}, {"Authorization": "Bearer"}, {"Authorization": f"Basic {self.token.notification_token}"}):
            self.assertEqual(
                self.client.post(url, b"{}", content_type="application/json", headers=headers).status_code, 403
            )
        self.token.notification_key = "unknown"
        self.assertEqual(self.tell("ASSET_COUNT").status_code, 403)
        self.assertEqual(self.client.get(url).status_code, 405)
        self.token.refresh_from_db()
        self.assertEqual(ContentToken.objects.get(pk=self.token.pk).sync_due_at, self.due_at)

    def test_a_token_without_a_secret_believes_nobody(self):
        self.token.notification_token = ""
        self.token.save()
        url = reverse("licence-notifications", args=[self.token.notification_key])
        answer = self.client.post(url, b"{}", content_type="application/json", headers={"Authorization": "Bearer "})
        self.assertEqual(answer.status_code, 403)

    def test_nonsense_is_refused(self):
        for body in (b"", b"{", b"[]", b'"x"', b"[" * 100_000):
            self.assertEqual(self.tell("", body=body).status_code, 400, body[:10])
        self.assertEqual(self.tell("", body=b" " * (MAX_NOTIFICATION_BYTES + 1)).status_code, 413)


@override_settings(IS_HTTPS=True, BASE_URL="https://mdm.example.com")
class SubscribingTest(LicenceTestCase):
    """Apple is told where to, and tries it at once."""

    def subscribed(self, status: int) -> ContentToken:
        with patch.object(self.vpp, "notify", return_value=status):
            return self.connect()

    def test_apple_gets_the_address_and_the_secret(self):
        token = self.subscribed(200)
        self.assertEqual(self.vpp.notification_url, f"https://mdm.example.com/apps/licences/{token.notification_key}")
        self.assertEqual(self.vpp.notification_token, token.notification_token)
        self.assertEqual((token.notification_url, token.notification_error), (self.vpp.notification_url, ""))
        posts = self.vpp.requests.count("POST /mdm/v2/client/config")
        self.sync()
        self.assertEqual(self.vpp.requests.count("POST /mdm/v2/client/config"), posts)

    def test_an_address_that_apple_cannot_reach_stops_nothing(self):
        token = self.subscribed(502)
        self.assertEqual((self.vpp.notification_url, token.error, token.is_ours), ("", "", True))
        self.assertIn("could not reach", token.notification_error)
        self.assertEqual(self.vpp.mdm["id"], token.mdm_id)
        with patch.object(self.vpp, "notify", return_value=200):
            self.sync()  # it is tried again with every sync
        self.assertEqual((self.token.notification_error, self.vpp.notification_url), ("", self.token.notification_url))

    def test_another_address_of_the_server_is_told(self):
        self.subscribed(200)
        with override_settings(BASE_URL="https://new.example.com"), patch.object(self.vpp, "notify", return_value=200):
            self.sync()
        self.assertTrue(self.vpp.notification_url.startswith("https://new.example.com/"))

    def test_without_https_apple_is_told_no_address(self):
        with override_settings(IS_HTTPS=False, BASE_URL="http://127.0.0.1:8000"):
            token = self.connect()
        self.assertEqual((self.vpp.notification_url, token.notification_url, token.is_ours), ("", "", True))


class OverARealSocketTest(LicenceTestCase):
    def test_apples_notification_ends_the_waiting(self):
        """The server of Apple sends it; the receiver is handed it as our own server would be."""
        self.connect()
        phone = self.device()
        self.vpp.looks = 99
        self.assign(phone)
        self.work()
        request = LicenceRequest.objects.get()
        LicenceRequest.objects.update(due_at=timezone.now() + timedelta(hours=1))
        self.vpp.events[request.event_id].looks = 0
        self.vpp.notification_token = self.token.notification_token

        def deliver(kind: str, facts: dict) -> int:
            url = reverse("licence-notifications", args=[self.token.notification_key])
            said = {"notificationType": kind, "notification": facts}
            headers = {"Authorization": f"Bearer {self.vpp.notification_token}"}
            return self.client.post(url, json.dumps(said), content_type="application/json", headers=headers).status_code

        with patch.object(self.vpp, "notify", deliver):
            self.vpp.settle()
        manage_due()
        reconcile_due()
        self.assertEqual(LicenceAssignment.objects.get().state, LicenceState.ASSIGNED)
        self.assertEqual(self.orders(phone), 1)
