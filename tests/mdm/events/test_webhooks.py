"""What people do with webhooks whose receivers have trouble: pauses, letting go on, sending again, a new secret."""

from datetime import timedelta
from unittest.mock import patch

from django.core.cache import cache
from django.test import override_settings
from django.utils import timezone

from mdm.accounts.actors import SYSTEM
from mdm.events.delivery import UNDER_WAY, deliver_due
from mdm.events.models import Event, Webhook, WebhookAttempt, WebhookDelivery
from mdm.events.outcomes import GIVE_UP_AFTER, PAUSE_AFTER
from mdm.events.tasks import give_up_messages
from mdm.events.webhooks import (
    WebhookError,
    create_webhook,
    redeliver,
    redeliver_failed,
    resume_webhook,
    rotate_secret,
    send_test,
    update_webhook,
)
from tests.base import AccountTestCase
from tests.factories import make_delivery, make_webhook
from tests.fakes.webhook_receiver import Reply, WebhookReceiver

MOMENT = timedelta(seconds=5)


@override_settings(WEBHOOK_ALLOW_PRIVATE=True)
class WebhookCase(AccountTestCase):
    def setUp(self):
        super().setUp()
        cache.delete(UNDER_WAY)
        self.receiver = self.enterContext(WebhookReceiver())
        self.webhook = make_webhook(self.account, url=self.receiver.url, name="Chat")

    def deliver(self, *, at: timedelta = timedelta(0)) -> int:
        """All rests, waits and leases are over."""
        Webhook.objects.update(rests_until=None, claimed_until=None)
        WebhookDelivery.objects.filter(state="pending").update(due_at=timezone.now())
        with patch("mdm.events.outcomes.timezone.now", return_value=timezone.now() + at):
            tried = deliver_due()
        self.webhook.refresh_from_db()
        return tried

    def event(self, name: str) -> Event:
        return Event.objects.get(event_type=name)

    def pause(self) -> None:
        self.webhook.paused_at = self.webhook.failing_since = timezone.now()
        self.webhook.save()


class PausingTest(WebhookCase):
    def test_failing_since_is_the_first_failure_and_ends_with_a_success(self):
        self.receiver.replies = [Reply(503), Reply(503), Reply(500), Reply()]
        make_delivery(self.webhook)
        self.deliver()
        since = self.webhook.failing_since
        self.assertLess(timezone.now() - since, timedelta(minutes=1))
        self.deliver(at=timedelta(hours=1))
        self.deliver(at=timedelta(hours=2))
        self.assertEqual(self.webhook.failing_since, since)
        self.deliver()
        self.assertIsNone(self.webhook.failing_since)

    def test_after_three_days_without_a_success_it_is_paused_and_the_log_says_so(self):
        for status in (503, 403):
            with self.subTest(status):
                Event.objects.all().delete()
                self.webhook = make_webhook(self.account, url=self.receiver.url, name="Chat")
                self.receiver.usual = Reply(status)
                first = make_delivery(self.webhook)
                self.deliver()
                self.deliver(at=PAUSE_AFTER - timedelta(minutes=1))
                self.assertIsNone(self.webhook.paused_at)
                make_delivery(self.webhook)
                self.deliver(at=PAUSE_AFTER + MOMENT)
                self.assertIsNotNone(self.webhook.paused_at)
                event = self.event("webhook.paused")
                self.assertEqual((event.account, event.get_level_display()), (self.account, "error"))
                self.assertEqual(
                    (event.metadata["webhook_id"], event.metadata["error"]),
                    (self.webhook.pk, f"The receiver answered {status}."),
                )
                self.assertEqual(set(self.webhook.deliveries.values_list("state", flat=True)), {"pending"})
                first.refresh_from_db()
                received = len(self.receiver.received)
                make_delivery(self.webhook)
                self.assertEqual(self.deliver(), 0)
                self.assertEqual(len(self.receiver.received), received)
                Webhook.objects.filter(pk=self.webhook.pk).delete()

    def test_one_that_refuses_some_and_takes_others_goes_on(self):
        self.receiver.replies = [Reply(400), Reply()]
        make_delivery(self.webhook), make_delivery(self.webhook)
        Webhook.objects.update(failing_since=timezone.now() - timedelta(days=9))
        self.deliver()
        self.assertEqual((self.webhook.paused_at, self.webhook.failing_since), (None, None))

    def test_what_waits_for_a_paused_webhook_is_given_up_after_three_days(self):
        self.pause()
        make_delivery(self.webhook, created_at=timezone.now() - GIVE_UP_AFTER - MOMENT)
        make_delivery(self.webhook, created_at=timezone.now() - GIVE_UP_AFTER - MOMENT, renewed_at=timezone.now())
        make_delivery(self.webhook)
        other = make_delivery(make_webhook(self.account), created_at=timezone.now() - GIVE_UP_AFTER - MOMENT)
        self.assertEqual(give_up_messages(), 1)
        self.assertEqual(self.webhook.deliveries.filter(state="failed").count(), 1)
        self.assertEqual(self.event("webhook.failed").metadata["count"], 1)
        other.refresh_from_db()
        self.assertEqual(other.state, "pending")
        self.assertEqual(give_up_messages(), 0)

    def test_letting_it_go_on_sends_what_waits_at_once(self):
        self.pause()
        waiting = make_delivery(self.webhook)
        with self.captureOnCommitCallbacks(execute=True):
            resume_webhook(self.webhook, SYSTEM)
        waiting.refresh_from_db()
        self.webhook.refresh_from_db()
        self.assertEqual(waiting.state, "delivered")
        self.assertEqual((self.webhook.paused_at, self.webhook.failing_since, self.webhook.failures), (None, None, 0))
        self.assertEqual(self.event("webhook.resumed").metadata["webhook_id"], self.webhook.pk)

    def test_letting_it_go_on_gives_it_three_more_days(self):
        self.pause()
        Webhook.objects.update(failing_since=timezone.now() - timedelta(days=9))
        self.webhook.refresh_from_db()
        resume_webhook(self.webhook, SYSTEM)
        self.receiver.usual = Reply(503)
        make_delivery(self.webhook)
        self.deliver()
        self.assertIsNone(self.webhook.paused_at)

    def test_letting_it_go_on_ends_a_rest(self):
        self.receiver.replies = [Reply(503)]
        delivery = make_delivery(self.webhook)
        deliver_due()
        self.webhook.refresh_from_db()
        with self.captureOnCommitCallbacks(execute=True):
            resume_webhook(self.webhook, SYSTEM)
        delivery.refresh_from_db()
        self.assertEqual(delivery.state, "delivered")

    def test_enabling_it_or_another_address_lets_it_go_on(self):
        for change in ({"is_enabled": True}, {"url": f"{self.receiver.url}/new"}):
            self.pause()
            update_webhook(self.webhook, **change, actor=SYSTEM)
            self.webhook.refresh_from_db()
            self.assertIsNone(self.webhook.paused_at)
        self.pause()
        update_webhook(self.webhook, name="Another", actor=SYSTEM)
        self.webhook.refresh_from_db()
        self.assertIsNotNone(self.webhook.paused_at)

    def test_a_disabled_one_is_not_let_go_on(self):
        update_webhook(self.webhook, is_enabled=False, actor=SYSTEM)
        with self.assertRaisesRegex(WebhookError, "is disabled"):
            resume_webhook(self.webhook, SYSTEM)


class SendingAgainTest(WebhookCase):
    def test_the_same_message_is_sent_once_more_with_the_id_that_it_had(self):
        self.receiver.replies = [Reply(), Reply(500)]
        delivery = make_delivery(self.webhook)
        deliver_due()
        with self.captureOnCommitCallbacks(execute=True):
            again = redeliver(delivery, SYSTEM)
        self.assertEqual((again.pk, again.message_id), (delivery.pk, delivery.message_id))
        first, second = self.receiver.received
        self.assertEqual(first.body, second.body)
        self.assertEqual(first.headers["Pomona-Event-Id"], second.headers["Pomona-Event-Id"])
        delivery.refresh_from_db()
        self.assertEqual((delivery.state, delivery.attempts, delivery.status_code), ("pending", 1, 500))
        self.assertEqual(WebhookAttempt.objects.count(), 2)
        self.assertEqual(self.event("webhook.redelivered").metadata["delivery_id"], delivery.pk)

    def test_one_that_was_given_up_is_tried_for_three_more_days(self):
        self.receiver.usual = Reply(503)
        long_ago = timezone.now() - GIVE_UP_AFTER - timedelta(days=2)
        delivery = make_delivery(self.webhook, state="failed", due_at=None, created_at=long_ago, attempts=20)
        redeliver(delivery, SYSTEM)
        self.deliver()
        delivery.refresh_from_db()
        self.assertEqual(delivery.state, "pending")
        self.deliver(at=GIVE_UP_AFTER + MOMENT)
        delivery.refresh_from_db()
        self.assertEqual(delivery.state, "failed")

    def test_it_does_not_wait_for_the_end_of_a_rest(self):
        Webhook.objects.update(rests_until=timezone.now() + timedelta(hours=1), failures=5)
        delivery = make_delivery(self.webhook, state="failed", due_at=None)
        with self.captureOnCommitCallbacks(execute=True):
            redeliver(delivery, SYSTEM)
        self.assertEqual(len(self.receiver.received), 1)
        Webhook.objects.update(rests_until=timezone.now() + timedelta(hours=1), failures=5)
        with self.captureOnCommitCallbacks(execute=True):
            send_test(self.webhook, SYSTEM)
        self.assertEqual(self.receiver.received[1].json["type"], "test_event")

    def test_all_that_were_given_up(self):
        for state in ("failed", "failed", "delivered", "pending"):
            make_delivery(self.webhook, state=state, due_at=None)
        make_delivery(make_webhook(self.account, url=self.receiver.url), state="failed", due_at=None)
        with self.captureOnCommitCallbacks(execute=True):
            self.assertEqual(redeliver_failed(self.webhook, SYSTEM), 2)
        self.assertEqual(len(self.receiver.received), 2)
        self.assertEqual(self.event("webhook.redelivered").metadata["count"], 2)
        self.assertEqual(redeliver_failed(self.webhook, SYSTEM), 0)
        self.assertEqual(Event.objects.filter(event_type="webhook.redelivered").count(), 1)

    def test_a_webhook_that_sends_nothing_says_so(self):
        delivery = make_delivery(self.webhook, state="failed")
        for change, sentence in (({"is_enabled": False}, "is disabled"), ({"paused_at": timezone.now()}, "is paused")):
            Webhook.objects.filter(pk=self.webhook.pk).update(**({"is_enabled": True} | change))
            webhook = Webhook.objects.get(pk=self.webhook.pk)
            delivery.webhook = webhook
            for action in (
                lambda: redeliver(delivery, SYSTEM),
                lambda webhook=webhook: redeliver_failed(webhook, SYSTEM),
                lambda webhook=webhook: send_test(webhook, SYSTEM),
            ):
                with self.assertRaisesRegex(WebhookError, sentence):
                    action()

    def test_a_message_that_is_gone(self):
        delivery = make_delivery(self.webhook)
        WebhookDelivery.objects.all().delete()
        with self.assertRaisesRegex(WebhookError, "kept no longer"):
            redeliver(delivery, SYSTEM)


class SecretTest(WebhookCase):
    def test_a_new_secret_signs_from_now_on(self):
        make_delivery(self.webhook)
        deliver_due()
        old = self.webhook.secret
        rotated = rotate_secret(self.webhook, SYSTEM)
        self.assertNotEqual(rotated.secret, old)
        self.assertEqual(Webhook.objects.get(pk=self.webhook.pk).secret, rotated.secret)
        self.assertNotIn(rotated.secret, str(self.event("webhook.secret_rotated").metadata))

    def test_micromdms_format_may_be_chosen_and_an_unknown_one_may_not(self):
        webhook = create_webhook(self.account, url=self.receiver.url, format="micromdm", actor=SYSTEM)
        self.assertEqual(webhook.format, "micromdm")
        with self.assertRaisesRegex(WebhookError, "there are native, micromdm"):
            create_webhook(self.account, url=self.receiver.url, format="xml", actor=SYSTEM)
