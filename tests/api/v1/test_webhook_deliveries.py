from datetime import timedelta

from django.utils import timezone

from api.times import iso
from mdm.events.models import WebhookAttempt, WebhookDelivery
from tests.base import AccountTestCase
from tests.factories import make_delivery, make_webhook

SEALED = '{"topic": "mdm.TokenUpdate", "checkin_event": {"raw_payload": "c2VjcmV0"}}'


def make_attempt(delivery: WebhookDelivery, **fields: object) -> WebhookAttempt:
    return WebhookAttempt.objects.create(account=delivery.account, delivery=delivery, **fields)


class WebhookDeliveriesTest(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.webhook = make_webhook(self.account)
        self.url = f"/api/v1/webhooks/{self.webhook.pk}/deliveries"

    def sealed(self) -> WebhookDelivery:
        return make_delivery(
            self.webhook, event_type="mdm.TokenUpdate", event=None, body="", sealed_body=SEALED, state="delivered"
        )

    def listed(self, query: dict | None = None) -> list[int]:
        return [row["id"] for row in self.api.get(self.url, query).json()["data"]]

    def test_a_list_tells_what_became_of_each(self):
        now = timezone.now()
        delivery = make_delivery(
            self.webhook,
            event_type="device.enrolled",
            state="failed",
            attempts=3,
            status_code=500,
            error="The receiver answered 500.",
            due_at=None,
        )
        make_delivery(make_webhook(self.account))
        (row,) = self.api.get(self.url).json()["data"]
        self.assertEqual((row["type"], row["id"]), ("webhook_delivery", delivery.pk))
        self.assertEqual(row["relationships"], {"webhook": {"data": {"type": "webhook", "id": self.webhook.pk}}})
        attributes = row["attributes"]
        self.assertGreaterEqual(attributes.pop("created_at"), iso(now))
        self.assertEqual(
            attributes,
            {
                "event": "device.enrolled",
                "message_id": delivery.message_id,
                "log_id": delivery.event.log_id,
                "state": "failed",
                "attempt_count": 3,
                "status_code": 500,
                "error": "The receiver answered 500.",
                "due_at": None,
                "delivered_at": None,
            },
        )

    def test_pages_by_cursor_in_both_directions(self):
        rows = [make_delivery(self.webhook).pk for _ in range(4)]
        self.assertEqual(self.listed({"limit": 3}), rows[:3])
        self.assertEqual(self.listed({"limit": 3, "starting_after": rows[2]}), rows[3:])
        newest = self.api.get(self.url, {"limit": 2, "direction": "desc"}).json()
        self.assertEqual([row["id"] for row in newest["data"]], [rows[3], rows[2]])
        self.assertTrue(newest["has_more"])

    def test_filters(self):
        failed = make_delivery(self.webhook, event_type="device.enrolled", state="failed")
        pending = make_delivery(self.webhook, event_type="device.enrolled")
        test = make_delivery(self.webhook)
        self.assertEqual(self.listed({"state": "failed"}), [failed.pk])
        self.assertEqual(self.listed({"event": "device.enrolled"}), [failed.pk, pending.pk])
        self.assertEqual(self.listed({"event": "test_event", "state": "pending"}), [test.pk])
        self.assertEqual(self.listed({"event": "device.exploded"}), [])
        response = self.api.get(self.url, {"state": "lost"})
        self.assertEqual(response.status_code, 422)
        self.assertIn("pending, delivered, failed", response.json()["errors"][0]["title"])

    def test_one_has_its_body_and_every_try(self):
        delivery = make_delivery(self.webhook, state="delivered")
        began = timezone.now() - timedelta(minutes=1)
        make_attempt(delivery, at=began, latency_ms=10_000, error="No answer within 10 seconds.")
        make_attempt(delivery, at=timezone.now(), status_code=200, latency_ms=31, excerpt="ok")
        attributes = self.api.get(f"{self.url}/{delivery.pk}").json()["data"]["attributes"]
        self.assertEqual((attributes["body"], attributes["body_note"]), (delivery.body, None))
        newest, first = attributes["attempts"]
        self.assertEqual(
            first,
            {
                "at": iso(began),
                "status_code": None,
                "latency_ms": 10_000,
                "error": "No answer within 10 seconds.",
                "excerpt": "",
            },
        )
        self.assertEqual((newest["status_code"], newest["excerpt"], newest["error"]), (200, "ok", ""))

    def test_what_devices_sent_is_told_nowhere(self):
        delivery = self.sealed()
        make_attempt(delivery, status_code=200, excerpt="you sent c2VjcmV0")
        for path in (self.url, f"{self.url}/{delivery.pk}"):
            text = self.api.get(path).content.decode()
            self.assertNotIn("c2VjcmV0", text)
            self.assertNotIn("raw_payload", text)
        attributes = self.api.get(f"{self.url}/{delivery.pk}").json()["data"]["attributes"]
        self.assertIsNone(attributes["body"])
        self.assertIn("secrets", attributes["body_note"])
        self.assertIsNone(attributes["log_id"])
        self.assertEqual(attributes["attempts"][0]["status_code"], 200)

    def test_the_statements_do_not_grow(self):
        delivery = make_delivery(self.webhook)
        make_attempt(delivery)
        self.api.get(self.url)
        for _ in range(5):
            make_attempt(delivery)
            self.sealed()
        with self.assertNumQueries(3):
            self.assertEqual(len(self.listed({"limit": 100})), 6)
        with self.assertNumQueries(5):
            self.assertEqual(self.api.get(f"{self.url}/{delivery.pk}").status_code, 200)

    def test_one_of_another_webhook_or_account_is_not_there(self):
        elsewhere = make_delivery(make_webhook(self.account))
        self.assertEqual(self.api.get(f"{self.url}/{elsewhere.pk}").status_code, 404)
        mine = make_delivery(self.webhook)
        for path in (self.url, f"{self.url}/{mine.pk}"):
            self.assertEqual(self.outsider_api.get(path).status_code, 404)
            self.assertEqual(self.read_only_api.get(path).status_code, 200)
