"""What workers do with each of many devices: the right command or change, a reason where it is not possible, nothing twice."""

import threading
from unittest import mock

from django.db import OperationalError, close_old_connections, connection, transaction
from django.db.models import QuerySet
from django.test import TransactionTestCase, skipUnlessDBFeature
from django.test.utils import CaptureQueriesContext, override_settings

from apps_catalog.services.reconcile import reconcile_due
from devices.models import (
    AssignmentMember,
    AttributeValue,
    BulkOperation,
    Device,
    DeviceState,
    DueDevice,
    OperationDevice,
    OperationState,
    StepState,
)
from devices.services import bulk_steps
from devices.services.bulk import start
from devices.services.bulk_orders import (
    Wanted,
    clear_passcodes,
    join,
    move_to,
    refresh_inventory,
    send_agent,
    send_command,
    set_attribute,
)
from devices.services.bulk_outcomes import Outcome, in_outcome, outcome_of, tally_of
from devices.services.bulk_steps import take_chunk, work_on_operations
from mdm.accounts.actors import Actor, Source
from mdm.channels.models import Channel
from mdm.commands.models import Command
from mdm.commands.states import State
from mdm.events.models import Event
from mdm.protocol.request_types.lock import device_lock, erase_device
from mdm.protocol.request_types.lost_mode import enable_lost_mode
from mdm.protocol.request_types.power import restart_device, shut_down_device
from tests.base import AccountTestCase
from tests.factories import (
    make_account,
    make_agent_package,
    make_assignment_group,
    make_attribute,
    make_device,
    make_group,
    make_installer_certificate,
)

ACTOR = Actor(Source.ADMIN, label="ann@example.com")


class StepsTestCase(AccountTestCase):
    def begin(self, wanted: Wanted, devices: QuerySet[Device] | None = None) -> BulkOperation:
        chosen = Device.objects.for_account(self.account) if devices is None else devices
        return start(chosen, wanted, account_id=self.account.pk, actor=ACTOR)

    def run_all(self, wanted: Wanted) -> BulkOperation:
        operation = self.begin(wanted)
        work_on_operations()
        operation.refresh_from_db()
        return operation

    def faults(self, operation: BulkOperation) -> dict[int, str]:
        refused = OperationDevice.objects.filter(operation=operation, state=StepState.REFUSED)
        return dict(refused.values_list("device", "fault"))

    def command_of(self, device: Device) -> Command:
        return Command.objects.get(channel__device=device)


class SendCommandTest(StepsTestCase):
    def test_every_device_gets_the_command_and_its_step_names_it(self) -> None:
        devices = [make_device(self.account) for _ in range(3)]
        operation = self.run_all(send_command(restart_device()))
        self.assertEqual((operation.state, operation.commands), (OperationState.DONE, 3))
        for device in devices:
            command = self.command_of(device)
            self.assertEqual((command.request_type, command.state), ("RestartDevice", State.QUEUED))
            self.assertEqual((command.actor_label, command.source), ("ann@example.com", Source.ADMIN))
            step = OperationDevice.objects.get(operation=operation, device=device)
            self.assertEqual((step.state, step.command_id), (StepState.DONE, command.pk))
        self.assertEqual(Event.objects.filter(event_type="command.queued", actor_label="ann@example.com").count(), 3)

    def test_who_cannot_obey_is_told_why_and_holds_up_nobody(self) -> None:
        good = make_device(self.account)
        unsupervised = make_device(self.account, is_supervised=False)
        awaited = make_device(self.account, enrolled=False)
        left = make_device(self.account, state=DeviceState.UNENROLLED)
        television = make_device(self.account, platform="tvOS")
        operation = self.run_all(send_command(shut_down_device()))
        self.assertEqual(
            self.faults(operation),
            {
                unsupervised.pk: "Needs a supervised device.",
                awaited.pk: "The device is not enrolled.",
                left.pk: "The device is not enrolled.",
                television.pk: "Not available on tvOS.",
            },
        )
        self.assertEqual(self.command_of(good).request_type, "ShutDownDevice")
        self.assertEqual((operation.commands, operation.state), (1, OperationState.DONE))

    def test_a_device_that_leaves_the_account_meanwhile_is_sent_nothing(self) -> None:
        device = make_device(self.account)
        operation = self.begin(send_command(restart_device()))
        Device.objects.filter(pk=device.pk).update(removed_at=device.created_at)
        work_on_operations()
        self.assertEqual(self.faults(operation), {device.pk: "The device has left the account."})
        self.assertFalse(Command.objects.exists())

    def test_options_that_a_platform_does_not_have_are_left_out_there(self) -> None:
        phone, mac = make_device(self.account), make_device(self.account, platform="macOS")
        self.run_all(send_command(restart_device(notify_user=True)))
        self.assertEqual(self.command_of(phone).parameters, {})
        self.assertEqual(self.command_of(mac).parameters, {"NotifyUser": True})

    def test_a_pin_goes_to_macs_only_and_stays_secret(self) -> None:
        phone, mac = make_device(self.account), make_device(self.account, platform="macOS")
        other = make_device(self.account, platform="macOS")
        self.run_all(send_command(device_lock(message="Call us", pin="482915")))
        for one in (mac, other):
            self.assertEqual(self.command_of(one).secrets, {"/PIN": "482915"})
            self.assertEqual(self.command_of(one).parameters, {"Message": "Call us"})
        self.assertIsNone(self.command_of(phone).secrets)

    def test_a_mac_is_not_locked_without_a_pin(self) -> None:
        phone, mac = make_device(self.account), make_device(self.account, platform="macOS")
        operation = self.run_all(send_command(device_lock(message="Call us")))
        self.assertEqual(list(self.faults(operation)), [mac.pk])
        self.assertIn("PIN of six digits", self.faults(operation)[mac.pk])
        self.assertEqual(self.command_of(phone).request_type, "DeviceLock")

    def test_each_passcode_is_cleared_with_the_devices_own_token(self) -> None:
        first, second, without = (make_device(self.account) for _ in range(3))
        for device, token in ((first, b"one"), (second, b"two")):
            channel = device.device_channel
            channel.unlock_token = token
            channel.save(update_fields=["unlock_token"])
        operation = self.run_all(clear_passcodes())
        self.assertEqual(self.command_of(first).secrets, {"/UnlockToken": "b25l"})
        self.assertEqual(self.command_of(second).secrets, {"/UnlockToken": "dHdv"})
        self.assertEqual(list(self.faults(operation)), [without.pk])
        self.assertIn("no unlock token", self.faults(operation)[without.pk])

    def test_a_mac_without_the_chip_is_not_wiped_without_a_pin(self) -> None:
        old = make_device(self.account, platform="macOS", product_name="MacBookPro11,1")
        new = make_device(self.account, platform="macOS")
        operation = self.run_all(send_command(erase_device()))
        self.assertEqual(list(self.faults(operation)), [old.pk])
        self.assertEqual(self.command_of(new).request_type, "EraseDevice")
        operation = self.run_all(send_command(erase_device(pin="482915")))
        self.assertEqual(self.faults(operation), {})

    def test_a_shared_ipad_is_known_by_its_long_answer(self) -> None:
        shared = make_device(self.account, information={"IsMultiUser": True})
        alone = make_device(self.account)
        operation = self.run_all(send_command(erase_device(disallow_proximity_setup=True)))
        self.assertEqual(list(self.faults(operation)), [shared.pk])
        self.assertIn("Shared iPad", self.faults(operation)[shared.pk])
        self.assertEqual(self.command_of(alone).parameters["DisallowProximitySetup"], True)

    def test_lost_mode_is_for_supervised_phones_and_tablets(self) -> None:
        phone, mac = make_device(self.account), make_device(self.account, platform="macOS")
        operation = self.run_all(send_command(enable_lost_mode(message="Please return")))
        self.assertEqual(list(self.faults(operation)), [mac.pk])
        self.assertEqual(self.command_of(phone).parameters, {"Message": "Please return"})

    def test_the_number_of_statements_does_not_depend_on_the_devices(self) -> None:
        def statements() -> int:
            operation = self.begin(send_command(device_lock(message="Call us", pin="482915")))
            with CaptureQueriesContext(connection) as captured:
                take_chunk(operation)
            return len(captured)

        for platform in ("iOS", "macOS"):
            make_device(self.account, platform=platform)
        few = statements()
        for platform in ("iOS", "macOS") * 10:
            make_device(self.account, platform=platform)
        self.assertEqual(statements(), few)

    @override_settings(BULK_PUSHES_PER_SECOND=2)
    def test_devices_are_woken_no_faster_than_allowed(self) -> None:
        for _ in range(5):
            make_device(self.account)
        self.run_all(send_command(restart_device()))
        times = sorted(Channel.objects.values_list("push_due_at", flat=True))
        self.assertEqual([round((at - times[0]).total_seconds()) for at in times], [0, 0, 1, 1, 2])


class RefreshTest(StepsTestCase):
    def test_the_whole_inventory_is_asked_for_and_the_last_answer_ends_it(self) -> None:
        phone, mac = make_device(self.account), make_device(self.account, platform="macOS")
        awaited = make_device(self.account, enrolled=False)
        operation = self.run_all(refresh_inventory())
        asked = Command.objects.filter(channel__device=mac).order_by("pk")
        self.assertEqual(asked[0].request_type, "DeviceInformation")
        self.assertIn("UserList", set(asked.values_list("request_type", flat=True)))
        self.assertEqual(OperationDevice.objects.get(device=mac).command_id, asked.last().pk)
        self.assertEqual(operation.commands, Command.objects.count())
        self.assertEqual(self.faults(operation), {awaited.pk: "The device is not enrolled."})
        self.assertTrue(Command.objects.filter(channel__device=phone).exists())

    def test_what_waits_already_is_not_asked_twice(self) -> None:
        device = make_device(self.account)
        self.run_all(refresh_inventory())
        before = Command.objects.count()
        operation = self.run_all(refresh_inventory())
        self.assertEqual((Command.objects.count(), operation.commands), (before, 0))
        last = Command.objects.filter(channel__device=device).latest("pk")
        self.assertEqual(OperationDevice.objects.get(operation=operation).command_id, last.pk)


class ChangesTest(StepsTestCase):
    def test_devices_are_moved_and_those_already_there_stay(self) -> None:
        group = make_group(self.account, "Sales")
        there, here = make_device(self.account, group=group), make_device(self.account)
        awaited = make_device(self.account, enrolled=False)
        operation = self.run_all(move_to(group))
        self.assertEqual(set(group.devices.all()), {there, here, awaited})
        self.assertEqual((operation.title, tally_of(operation)), ("Move to Sales: 3 devices", {Outcome.DONE: 3}))
        moved = Event.objects.filter(event_type="device.changed_group").values_list("device_id", flat=True)
        self.assertEqual(set(moved), {here.pk, awaited.pk})
        self.assertTrue(DueDevice.objects.filter(device=here, operation=None).exists())

    def test_devices_join_an_assignment_group_once(self) -> None:
        inside, outside = make_device(self.account), make_device(self.account)
        group = make_assignment_group(self.account, members=[inside], name="Wi-Fi")
        self.run_all(join(group))
        self.run_all(join(group))
        self.assertEqual(AssignmentMember.objects.filter(group=group).count(), 2)
        event = Event.objects.get(event_type="assignment_group.assigned")
        self.assertEqual((event.device_id, event.metadata["name"]), (outside.pk, "Wi-Fi"))
        self.assertEqual(list(DueDevice.objects.values_list("device", flat=True)), [outside.pk])

    def test_a_value_is_set_and_an_empty_one_takes_it_back(self) -> None:
        devices = [make_device(self.account) for _ in range(2)]
        attribute = make_attribute(self.account, "room", secret=True)
        self.run_all(set_attribute(attribute, "Vault 7"))
        values = AttributeValue.objects.filter(attribute=attribute)
        self.assertEqual({(row.device_id, row.value) for row in values}, {(one.pk, "Vault 7") for one in devices})
        operation = self.run_all(set_attribute(attribute, ""))
        self.assertEqual((values.all().count(), operation.title), (0, "Clear room: 2 devices"))

    def test_what_was_deleted_meanwhile_is_a_reason(self) -> None:
        device = make_device(self.account)
        group, assignments = make_group(self.account, "Sales"), make_assignment_group(self.account)
        attribute = make_attribute(self.account, "room")
        begun = [self.begin(move_to(group)), self.begin(join(assignments)), self.begin(set_attribute(attribute, "1"))]
        for gone in (group, assignments, attribute):
            gone.delete()
        work_on_operations()
        for operation in begun:
            self.assertIn("was deleted meanwhile.", self.faults(operation)[device.pk])


class SendAgentTest(StepsTestCase):
    def test_macs_are_told_and_the_others_are_not(self) -> None:
        make_agent_package(self.account, make_installer_certificate(self.account))
        macs = [make_device(self.account, platform="macOS") for _ in range(2)]
        phone = make_device(self.account)
        operation = self.run_all(send_agent())
        self.assertEqual(self.faults(operation), {phone.pk: "The agent is for Macs."})
        for mac in macs:
            told = Command.objects.get(channel__device=mac, request_type="InstallEnterpriseApplication")
            self.assertEqual(OperationDevice.objects.get(operation=operation, device=mac).command_id, told.pk)
            self.assertTrue(Command.objects.filter(channel__device=mac, request_type="InstallProfile").exists())
        self.assertEqual(Event.objects.filter(event_type="agent.sent").count(), 2)
        again = self.run_all(send_agent())
        self.assertIn("on its way", self.faults(again)[macs[0].pk])

    def test_without_a_certificate_every_mac_has_the_reason(self) -> None:
        mac = make_device(self.account, platform="macOS")
        operation = self.run_all(send_agent())
        self.assertTrue(self.faults(operation)[mac.pk])
        self.assertFalse(Command.objects.exists())


class BreakingOffTest(StepsTestCase):
    def test_a_chunk_that_breaks_off_leaves_nothing_behind_and_is_done_once(self) -> None:
        devices = [make_device(self.account) for _ in range(3)]
        operation = self.begin(send_command(restart_device()))
        dies = mock.patch.object(bulk_steps.operations, "wake", side_effect=OperationalError("gone"))
        with dies, self.assertRaises(OperationalError), transaction.atomic():
            work_on_operations()
        self.assertFalse(Command.objects.exists())
        self.assertEqual(tally_of(operation), {Outcome.WAITING: 3})
        work_on_operations()
        work_on_operations()
        self.assertEqual(Command.objects.count(), len(devices))
        self.assertEqual(tally_of(operation), {Outcome.QUEUED: 3})

    def test_one_device_that_breaks_is_set_aside_and_the_others_come_through(self) -> None:
        good, bad = make_device(self.account), make_device(self.account, name="Broken")
        right = bulk_steps.commands_for

        def commands_for(order: object, devices: list[Device], lines: object) -> dict:
            if any(device.name == "Broken" for device in devices):
                raise ValueError("not this one")
            return right(order, devices, lines)

        with mock.patch.object(bulk_steps, "commands_for", commands_for), self.assertLogs("pomona.operations", "ERROR"):
            operation = self.run_all(send_command(restart_device()))
        self.assertEqual(self.faults(operation), {bad.pk: "The server could not do it; its own log says why."})
        self.assertEqual(self.command_of(good).request_type, "RestartDevice")
        self.assertEqual(operation.state, OperationState.DONE)

    def test_chunk_after_chunk_until_all_are_done(self) -> None:
        for _ in range(7):
            make_device(self.account)
        with mock.patch.object(bulk_steps, "CHUNK", 3), mock.patch.object(bulk_steps, "SQLITE_PAUSE_SECONDS", 0):
            operation = self.run_all(send_command(restart_device()))
        self.assertEqual((Command.objects.count(), operation.state), (7, OperationState.DONE))

    def test_one_that_is_held_back_between_two_chunks_stops(self) -> None:
        for _ in range(4):
            make_device(self.account)
        operation = self.begin(send_command(restart_device()))
        with mock.patch.object(bulk_steps, "CHUNK", 3):
            self.assertEqual(take_chunk(operation), 3)
            BulkOperation.objects.update(state=OperationState.CANCELLED)
            self.assertEqual(take_chunk(operation), 0)
        self.assertEqual(Command.objects.count(), 3)

    def test_the_reconciler_leaves_these_operations_alone(self) -> None:
        make_device(self.account)
        operation = self.begin(send_command(restart_device()))
        reconcile_due()
        operation.refresh_from_db()
        self.assertEqual(operation.state, OperationState.RUNNING)


class OutcomeTest(StepsTestCase):
    def test_what_became_of_each_is_counted_and_found_alike(self) -> None:
        states = {
            Outcome.QUEUED: {"state": State.QUEUED},
            Outcome.NOT_NOW: {"state": State.QUEUED, "not_now_at": "2026-11-30T10:00:00Z"},
            Outcome.DONE: {"state": State.ACKNOWLEDGED},
            Outcome.FAILED: {"state": State.FAILED},
            Outcome.TAKEN_BACK: {"state": State.EXPIRED},
        }
        devices = {outcome: make_device(self.account) for outcome in states}
        sent = make_device(self.account)
        devices[Outcome.REFUSED] = make_device(self.account, enrolled=False)
        operation = self.run_all(send_command(restart_device()))
        for outcome, values in states.items():
            Command.objects.filter(channel__device=devices[outcome]).update(**values)
        Command.objects.filter(channel__device=sent).update(state=State.SENT, not_now_at="2026-11-30T10:00:00Z")
        devices[Outcome.WAITING] = make_device(self.account)
        OperationDevice.objects.create(
            account=self.account, operation=operation, device=devices[Outcome.WAITING], state=StepState.WAITING
        )
        tally = tally_of(operation)
        self.assertEqual(tally[Outcome.QUEUED], 2)
        self.assertEqual(
            {one: tally[one] for one in devices if one != Outcome.QUEUED},
            {one: 1 for one in devices if one != Outcome.QUEUED},
        )
        for outcome in Outcome:
            steps = in_outcome(operation, outcome).select_related("command")
            self.assertEqual(steps.count(), tally[outcome], outcome)
            self.assertIn(devices[outcome].pk, {step.device_id for step in steps}, outcome)
            for step in steps:
                command = step.command
                said = outcome_of(
                    step.state,
                    command.state if command else None,
                    is_not_now=bool(command and command.not_now_at),
                )
                self.assertEqual(said, outcome)

    def test_a_command_that_was_deleted_since_counts_as_done(self) -> None:
        make_device(self.account)
        operation = self.run_all(send_command(restart_device()))
        Command.objects.all().delete()
        self.assertEqual(tally_of(operation), {Outcome.DONE: 1})
        self.assertEqual(in_outcome(operation, Outcome.DONE).count(), 1)


@skipUnlessDBFeature("has_select_for_update_skip_locked")
class TwoWorkersTest(TransactionTestCase):
    """At once, as workers are."""

    def test_each_device_is_sent_one_command(self) -> None:
        account = make_account()
        for _ in range(40):
            make_device(account)
        with mock.patch.object(bulk_steps, "CHUNK", 5):
            operation = start(Device.objects.all(), send_command(restart_device()), account_id=account.pk, actor=ACTOR)
            faults: list[BaseException] = []
            workers = [threading.Thread(target=self._work, args=(faults,)) for _ in range(3)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
        self.assertEqual(faults, [])
        self.assertEqual(Command.objects.count(), 40)
        self.assertEqual(Command.objects.values("channel").distinct().count(), 40)
        work_on_operations()
        operation.refresh_from_db()
        self.assertEqual((operation.state, operation.commands), (OperationState.DONE, 40))

    def _work(self, faults: list[BaseException]) -> None:
        try:
            work_on_operations()
        except BaseException as error:
            faults.append(error)
        finally:
            close_old_connections()
            connection.close()
