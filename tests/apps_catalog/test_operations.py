"""Operations as the workers go through them: in chunks, beside each other, held back, and past devices that break."""

from unittest import mock, skipUnless

from django.db import connection
from django.utils import timezone

from apps_catalog.services import reconcile
from apps_catalog.services.reconcile import compare_all, reconcile_due
from devices.models import BulkOperation, Device, DueDevice, OperationState, ProfileAssignment
from devices.services import due
from devices.services.due import mark_due
from devices.services.operations import Progress, cancel, progress_of, resume
from mdm.accounts.actors import Actor, Source
from mdm.commands.models import Command
from mdm.commands.states import State
from mdm.events.models import Event, Level
from tests.apps_catalog.base import ReconcileTestCase
from tests.factories import make_device, make_group
from tests.factories.wanted import assign_profile, make_stored_profile

ACTOR = Actor(Source.API, label="Test key")


class InChunksTest(ReconcileTestCase):
    def setUp(self):
        super().setUp()
        self.enterContext(mock.patch.object(due, "MANY", 2))
        self.enterContext(mock.patch.object(reconcile, "CHUNK", 2))
        self.sales = make_group(self.account, "Sales")
        self.devices = [make_device(self.account, group=self.sales) for _ in range(5)]
        assign_profile(make_stored_profile(self.account), self.sales)

    def start(self) -> BulkOperation:
        mark_due(Device.objects.filter(group=self.sales), why="Assign Wi-Fi", actor=ACTOR)
        return BulkOperation.objects.get()

    def reached(self) -> set[int]:
        return set(Command.objects.values_list("channel__device", flat=True))

    def breaking(self, *broken: Device) -> mock.Mock:
        """The comparison fails whenever one of these is among the devices."""
        plan, keys = reconcile.plan_apps, {device.pk for device in broken}

        def plan_apps(devices, *rest, **options):
            if any(device.pk in keys for device in devices):
                raise RuntimeError("No plan.")
            return plan(devices, *rest, **options)

        return self.enterContext(mock.patch.object(reconcile, "plan_apps", plan_apps))

    def test_every_device_is_reached_and_then_it_is_done(self):
        operation = self.start()
        self.assertEqual(reconcile_due(), 5)
        operation.refresh_from_db()
        self.assertEqual((operation.state, operation.commands), (OperationState.DONE, 5))
        self.assertEqual(self.reached(), {device.pk for device in self.devices})
        self.assertEqual(Command.objects.first().actor_label, "Test key")
        self.assertEqual(reconcile_due(), 0)

    @skipUnless(connection.vendor == "sqlite", "other databases have more than one writer")
    def test_between_two_chunks_others_may_write(self):
        self.start()
        with mock.patch.object(reconcile.time, "sleep") as sleep:
            reconcile_due()
        self.assertEqual(sleep.call_args_list, [mock.call(reconcile.SQLITE_PAUSE_SECONDS)] * 2)

    def test_what_is_taken_back_is_not_in_the_log_one_by_one(self):
        self.start()
        reconcile_due()
        ProfileAssignment.objects.all().delete()
        mark_due(Device.objects.filter(group=self.sales), why="Take Wi-Fi from Sales", actor=ACTOR)
        reconcile_due()
        self.assertEqual(set(Command.objects.values_list("state", flat=True)), {State.CANCELLED})
        self.assertFalse(Event.objects.filter(event_type="command.cancelled").exists())

    def test_what_is_marked_by_itself_comes_first(self):
        self.start()
        single = make_device(self.account)
        mark_due(Device.objects.filter(pk=single.pk))
        with mock.patch.object(reconcile, "_bring") as bring:
            reconcile_due()
        order = [[device.pk for device in call.args[0]] for call in bring.call_args_list]
        self.assertEqual(order[0], [single.pk])
        self.assertEqual(len(order), 4)

    def test_a_cancelled_one_leaves_the_rest_and_resumed_it_goes_on(self):
        operation = self.start()
        with mock.patch.object(reconcile, "LONGEST_RUN_SECONDS", -1), mock.patch.object(reconcile, "nudge_reconciler"):
            self.assertEqual(reconcile_due(), 2)
        cancel(operation, ACTOR)
        self.assertEqual(reconcile_due(), 0)
        self.assertEqual(progress_of([operation])[operation.pk], Progress(5, 3))
        self.assertEqual(len(self.reached()), 2)
        resume(operation, ACTOR)
        self.assertEqual(reconcile_due(), 3)
        self.assertEqual((len(self.reached()), Command.objects.count()), (5, 5))
        operation.refresh_from_db()
        self.assertEqual(operation.state, OperationState.DONE)

    def test_a_newer_change_reaches_the_devices_of_a_cancelled_one_which_still_waits_for_them(self):
        operation = self.start()
        cancel(operation, ACTOR)
        mark_due(Device.objects.filter(pk=self.devices[0].pk))
        self.assertEqual(reconcile_due(), 1)
        self.assertEqual(self.reached(), {self.devices[0].pk})
        self.assertEqual(progress_of([operation])[operation.pk].left, 5)
        resume(operation, ACTOR)
        self.assertEqual(reconcile_due(), 5)
        self.assertEqual((len(self.reached()), Command.objects.count()), (5, 5))

    def test_a_second_one_is_worked_off_beside_the_first_and_sends_nothing_twice(self):
        first = self.start()
        mark_due(Device.objects.filter(group=self.sales), why="Assign Wi-Fi again", actor=ACTOR)
        self.assertEqual(reconcile_due(), 10)
        self.assertEqual((len(self.reached()), Command.objects.count()), (5, 5))
        first.refresh_from_db()
        second = BulkOperation.objects.get(title="Assign Wi-Fi again")
        self.assertEqual({first.state, second.state}, {OperationState.DONE})
        self.assertEqual(first.commands + second.commands, 5)

    def test_devices_that_have_left_are_passed_over(self):
        operation = self.start()
        Device.objects.filter(pk=self.devices[0].pk).update(state="unenrolled")
        self.devices[1].delete()
        reconcile_due()
        operation.refresh_from_db()
        self.assertEqual((operation.state, operation.commands), (OperationState.DONE, 3))

    def test_a_device_that_cannot_be_compared_does_not_hold_up_the_others(self):
        operation, broken = self.start(), self.devices[0]
        self.breaking(broken)
        with self.assertLogs("pomona.reconcile", "ERROR"):
            reconcile_due()
        self.assertEqual(self.reached(), {device.pk for device in self.devices[1:]})
        operation.refresh_from_db()
        self.assertEqual(operation.state, OperationState.RUNNING)
        mark = DueDevice.objects.get()
        self.assertEqual((mark.device, mark.operation, mark.attempts), (broken, operation, 1))
        self.assertGreater(mark.due_at, timezone.now())
        event = self.logged("device.not_reconciled")
        self.assertEqual((event.device, event.level), (broken, Level.ERROR))
        self.assertEqual(event.metadata["why"], "RuntimeError")

    def break_once(self) -> None:
        DueDevice.objects.update(due_at=timezone.now())
        with self.assertLogs("pomona.reconcile", "ERROR"):
            reconcile_due()

    def test_an_operation_waits_for_a_broken_device_a_few_times_and_ends_without_it(self):
        operation, broken = self.start(), self.devices[0]
        self.breaking(broken)
        for attempt in range(1, reconcile.PAUSES_IN_OPERATION + 1):
            before = timezone.now()
            self.break_once()
            mark = operation.due_devices.get()
            pause = round((mark.due_at - before).total_seconds() / 60)
            self.assertEqual((mark.device, mark.attempts, pause), (broken, attempt, 2 ** (attempt - 1)))
        self.break_once()
        operation.refresh_from_db()
        self.assertEqual((operation.state, operation.commands), (OperationState.DONE, 4))
        mark = DueDevice.objects.get()
        self.assertEqual((mark.device, mark.operation), (broken, None))

    def test_a_broken_device_that_works_again_is_reached_by_its_operation(self):
        operation, broken = self.start(), self.devices[0]
        with mock.patch.object(reconcile, "plan_apps", side_effect=RuntimeError):
            self.break_once()
        self.assertEqual((self.reached(), operation.due_devices.count()), (set(), 5))
        DueDevice.objects.update(due_at=timezone.now())
        reconcile_due()
        operation.refresh_from_db()
        self.assertEqual((operation.state, operation.commands), (OperationState.DONE, 5))
        self.assertIn(broken.pk, self.reached())

    def test_it_is_tried_again_later_and_later_and_logged_once(self):
        (broken,) = self.devices[:1]
        mark_due(Device.objects.filter(pk=broken.pk))
        self.breaking(broken)
        pauses = []
        for _ in range(12):
            DueDevice.objects.update(due_at=timezone.now())
            before = timezone.now()
            with self.assertLogs("pomona.reconcile", "ERROR"):
                self.assertEqual(reconcile_due(), 1)
            pauses.append(round((DueDevice.objects.get().due_at - before).total_seconds() / 60))
        self.assertEqual(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360, 360])
        self.logged("device.not_reconciled")

    def test_once_it_works_again_the_device_gets_everything(self):
        (broken,) = self.devices[:1]
        mark_due(Device.objects.filter(pk=broken.pk))
        breaks = mock.patch.object(reconcile, "plan_apps", side_effect=RuntimeError)
        with breaks, self.assertLogs("pomona.reconcile", "ERROR"):
            reconcile_due()
        self.assertEqual(self.reached(), set())
        DueDevice.objects.update(due_at=timezone.now())
        reconcile_due()
        self.assertEqual((self.reached(), DueDevice.objects.count()), ({broken.pk}, 0))

    def test_the_daily_comparison_is_one_for_each_large_account(self):
        small = make_device(self.other_account)
        going_on = self.start()
        self.assertEqual(compare_all(), 6)
        daily = BulkOperation.objects.get(title="Daily comparison of all devices")
        everyone = {device.pk for device in self.devices}
        for operation in (going_on, daily):
            self.assertEqual(set(operation.due_devices.values_list("device", flat=True)), everyone)
        self.assertIsNone(small.due_marks.get().operation)

    def test_the_daily_comparison_leaves_out_what_an_operator_holds_back(self):
        held_back = self.start()
        cancel(held_back, ACTOR)
        more = [make_device(self.account) for _ in range(3)]
        self.assertEqual(compare_all(), 3)
        daily = BulkOperation.objects.get(title="Daily comparison of all devices")
        self.assertEqual(set(daily.due_devices.values_list("device", flat=True)), {device.pk for device in more})
        reconcile_due()
        self.assertEqual((held_back.due_devices.count(), self.reached()), (5, set()))
