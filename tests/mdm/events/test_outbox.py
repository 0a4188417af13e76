"""What is written for webhooks when something happens."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from unittest.mock import patch

from django.db import OperationalError, connection, transaction
from django.test import TransactionTestCase, skipUnlessDBFeature

from devices.services.devices import remove_device
from devices.services.groups import move_devices
from mdm.accounts.actors import SYSTEM
from mdm.events.micromdm import Heard, tell
from mdm.events.models import SEVERAL_DEVICES, Event, Webhook, WebhookDelivery
from mdm.events.outbox import EVENT_WORDS, OUTGOING, OWN_EVENTS, REFERENCE_EVENTS, WEBHOOK_EVENTS, body, wants
from mdm.events.services import build, emit, emit_many
from mdm.protocol.ids import ChannelKey
from tests.base import AccountTestCase
from tests.factories import make_device, make_group, make_webhook

NUDGE = "mdm.events.outbox.nudge_named"


class OutboxTest(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.device = make_device(self.account)
        self.webhook = make_webhook(self.account)

    def bodies(self) -> list[dict]:
        return [json.loads(delivery.body) for delivery in WebhookDelivery.objects.order_by("pk")]

    def facts(self, device) -> dict:
        return {
            "id": device.pk,
            "udid": device.udid,
            "serial_number": device.serial_number,
            "device_group_id": device.group_id,
        }

    def emit(self, event_type: str, **options) -> Event:
        return emit(event_type, account_id=self.account.pk, **options)

    def test_a_webhook_without_a_choice_is_told_of_the_events_of_the_reference(self):
        reference = {
            "device.enrolled",
            "device.unenrolled",
            "device.changed_group",
            "device.lock.enabled",
            "abm.device.added",
            "test_event",
        }
        self.assertEqual(set(REFERENCE_EVENTS), reference)
        self.assertEqual(set(WEBHOOK_EVENTS), reference | set(OWN_EVENTS))
        self.assertEqual(list(EVENT_WORDS), list(WEBHOOK_EVENTS))
        self.assertEqual({name for name in WEBHOOK_EVENTS if wants(self.webhook, name)}, reference)

    def test_receivers_know_a_message_by_the_id_of_the_line_and_its_lane_by_the_device(self):
        make_webhook(self.account)
        event = self.emit("device.enrolled", device=self.device)
        self.assertEqual(
            {(row.message_id, row.order_key) for row in WebhookDelivery.objects.all()}, {(event.log_id, self.device.pk)}
        )
        WebhookDelivery.objects.all().delete()
        self.emit("abm.device.added", serial_number="C02X", model="MacBook Air")
        self.assertEqual({row.order_key for row in WebhookDelivery.objects.all()}, {None})

    def test_a_message_of_several_devices_goes_alone_and_one_of_a_single_device_in_its_lane(self):
        others = [make_device(self.account) for _ in range(2)]
        move_devices([self.device, *others], make_group(self.account), SYSTEM)
        move_devices([self.device], make_group(self.account), SYSTEM)
        self.assertEqual(
            list(WebhookDelivery.objects.order_by("pk").values_list("order_key", flat=True)),
            [SEVERAL_DEVICES, self.device.pk],
        )

    def test_a_message_has_the_form_of_the_reference(self):
        event = self.emit("device.enrolled", device=self.device)
        (message,) = self.bodies()
        self.assertEqual(list(message), ["type", "at", "data"])
        self.assertRegex(message["at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        event.at = datetime(2026, 7, 1, 21, 32, 19, 4567, tzinfo=timezone(timedelta(hours=2)))
        self.assertEqual(json.loads(body("device.enrolled", [event]))["at"], "2026-07-01T19:32:19.004Z")
        delivery = WebhookDelivery.objects.get()
        self.assertEqual(
            (delivery.account, delivery.webhook, delivery.event, delivery.event_type, delivery.state),
            (self.account, self.webhook, event, "device.enrolled", "pending"),
        )

    def test_enrolled_unenrolled_and_locked_tell_which_device(self):
        for name in ("device.enrolled", "device.unenrolled", "device.lock.enabled"):
            self.emit(name, device=self.device)
        self.assertEqual(
            [(body["type"], body["data"]) for body in self.bodies()],
            [
                (name, {"device": self.facts(self.device)})
                for name in ("device.enrolled", "device.unenrolled", "device.lock.enabled")
            ],
        )

    def test_a_device_that_enrolls_again_is_enrolled_to_webhooks(self):
        self.emit("device.reenrolled", device=self.device)
        self.assertEqual(self.bodies()[0]["type"], "device.enrolled")
        self.assertEqual(WebhookDelivery.objects.get().event_type, "device.enrolled")

    def test_a_group_that_the_line_names_counts(self):
        self.emit("device.enrolled", device=self.device, device_group_id=77)
        self.assertEqual(self.bodies()[0]["data"]["device"]["device_group_id"], 77)

    def test_devices_that_move_together_are_one_message_with_the_new_group(self):
        others = [make_device(self.account) for _ in range(3)]
        group = make_group(self.account)
        move_devices([self.device, *others], group, SYSTEM)
        (body,) = self.bodies()
        self.assertEqual(body["type"], "device.changed_group")
        self.assertEqual(body["data"], {"devices": [self.facts(device) for device in (self.device, *others)]})
        self.assertEqual({device["device_group_id"] for device in body["data"]["devices"]}, {group.pk})

    def test_a_message_of_many_devices_is_bounded(self):
        events = [
            build("device.changed_group", account_id=self.account.pk, metadata={"device_group_id": 1}) for _ in range(7)
        ]
        with patch("mdm.events.outbox.DEVICES_IN_A_MESSAGE", 3):
            emit_many(events)
        self.assertEqual([len(body["data"]["devices"]) for body in self.bodies()], [3, 3, 1])

    def test_a_device_of_apples_list(self):
        self.emit("abm.device.added", serial_number="C02X", model="MacBook Air")
        device = make_device(self.account, enrolled=False, serial_number="C02Y")
        self.emit("abm.device.added", device=device, model="iPad")
        self.assertEqual(
            [body["data"] for body in self.bodies()],
            [
                {"device": {"serial_number": "C02X", "model": "MacBook Air"}},
                {"device": {"serial_number": "C02Y", "model": "iPad"}},
            ],
        )

    def test_a_removed_device_is_unenrolled_with_its_group(self):
        remove_device(self.device, SYSTEM)
        (body,) = self.bodies()
        self.assertEqual((body["type"], body["data"]["device"]), ("device.unenrolled", self.facts(self.device)))

    def test_only_webhooks_of_the_account_that_want_it_and_are_enabled(self):
        WebhookDelivery.objects.all().delete()
        wanting = make_webhook(self.account, events=["device.enrolled", "device.unenrolled"])
        make_webhook(self.account, events=["device.changed_group"])
        make_webhook(self.account, is_enabled=False)
        make_webhook(self.other_account)
        self.emit("device.enrolled", device=self.device)
        self.assertEqual([row.webhook for row in WebhookDelivery.objects.order_by("pk")], [self.webhook, wanting])

    def test_events_of_several_accounts_go_to_their_own(self):
        other = make_webhook(self.other_account)
        device = make_device(self.other_account)
        emit_many(
            build("device.unenrolled", account_id=one.account_id, device=one)
            for one in (self.device, device, self.device)
        )
        self.assertEqual(
            [
                (row.webhook, json.loads(row.body)["data"]["device"]["id"])
                for row in WebhookDelivery.objects.order_by("pk")
            ],
            [(self.webhook, self.device.pk), (other, device.pk), (self.webhook, self.device.pk)],
        )

    def test_other_events_write_nothing_and_ask_nothing(self):
        with self.assertNumQueries(1):
            self.emit("device.updated", device=self.device)
        with self.assertNumQueries(1):
            emit_many([build("command.queued", account_id=self.account.pk) for _ in range(20)])
        self.assertFalse(WebhookDelivery.objects.exists())

    def test_a_test_goes_to_nobody_by_itself(self):
        self.emit("test_event")
        self.assertFalse(WebhookDelivery.objects.exists())
        self.assertNotIn("test_event", OUTGOING)

    def test_an_account_without_webhooks_costs_one_statement(self):
        self.webhook.delete()
        with self.assertNumQueries(2):
            self.emit("device.enrolled", device=self.device)

    def test_the_statements_do_not_grow_with_events_or_webhooks(self):
        def cost(count: int) -> None:
            events = [build("device.unenrolled", account_id=self.account.pk, device=self.device) for _ in range(count)]
            with self.assertNumQueries(
                5
            ):  # the lines, the webhooks, the hold on them, the devices' groups, the deliveries
                emit_many(events)

        cost(1)
        for _ in range(5):
            make_webhook(self.account)
        cost(12)

    def test_line_and_delivery_come_and_go_together(self):
        with self.assertRaises(ZeroDivisionError), transaction.atomic():
            self.emit("device.enrolled", device=self.device)
            raise ZeroDivisionError
        self.assertFalse(WebhookDelivery.objects.exists() or Event.objects.exists())

    def test_workers_hear_of_it_on_commit_and_only_then(self):
        with patch(NUDGE) as nudge:
            with self.captureOnCommitCallbacks(execute=True):
                self.emit("device.enrolled", device=self.device)
                nudge.assert_not_called()
            nudge.assert_called_once_with("mdm.events.tasks.deliver_webhooks")
            with self.captureOnCommitCallbacks(execute=True) as callbacks:
                self.emit("device.updated", device=self.device)
            self.assertEqual(callbacks, [])


@skipUnlessDBFeature("has_select_for_no_key_update")
class HeldWebhookTest(TransactionTestCase):
    """One that is deleted at the very moment must not take down the transaction of what it is told of."""

    def can_lock(self, **options: bool) -> bool:
        """As another process."""
        try:
            with transaction.atomic():
                Webhook.objects.select_for_update(nowait=True, **options).get()
        except OperationalError:
            return False
        finally:
            connection.close()
        return True

    def test_nobody_deletes_a_webhook_that_a_message_is_just_written_for(self):
        device = make_device()
        heard = Heard("mdm.Connect", ChannelKey(device.udid), b"<plist/>")
        for form, write in {
            "native": lambda: emit("device.enrolled", account_id=device.account_id, device=device),
            "micromdm": lambda: tell(heard, account_id=device.account_id, device_id=device.pk),
        }.items():
            Webhook.objects.all().delete()
            make_webhook(device.account, format=form)
            with self.subTest(form), ThreadPoolExecutor(1) as other:
                with transaction.atomic():
                    write()
                    self.assertFalse(other.submit(self.can_lock).result())
                    self.assertTrue(other.submit(self.can_lock, no_key=True).result(), "workers go on")
                self.assertTrue(other.submit(self.can_lock).result())
