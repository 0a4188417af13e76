"""Many messages at once: which of them wait for each other, and whom a receiver that is down or hangs holds up."""

import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Lock, Thread
from unittest.mock import patch

from django.core.cache import cache
from django.db import connection
from django.test import TransactionTestCase, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mdm.events.claims import LEASE, claim, keep, load
from mdm.events.delivery import UNDER_WAY, deliver_due
from mdm.events.lanes import LANES, Threads
from mdm.events.models import SEVERAL_DEVICES, Webhook, WebhookAttempt, WebhookDelivery
from mdm.events.sending import send
from tests.base import AccountTestCase
from tests.factories import make_account, make_delivery, make_webhook
from tests.fakes.webhook_receiver import Reply, WebhookReceiver


def numbers(receiver: WebhookReceiver) -> list[int]:
    return [request.json["n"] for request in receiver.received]


def make_deliveries(webhook: Webhook, count: int, *, devices: int) -> None:
    """Numbered, of as many devices."""
    WebhookDelivery.objects.bulk_create(
        WebhookDelivery(
            account=webhook.account,
            webhook=webhook,
            event_type="test_event",
            order_key=100 + n % devices,
            body=f'{{"n": {n}, "device": {n % devices}}}',
        )
        for n in range(count)
    )


@override_settings(WEBHOOK_ALLOW_PRIVATE=True)
class LanesTest(AccountTestCase):
    def setUp(self):
        super().setUp()
        cache.delete(UNDER_WAY)
        self.receiver = self.enterContext(WebhookReceiver())
        self.webhook = make_webhook(self.account, url=self.receiver.url)

    def check_order(self) -> None:
        """Of each device; whatever was sent again counts where it came first."""
        by_device = defaultdict(list)
        for request in self.receiver.accepted:
            by_device[request.json["device"]].append(request.json["n"])
        for seen in by_device.values():
            self.assertEqual(seen, sorted(seen))

    def test_messages_of_a_device_come_in_order_and_devices_side_by_side(self):
        make_deliveries(self.webhook, 300, devices=20)
        with WatchedSends() as watched:
            self.assertEqual(deliver_due(), 300)
        self.assertEqual(sorted(numbers(self.receiver)), list(range(300)))
        self.check_order()
        self.assertGreater(watched.most_of_all, 1)
        self.assertLessEqual(watched.most_of_all, LANES)
        self.assertEqual(watched.most_of_one_device, 1)
        self.assertFalse(WebhookDelivery.objects.exclude(state="delivered").exists())

    def test_a_message_about_several_devices_goes_alone_between_those_before_and_behind_it(self):
        make_deliveries(self.webhook, 60, devices=20)
        several = WebhookDelivery.objects.order_by("pk").values_list("pk", flat=True)[20:60:20]
        WebhookDelivery.objects.filter(pk__in=list(several)).update(order_key=SEVERAL_DEVICES)
        self.receiver.usual = Reply(wait_seconds=0.005)
        self.assertEqual(deliver_due(), 60)
        seen = numbers(self.receiver)
        self.assertEqual(sorted(seen), list(range(60)))
        for number in (20, 40):
            self.assertEqual(seen.index(number), number)
            self.assertEqual(set(seen[:number]), set(range(number)))

    def test_order_is_kept_over_more_messages_than_are_loaded_at_once(self):
        make_deliveries(self.webhook, 150, devices=7)
        with patch("mdm.events.claims.MESSAGES", 20):
            self.assertEqual(deliver_due(), 150)
        self.assertEqual(sorted(numbers(self.receiver)), list(range(150)))
        self.check_order()

    def test_order_is_kept_while_the_receiver_comes_and_goes(self):
        make_deliveries(self.webhook, 120, devices=5)
        for _ in range(6):
            self.receiver.replies = [Reply() for _ in range(15)] + [Reply(503)]
            Webhook.objects.update(rests_until=None)
            deliver_due()
        self.receiver.replies = []
        Webhook.objects.update(rests_until=None)
        deliver_due()
        self.assertEqual({request.json["n"] for request in self.receiver.accepted}, set(range(120)))
        self.check_order()

    def test_a_slow_answer_for_one_device_holds_up_no_other_device(self):
        make_deliveries(self.webhook, 30, devices=3)
        self.receiver.replies = [Reply(), Reply(wait_seconds=1.5)]
        started = time.monotonic()
        deliver_due()
        self.assertGreater(time.monotonic() - started, 1.4)
        slowest = WebhookAttempt.objects.order_by("-latency_ms")[0]
        ended_at = slowest.at + timedelta(milliseconds=slowest.latency_ms)
        late = WebhookAttempt.objects.filter(at__gte=ended_at).values_list("delivery__order_key", flat=True)
        self.assertEqual(set(late), {slowest.delivery.order_key})

    def test_only_one_message_goes_out_until_the_receiver_has_answered(self):
        make_deliveries(self.webhook, 40, devices=20)
        self.receiver.replies = [Reply(503)]
        self.assertEqual(deliver_due(), 1)
        self.webhook.refresh_from_db()
        self.assertEqual((self.webhook.failures, numbers(self.receiver)), (1, [0]))

    def test_when_the_receiver_goes_down_all_lanes_stop_and_it_counts_once(self):
        make_deliveries(self.webhook, 400, devices=20)
        self.receiver.replies = [Reply() for _ in range(5)]
        self.receiver.usual = Reply(503, {"Retry-After": "100"})
        self.assertLessEqual(deliver_due(), 5 + LANES)
        self.webhook.refresh_from_db()
        self.assertEqual(self.webhook.failures, 1)
        self.assertGreater(self.webhook.rests_until, timezone.now() + timedelta(seconds=90))
        self.assertEqual(WebhookDelivery.objects.filter(state="delivered").count(), 5)

    def test_receivers_that_hang_do_not_delay_others(self):
        hanging = self.enterContext(WebhookReceiver())
        hanging.usual = Reply(wait_seconds=3)
        for number in range(40):
            webhook = make_webhook(self.account, url=hanging.url, failures=number % 2)
            make_deliveries(webhook, 5, devices=5)
        last = make_webhook(self.account, url=self.receiver.url)
        make_deliveries(last, 50, devices=10)
        with (
            patch("mdm.events.sending.TIMEOUT_SECONDS", 2.5),
            patch("mdm.events.outcomes.FIRST_REST_SECONDS", 300),
        ):
            deliver_due()
        self.assertEqual(len(self.receiver.received), 50)
        self.assertFalse(last.deliveries.exclude(state="delivered").exists())
        tries = WebhookAttempt.objects.filter(delivery__webhook__url=hanging.url)
        self.assertEqual(tries.count(), 40)  # one each, and nothing was begun after it
        ends = sorted(one.at + timedelta(milliseconds=one.latency_ms) for one in tries)
        # Those that are known to fail are tried eight at a time: while the first of them are waited for, all others are.
        self.assertLess(WebhookAttempt.objects.filter(delivery__webhook=last).latest("at").at, ends[28])

    def test_failing_webhooks_are_claimed_a_few_at_a_time(self):
        for _ in range(20):
            make_delivery(make_webhook(self.account, url=self.receiver.url, failures=3))
        make_delivery(self.webhook)
        with patch("mdm.events.claims.FAILING_WEBHOOKS", 4), Threads() as threads:
            turns = claim([], threads)
            self.assertEqual(sum(turn.webhook.failures > 0 for turn in turns), 4)
            self.assertEqual(turns[0].webhook, self.webhook)
            self.assertEqual(claim(turns, threads), [])

    def test_the_statements_do_not_grow_with_the_messages(self):
        def cost(count: int) -> int:
            make_deliveries(self.webhook, count, devices=10)
            with (
                patch("mdm.events.delivery.RECORDED_AFTER_SECONDS", 60),
                patch("mdm.events.delivery.LOOK_SECONDS", 60),
                CaptureQueriesContext(connection) as captured,
            ):
                deliver_due()
            return len(captured)

        self.assertLessEqual(cost(400), cost(5) + 2)  # asking for more, and finding none

    def test_many_webhooks_are_recorded_together(self):
        for _ in range(25):
            make_delivery(make_webhook(self.account, url=self.receiver.url))
        with CaptureQueriesContext(connection) as captured:
            self.assertEqual(deliver_due(), 25)
        updates = [one["sql"] for one in captured if 'UPDATE "mdm_events_webhookdelivery"' in one["sql"]]
        self.assertLess(len(updates), 25)

    def test_a_webhook_that_is_changed_meanwhile_is_let_go(self):
        make_deliveries(self.webhook, 3, devices=3)
        with Threads() as threads:
            (turn,) = claim([], threads)
            keep([turn], renews=False)
            self.assertFalse(turn.is_stopped)
            self.webhook.save(update_fields=["updated_at"])
            keep([turn], renews=False)
            self.assertTrue(turn.is_stopped)
            load(turn)
        self.assertEqual(self.receiver.received, [])

    def test_a_lease_is_renewed_while_it_is_ours_and_only_then(self):
        make_deliveries(self.webhook, 1, devices=1)
        with Threads() as threads:
            (turn,) = claim([], threads)
            lease, begins_until = turn.lease, turn.begins_until
            keep([turn], renews=True)
            self.assertGreater(turn.lease, lease)
            self.assertGreater(turn.begins_until, begins_until)
            self.assertFalse(turn.is_stopped)
            self.webhook.refresh_from_db()
            self.assertEqual(self.webhook.claimed_until, turn.lease)
            taken = timezone.now() + LEASE * 2
            Webhook.objects.update(claimed_until=taken)  # another worker has it, as this one slept for too long
            keep([turn], renews=True)
            self.assertTrue(turn.is_stopped)
            self.webhook.refresh_from_db()
            self.assertEqual(self.webhook.claimed_until, taken)

    def test_nothing_is_begun_when_the_lease_is_about_to_end(self):
        make_deliveries(self.webhook, 1, devices=1)
        with Threads() as threads:
            (turn,) = claim([], threads)
            turn.begins_until = time.monotonic() - 1
            load(turn)
        self.assertEqual(self.receiver.received, [])

    def test_a_run_comes_to_an_end_with_a_receiver_that_never_does(self):
        make_deliveries(self.webhook, 500, devices=1)
        self.receiver.usual = Reply(wait_seconds=0.1)
        with (
            patch("mdm.events.delivery.RUN_SECONDS", 0.5),
            patch("mdm.events.delivery.LOOK_SECONDS", 0.1),
            patch("mdm.events.delivery.nudge_named") as nudge,
        ):
            tried = deliver_due()
        self.assertLess(tried, 500)
        self.assertEqual(tried, len(self.receiver.received))
        nudge.assert_called_once_with("mdm.events.tasks.deliver_webhooks")
        self.assertEqual(WebhookDelivery.objects.filter(state="delivered").count(), tried)


class WatchedSends:
    """How many messages are being sent at a time."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._now: dict[int, int] = defaultdict(int)
        self.most_of_all = self.most_of_one_device = 0

    def __enter__(self) -> "WatchedSends":
        self._patch = patch("mdm.events.lanes.send", self._send)
        self._patch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._patch.stop()

    def _send(self, client, webhook, delivery):
        with self._lock:
            self._now[delivery.order_key] += 1
            self.most_of_all = max(self.most_of_all, sum(self._now.values()))
            self.most_of_one_device = max(self.most_of_one_device, self._now[delivery.order_key])
        try:
            return send(client, webhook, delivery)
        finally:
            with self._lock:
                self._now[delivery.order_key] -= 1


def _work() -> int:
    try:
        return deliver_due()
    finally:
        connection.close()


def eventually(condition: Callable[[], object]) -> None:
    ends_at = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < ends_at, "it did not happen"
        time.sleep(0.02)


@override_settings(WEBHOOK_ALLOW_PRIVATE=True)
class TwoWorkersTest(TransactionTestCase):
    """Each with a connection of its own to the database, at the same time."""

    def test_each_message_is_sent_once(self):
        account = make_account("Acme")
        with WebhookReceiver() as receiver:
            for _ in range(4):
                make_deliveries(make_webhook(account, url=receiver.url), 50, devices=10)
            # As if the cache had forgotten that one is at it.
            with patch("mdm.events.delivery.cache.add", return_value=True), ThreadPoolExecutor(2) as workers:
                tried = [worker.result() for worker in [workers.submit(_work) for _ in range(2)]]
            sent = [request.headers["Pomona-Event-Id"] for request in receiver.received]
        self.assertEqual((sum(tried), len(sent), len(set(sent))), (200, 200, 200))
        self.assertEqual(WebhookDelivery.objects.filter(state="delivered").count(), 200)
        self.assertEqual(WebhookAttempt.objects.count(), 200)

    def test_what_becomes_due_while_a_worker_waits_for_a_slow_receiver_does_not_wait(self):
        account = make_account("Acme")
        with WebhookReceiver() as slow, WebhookReceiver() as quick:
            slow.usual = Reply(wait_seconds=3)
            make_deliveries(make_webhook(account, url=slow.url), 1, devices=1)
            webhook = make_webhook(account, url=quick.url)
            worker = Thread(target=_work)
            worker.start()
            eventually(lambda: slow.received)
            make_deliveries(webhook, 3, devices=1)
            eventually(lambda: len(quick.received) == 3)
            self.assertFalse(slow.accepted and not worker.is_alive())
            worker.join()
