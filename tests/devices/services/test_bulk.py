"""Doing something with many devices: the set is frozen at the start, and what was done may be repeated where it failed."""

import threading
from unittest import mock
from uuid import uuid4

from django.db import connection
from django.test import TransactionTestCase
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from devices.models import (
    BulkOperation,
    Device,
    OperationDevice,
    OperationKind,
    OperationOrder,
    OperationState,
    StepState,
)
from devices.services import bulk
from devices.services.bulk import SetChanged, repeat, start
from devices.services.bulk_orders import (
    clear_passcodes,
    refresh_inventory,
    send_command,
    set_attribute,
)
from devices.services.bulk_steps import work_on_operations
from devices.services.errors import NotPossible
from devices.services.operations import Progress, cancel, nudge_steps, progress_of, resume
from mdm.accounts.actors import Actor, Source
from mdm.commands.models import Command
from mdm.commands.states import State
from mdm.events.models import Event
from mdm.protocol.request_types import InvalidCommand, Request
from mdm.protocol.request_types.lock import device_lock
from mdm.protocol.request_types.power import restart_device
from tests.base import AccountTestCase
from tests.factories import make_account, make_attribute, make_device

ACTOR = Actor(Source.ADMIN, label="ann@example.com")


class StartTest(AccountTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.devices = [make_device(self.account) for _ in range(3)]

    def start(self, **options: object) -> BulkOperation:
        values = {"account_id": self.account.pk, "actor": ACTOR}
        return start(Device.objects.all(), send_command(restart_device()), **(values | options))

    def test_each_device_gets_a_waiting_step_and_nothing_is_sent_yet(self) -> None:
        operation = self.start()
        steps = OperationDevice.objects.filter(operation=operation)
        self.assertEqual({step.device_id for step in steps}, {device.pk for device in self.devices})
        self.assertEqual({step.state for step in steps}, {StepState.WAITING})
        self.assertEqual((operation.title, operation.total), ("Restart: 3 devices", 3))
        self.assertEqual(operation.state, OperationState.RUNNING)
        self.assertFalse(Command.objects.exists())

    def test_the_number_of_statements_does_not_depend_on_the_devices(self) -> None:
        few = self._statements()
        for _ in range(30):
            make_device(self.account)
        self.assertEqual(self._statements(), few)

    def _statements(self) -> int:
        with CaptureQueriesContext(connection) as captured:
            self.start()
        return len(captured)

    def test_devices_of_others_and_those_that_left_are_never_among_them(self) -> None:
        make_device(self.other_account)
        self.devices[0].removed_at = self.devices[0].created_at
        self.devices[0].save()
        self.assertEqual(self.start().total, 2)

    def test_who_comes_later_is_not_a_part_of_it(self) -> None:
        operation = self.start()
        make_device(self.account)
        work_on_operations()
        self.assertEqual(Command.objects.filter(request_type="RestartDevice").count(), operation.total)

    def test_a_set_that_has_changed_is_refused_as_a_whole(self) -> None:
        with self.assertRaises(SetChanged) as raised:
            self.start(expected=2)
        self.assertEqual(raised.exception.number, 3)
        self.assertFalse(BulkOperation.objects.exists() or OperationDevice.objects.exists() or Event.objects.exists())

    def test_one_order_is_one_operation_and_what_was_refused_may_be_ordered_again(self) -> None:
        token = uuid4()
        with self.assertRaises(SetChanged):
            self.start(token=token, expected=2)
        operation = self.start(token=token, expected=3)
        make_device(self.account)
        self.assertEqual(self.start(token=token, expected=3), operation)
        self.assertEqual((OperationDevice.objects.count(), Event.objects.count()), (3, 1))
        self.assertNotEqual(self.start(token=uuid4()), operation)
        self.start()
        self.start()
        self.assertEqual(BulkOperation.objects.count(), 4)

    def test_nobody_is_no_operation(self) -> None:
        for none in (Device.objects.none(), Device.objects.filter(name="no such name")):
            with self.assertRaisesRegex(NotPossible, "None of these devices"):
                start(none, refresh_inventory(), account_id=self.account.pk, actor=ACTOR)
        self.assertFalse(BulkOperation.objects.exists())

    def test_the_workers_hear_of_it_after_the_commit_and_the_log_says_who(self) -> None:
        with mock.patch.object(bulk, "nudge_steps") as nudged, self.captureOnCommitCallbacks(execute=True):
            operation = self.start()
        nudged.assert_called_once_with()
        event = Event.objects.get(event_type="operation.started")
        self.assertEqual(event.actor_label, "ann@example.com")
        self.assertEqual(
            event.metadata,
            {
                "operation_id": operation.pk,
                "title": "Restart: 3 devices",
                "devices": 3,
                "request_type": "RestartDevice",
            },
        )

    def test_a_start_that_cannot_be_logged_is_none(self) -> None:
        with mock.patch.object(bulk, "emit", side_effect=ValueError), self.assertRaises(ValueError):
            self.start()
        self.assertFalse(BulkOperation.objects.exists() or OperationDevice.objects.exists())

    def test_secrets_are_kept_encrypted(self) -> None:
        start(
            Device.objects.all(),
            send_command(device_lock(message="Call us", pin="482915")),
            account_id=self.account.pk,
            actor=ACTOR,
        )
        attribute = make_attribute(self.account, "room", secret=True)
        start(
            Device.objects.all(),
            set_attribute(attribute, "Vault 7"),
            account_id=self.account.pk,
            actor=ACTOR,
        )
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT parameters, secrets FROM {OperationOrder._meta.db_table} ORDER BY id")
            rows = cursor.fetchall()
        for public, sealed in rows:
            for secret in ("482915", "Vault 7"):
                self.assertNotIn(secret, str(public))
                self.assertNotIn(secret.encode(), bytes(sealed))
        orders = list(OperationOrder.objects.order_by("pk"))
        self.assertEqual([order.secrets for order in orders], [{"/PIN": "482915"}, {"value": "Vault 7"}])
        self.assertNotIn("482915", str(list(Event.objects.values_list("metadata", flat=True))))

    def test_what_makes_no_sense_for_many_is_refused(self) -> None:
        with self.assertRaisesRegex(NotPossible, "one device at a time"):
            send_command(Request("RotateFileVaultKey", {}))
        with self.assertRaises(InvalidCommand):
            send_command(Request("EnableLostMode", {}))
        with self.assertRaisesRegex(NotPossible, "bytes at most"):
            set_attribute(make_attribute(self.account, "room"), "x" * 70_000)

    def test_what_destroys_is_known_before_it_begins(self) -> None:
        self.assertTrue(send_command(restart_device()).is_destructive)
        self.assertTrue(clear_passcodes().is_destructive)
        self.assertFalse(refresh_inventory().is_destructive)


class AtTheSameMomentTest(TransactionTestCase):
    def test_one_order_is_one_operation(self) -> None:
        account, token, begin = make_account(), uuid4(), threading.Barrier(3)
        for _ in range(3):
            make_device(account)
        found: list[int] = []

        def order() -> None:
            begin.wait()
            try:
                values = {"account_id": account.pk, "actor": ACTOR, "expected": 3, "token": token}
                found.append(start(Device.objects.all(), refresh_inventory(), **values).pk)
            finally:
                connection.close()

        clicks = [threading.Thread(target=order) for _ in range(3)]
        for click in clicks:
            click.start()
        for click in clicks:
            click.join()
        self.assertEqual(found, [BulkOperation.objects.get().pk] * 3)
        self.assertEqual(OperationDevice.objects.count(), 3)


class ProgressOfStepsTest(AccountTestCase):
    def setUp(self) -> None:
        super().setUp()
        for _ in range(3):
            make_device(self.account)
        self.operation = start(Device.objects.all(), refresh_inventory(), account_id=self.account.pk, actor=ACTOR)

    def test_what_waits_is_left(self) -> None:
        with self.assertNumQueries(1):
            self.assertEqual(progress_of([self.operation]), {self.operation.pk: Progress(3, 3)})
        OperationDevice.objects.filter(pk=OperationDevice.objects.first().pk).update(state=StepState.REFUSED)
        self.assertEqual(progress_of([self.operation])[self.operation.pk], Progress(3, 2))

    def test_what_is_held_back_stays_and_goes_on_where_it_was(self) -> None:
        cancel(self.operation, ACTOR)
        self.assertEqual(work_on_operations(), 0)
        self.assertFalse(Command.objects.exists())
        with self.captureOnCommitCallbacks() as callbacks:
            resume(self.operation, ACTOR)
        self.assertEqual(callbacks, [nudge_steps])
        self.assertEqual(work_on_operations(), 3)

    def test_it_ends_with_a_line_in_the_log_once(self) -> None:
        work_on_operations()
        work_on_operations()
        self.operation.refresh_from_db()
        self.assertEqual(self.operation.state, OperationState.DONE)
        event = Event.objects.get(event_type="operation.finished")
        self.assertEqual(event.metadata["commands"], self.operation.commands)
        self.assertGreater(self.operation.commands, 3)


class RepeatTest(AccountTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.devices = [make_device(self.account, platform="macOS") for _ in range(5)]
        wanted = send_command(device_lock(message="Call us", pin="482915"))
        self.operation = start(Device.objects.all(), wanted, account_id=self.account.pk, actor=ACTOR)
        work_on_operations()
        states = (State.ACKNOWLEDGED, State.FAILED, State.EXPIRED, State.CANCELLED, State.QUEUED)
        for device, state in zip(self.devices, states, strict=True):
            Command.objects.filter(channel__device=device).update(state=state)

    def test_only_where_it_failed_or_was_taken_back_and_as_it_was_ordered(self) -> None:
        operation = repeat(self.operation, ACTOR, expected=3)
        self.assertEqual((operation.title, operation.kind), ("Lock: 3 devices", OperationKind.SEND_COMMAND))
        steps = OperationDevice.objects.filter(operation=operation)
        self.assertEqual(set(steps.values_list("device", flat=True)), {one.pk for one in self.devices[1:4]})
        work_on_operations()
        again = Command.objects.filter(channel__device=self.devices[1]).latest("pk")
        self.assertEqual((again.parameters, again.secrets), ({"Message": "Call us"}, {"/PIN": "482915"}))

    def test_more_or_fewer_than_were_agreed_to_are_not_touched(self) -> None:
        with self.assertRaises(SetChanged):
            repeat(self.operation, ACTOR, expected=2)
        self.assertEqual(BulkOperation.objects.count(), 1)

    def test_an_order_whose_secrets_were_deleted_is_not_given_again(self) -> None:
        OperationOrder.objects.update(secrets=None, forgotten_at=timezone.now())
        with self.assertRaisesRegex(NotPossible, "too late"):
            repeat(BulkOperation.objects.get(), ACTOR)

    def test_what_the_reconciler_does_is_not_repeated(self) -> None:
        BulkOperation.objects.update(kind=OperationKind.RECONCILE)
        self.operation.refresh_from_db()
        with self.assertRaisesRegex(NotPossible, "by itself"):
            repeat(self.operation, ACTOR)
