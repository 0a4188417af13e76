"""Sending to real receivers, on this machine."""

import hashlib
import hmac
import time
from datetime import timedelta
from unittest.mock import patch
from uuid import uuid4

from django.core.cache import cache
from django.test import override_settings
from django.utils import timezone

from mdm.accounts.actors import SYSTEM
from mdm.events.claims import LEASE, claim, release
from mdm.events.delivery import UNDER_WAY, deliver_due
from mdm.events.lanes import SUSPECT_AFTER, Threads, Turn
from mdm.events.models import Event, Webhook, WebhookAttempt, WebhookDelivery
from mdm.events.outcomes import (
    ATTEMPTS_KEPT,
    FIRST_REST_SECONDS,
    FIRST_RETRY_SECONDS,
    GIVE_UP_AFTER,
    KEPT_FOR,
    LONGEST_REST_SECONDS,
    record,
)
from mdm.events.sending import Outcome, excerpt, new_client, send
from mdm.events.services import emit
from mdm.events.tasks import deliver_webhooks, forget_deliveries
from mdm.events.webhooks import delete_webhook, update_webhook
from tests.base import AccountTestCase
from tests.factories import make_delivery, make_device, make_webhook
from tests.fakes.webhook_receiver import Reply, WebhookReceiver, unused_url


@override_settings(WEBHOOK_ALLOW_PRIVATE=True)
class DeliveryTest(AccountTestCase):
    def setUp(self):
        super().setUp()
        cache.delete(UNDER_WAY)
        self.receiver = self.enterContext(WebhookReceiver())
        self.webhook = make_webhook(self.account, url=self.receiver.url)

    def again(self) -> int:
        """All rests and waits are over."""
        Webhook.objects.update(rests_until=None)
        WebhookDelivery.objects.filter(state="pending").update(due_at=timezone.now())
        return deliver_due()

    def claim(self) -> list[Turn]:
        return claim([], self.enterContext(Threads()))

    def send_all(self, turn: Turn) -> dict[Turn, list[Outcome]]:
        """As a worker would whose database does not answer meanwhile."""
        with new_client() as client:
            return {turn: [send(client, turn.webhook, one) for one in turn.webhook.deliveries.order_by("pk")]}

    def seconds_until(self, at) -> float:
        return (at - timezone.now()).total_seconds()

    def test_an_event_arrives_signed(self):
        device = make_device(self.account)
        with self.captureOnCommitCallbacks(execute=True):
            event = emit("device.enrolled", account_id=self.account.pk, device=device)
        (request,) = self.receiver.received
        delivery = WebhookDelivery.objects.get()
        self.assertEqual((request.path, request.body), ("/hook", delivery.body.encode()))
        self.assertEqual(request.json["data"]["device"]["id"], device.pk)
        self.assertEqual(request.headers["Content-Type"], "application/json")
        self.assertEqual(request.headers["Pomona-Event-Id"], delivery.message_id)
        self.assertEqual(delivery.event, event)
        timestamp = request.headers["Pomona-Timestamp"]
        self.assertLess(abs(int(timestamp) - time.time()), 60)
        signed = hmac.new(b"s3cret", f"{timestamp}.".encode() + request.body, hashlib.sha256).hexdigest()
        self.assertEqual(request.headers["Pomona-Signature"], f"sha256={signed}")
        self.assertEqual(
            (delivery.state, delivery.attempts, delivery.status_code, delivery.due_at, delivery.error),
            ("delivered", 1, 204, None, ""),
        )
        self.assertIsNotNone(delivery.delivered_at)

    def test_every_2xx_is_a_yes_and_nothing_is_sent_twice(self):
        self.receiver.replies = [Reply(200, body=b"ok"), Reply(202), Reply(204), Reply(299, body=b"x" * 200_000)]
        for _ in range(4):
            make_delivery(self.webhook)
        self.assertEqual(deliver_webhooks(), 4)
        self.assertEqual(set(WebhookDelivery.objects.values_list("state", flat=True)), {"delivered"})
        self.assertEqual(deliver_webhooks(), 0)
        self.assertEqual(len(self.receiver.received), 4)

    def test_messages_without_a_device_come_in_order(self):
        made = [make_delivery(self.webhook, body=f'{{"n": {n}}}') for n in range(45)]
        deliver_due()
        self.assertEqual([request.json["n"] for request in self.receiver.received], list(range(len(made))))

    def test_a_refused_message_waits_by_itself_and_those_behind_it_go_on(self):
        self.receiver.replies = [Reply(500, body=b"no")]
        refused, other = make_delivery(self.webhook), make_delivery(self.webhook)
        deliver_due()
        refused.refresh_from_db()
        other.refresh_from_db()
        self.assertEqual((refused.state, refused.attempts, refused.status_code), ("pending", 1, 500))
        self.assertEqual(refused.error, "The receiver answered 500.")
        self.assertAlmostEqual(self.seconds_until(refused.due_at), FIRST_RETRY_SECONDS, delta=8)
        self.assertEqual(other.state, "delivered")
        self.assertEqual(deliver_due(), 0)
        self.again()
        refused.refresh_from_db()
        self.assertEqual((refused.state, refused.attempts, refused.status_code), ("delivered", 2, 204))
        self.assertEqual(refused.error, "")
        ids = [request.headers["Pomona-Event-Id"] for request in self.receiver.received]
        self.assertEqual(ids[0], ids[2])  # by which receivers know a repeat

    def test_redirects_that_repeat_the_request_are_followed(self):
        self.receiver.replies = [Reply(307, {"Location": "/there"}), Reply(308, {"Location": "/for-good"})]
        delivery = make_delivery(self.webhook)
        deliver_due()
        delivery.refresh_from_db()
        self.assertEqual((delivery.state, delivery.attempts), ("delivered", 1))
        self.assertEqual([request.path for request in self.receiver.received], ["/hook", "/there", "/for-good"])
        self.assertEqual({request.body for request in self.receiver.received}, {delivery.body.encode()})
        self.assertTrue(all("Pomona-Signature" in request.headers for request in self.receiver.received))

    def test_other_redirects_are_refused(self):
        for status in (301, 302, 303):
            self.receiver.replies.append(Reply(status, {"Location": f"{self.receiver.url}/elsewhere"}))
            make_delivery(self.webhook)
        deliver_due()
        self.assertEqual(len(self.receiver.received), 3)
        self.assertEqual(
            list(self.webhook.deliveries.order_by("pk").values_list("state", "error")),
            [
                ("pending", f"The receiver answered {status}; of redirects only 307 and 308 are followed.")
                for status in (301, 302, 303)
            ],
        )

    def test_a_redirect_into_a_private_network_is_not_followed(self):
        self.receiver.replies = [Reply(307, {"Location": "http://10.0.0.1/"})]
        delivery = make_delivery(self.webhook)

        def is_public(address: str) -> bool:
            return address == "127.0.0.1"

        with override_settings(WEBHOOK_ALLOW_PRIVATE=False), patch("mdm.common.addresses.is_public", is_public):
            deliver_due()
        delivery.refresh_from_db()
        self.assertEqual(len(self.receiver.received), 1)
        self.assertIn("10.0.0.1 is an address of a private network, where nothing is sent.", delivery.error)
        self.assertIn("WEBHOOK_ALLOW_PRIVATE", delivery.error)

    def test_a_receiver_that_is_down_rests_and_keeps_its_order(self):
        for status in (429, 502, 503, 504):
            with self.subTest(status):
                WebhookDelivery.objects.all().delete()
                Webhook.objects.update(rests_until=None, failures=0)
                self.receiver.received.clear()
                self.receiver.replies = [Reply(status)]
                first, second = make_delivery(self.webhook), make_delivery(self.webhook)
                deliver_due()
                self.assertEqual(len(self.receiver.received), 1)
                self.webhook.refresh_from_db()
                self.assertEqual(self.webhook.failures, 1)
                self.assertAlmostEqual(self.seconds_until(self.webhook.rests_until), FIRST_REST_SECONDS, delta=4)
                make_delivery(self.webhook)
                self.assertEqual(deliver_due(), 0)
                self.again()
                self.assertEqual(
                    [request.headers["Pomona-Event-Id"] for request in self.receiver.received[1:3]],
                    [first.message_id, second.message_id],
                )
                self.webhook.refresh_from_db()
                self.assertEqual(self.webhook.failures, 0)

    def test_a_receiver_says_how_long_it_wants_to_rest(self):
        for asked, expected in (("120", 120), ("999999999999", LONGEST_REST_SECONDS), ("Wed, 21 Oct", 5), ("-5", 5)):
            Webhook.objects.update(rests_until=None, failures=0)
            WebhookDelivery.objects.all().delete()
            self.receiver.replies = [Reply(429, {"Retry-After": asked})]
            make_delivery(self.webhook)
            deliver_due()
            self.webhook.refresh_from_db()
            self.assertAlmostEqual(self.seconds_until(self.webhook.rests_until), expected * 1.05, delta=expected * 0.17)

    def test_an_address_where_nobody_listens(self):
        with unused_url() as url:
            Webhook.objects.update(url=url)
            delivery = make_delivery(self.webhook)
            deliver_due()
        delivery.refresh_from_db()
        self.assertEqual((delivery.state, delivery.attempts, delivery.status_code), ("pending", 1, None))
        self.assertIn("The request failed", delivery.error)

    @override_settings(WEBHOOK_ALLOW_PRIVATE=False)
    def test_a_private_address_is_never_connected_to(self):
        delivery = make_delivery(self.webhook)
        deliver_due()
        delivery.refresh_from_db()
        self.assertEqual((delivery.state, self.receiver.received), ("pending", []))
        self.assertIn("private network", delivery.error)

    def test_a_slow_receiver_holds_nobody_up(self):
        slow = self.enterContext(WebhookReceiver())
        slow.replies = [Reply(200, drips=True)]
        slow_webhook = make_webhook(self.account, url=slow.url)
        late = make_delivery(slow_webhook)
        for _ in range(5):
            make_delivery(self.webhook)
        with patch("mdm.events.sending.TIMEOUT_SECONDS", 1.0):
            started = time.monotonic()
            deliver_due()
            passed = time.monotonic() - started
        self.assertLess(passed, 4)
        self.assertEqual(self.webhook.deliveries.filter(state="delivered").count(), 5)
        late.refresh_from_db()
        self.assertEqual((late.state, late.error), ("pending", "No answer within 1 seconds."))
        self.assertLess(
            self.webhook.deliveries.latest("delivered_at").delivered_at, timezone.now() - timedelta(seconds=0.5)
        )

    def test_after_three_days_it_is_given_up_and_the_log_says_so(self):
        self.receiver.replies = [Reply(500)] * 3
        old = make_delivery(self.webhook, created_at=timezone.now() - GIVE_UP_AFTER - timedelta(seconds=1))
        young = make_delivery(self.webhook)
        deliver_due()
        old.refresh_from_db()
        young.refresh_from_db()
        self.assertEqual((old.state, old.due_at, old.error), ("failed", None, "The receiver answered 500."))
        self.assertEqual(young.state, "pending")
        event = Event.objects.get(event_type="webhook.failed")
        self.assertEqual((event.account, event.get_level_display()), (self.account, "warning"))
        self.assertEqual((event.metadata["webhook_id"], event.metadata["count"]), (self.webhook.pk, 1))
        self.assertNotIn(self.webhook.url, str(event.metadata))
        self.assertEqual(self.again(), 1)

    def test_the_last_try_is_not_later_than_three_days(self):
        self.receiver.replies = [Reply(500)]
        made_at = timezone.now() - GIVE_UP_AFTER + timedelta(minutes=1)
        delivery = make_delivery(self.webhook, created_at=made_at, attempts=20)
        deliver_due()
        delivery.refresh_from_db()
        self.assertEqual((delivery.state, delivery.due_at), ("pending", made_at + GIVE_UP_AFTER))

    def test_what_waited_three_days_for_a_receiver_that_is_down_is_given_up_at_once(self):
        self.receiver.replies = [Reply(503)]
        for _ in range(3):
            make_delivery(self.webhook, created_at=timezone.now() - GIVE_UP_AFTER - timedelta(hours=1))
        make_delivery(self.webhook)
        deliver_due()
        self.assertEqual(len(self.receiver.received), 1)
        self.assertEqual(self.webhook.deliveries.filter(state="failed").count(), 3)
        self.assertEqual(Event.objects.get(event_type="webhook.failed").metadata["count"], 3)

    def test_a_claim_is_a_lease(self):
        make_delivery(self.webhook)
        (turn,) = self.claim()
        self.assertEqual(turn.webhook, self.webhook)
        self.assertEqual(self.claim(), [])
        with patch("django.utils.timezone.now", return_value=timezone.now() + LEASE + timedelta(seconds=1)):
            self.assertEqual(len(self.claim()), 1)  # the worker was killed

    def test_what_a_killed_worker_had_sent_but_not_written_down_is_sent_again(self):
        make_delivery(self.webhook)
        (turn,) = self.claim()
        self.send_all(turn)
        self.assertEqual(deliver_due(), 0)
        Webhook.objects.update(claimed_until=timezone.now())  # the lease is over
        self.assertEqual(deliver_due(), 1)
        first, second = self.receiver.received
        self.assertEqual(first.headers["Pomona-Event-Id"], second.headers["Pomona-Event-Id"])

    def test_webhooks_take_turns(self):
        webhooks = [self.webhook, *(make_webhook(self.account, url=self.receiver.url) for _ in range(2))]
        for webhook in webhooks:
            make_delivery(webhook)
        taken = []
        with patch("mdm.events.claims.QUICK_WEBHOOKS", 1):
            for _ in range(6):
                (turn,) = self.claim()
                taken.append(turn.webhook)
                release([turn])
        self.assertEqual(taken, webhooks * 2)

    def test_a_disabled_webhook_stops(self):
        make_delivery(self.webhook)
        update_webhook(self.webhook, is_enabled=False, actor=SYSTEM)
        make_delivery(self.webhook)
        self.assertEqual(deliver_due(), 0)
        self.assertEqual(self.receiver.received, [])

    def test_a_webhook_that_is_disabled_or_deleted_while_it_is_sent_to(self):
        self.receiver.replies = [Reply(500)]
        delivery = make_delivery(self.webhook)
        (turn,) = self.claim()
        outcomes = self.send_all(turn)
        update_webhook(self.webhook, is_enabled=False, actor=SYSTEM)
        record(outcomes)
        delivery.refresh_from_db()
        self.assertEqual((delivery.state, delivery.error), ("failed", "The webhook was disabled."))
        delete_webhook(self.webhook, SYSTEM)
        record(outcomes)
        self.assertFalse(WebhookDelivery.objects.exists() or WebhookAttempt.objects.exists())

    def test_a_new_address_does_not_inherit_the_rest_of_the_old_one(self):
        make_delivery(self.webhook)
        (turn,) = self.claim()
        self.receiver.replies = [Reply(503)]
        outcomes = self.send_all(turn)
        update_webhook(self.webhook, url=f"{self.receiver.url}/new", actor=SYSTEM)
        record(outcomes)
        release([turn])
        self.assertEqual(deliver_due(), 1)
        self.assertEqual(self.receiver.received[-1].path, "/hook/new")

    def test_an_answer_that_cannot_be_understood_ends_like_any_other_try(self):
        """A lane that ended without a report would hold up the whole worker."""
        self.receiver.replies = [Reply(200, body=b"fine")]
        strange, other = make_delivery(self.webhook), make_delivery(self.webhook)
        with (
            patch("mdm.events.sending.excerpt", side_effect=[OverflowError("too large"), ""]),
            self.assertLogs("pomona"),
        ):
            deliver_due()
        strange.refresh_from_db()
        other.refresh_from_db()
        self.assertEqual((strange.state, strange.attempts, other.state), ("pending", 1, "delivered"))

    def test_a_message_that_cannot_be_read_delays_no_other(self):
        first = make_delivery(self.webhook, sealed_body="secret")
        other = make_delivery(self.webhook)
        WebhookDelivery.objects.filter(pk=first.pk).update(secret_id=uuid4())  # it was sealed for another row
        with self.assertLogs("pomona.webhooks", "ERROR"):
            self.assertEqual(deliver_due(), 2)
        first.refresh_from_db(fields=["state", "error"])
        other.refresh_from_db()
        self.assertEqual(
            (first.state, first.error), ("pending", "It could not be sent, or its answer not be understood.")
        )
        self.assertEqual(other.state, "delivered")

    def test_what_cannot_be_written_down_delays_no_other_webhook(self):
        broken = make_webhook(self.account, url=self.receiver.url)
        make_delivery(broken)
        make_delivery(self.webhook)

        def record_but_one(outcomes):
            if any(turn.webhook == broken for turn in outcomes):
                raise ZeroDivisionError
            record(outcomes)

        with patch("mdm.events.delivery.record", record_but_one), self.assertLogs("pomona.webhooks", "ERROR"):
            deliver_due()
        self.assertEqual(self.webhook.deliveries.get().state, "delivered")
        self.assertEqual(broken.deliveries.get().state, "pending")
        self.assertEqual(deliver_due(), 0)  # not at once, again and again

    def test_a_sealed_body_is_what_is_sent(self):
        delivery = make_delivery(self.webhook, body="", sealed_body='{"topic": "mdm.Connect"}')
        self.receiver.replies = [Reply(400, body=b"what?"), Reply(200, body=delivery.sealed_body.encode())]
        deliver_due()
        self.again()
        self.assertEqual(self.receiver.received[0].json, {"topic": "mdm.Connect"})
        delivery.refresh_from_db()
        self.assertEqual(delivery.state, "delivered")
        # What a receiver repeats is not kept in the open.
        self.assertEqual([one.excerpt for one in WebhookAttempt.objects.order_by("pk")], ["", ""])

    def test_one_worker_does_it_for_all(self):
        make_delivery(self.webhook)
        cache.set(UNDER_WAY, True)
        self.assertEqual(deliver_due(), 0)
        cache.delete(UNDER_WAY)
        self.assertEqual(deliver_due(), 1)
        self.assertIsNone(cache.get(UNDER_WAY))

    def test_a_line_of_the_log_that_is_gone_takes_no_message_with_it(self):
        delivery = make_delivery(self.webhook)
        Event.objects.all().delete()
        deliver_due()
        self.assertEqual(self.receiver.received[0].headers["Pomona-Event-Id"], delivery.message_id)

    def test_every_try_is_kept_with_what_came_of_it(self):
        self.receiver.replies = [Reply(500, body=b"no \xff\x00\x1b[31m\nthere"), Reply(200, body="ä".encode() * 3000)]
        delivery = make_delivery(self.webhook)
        deliver_due()
        self.again()
        first, second = WebhookAttempt.objects.order_by("pk")
        self.assertEqual((first.delivery, first.account, first.status_code), (delivery, self.account, 500))
        self.assertEqual((first.error, first.excerpt), ("The receiver answered 500.", "no �  [31m\nthere"))
        self.assertEqual((second.status_code, second.error, second.excerpt), (200, "", "ä" * 1000))
        self.assertLess(abs(self.seconds_until(first.at)), 60)
        self.assertLess(first.latency_ms, 60_000)

    def test_a_try_without_an_answer_says_why_and_how_long_it_took(self):
        self.receiver.replies = [Reply(wait_seconds=2)]
        make_delivery(self.webhook)
        with patch("mdm.events.sending.TIMEOUT_SECONDS", 0.3):
            deliver_due()
        attempt = WebhookAttempt.objects.get()
        self.assertEqual((attempt.status_code, attempt.error), (None, "No answer within 0.3 seconds."))
        self.assertGreaterEqual(attempt.latency_ms, 300)

    def test_only_the_newest_tries_are_kept(self):
        self.receiver.replies = [Reply(500)]
        delivery = make_delivery(self.webhook, attempts=ATTEMPTS_KEPT + 3)
        for number in range(ATTEMPTS_KEPT + 3):
            WebhookAttempt.objects.create(account=self.account, delivery=delivery, latency_ms=number)
        deliver_due()
        kept = WebhookAttempt.objects.order_by("pk")
        self.assertEqual(len(kept), ATTEMPTS_KEPT)
        self.assertEqual((kept[0].latency_ms, kept[ATTEMPTS_KEPT - 1].status_code), (4, 500))

    def test_a_message_that_brings_the_receiver_down_does_not_keep_the_others_for_ever(self):
        poison = make_delivery(self.webhook, attempts=SUSPECT_AFTER)
        others = [make_delivery(self.webhook) for _ in range(3)]
        self.receiver.replies = [Reply(502)]
        self.assertEqual(deliver_due(), 4)
        poison.refresh_from_db()
        self.webhook.refresh_from_db()
        self.assertEqual((poison.state, self.webhook.rests_until), ("pending", None))
        self.assertGreater(self.seconds_until(poison.due_at), FIRST_RETRY_SECONDS)
        self.assertEqual({WebhookDelivery.objects.get(pk=one.pk).state for one in others}, {"delivered"})

    def test_one_that_failed_often_keeps_its_place_while_the_receiver_is_down(self):
        first = make_delivery(self.webhook, attempts=SUSPECT_AFTER)
        for _ in range(3):
            make_delivery(self.webhook)
        self.receiver.replies = [Reply(503), Reply(503)]
        self.assertEqual(deliver_due(), 2)
        self.webhook.refresh_from_db()
        self.assertEqual(self.webhook.failures, 1)
        self.again()
        self.assertEqual(self.receiver.received[2].headers["Pomona-Event-Id"], first.message_id)

    def test_old_messages_are_forgotten(self):
        long_ago = timezone.now() - KEPT_FOR - timedelta(days=1)
        for state in ("delivered", "failed", "pending"):
            make_delivery(self.webhook, state=state, created_at=long_ago)
            make_delivery(self.webhook, state=state)
        for delivery in WebhookDelivery.objects.all():
            WebhookAttempt.objects.create(account=self.account, delivery=delivery)
        with patch("mdm.events.outcomes.FORGOTTEN_AT_ONCE", 1):
            self.assertEqual(forget_deliveries(), 2)
        self.assertEqual((WebhookDelivery.objects.count(), WebhookAttempt.objects.count()), (4, 4))

    def test_an_excerpt_is_clean_text(self):
        self.assertEqual(excerpt(b""), "")
        self.assertEqual(excerpt(b'{"ok": true}'), '{"ok": true}')
        self.assertEqual(excerpt("💥".encode() * 5000), "💥" * 1000)
