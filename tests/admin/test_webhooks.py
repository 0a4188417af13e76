"""Webhooks in the admin: added, tested, looked at, let go on, given another secret, removed."""

import hashlib
import hmac
from datetime import timedelta
from unittest.mock import patch

from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from mdm.accounts.models import Role
from mdm.events.models import Webhook, WebhookAttempt, WebhookDelivery
from mdm.events.outbox import OWN_EVENTS, REFERENCE_EVENTS
from mdm.events.services import emit
from tests.admin.base import AdminTestCase
from tests.factories import make_delivery, make_device, make_webhook

HOOK = "https://hooks.example.com/services/T0KEN"
STANDARD = [name for name in REFERENCE_EVENTS if name != "test_event"]
SEALED = '{"topic": "mdm.TokenUpdate", "checkin_event": {"raw_payload": "c2VjcmV0"}}'


class WebhookTestCase(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.admin = self.people[Role.ADMIN]
        self.reader = self.people[Role.READ_ONLY]

    def page(self, webhook: Webhook, view: str = "change") -> str:
        return self.url(Webhook, view, webhook.pk)

    def given(self, **fields: object) -> dict[str, object]:
        return {"url": HOOK, "name": "Chat", "format": "native", "standard": STANDARD} | fields


class AddTest(WebhookTestCase):
    def add(self, **fields: object) -> object:
        return self.admin.post(self.url(Webhook, "add"), self.given(**fields))

    def test_the_secret_is_shown_once_with_how_to_check_a_message(self) -> None:
        response = self.add()
        webhook = Webhook.objects.get()
        self.assertContains(response, webhook.secret)
        self.assertContains(response, "Pomona-Signature")
        self.assertContains(response, "data-copy")
        self.assertIn("no-store", response["Cache-Control"])
        self.assertEqual((webhook.account, webhook.url, webhook.name), (self.account, HOOK, "Chat"))
        self.assertEqual(self.events("webhook.created")[0].actor_label, "admin@acme.example")
        for url in (self.page(webhook), self.page(webhook, "edit"), self.url(Webhook, "changelist")):
            self.assertNotContains(self.admin.get(url), webhook.secret)

    def test_the_example_that_is_shown_checks_what_is_sent(self) -> None:
        text = self.add().content.decode()
        code = text.partition('tabindex="0">')[2].partition("</pre>")[0].replace("&lt;", "<")
        known: dict[str, object] = {}
        exec(code, known)
        timestamp, body = str(int(timezone.now().timestamp())), b'{"type": "test_event"}'
        signature = hmac.new(b"s3cret", timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        headers = {"Pomona-Timestamp": timestamp, "Pomona-Signature": f"sha256={signature}"}
        self.assertTrue(known["is_genuine"]("s3cret", headers, body))
        self.assertFalse(known["is_genuine"]("s3cret", headers, body + b" "))
        self.assertFalse(known["is_genuine"]("s3cret", headers | {"Pomona-Timestamp": "1700000000"}, body))

    def test_all_standard_events_are_no_choice_and_others_are_one(self) -> None:
        self.add()
        self.add(standard=STANDARD[:1], own=OWN_EVENTS[:2])
        self.assertEqual(
            list(Webhook.objects.order_by("pk").values_list("events", flat=True)),
            [[], [STANDARD[0], *OWN_EVENTS[:2]]],
        )

    def test_one_that_is_told_nothing_is_refused(self) -> None:
        response = self.add(standard=[])
        self.assertEqual(response.status_code, 422)
        self.assertContains(response, "Choose at least one event", status_code=422)
        self.assertEqual(self.add(standard=[], format="micromdm").status_code, 200)

    def test_wrong_urls_are_refused_beside_the_field_and_what_was_typed_stays(self) -> None:
        for url, words in (
            ("ftp://example.com/", "begin with"),
            ("http://127.0.0.1:9000/", "Whoever runs the server can allow it: WEBHOOK_ALLOW_PRIVATE."),
            ("https://user:pw@example.com/", "user name or password"),
        ):
            response = self.add(url=url)
            self.assertIn(words, response.context["form"].errors["url"][0])
            self.assertContains(response, 'value="Chat"', status_code=422)
        self.assertFalse(Webhook.objects.exists())
        with override_settings(WEBHOOK_ALLOW_PRIVATE=True):
            self.assertEqual(self.add(url="http://127.0.0.1:9000/").status_code, 200)

    def test_there_is_an_end_to_their_number(self) -> None:
        make_webhook(self.account)
        with patch("mdm.events.webhooks.MAX_WEBHOOKS", 1):
            self.assertContains(self.add(), "at most 1 webhooks", status_code=422)

    def test_only_those_who_configure_add_one(self) -> None:
        for role in (Role.READ_ONLY, Role.OPERATOR):
            self.assertEqual(self.people[role].post(self.url(Webhook, "add"), self.given()).status_code, 403)
        self.assertFalse(Webhook.objects.exists())

    def test_an_empty_list_explains_what_they_are_for(self) -> None:
        response = self.admin.get(self.url(Webhook, "changelist"))
        self.assertContains(response, "tells a program of yours what happens")
        self.assertContains(response, self.url(Webhook, "add"))
        self.assertNotContains(self.reader.get(self.url(Webhook, "changelist")), self.url(Webhook, "add"))


class ListTest(WebhookTestCase):
    def test_states_events_and_what_waits(self) -> None:
        now = timezone.now()
        chosen = ["device.enrolled", "app.failed", "app.installed"]
        make_webhook(self.account, name="Chat", events=chosen, claimed_until=now)
        paused = make_webhook(self.account, paused_at=now, failing_since=now - timedelta(days=1))
        make_webhook(self.account, failing_since=now, failures=2, rests_until=now + timedelta(minutes=9))
        make_webhook(self.account, failing_since=now)
        make_webhook(self.account, is_enabled=False)
        make_webhook(self.account, format="micromdm")
        for _ in range(3):
            make_delivery(paused)
        with patch("mdm.events.webhook_standing.COUNTED_AT_MOST", 2):
            text = self.reader.get(self.url(Webhook, "changelist")).content.decode()
        for words in (
            *("Working", "Not tried yet", "Paused", "Resting after failures", "Refuses messages", "Disabled"),
            *("3 kinds of event", "All standard events", "Everything that devices send"),
            *("2+", "none yet", "hooks.example.com"),
        ):
            self.assertIn(words, text)

    def test_the_statements_do_not_grow(self) -> None:
        def statements(url: str) -> int:
            with CaptureQueriesContext(connection) as captured:
                self.assertEqual(self.admin.get(url).status_code, 200)
            self.assertFalse([query for query in captured if '"sealed_body" AS' in query["sql"]])
            return len(captured)

        now = timezone.now()
        first = make_webhook(self.account, paused_at=now)
        make_delivery(first)
        urls = [reverse("admin:index"), self.url(Webhook, "changelist"), self.url(WebhookDelivery, "changelist")]
        urls.append(self.page(first))
        few = [statements(url) for url in urls]
        for _ in range(6):
            webhook = make_webhook(self.account, failing_since=now - timedelta(hours=2), failures=1)
            for one in (first, webhook):
                make_delivery(one, state="failed", due_at=None)
        self.assertEqual([statements(url) for url in urls], few)
        self.assertLessEqual(max(few[1:]), 16)  # home says a little of everything; `test_statements` counts it


class AlertTest(WebhookTestCase):
    def alerts(self) -> list[str]:
        response = self.reader.get(reverse("admin:index"))
        return [alert.title for alert in response.context["alerts"] if "webhook" in alert.title]

    def test_home_and_list_name_those_that_need_somebody(self) -> None:
        now = timezone.now()
        make_webhook(self.account, name="Fine")
        make_webhook(self.account, name="Restarted", failing_since=now - timedelta(minutes=50), failures=3)
        make_webhook(self.account, name="Off", failing_since=now - timedelta(days=2), is_enabled=False)
        make_webhook(self.other_account, paused_at=now)
        self.assertEqual(self.alerts(), [])
        make_webhook(self.account, name="Away", failing_since=now - timedelta(hours=3), failures=9)
        make_webhook(self.account, name="Refusing", failing_since=now - timedelta(hours=3))
        make_webhook(self.account, name="Chat", failing_since=now - timedelta(days=1, hours=2), paused_at=now)
        self.assertEqual(
            self.alerts(),
            [
                "A webhook is paused",
                "The receiver of a webhook cannot be reached",
                "The receiver of a webhook refuses messages",
            ],
        )
        response = self.reader.get(self.url(Webhook, "changelist"))
        for words in (
            "Chat is paused",
            "Away cannot be reached",
            "Refusing refuses messages",
            "took nothing for 1 day",
        ):
            self.assertContains(response, words)
        self.assertNotContains(response, "Restarted cannot be reached")


class PageTest(WebhookTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.webhook = make_webhook(self.account, url=HOOK, name="Chat", claimed_until=timezone.now())

    def test_one_to_which_nothing_was_sent_says_so_and_offers_a_test(self) -> None:
        page = self.admin.get(self.page(make_webhook(self.account)))
        self.assertContains(page, "Not tried yet")
        self.assertContains(page, "Nothing was sent yet: send a test.")
        self.assertContains(page, "Send test")
        self.assertNotContains(page, "takes what it is sent")

    def test_what_it_says_and_offers(self) -> None:
        make_delivery(self.webhook, state="failed", due_at=None, event_type="device.enrolled", error="No answer.")
        text = self.admin.get(self.page(self.webhook)).content.decode()
        for words in (
            "The receiver takes what it is sent.",
            HOOK,
            "A device enrolled, or enrolled again",
            "No answer.",
        ):
            self.assertIn(words, text)
        for view in ("test", "edit", "rotate", "disable", "remove", "redeliver"):
            self.assertIn(self.page(self.webhook, view), text)

    def test_readers_and_operators_see_no_button_and_of_the_url_only_the_host(self) -> None:
        make_delivery(self.webhook, state="failed", due_at=None)
        Webhook.objects.update(paused_at=timezone.now(), failing_since=timezone.now() - timedelta(days=1))
        for role in (Role.READ_ONLY, Role.OPERATOR):
            text = self.people[role].get(self.page(self.webhook)).content.decode()
            self.assertIn("hooks.example.com", text)
            self.assertNotIn("T0KEN", text)
            for view in ("test", "resume", "enable", "disable", "redeliver", "edit", "rotate", "remove"):
                self.assertNotIn(self.page(self.webhook, view), text)
                self.assertEqual(self.people[role].post(self.page(self.webhook, view)).status_code, 403)
        self.assertEqual(Webhook.objects.get().secret, "s3cret")
        self.assertFalse(WebhookDelivery.objects.filter(state="pending").exists())

    def test_another_accounts_is_404(self) -> None:
        delivery = make_delivery(self.webhook)
        self.assertEqual(self.outside.get(self.page(self.webhook)).status_code, 404)
        self.assertEqual(self.outside.post(self.page(self.webhook, "rotate")).status_code, 404)
        for view in ("change", "redeliver", "body", "mark"):
            self.assertEqual(self.outside.post(self.url(WebhookDelivery, view, delivery.pk)).status_code, 404)
        self.assertEqual(Webhook.objects.get().secret, "s3cret")

    def test_a_test_is_sent_and_the_page_follows(self) -> None:
        response = self.admin.post(self.page(self.webhook, "test"), follow=True)
        self.assertContains(response, "A test is on its way")
        delivery = WebhookDelivery.objects.get()
        self.assertEqual((delivery.webhook, delivery.event_type), (self.webhook, "test_event"))
        url = self.page(self.webhook, "mark")
        self.assertContains(response, f'data-watch="{url}"')
        mark = self.reader.get(url).json()["mark"]
        self.assertContains(response, f'data-mark="{mark}"')
        WebhookDelivery.objects.update(state="delivered", due_at=None)
        self.assertNotEqual(self.reader.get(url).json()["mark"], mark)
        self.assertNotContains(self.admin.get(self.page(self.webhook)), "data-watch")

    def test_a_paused_one_is_let_go_on(self) -> None:
        now = timezone.now()
        Webhook.objects.update(paused_at=now, failing_since=now - timedelta(days=1), failures=30)
        make_delivery(self.webhook, state="failed", due_at=None)
        page = self.admin.get(self.page(self.webhook))
        self.assertContains(page, "Resume")
        self.assertNotContains(page, "Send again")  # nothing is sent while it is paused
        self.assertContains(self.admin.post(self.page(self.webhook, "test"), follow=True), "paused after long failure")
        self.assertContains(self.admin.post(self.page(self.webhook, "resume"), follow=True), "It goes on")
        self.assertIsNone(Webhook.objects.get().paused_at)
        self.assertEqual(len(self.events("webhook.resumed")), 1)

    def test_editing_keeps_what_is_not_in_the_form(self) -> None:
        page = self.admin.get(self.page(self.webhook, "edit"))
        self.assertEqual(page.context["form"].initial["standard"], STANDARD)
        data = self.given(name="Teams", standard=STANDARD[:2], own=["app.failed"])
        response = self.admin.post(self.page(self.webhook, "edit"), data, follow=True)
        self.assertContains(response, "Stored.")
        webhook = Webhook.objects.get()
        self.assertEqual((webhook.name, webhook.events), ("Teams", [*STANDARD[:2], "app.failed"]))
        self.assertEqual(webhook.secret, "s3cret")
        self.assertEqual(
            self.admin.post(self.page(self.webhook, "edit"), self.given(url="http://10.0.0.1/")).status_code, 422
        )
        self.assertEqual(Webhook.objects.get().url, HOOK)

    def test_disabled_and_enabled(self) -> None:
        make_delivery(self.webhook)
        self.assertContains(self.admin.get(self.page(self.webhook, "disable")), "1 message")
        self.admin.post(self.page(self.webhook, "disable"))
        self.assertFalse(Webhook.objects.get().is_enabled)
        self.assertEqual(WebhookDelivery.objects.get().state, "failed")
        page = self.admin.get(self.page(self.webhook))
        self.assertContains(page, "It is disabled")
        self.assertNotContains(page, self.page(self.webhook, "test"))
        self.admin.post(self.page(self.webhook, "enable"))
        self.assertTrue(Webhook.objects.get().is_enabled)
        self.assertEqual(len(self.events("webhook.updated")), 2)

    def test_a_new_secret_is_shown_once(self) -> None:
        self.assertNotContains(self.admin.get(self.page(self.webhook, "rotate")), "s3cret")
        response = self.admin.post(self.page(self.webhook, "rotate"))
        secret = Webhook.objects.get().secret
        self.assertNotEqual(secret, "s3cret")
        self.assertContains(response, secret)
        self.assertNotContains(self.admin.get(self.page(self.webhook)), secret)
        self.assertEqual(len(self.events("webhook.secret_rotated")), 1)

    def test_all_that_failed_are_sent_again(self) -> None:
        for _ in range(2):
            make_delivery(self.webhook, state="failed", due_at=None)
        make_delivery(self.webhook, state="delivered", due_at=None)
        response = self.admin.post(self.page(self.webhook, "redeliver"), follow=True)
        self.assertContains(response, "Sent again: 2 failed messages.")
        self.assertEqual(WebhookDelivery.objects.filter(state="pending").count(), 2)

    def test_deleting_asks_for_its_name(self) -> None:
        make_delivery(self.webhook)
        response = self.admin.post(self.page(self.webhook, "remove"), {"confirmation": "chat"})
        self.assertContains(response, "That is not the name")
        self.admin.post(self.page(self.webhook, "remove"), {"confirmation": "Chat"})
        self.assertFalse(Webhook.objects.exists() or WebhookDelivery.objects.exists())
        self.assertEqual(self.events("webhook.removed")[0].metadata["name"], "Chat")

    def test_one_without_a_name_goes_by_its_host(self) -> None:
        webhook = make_webhook(self.account, url=HOOK)
        self.admin.post(self.page(webhook, "remove"), {"confirmation": "hooks.example.com"})
        self.assertEqual(Webhook.objects.get(), self.webhook)


class DeliveryTest(WebhookTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.webhook = make_webhook(self.account, name="Chat")

    def url_of(self, delivery: WebhookDelivery, view: str = "change") -> str:
        return self.url(WebhookDelivery, view, delivery.pk)

    def sealed(self) -> WebhookDelivery:
        delivery = make_delivery(
            self.webhook,
            event_type="mdm.TokenUpdate",
            event=None,
            body="",
            sealed_body=SEALED,
            state="delivered",
            due_at=None,
        )
        WebhookAttempt.objects.create(
            account=self.account, delivery=delivery, status_code=200, latency_ms=12, excerpt="you sent c2VjcmV0"
        )
        return delivery

    def test_its_page_shows_the_body_and_every_try(self) -> None:
        delivery = make_delivery(self.webhook, state="failed", due_at=None, error="The receiver answered 500.")
        for fields in (
            {"status_code": 500, "latency_ms": 1234, "error": "The receiver answered 500.", "excerpt": "<b>Oops</b>"},
            {"latency_ms": 10_000, "error": "No answer within 10 seconds."},
        ):
            WebhookAttempt.objects.create(account=self.account, delivery=delivery, **fields)
        text = self.reader.get(self.url_of(delivery)).content.decode()
        for words in (
            *("&lt;b&gt;Oops&lt;/b&gt;", "1,234 ms", "No answer within 10 seconds.", "It was given up"),
            *("{\n  &quot;type&quot;: &quot;test_event&quot;", delivery.message_id, self.page(self.webhook)),
        ):
            self.assertIn(words, text)
        self.assertNotIn("data-watch", text)

    def test_a_message_of_micromdms_format_names_its_device_and_what_it_sent(self) -> None:
        device = make_device(self.account)
        for topic in ("mdm.Connect", "mdm.TokenUpdate"):
            make_delivery(self.webhook, event_type=topic, event=None, body="", sealed_body="{}", order_key=device.pk)
        for url in (self.url(WebhookDelivery, "changelist"), self.page(self.webhook)):
            page = self.reader.get(url)
            for words in ("A device connected", "A device sent TokenUpdate", device.serial_number):
                self.assertContains(page, words)

    def test_a_command_is_named_by_what_it_was(self) -> None:
        facts = {"command_uuid": "0001", "request_type": "DeviceLock"}
        make_webhook(self.account, events=["command.finished"])
        event = emit("command.acknowledged", account_id=self.account.pk, device=make_device(self.account), **facts)
        for url in (self.url_of(event.deliveries.get()), self.url(WebhookDelivery, "changelist")):
            self.assertContains(self.reader.get(url), "A device carried out a command: DeviceLock")

    def test_one_that_was_tried_in_vain_does_not_read_as_over(self) -> None:
        delivery = make_delivery(self.webhook, attempts=1, error="The receiver answered 503.")
        page = self.reader.get(self.url_of(delivery))
        self.assertContains(page, "Will be tried again")
        self.assertContains(page, "The receiver answered 503. It will be tried again.")

    def test_it_follows_while_the_message_waits(self) -> None:
        delivery = make_delivery(self.webhook)
        page = self.reader.get(self.url_of(delivery))
        self.assertContains(page, f'data-watch="{self.url_of(delivery, "mark")}"')
        mark = self.reader.get(self.url_of(delivery, "mark")).json()["mark"]
        self.assertContains(page, f'data-mark="{mark}"')
        WebhookDelivery.objects.update(attempts=1)
        self.assertNotEqual(self.reader.get(self.url_of(delivery, "mark")).json()["mark"], mark)

    def test_what_a_device_sent_is_shown_to_administrators_who_ask_and_the_log_says_so(self) -> None:
        delivery = self.sealed()
        for role in Role:
            page = self.people[role].get(self.url_of(delivery))
            self.assertContains(page, "passwords and keys can be in it")
            self.assertNotContains(page, "c2VjcmV0")
        for role in (Role.READ_ONLY, Role.OPERATOR):
            self.assertNotContains(self.people[role].get(self.url_of(delivery)), self.url_of(delivery, "body"))
            self.assertEqual(self.people[role].post(self.url_of(delivery, "body")).status_code, 403)
        self.assertFalse(self.events("secret.viewed"))
        shown = self.admin.post(self.url_of(delivery, "body"))
        self.assertContains(shown, "&quot;raw_payload&quot;: &quot;c2VjcmV0&quot;")
        self.assertContains(shown, "you sent c2VjcmV0")
        self.assertIn("no-store", shown["Cache-Control"])
        event = self.events("secret.viewed")[0]
        self.assertEqual((event.actor_label, event.metadata["message_id"]), ("admin@acme.example", delivery.message_id))
        self.assertNotIn("c2VjcmV0", str(event.metadata))

    def test_it_is_sent_again_under_its_id(self) -> None:
        delivery = make_delivery(self.webhook, state="failed", due_at=None)
        self.assertContains(self.admin.get(self.url_of(delivery)), "Send again")
        response = self.admin.post(self.url_of(delivery, "redeliver"), follow=True)
        self.assertContains(response, "on its way again")
        again = WebhookDelivery.objects.get()
        self.assertEqual((again.state, again.message_id), ("pending", delivery.message_id))
        self.assertNotContains(response, "Send again")
        Webhook.objects.update(is_enabled=False)
        self.assertContains(self.admin.post(self.url_of(delivery, "redeliver"), follow=True), "The webhook is disabled")

    def test_the_list_is_filtered_and_offers_to_send_again(self) -> None:
        other = make_webhook(self.account, name="Inventory")
        failed = make_delivery(self.webhook, state="failed", due_at=None, event_type="device.enrolled")
        delivered = make_delivery(self.webhook, state="delivered", due_at=None)
        elsewhere = make_delivery(other)
        foreign = make_delivery(make_webhook(self.other_account))
        url = self.url(WebhookDelivery, "changelist")

        def shown(query: str = "") -> list[WebhookDelivery]:
            return list(self.admin.get(f"{url}?{query}").context["cl"].result_list)

        self.assertEqual(shown(), [elsewhere, delivered, failed])
        self.assertEqual(shown(f"webhook={self.webhook.pk}"), [delivered, failed])
        self.assertEqual(shown(f"webhook={self.webhook.pk}&state=failed"), [failed])
        self.assertEqual(shown("event_type=device.enrolled"), [failed])
        self.assertEqual(shown(f"webhook={foreign.webhook_id}"), [])
        for query in ("state=lost", "webhook=x", "webhook=99999999999999999999999"):
            self.assertEqual(shown(query), [])
        self.assertContains(self.admin.get(url), f'formaction="{self.url_of(failed, "redeliver")}"')
        self.assertNotContains(self.admin.get(url), self.url_of(elsewhere, "redeliver"))  # it is on its way
        self.assertNotContains(self.reader.get(url), "formaction")
