"""What many devices were told goes after a while: the secrets after a week, the operation with the old answers."""

from datetime import timedelta
from unittest import mock

from django.db import connection
from django.test.utils import CaptureQueriesContext, override_settings
from django.utils import timezone

from devices.models import BulkOperation, Device, OperationDevice, OperationOrder, OperationState
from devices.services import bulk_forgetting
from devices.services.bulk import check_repeatable, repeat, start
from devices.services.bulk_forgetting import forget_operations, forget_secrets
from devices.services.bulk_orders import Wanted, refresh_inventory, send_command
from devices.services.errors import NotPossible
from devices.tasks import forget_old_operations
from mdm.accounts.actors import SYSTEM
from mdm.commands.models import Command
from mdm.commands.states import State
from mdm.common import crypto
from mdm.events.models import Event
from mdm.protocol.request_types.lock import device_lock
from mdm.protocol.request_types.power import restart_device
from tests.base import AccountTestCase
from tests.factories import make_device, make_operation

LOCK = send_command(device_lock(pin="482915"))


class ForgettingTestCase(AccountTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.devices = [make_device(self.account) for _ in range(3)]

    def operation(self, wanted: Wanted, *, ended_days_ago: int | None) -> BulkOperation:
        """None: it still runs."""
        operation = start(Device.objects.all(), wanted, account_id=self.account.pk, actor=SYSTEM)
        if ended_days_ago is not None:
            operation.state = OperationState.DONE
            operation.finished_at = timezone.now() - timedelta(days=ended_days_ago, minutes=1)
            operation.save()
        return operation


class SecretsTest(ForgettingTestCase):
    def test_they_go_a_week_after_the_end_and_it_is_too_late_to_repeat_it(self) -> None:
        old, new, running = (self.operation(LOCK, ended_days_ago=days) for days in (7, 6, None))
        held = self.operation(LOCK, ended_days_ago=None)
        BulkOperation.objects.filter(pk=held.pk).update(state=OperationState.CANCELLED)
        self.assertEqual(forget_secrets(), 1)
        self.assertEqual(forget_secrets(), 0)
        order = OperationOrder.objects.get(operation=old)
        self.assertIsNone(order.secrets)
        self.assertIsNotNone(order.forgotten_at)
        for operation in (new, running, held):
            kept = OperationOrder.objects.get(operation=operation)
            self.assertEqual((kept.secrets, kept.forgotten_at), ({"/PIN": "482915"}, None))
        with self.assertRaisesRegex(NotPossible, "too late"):
            check_repeatable(BulkOperation.objects.get(pk=old.pk))
        check_repeatable(BulkOperation.objects.get(pk=new.pk))

    def test_what_has_none_may_still_be_repeated(self) -> None:
        operation = self.operation(send_command(restart_device()), ended_days_ago=30)
        self.assertIsNone(operation.order.secrets)
        order = OperationOrder.objects.get()
        order.secrets = {}  # as it was stored before
        order.save()
        self.assertEqual(forget_secrets(), 0)
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT secrets, forgotten_at FROM {OperationOrder._meta.db_table}")
            self.assertEqual(cursor.fetchone(), (None, None))
        command = Command.objects.create(
            account=self.account,
            channel=self.devices[0].device_channel,
            request_type="RestartDevice",
            state=State.FAILED,
        )
        OperationDevice.objects.filter(device=self.devices[0]).update(state="done", command=command)
        again = repeat(BulkOperation.objects.get(), SYSTEM, expected=1)
        self.assertEqual(again.order.request_type, "RestartDevice")

    def test_those_that_nobody_can_open_any_more_go_too(self) -> None:
        self.operation(LOCK, ended_days_ago=8)
        with mock.patch.object(crypto, "decrypt", side_effect=crypto.CannotDecrypt("no such key")):
            self.assertEqual(forget_secrets(), 1)
        self.assertIsNotNone(OperationOrder.objects.get().forgotten_at)


@override_settings(RESULT_RETENTION_DAYS=90)
class OperationsTest(ForgettingTestCase):
    def test_they_go_with_their_devices_and_orders_and_the_log_keeps_them(self) -> None:
        self.operation(LOCK, ended_days_ago=90)
        self.operation(refresh_inventory(), ended_days_ago=91)
        make_operation(self.account, state=OperationState.DONE, finished_at=timezone.now() - timedelta(days=100))
        stays = [self.operation(LOCK, ended_days_ago=days) for days in (89, None)]
        stays.append(make_operation(self.account, left=(self.devices[0],)))
        events = Event.objects.count()
        self.assertEqual(forget_operations(), 3)
        self.assertEqual(forget_operations(), 0)
        self.assertEqual(set(BulkOperation.objects.all()), set(stays))
        self.assertEqual(
            set(OperationDevice.objects.values_list("operation", flat=True)), {one.pk for one in stays[:2]}
        )
        self.assertEqual(OperationOrder.objects.count(), 2)
        self.assertEqual((Device.objects.count(), Event.objects.count()), (3, events))

    def test_zero_days_keep_them(self) -> None:
        self.operation(LOCK, ended_days_ago=1000)
        with override_settings(RESULT_RETENTION_DAYS=0):
            self.assertEqual(forget_operations(), 0)
        self.assertTrue(BulkOperation.objects.exists())

    def test_a_transaction_has_a_bounded_number_of_rows_and_a_run_ends(self) -> None:
        self.operation(LOCK, ended_days_ago=100)
        with mock.patch.object(bulk_forgetting, "BATCH", 2):
            with mock.patch.object(bulk_forgetting.time, "monotonic", side_effect=[0, 1, 1, 301]):
                self.assertEqual(forget_operations(), 0)
            self.assertEqual((BulkOperation.objects.count(), OperationDevice.objects.count()), (1, 1))
            with CaptureQueriesContext(connection) as captured:
                self.assertEqual(forget_operations(), 1)
        deleted = [
            one["sql"] for one in captured if one["sql"].startswith("DELETE") and "operationdevice" in one["sql"]
        ]
        self.assertTrue(deleted)
        self.assertFalse(BulkOperation.objects.exists() or OperationDevice.objects.exists())

    def test_the_schedule_does_both(self) -> None:
        self.operation(LOCK, ended_days_ago=8)
        self.operation(LOCK, ended_days_ago=91)
        self.assertEqual(forget_old_operations(), 3)
        self.assertEqual(BulkOperation.objects.count(), 1)
