"""Sending to real receivers, on this machine."""

import hashlib
import hmac
import time
from datetime import timedelta
from unittest.mock import patch

from django.core.cache import cache
from django.test import override_settings
from django.utils import timezone

from mdm.accounts.actors import SYSTEM
from mdm.events.delivery import (
    FIRST_RETRY_SECONDS,
    GIVE_UP_AFTER,
    KEPT_FOR,
    LEASE,
    LONGEST_REST_SECONDS,
    LONGEST_RETRY_SECONDS,
    UNDER_WAY,
    claim_turns,
    deliver_due,
    record,
    retry_seconds,
    take_turn,
)
from mdm.events.models import Event, Webhook, WebhookDelivery
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
        self.assertEqual(request.headers["Pomona-Event-Id"], event.log_id)
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

    def test_messages_come_in_order(self):
        made = [make_delivery(self.webhook, body=f'{{"n": {n}}}') for n in range(45)]  # more than one turn
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

    def test_redirects_are_not_followed(self):
        self.receiver.replies = [Reply(302, {"Location": f"{self.receiver.url}/elsewhere"})]
        delivery = make_delivery(self.webhook)
        deliver_due()
        delivery.refresh_from_db()
        self.assertEqual((delivery.state, len(self.receiver.received)), ("pending", 1))
        self.assertIn("redirects are not followed", delivery.error)

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
                self.assertAlmostEqual(self.seconds_until(self.webhook.rests_until), FIRST_RETRY_SECONDS, delta=8)
                make_delivery(self.webhook)
                self.assertEqual(deliver_due(), 0)
                self.again()
                self.assertEqual(
                    [request.headers["Pomona-Event-Id"] for request in self.receiver.received[1:3]],
                    [first.event.log_id, second.event.log_id],
                )
                self.webhook.refresh_from_db()
                self.assertEqual(self.webhook.failures, 0)

    def test_a_receiver_says_how_long_it_wants_to_rest(self):
        for asked, expected in (("120", 120), ("999999999999", LONGEST_REST_SECONDS), ("Wed, 21 Oct", 30), ("-5", 30)):
            Webhook.objects.update(rests_until=None, failures=0)
            WebhookDelivery.objects.all().delete()
            self.receiver.replies = [Reply(429, {"Retry-After": asked})]
            make_delivery(self.webhook)
            deliver_due()
            self.webhook.refresh_from_db()
            self.assertAlmostEqual(self.seconds_until(self.webhook.rests_until), expected, delta=8)

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
        with patch("mdm.events.delivery.TIMEOUT_SECONDS", 1.0):
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
        (turn,) = claim_turns(10)
        self.assertEqual((turn.webhook, len(turn.deliveries)), (self.webhook, 1))
        self.assertEqual(claim_turns(10), [])
        with patch("django.utils.timezone.now", return_value=timezone.now() + LEASE + timedelta(seconds=1)):
            self.assertEqual(len(claim_turns(10)), 1)  # the worker was killed

    def test_webhooks_take_turns(self):
        webhooks = [self.webhook, *(make_webhook(self.account, url=self.receiver.url) for _ in range(2))]
        for webhook in webhooks:
            for _ in range(2):
                make_delivery(webhook)
        taken = []
        with patch("mdm.events.delivery.MESSAGES_IN_A_TURN", 1):
            for _ in range(6):
                (turn,) = claim_turns(1)
                taken.append(turn.webhook)
                record(turn, take_turn(turn))
        self.assertEqual(taken, webhooks * 2)

    def test_a_disabled_webhook_stops(self):
        make_delivery(self.webhook)
        update_webhook(self.webhook, is_enabled=False, actor=SYSTEM)
        make_delivery(self.webhook)
        self.assertEqual(deliver_due(), 0)
        self.assertEqual(self.receiver.received, [])

    def test_a_webhook_that_is_disabled_or_deleted_while_it_is_sent_to(self):
        self.receiver.replies = [Reply(500), Reply(500)]
        delivery = make_delivery(self.webhook)
        (turn,) = claim_turns(1)
        outcomes = take_turn(turn)
        update_webhook(self.webhook, is_enabled=False, actor=SYSTEM)
        record(turn, outcomes)
        delivery.refresh_from_db()
        self.assertEqual((delivery.state, delivery.error), ("failed", "The webhook was disabled."))
        delete_webhook(self.webhook, SYSTEM)
        record(turn, outcomes)
        self.assertFalse(WebhookDelivery.objects.exists())

    def test_a_new_address_does_not_inherit_the_rest_of_the_old_one(self):
        make_delivery(self.webhook)
        (turn,) = claim_turns(1)
        self.receiver.replies = [Reply(503)]
        outcomes = take_turn(turn)
        update_webhook(self.webhook, url=f"{self.receiver.url}/new", actor=SYSTEM)
        record(turn, outcomes)
        self.assertEqual(deliver_due(), 1)
        self.assertEqual(self.receiver.received[-1].path, "/hook/new")

    def test_trouble_with_one_webhook_delays_no_other(self):
        broken = make_webhook(self.account, url=self.receiver.url, name="broken")
        make_delivery(broken)
        make_delivery(self.webhook)
        take = take_turn

        def fail_for_one(turn):
            if turn.webhook.name == "broken":
                raise ZeroDivisionError
            return take(turn)

        with patch("mdm.events.delivery.take_turn", fail_for_one), self.assertLogs("pomona.webhooks", "ERROR"):
            self.assertEqual(deliver_due(), 1)
        self.assertEqual(self.webhook.deliveries.get().state, "delivered")
        self.assertEqual(broken.deliveries.get().state, "pending")

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
        self.assertEqual(self.receiver.received[0].headers["Pomona-Event-Id"], str(delivery.pk))

    def test_old_messages_are_forgotten(self):
        long_ago = timezone.now() - KEPT_FOR - timedelta(days=1)
        for state in ("delivered", "failed", "pending"):
            make_delivery(self.webhook, state=state, created_at=long_ago)
            make_delivery(self.webhook, state=state)
        self.assertEqual(forget_deliveries(), 2)
        self.assertEqual(WebhookDelivery.objects.count(), 4)

    def test_waits_grow_and_have_an_end(self):
        for failures, expected in ((1, 30), (2, 60), (5, 480), (50, LONGEST_RETRY_SECONDS)):
            seconds = {retry_seconds(failures, LONGEST_RETRY_SECONDS) for _ in range(20)}
            self.assertGreater(len(seconds), 1)
            self.assertTrue(all(expected * 0.8 <= one <= expected * 1.2 for one in seconds), (failures, seconds))
