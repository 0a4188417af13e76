"""Marks: which devices are to be compared with what they should have, and when a change for many of them is an operation."""

from datetime import timedelta
from unittest import mock

from django.db import IntegrityError, connection, transaction
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from devices.models import BulkOperation, Device, DeviceState, DueDevice, OperationKind, OperationState
from devices.services import due
from devices.services.due import (
    TITLE_LENGTH,
    devices_of_owner,
    is_many,
    mark_due,
    mark_later,
    mark_one,
    mark_owner_due,
    start_operation,
)
from mdm.accounts.actors import Actor, Source
from mdm.events.models import Event
from tests.base import AccountTestCase
from tests.factories import make_assignment_group, make_device, make_group, make_operation
from tests.factories.due import marked

ACTOR = Actor(Source.ADMIN, label="owner@example.com")


class DueTestCase(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.device = make_device(self.account)
        self.one = Device.objects.filter(pk=self.device.pk)

    def mark(self) -> DueDevice:
        """The one of its own."""
        return DueDevice.objects.get(device=self.device, operation=None)

    def marked_for(self, at, **fields: object) -> DueDevice:
        return DueDevice.objects.create(account=self.account, device=self.device, due_at=at, **fields)


class MarkDueTest(DueTestCase):
    def test_enrolled_devices_are_marked_for_now_in_their_account(self):
        before = timezone.now()
        make_device(self.account, enrolled=False)
        make_device(self.account, removed_at=before)
        make_device(self.account, state=DeviceState.UNENROLLED)
        self.assertEqual(mark_due(Device.objects.filter(account=self.account)), 1)
        self.assertEqual(marked(), {self.device})
        self.assertTrue(before <= self.mark().due_at <= timezone.now())
        self.assertEqual((self.mark().account, self.mark().operation), (self.account, None))

    def test_marking_again_is_no_second_mark(self):
        for _ in range(2):
            self.assertEqual(mark_due(self.one), 1)
        self.assertEqual(DueDevice.objects.count(), 1)

    def test_the_workers_are_told_after_the_commit_but_not_of_nothing(self):
        with self.captureOnCommitCallbacks() as callbacks:
            mark_due(Device.objects.none())
        self.assertEqual(callbacks, [])
        with self.captureOnCommitCallbacks() as callbacks:
            mark_due(self.one)
        self.assertEqual(callbacks[-1], due.nudge_reconciler)

    def test_a_newer_reason_takes_over_a_mark_that_was_put_off(self):
        self.marked_for(timezone.now() + timedelta(hours=1), attempts=3)
        mark_due(self.one)
        self.assertLessEqual(self.mark().due_at, timezone.now())
        self.assertEqual(self.mark().attempts, 0)

    def test_a_newer_reason_leaves_the_device_in_its_operations(self):
        states = (OperationState.CANCELLED, OperationState.RUNNING)
        operations = [make_operation(self.account, left=(self.device,), state=state) for state in states]
        before = list(DueDevice.objects.order_by("pk").values())
        for _ in range(2):
            mark_due(self.one)
        self.assertEqual(self.device.due_marks.count(), 3)
        self.assertLessEqual(self.mark().due_at, timezone.now())
        in_operations = DueDevice.objects.filter(operation__in=operations).order_by("pk")
        self.assertEqual(list(in_operations.values()), before)

    def test_one_enrolling_device_is_marked_like_any(self):
        operation = make_operation(self.account, left=(self.device,))
        self.marked_for(timezone.now() + timedelta(hours=1), attempts=3)
        with self.captureOnCommitCallbacks() as callbacks, self.assertNumQueries(1):
            mark_one(self.device)
        self.assertEqual((self.mark().attempts, self.mark().account), (0, self.account))
        self.assertLessEqual(self.mark().due_at, timezone.now())
        self.assertEqual(operation.due_devices.get().device, self.device)
        self.assertEqual(callbacks, [due.nudge_reconciler])

    def test_it_takes_two_statements_for_any_number_of_devices(self):
        for _ in range(20):
            make_device(self.account)
        with self.assertNumQueries(2):
            self.assertEqual(mark_due(Device.objects.filter(account=self.account)), 21)


class MarkLaterTest(DueTestCase):
    def setUp(self):
        super().setUp()
        self.later = timezone.now() + timedelta(hours=1)

    def test_a_device_without_a_mark_gets_one_for_that_time(self):
        self.assertEqual(mark_later(self.one, self.later), 1)
        self.assertEqual(self.mark().due_at, self.later)

    def test_an_earlier_mark_stays(self):
        earlier = self.later - timedelta(minutes=1)
        self.marked_for(earlier)
        mark_later(self.one, self.later)
        self.assertEqual(self.mark().due_at, earlier)

    def test_a_mark_for_later_is_moved_forward(self):
        self.marked_for(self.later + timedelta(minutes=1))
        mark_later(self.one, self.later)
        self.assertEqual(self.mark().due_at, self.later)

    def test_what_belongs_to_an_operation_stays_in_it_as_it_is(self):
        operation = make_operation(self.account, left=(self.device,))
        at = operation.due_devices.get().due_at
        mark_later(self.one, self.later)
        self.assertEqual((operation.due_devices.get().due_at, self.mark().due_at), (at, self.later))

    def test_a_device_that_is_not_enrolled_gets_none(self):
        Device.objects.update(state=DeviceState.UNENROLLED)
        self.assertEqual(mark_later(self.one, self.later), 0)
        self.assertEqual(marked(), set())


class OperationTest(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.enterContext(mock.patch.object(due, "MANY", 2))
        self.devices = Device.objects.filter(account=self.account)
        for _ in range(2):
            make_device(self.account)

    def test_few_devices_are_none(self):
        make_device(self.account, enrolled=False)
        self.assertFalse(is_many(self.devices))
        self.assertEqual(mark_due(self.devices, why="Assign Wi-Fi"), 2)
        self.assertFalse(BulkOperation.objects.exists())

    @override_settings(BULK_PUSHES_PER_SECOND=7)
    def test_more_are_one_that_says_what_was_changed_and_by_whom(self):
        make_device(self.account)
        self.assertTrue(is_many(self.devices))
        with self.captureOnCommitCallbacks() as callbacks:
            self.assertEqual(mark_due(self.devices, why="Assign Wi-Fi", actor=ACTOR), 3)
        operation = BulkOperation.objects.get()
        self.assertEqual((operation.account, operation.title, operation.total), (self.account, "Assign Wi-Fi", 3))
        self.assertEqual((operation.kind, operation.state), (OperationKind.RECONCILE, OperationState.RUNNING))
        self.assertEqual((operation.actor_label, operation.source), ("owner@example.com", "admin ui"))
        self.assertEqual(operation.pushes_per_second, 7)
        self.assertEqual(set(operation.due_devices.values_list("device", flat=True)), {one.pk for one in self.devices})
        event = Event.objects.get(event_type="operation.started")
        facts = {"operation_id": operation.pk, "title": "Assign Wi-Fi", "devices": 3}
        self.assertEqual((event.actor_label, event.metadata), ("owner@example.com", facts))
        self.assertEqual(callbacks[-1], due.nudge_reconciler)

    def test_each_has_its_own_mark_for_a_device_that_several_concern(self):
        make_device(self.account)
        mark_due(self.devices, why="first")
        mark_due(self.devices, why="second")
        first, second = BulkOperation.objects.order_by("pk")
        self.assertEqual((first.due_devices.count(), second.due_devices.count()), (3, 3))
        self.assertFalse(DueDevice.objects.filter(operation=None).exists())
        first.delete()
        self.assertEqual(second.due_devices.count(), 3)

    def test_the_database_takes_no_second_mark_for_the_same_reason(self):
        device = self.devices.first()
        for operation in (None, make_operation(self.account, left=(device,))):
            fields = {"account": self.account, "device": device, "operation": operation}
            DueDevice.objects.get_or_create(**fields)
            with self.assertRaises(IntegrityError), transaction.atomic():
                DueDevice.objects.create(**fields)
        self.assertEqual(device.due_marks.count(), 2)

    def test_a_title_is_never_empty_and_never_too_long(self):
        first = start_operation(self.devices, OperationKind.PUSH_APPS, title="", actor=ACTOR)
        second = start_operation(self.devices, OperationKind.PUSH_APPS, title="x" * 300, actor=ACTOR)
        self.assertEqual((first.title, second.title), ("Push assigned apps", "x" * TITLE_LENGTH))

    def test_it_may_be_for_nobody_when_the_account_is_told(self):
        nobody, account_id = Device.objects.none(), self.account.pk
        operation = start_operation(
            nobody, OperationKind.DEPLOY_APP, title="Deploy", actor=ACTOR, parameters={"app": 1}, account_id=account_id
        )
        self.assertEqual((operation.total, operation.parameters, operation.account_id), (0, {"app": 1}, account_id))

    def test_as_many_statements_for_three_as_for_thirty(self):
        make_device(self.account)
        counts = []
        for more in (0, 27):
            for _ in range(more):
                make_device(self.account)
            with CaptureQueriesContext(connection) as queries:
                mark_due(self.devices, why="Assign Wi-Fi")
            counts.append(len(queries))
        self.assertEqual(counts[0], counts[1])
        self.assertLess(counts[0], 10)


class OwnersTest(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.sales = make_group(self.account)
        self.device, self.other = make_device(self.account), make_device(self.account)
        self.in_sales = make_device(self.account, group=self.sales)

    def test_each_kind_stands_for_its_devices_once(self):
        make_device(self.account, group=self.sales, removed_at=timezone.now())
        group = make_assignment_group(self.account, members=[self.sales, self.device, self.in_sales])
        for owner, devices in (
            (self.device, [self.device]),
            (self.sales, [self.in_sales]),
            (group, [self.device, self.in_sales]),
        ):
            DueDevice.objects.all().delete()
            self.assertEqual(mark_owner_due(owner), len(devices))
            self.assertEqual(marked(), set(devices))

    def test_an_empty_group_stands_for_none(self):
        self.assertFalse(devices_of_owner(make_assignment_group(self.account)).exists())
        self.assertEqual(mark_owner_due(make_group(self.account)), 0)
