"""Old lines of the log go by themselves, little by little."""

from datetime import timedelta
from unittest import mock

from django.test import override_settings
from django.utils import timezone

from mdm.events import retention
from mdm.events.models import Event, Webhook, WebhookDelivery
from mdm.events.retention import prune
from mdm.events.services import build, emit_many
from mdm.events.tasks import prune_log
from tests.base import AccountTestCase
from tests.factories import make_event


@override_settings(LOG_RETENTION_DAYS=100)
class RetentionTest(AccountTestCase):
    def make(self, count: int, *, days_ago: float) -> list[int]:
        events = emit_many([build("device.updated", account_id=self.account.pk) for _ in range(count)])
        keys = [event.pk for event in events]
        Event.objects.filter(pk__in=keys).update(at=timezone.now() - timedelta(days=days_ago))
        return keys

    def test_lines_older_than_the_setting_go_whoever_owns_them(self) -> None:
        self.make(3, days_ago=101)
        theirs = make_event(self.other_account)
        Event.objects.filter(pk=theirs.pk).update(at=timezone.now() - timedelta(days=400))
        kept = self.make(2, days_ago=99)
        self.assertEqual(prune_log(), 4)
        self.assertEqual(list(Event.objects.order_by("pk").values_list("pk", flat=True)), kept)
        self.assertEqual(prune(), 0)

    def test_many_go_in_transactions_of_few(self) -> None:
        self.make(25, days_ago=101)
        kept = self.make(1, days_ago=1)
        with (
            mock.patch.object(retention, "BATCH", 10),
            mock.patch.object(retention, "_delete", wraps=retention._delete) as delete,
        ):
            self.assertEqual(prune(), 25)
        self.assertEqual([len(call.args[0]) for call in delete.call_args_list], [10, 10, 5])
        self.assertEqual(list(Event.objects.values_list("pk", flat=True)), kept)

    def test_a_run_ends_in_time_and_the_next_one_goes_on(self) -> None:
        self.make(25, days_ago=101)
        with mock.patch.object(retention, "BATCH", 10):
            with mock.patch.object(retention.time, "monotonic", side_effect=[0, 1, 301]):
                self.assertEqual(prune(), 10)
            self.assertEqual(prune(), 15)

    def test_an_old_line_between_new_ones_goes_too(self) -> None:
        [first], [old], [last] = self.make(1, days_ago=1), self.make(1, days_ago=200), self.make(1, days_ago=1)
        self.assertEqual(prune(), 1)
        self.assertEqual(list(Event.objects.order_by("pk").values_list("pk", flat=True)), [first, last])
        self.assertFalse(Event.objects.filter(pk=old).exists())

    def test_nothing_else_refers_to_lines(self) -> None:
        """Whatever does needs a place in `retention`, which goes past Django's own way to delete."""
        self.assertEqual([one.related_model for one in Event._meta.related_objects], [WebhookDelivery])

    def test_messages_of_webhooks_survive_their_line(self) -> None:
        webhook = Webhook.objects.create(account=self.account, url="https://example.com", secret="not used")
        event = make_event(self.account, "device.enrolled")
        delivery = WebhookDelivery.objects.create(
            account=self.account, webhook=webhook, event=event, event_type="device.enrolled", body="{}"
        )
        Event.objects.filter(pk=event.pk).update(at=timezone.now() - timedelta(days=101))
        self.assertEqual(prune(), 1)
        delivery.refresh_from_db()
        self.assertEqual((delivery.event, delivery.body), (None, "{}"))

    def test_lines_that_wait_for_a_collector_go_as_well(self) -> None:
        self.make(1, days_ago=101)
        Event.objects.update(is_forward_due=True)
        self.assertEqual(prune(), 1)

    def test_nothing_keeps_all(self) -> None:
        self.make(1, days_ago=5000)
        with override_settings(LOG_RETENTION_DAYS=0):
            self.assertEqual(prune(), 0)
        self.assertTrue(Event.objects.exists())

    def test_warnings_are_remembered_whatever_the_setting_says(self) -> None:
        """The system check refuses such a setting, but a worker does not run it."""
        self.make(1, days_ago=35)
        with override_settings(LOG_RETENTION_DAYS=7):
            self.assertEqual(prune(), 0)
