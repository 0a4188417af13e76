from datetime import timedelta
from unittest.mock import patch

from django.utils import timezone

from api.times import iso
from tests.base import AccountTestCase
from tests.factories import make_delivery, make_webhook

URL = "/api/v1/webhooks"
EVERY_EVENT = [
    "device.enrolled",
    "device.unenrolled",
    "device.changed_group",
    "device.lock.enabled",
    "abm.device.added",
    "test_event",
]


class WebhooksReadTest(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.webhook = make_webhook(self.account, name="Slack", events=["device.enrolled"])

    def test_a_webhook_tells_all_but_its_secret(self):
        response = self.api.get(f"{URL}/{self.webhook.pk}")
        self.assertEqual(response.status_code, 200)
        data = response.json()["data"]
        self.assertEqual((data["type"], data["id"]), ("webhook", self.webhook.pk))
        created, updated = data["attributes"].pop("created_at"), data["attributes"].pop("updated_at")
        for at in (created, updated):
            self.assertRegex(at, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertEqual(
            data["attributes"],
            {
                "name": "Slack",
                "url": self.webhook.url,
                "events": ["device.enrolled"],
                "format": "native",
                "enabled": True,
                "state": "untried",
                "failing_since": None,
                "paused_at": None,
                "pending": 0,
            },
        )

    def test_it_tells_how_it_stands(self):
        began = timezone.now() - timedelta(hours=30)
        for fields, state in (
            ({"failing_since": began}, "failing"),
            ({"failing_since": began, "failures": 3}, "resting"),
            ({"failing_since": began, "paused_at": began + timedelta(days=1)}, "paused"),
            ({"failing_since": began, "is_enabled": False}, "disabled"),
        ):
            webhook = make_webhook(self.account, **fields)
            attributes = self.api.get(f"{URL}/{webhook.pk}").json()["data"]["attributes"]
            self.assertEqual(attributes["state"], state)
            self.assertEqual(attributes["failing_since"], iso(began))
            self.assertEqual(attributes["paused_at"], iso(fields.get("paused_at")))

    def test_what_waits_is_counted_up_to_a_number(self):
        for state in ("pending", "pending", "pending", "delivered", "failed"):
            make_delivery(self.webhook, state=state)
        make_delivery(make_webhook(self.account))
        with patch("mdm.events.webhook_standing.COUNTED_AT_MOST", 5):
            self.assertEqual(self.api.get(f"{URL}/{self.webhook.pk}").json()["data"]["attributes"]["pending"], 3)
        with patch("mdm.events.webhook_standing.COUNTED_AT_MOST", 1):
            listed = self.api.get(URL).json()["data"]
        self.assertEqual([row["attributes"]["pending"] for row in listed], [2, 1])

    def test_one_for_every_event_names_them(self):
        webhook = make_webhook(self.account)
        attributes = self.api.get(f"{URL}/{webhook.pk}").json()["data"]["attributes"]
        self.assertEqual(attributes["events"], EVERY_EVENT)

    def test_a_list_has_pages_and_no_secret(self):
        others = [make_webhook(self.account) for _ in range(3)]
        first = self.api.get(URL, {"limit": 2})
        self.assertEqual([row["id"] for row in first.json()["data"]], [self.webhook.pk, others[0].pk])
        self.assertTrue(first.json()["has_more"])
        second = self.api.get(URL, {"limit": 2, "starting_after": others[0].pk}).json()
        self.assertEqual([row["id"] for row in second["data"]], [others[1].pk, others[2].pk])
        self.assertFalse(second["has_more"])
        self.assertNotIn("s3cret", first.content.decode())

    def test_the_statements_do_not_grow_with_the_page(self):
        self.api.get(URL)
        with self.assertNumQueries(2):
            self.api.get(URL)
        for _ in range(5):
            make_delivery(make_webhook(self.account))
        with self.assertNumQueries(2):
            self.assertEqual(len(self.api.get(URL).json()["data"]), 6)

    def test_a_stranger_sees_nothing(self):
        self.assertEqual(self.outsider_api.get(URL).json()["data"], [])
        self.assertEqual(self.outsider_api.get(f"{URL}/{self.webhook.pk}").status_code, 404)
