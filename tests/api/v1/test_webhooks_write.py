from unittest.mock import patch

from django.test import override_settings
from django.utils import timezone

from mdm.events.models import Event, Webhook, WebhookDelivery
from mdm.events.services import emit
from tests.base import AccountTestCase
from tests.factories import make_delivery, make_device, make_webhook

URL = "/api/v1/webhooks"
FORM = "application/x-www-form-urlencoded"
HOOK = "https://hooks.example.com/services/T0KEN"


class WebhookTestCase(AccountTestCase):
    def title(self, response) -> str:
        (error,) = response.json()["errors"]
        return error["title"]

    def event(self, event_type: str) -> Event:
        event = Event.objects.get(event_type=event_type)
        self.assertEqual((event.account, event.api_key, event.actor_label), (self.account, self.api_key, "Test key"))
        return event


class CreateTest(WebhookTestCase):
    def refused(self, words: str, **given) -> None:
        response = self.api.post(URL, json={"url": HOOK, **given})
        self.assertEqual(response.status_code, 422, response.content)
        self.assertIn(words, self.title(response))
        self.assertFalse(Webhook.objects.exists() or Event.objects.filter(event_type="webhook.created").exists())

    def test_it_is_made_and_its_secret_is_shown_once(self):
        response = self.api.post(URL, json={"url": HOOK, "name": "Slack", "events": ["device.enrolled", "test_event"]})
        self.assertEqual(response.status_code, 201)
        attributes = response.json()["data"]["attributes"]
        webhook = Webhook.objects.get()
        self.assertEqual(attributes["secret"], webhook.secret)
        self.assertGreaterEqual(len(webhook.secret), 40)
        self.assertEqual(
            (webhook.account, webhook.url, webhook.name, webhook.events, webhook.is_enabled, webhook.format),
            (self.account, HOOK, "Slack", ["device.enrolled", "test_event"], True, "native"),
        )
        self.assertNotIn("secret", self.api.get(f"{URL}/{webhook.pk}").json()["data"]["attributes"])

    def test_the_log_names_it_without_what_only_the_receiver_knows(self):
        secret = self.api.post(URL, json={"url": HOOK, "name": "Slack"}).json()["data"]["attributes"]["secret"]
        metadata = self.event("webhook.created").metadata
        self.assertEqual((metadata["name"], metadata["host"]), ("Slack", "hooks.example.com"))
        self.assertNotIn("T0KEN", str(metadata))
        self.assertNotIn(secret, str(metadata))

    def test_each_has_a_secret_of_its_own(self):
        secrets = {self.api.post(URL, json={"url": HOOK}).json()["data"]["attributes"]["secret"] for _ in range(3)}
        self.assertEqual(len(secrets), 3)

    def test_events_in_every_form(self):
        wanted = ["device.enrolled", "device.unenrolled"]
        for path, body, content_type in (
            (f"{URL}?url={HOOK}&events=device.enrolled,device.unenrolled", b"", ""),
            (URL, f"url={HOOK}&events[]=device.enrolled&events[]=device.unenrolled".encode(), FORM),
            (URL, f"url={HOOK}&events=device.enrolled, device.unenrolled,device.enrolled".encode(), FORM),
        ):
            response = self.api.request("POST", path, body, content_type)
            self.assertEqual(response.status_code, 201, response.content)
            self.assertEqual(response.json()["data"]["attributes"]["events"], wanted)

    def test_without_events_it_is_for_all(self):
        for given in ({}, {"events": []}, {"events": ""}):
            response = self.api.post(URL, json={"url": HOOK, **given})
            self.assertEqual(len(response.json()["data"]["attributes"]["events"]), 6)
        self.assertEqual({str(webhook.events) for webhook in Webhook.objects.all()}, {"[]"})

    def test_it_can_begin_disabled(self):
        response = self.api.post(URL, {"url": HOOK, "enabled": "false"})
        self.assertFalse(response.json()["data"]["attributes"]["enabled"])
        self.assertFalse(Webhook.objects.get().is_enabled)

    def test_wrong_urls(self):
        for url, words in (
            ("", "url"),
            ("hooks.example.com", "begin with"),
            ("ftp://hooks.example.com", "begin with"),
            ("https://", "no host"),
            ("https://user:pass@hooks.example.com/", "user name or password"),
            ("http://127.0.0.1:9000/", "private network"),
            ("http://169.254.169.254/latest/meta-data", "private network"),
            ("http://[::1]/", "private network"),
            ("https://localhost/", "private network"),
            ("https://hooks.example.com/" + "x" * 2000, "2000"),
        ):
            self.refused(words, url=url)
        response = self.api.post(URL, json={"name": "x"})
        self.assertEqual((response.status_code, self.title(response)), (422, "url: This field is required."))

    @override_settings(WEBHOOK_ALLOW_PRIVATE=True)
    def test_private_addresses_where_they_are_allowed(self):
        self.assertEqual(self.api.post(URL, json={"url": "http://127.0.0.1:9000/"}).status_code, 201)

    def test_an_event_that_does_not_exist(self):
        self.refused("'device.exploded'", events=["device.enrolled", "device.exploded"])
        self.refused("device.unenrolled", events="device.exploded")  # says which there are
        self.assertFalse(Webhook.objects.exists())

    def test_formats(self):
        self.refused("no format 'xml'", format="xml")
        for name in ("native", "micromdm"):
            response = self.api.post(URL, json={"url": HOOK, "format": name})
            self.assertEqual((response.status_code, response.json()["data"]["attributes"]["format"]), (201, name))

    def test_there_is_an_end_to_their_number(self):
        with patch("mdm.events.webhooks.MAX_WEBHOOKS", 2):
            statuses = [self.api.post(URL, json={"url": HOOK}).status_code for _ in range(3)]
        self.assertEqual(statuses, [201, 201, 422])

    def test_a_read_only_key_makes_none(self):
        self.assertEqual(self.read_only_api.post(URL, json={"url": HOOK}).status_code, 403)
        self.assertFalse(Webhook.objects.exists())


class UpdateTest(WebhookTestCase):
    def setUp(self):
        super().setUp()
        self.webhook = make_webhook(self.account, name="Slack", events=["device.enrolled"])
        self.url = f"{URL}/{self.webhook.pk}"

    def test_what_is_given_is_changed_and_the_rest_stays(self):
        response = self.api.patch(self.url, {"name": "Teams", "events": "device.unenrolled"})
        self.assertEqual(response.status_code, 200)
        attributes = response.json()["data"]["attributes"]
        self.assertEqual((attributes["name"], attributes["events"]), ("Teams", ["device.unenrolled"]))
        self.assertNotIn("secret", attributes)
        before, self.webhook = self.webhook, Webhook.objects.get()
        self.assertEqual((self.webhook.url, self.webhook.secret), (before.url, before.secret))
        self.assertEqual(self.event("webhook.updated").metadata["changed"], ["name", "events"])

    def test_the_same_again_changes_and_logs_nothing(self):
        response = self.api.patch(self.url, {"name": "Slack", "enabled": True, "events": ["device.enrolled"]})
        self.assertEqual(response.status_code, 200)
        self.assertFalse(Event.objects.filter(event_type="webhook.updated").exists())

    def test_a_disabled_one_gives_up_what_waits_and_gets_nothing_new(self):
        waiting = make_delivery(self.webhook)
        done = make_delivery(self.webhook, state="delivered")
        self.assertEqual(self.api.patch(self.url, {"enabled": False}).status_code, 200)
        waiting.refresh_from_db()
        done.refresh_from_db()
        self.assertEqual((waiting.state, waiting.due_at, done.state), ("failed", None, "delivered"))
        self.assertEqual(self.event("webhook.updated").metadata["given_up"], 1)
        emit("device.enrolled", account_id=self.account.pk, device=make_device(self.account))
        self.assertEqual(WebhookDelivery.objects.count(), 2)
        self.api.patch(self.url, {"enabled": True})
        emit("device.enrolled", account_id=self.account.pk, device=make_device(self.account))
        self.assertEqual(WebhookDelivery.objects.count(), 3)

    def test_refusals_change_nothing(self):
        before = Webhook.objects.values().get()
        for given in ({"url": "http://10.0.0.1/"}, {"events": "nothing"}, {"format": "xml"}, {"name": "x" * 201}):
            response = self.api.patch(self.url, {"name": "Teams", **given})
            self.assertEqual(response.status_code, 422, given)
        self.assertEqual(Webhook.objects.values().get(), before)
        self.assertFalse(Event.objects.filter(event_type="webhook.updated").exists())

    def test_a_stranger_changes_nothing(self):
        self.assertEqual(self.outsider_api.patch(self.url, {"name": "Mine"}).status_code, 404)
        self.assertEqual(Webhook.objects.get().name, "Slack")


class DeleteTest(WebhookTestCase):
    def test_it_goes_with_what_waits_for_it(self):
        webhook = make_webhook(self.account, name="Slack")
        make_delivery(webhook)
        response = self.api.delete(f"{URL}/{webhook.pk}")
        self.assertEqual((response.status_code, response.content), (204, b""))
        self.assertFalse(Webhook.objects.exists() or WebhookDelivery.objects.exists())
        self.assertEqual(self.event("webhook.removed").metadata["name"], "Slack")
        self.assertEqual(self.api.delete(f"{URL}/{webhook.pk}").status_code, 404)

    def test_a_stranger_deletes_nothing(self):
        webhook = make_webhook(self.account)
        self.assertEqual(self.outsider_api.delete(f"{URL}/{webhook.pk}").status_code, 404)
        self.assertTrue(Webhook.objects.exists())


class TestEventTest(WebhookTestCase):
    def setUp(self):
        super().setUp()
        self.webhook = make_webhook(self.account, events=["device.enrolled"])
        make_webhook(self.account)
        self.url = f"{URL}/{self.webhook.pk}/test"

    def test_it_goes_to_this_webhook_alone_whatever_it_wants(self):
        response = self.api.post(self.url)
        self.assertEqual((response.status_code, response.content), (202, b""))
        delivery = WebhookDelivery.objects.get()
        self.assertEqual(
            (delivery.webhook, delivery.event_type, delivery.state), (self.webhook, "test_event", "pending")
        )
        event = self.event("test_event")
        self.assertEqual(delivery.event, event)
        self.assertRegex(delivery.body, r'^\{"type": "test_event", "at": "[^"]+Z", "data": \{\}\}$')
        self.assertEqual(event.metadata["webhook_id"], self.webhook.pk)

    def test_workers_hear_of_it(self):
        with patch("mdm.events.outbox.nudge_named") as nudge, self.captureOnCommitCallbacks(execute=True):
            self.api.post(self.url)
        nudge.assert_called_once_with("mdm.events.tasks.deliver_webhooks")

    def test_a_disabled_one_is_not_tested(self):
        Webhook.objects.update(is_enabled=False)
        response = self.api.post(self.url)
        self.assertEqual(
            (response.status_code, self.title(response)), (422, "The webhook is disabled; enable it to send by it.")
        )
        self.assertFalse(WebhookDelivery.objects.exists() or Event.objects.exists())

    def test_a_stranger_tests_nothing(self):
        self.assertEqual(self.outsider_api.post(self.url).status_code, 404)
        self.assertFalse(WebhookDelivery.objects.exists())


class ResumeTest(WebhookTestCase):
    def setUp(self):
        super().setUp()
        now = timezone.now()
        self.webhook = make_webhook(
            self.account, failing_since=now, paused_at=now, failures=9, rests_until=now, claimed_until=now
        )
        self.url = f"{URL}/{self.webhook.pk}/resume"

    def test_it_goes_on_as_if_it_had_never_failed(self):
        with patch("mdm.events.webhooks.nudge_named") as nudge, self.captureOnCommitCallbacks(execute=True):
            response = self.api.post(self.url)
        self.assertEqual((response.status_code, response.content), (204, b""))
        webhook = Webhook.objects.get()
        self.assertEqual(
            (webhook.paused_at, webhook.failing_since, webhook.rests_until, webhook.failures), (None, None, None, 0)
        )
        nudge.assert_called_once_with("mdm.events.tasks.deliver_webhooks")
        self.event("webhook.resumed")

    def test_enabling_it_once_more_does_the_same(self):
        self.assertEqual(
            self.api.patch(f"{URL}/{self.webhook.pk}", {"enabled": True}).json()["data"]["attributes"]["state"],
            "working",
        )

    def test_a_disabled_one_stays_so(self):
        Webhook.objects.update(is_enabled=False)
        response = self.api.post(self.url)
        self.assertEqual(response.status_code, 422)
        self.assertIn("disabled", self.title(response))
        self.assertIsNotNone(Webhook.objects.get().paused_at)

    def test_a_stranger_and_a_read_only_key_change_nothing(self):
        self.assertEqual(self.outsider_api.post(self.url).status_code, 404)
        self.assertEqual(self.read_only_api.post(self.url).status_code, 403)
        self.assertIsNotNone(Webhook.objects.get().paused_at)


class RotateSecretTest(WebhookTestCase):
    def test_the_new_secret_is_shown_once(self):
        webhook = make_webhook(self.account)
        response = self.api.post(f"{URL}/{webhook.pk}/rotate_secret")
        self.assertEqual(response.status_code, 200)
        secret = response.json()["data"]["attributes"]["secret"]
        self.assertEqual(secret, Webhook.objects.get().secret)
        self.assertNotEqual(secret, "s3cret")
        self.assertNotIn(secret, self.api.get(f"{URL}/{webhook.pk}").content.decode())
        self.assertNotIn(secret, str(self.event("webhook.secret_rotated").metadata))

    def test_a_stranger_and_a_read_only_key_get_none(self):
        webhook = make_webhook(self.account)
        for client, status in ((self.outsider_api, 404), (self.read_only_api, 403)):
            self.assertEqual(client.post(f"{URL}/{webhook.pk}/rotate_secret").status_code, status)
        self.assertEqual(Webhook.objects.get().secret, "s3cret")


class RedeliverTest(WebhookTestCase):
    def setUp(self):
        super().setUp()
        self.webhook = make_webhook(self.account)
        self.failed = [make_delivery(self.webhook, state="failed", due_at=None, error="500") for _ in range(2)]
        self.delivered = make_delivery(self.webhook, state="delivered", due_at=None)
        self.of_another = make_delivery(make_webhook(self.account), state="failed", due_at=None)
        self.url = f"{URL}/{self.webhook.pk}"

    def pending(self) -> list[WebhookDelivery]:
        return list(WebhookDelivery.objects.filter(state="pending").order_by("pk"))

    def test_one_message_goes_again_under_its_id(self):
        before = self.delivered.message_id, self.delivered.body
        response = self.api.post(f"{self.url}/deliveries/{self.delivered.pk}/redeliver")
        self.assertEqual((response.status_code, response.content), (202, b""))
        self.assertEqual(self.pending(), [self.delivered])
        self.assertEqual((self.pending()[0].message_id, self.pending()[0].body), before)
        self.assertLessEqual(self.pending()[0].due_at, timezone.now())
        self.assertEqual(self.event("webhook.redelivered").metadata["count"], 1)

    def test_all_that_failed_go_again(self):
        response = self.api.post(f"{self.url}/redeliver")
        self.assertEqual((response.status_code, response.content), (202, b""))
        self.assertEqual(self.pending(), self.failed)
        self.assertEqual(self.event("webhook.redelivered").metadata["count"], 2)

    def test_nothing_is_sent_by_one_that_is_disabled_or_paused(self):
        for fields, word in (({"is_enabled": False}, "disabled"), ({"paused_at": timezone.now()}, "paused")):
            Webhook.objects.filter(pk=self.webhook.pk).update(**{"is_enabled": True, "paused_at": None} | fields)
            for path in ("redeliver", f"deliveries/{self.failed[0].pk}/redeliver", "test"):
                response = self.api.post(f"{self.url}/{path}")
                self.assertEqual(response.status_code, 422)
                self.assertIn(word, self.title(response))
        self.assertEqual(self.pending(), [])

    def test_a_message_of_another_webhook_is_not_there(self):
        self.assertEqual(self.api.post(f"{self.url}/deliveries/{self.of_another.pk}/redeliver").status_code, 404)

    def test_a_stranger_and_a_read_only_key_send_nothing(self):
        for path in ("redeliver", f"deliveries/{self.failed[0].pk}/redeliver"):
            self.assertEqual(self.outsider_api.post(f"{self.url}/{path}").status_code, 404)
            self.assertEqual(self.read_only_api.post(f"{self.url}/{path}").status_code, 403)
        self.assertEqual(self.pending(), [])
