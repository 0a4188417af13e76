"""The worker's half of connect: stored answers become inventory and log, whatever devices say and however often it fails."""

import threading
from datetime import timedelta
from unittest.mock import patch

from django.db import connection
from django.test import TransactionTestCase
from django.utils import timezone

from devices.models import InstalledApp
from mdm.commands import answers
from mdm.commands.models import Command
from mdm.commands.states import ApplyState, State
from mdm.endpoints import tasks
from mdm.endpoints.results import RESULTS
from mdm.endpoints.tasks import apply_batch, apply_results
from mdm.events.models import Event, Level
from tests.base import AccountTestCase
from tests.devices.results.base import store_answer
from tests.factories import make_account, make_device

INFORMATION = {"QueryResponses": {"OSVersion": "18.5"}}


class ApplyTestCase(AccountTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.device = make_device(self.account)
        self.channel = self.device.device_channel

    def store(self, request_type: str = "DeviceInformation", answer: dict | None = None, **fields) -> Command:
        return store_answer(self.channel, request_type, INFORMATION if answer is None else answer, **fields)

    def apply_later(self, command: Command) -> None:
        """The pause after a failure is over."""
        Command.objects.filter(pk=command.pk).update(apply_due_at=timezone.now() - timedelta(seconds=1))
        apply_results()
        command.refresh_from_db()

    def event_types(self) -> list[str]:
        return list(Event.objects.order_by("pk").values_list("event_type", flat=True))


class ApplyResultsTest(ApplyTestCase):
    def test_answers_are_read_once(self) -> None:
        command = self.store()
        self.assertEqual(apply_results(), 1)
        self.assertEqual(apply_results(), 0)
        command.refresh_from_db()
        self.device.refresh_from_db()
        self.assertEqual((command.apply_state, self.device.os_version), (ApplyState.APPLIED, "18.5"))

    def test_each_answer_is_one_line_in_the_log(self) -> None:
        command = self.store("RestartDevice", {})
        apply_results()
        event = Event.objects.get()
        self.assertEqual(
            (event.event_type, event.namespace, event.device), ("command.acknowledged", "device", self.device)
        )
        self.assertEqual(
            event.metadata,
            {"request_type": "RestartDevice", "command_uuid": command.command_uuid, "status": "Acknowledged"},
        )

    def test_an_error_keeps_its_chain_and_touches_no_inventory(self) -> None:
        chain = [{"ErrorCode": 12021, "ErrorDomain": "D"}, {"LocalizedDescription": "innen", "Unknown": 1}]
        command = self.store(answer={"ErrorChain": chain, **INFORMATION}, state=State.FAILED, status="Error")
        apply_results()
        command.refresh_from_db()
        self.device.refresh_from_db()
        self.assertEqual(command.error_chain, [chain[0], {"LocalizedDescription": "innen"}])
        self.assertEqual(self.device.os_version, "17.5")
        event = Event.objects.get()
        self.assertEqual((event.event_type, event.level), ("command.failed", Level.WARNING))
        self.assertEqual(event.metadata["error_chain"], command.error_chain)

    def test_an_error_without_a_chain_has_an_empty_one(self) -> None:
        command = self.store(answer={}, state=State.FAILED, status="CommandFormatError")
        apply_results()
        command.refresh_from_db()
        self.assertEqual((command.error_chain, command.apply_state), ([], ApplyState.APPLIED))

    def test_an_acknowledged_command_has_no_error_chain_in_the_database(self) -> None:
        self.store()
        apply_results()
        self.assertTrue(Command.objects.filter(error_chain__isnull=True).exists())

    def test_more_than_one_batch_is_taken(self) -> None:
        for _ in range(7):
            self.store("RestartDevice", {})
        claim = answers.claim
        with patch.object(tasks.answers, "claim", lambda: claim(3)):
            self.assertEqual(apply_batch(), 3)
            self.assertEqual(apply_results(), 4)

    def test_the_statements_of_a_batch_do_not_grow_with_it(self) -> None:
        for size in (2, 30):
            for _ in range(size):
                self.store("RestartDevice", {})
            # claim, devices, log, webhooks and update between the borders of a savepoint
            with self.assertNumQueries(7):
                self.assertEqual(apply_batch(), size)


class FailureTest(ApplyTestCase):
    def broken(self, fault: Exception | None = None):
        def function(device, answer, command) -> None:
            device.device_name = "half done"
            device.save(update_fields=["device_name"])
            raise fault or ZeroDivisionError("half way")

        return patch.dict(RESULTS, {"SecurityInfo": (function,)})

    def test_a_function_that_fails_keeps_the_answer_and_undoes_its_half(self) -> None:
        name = self.device.device_name
        command = self.store("SecurityInfo", {"SecurityInfo": {}})
        with self.broken(), self.assertLogs("pomona.results", "ERROR"):
            apply_results()
        command.refresh_from_db()
        self.device.refresh_from_db()
        self.assertEqual(command.apply_state, ApplyState.PENDING)
        self.assertEqual(command.apply_error, "ZeroDivisionError: half way")
        self.assertTrue(command.result)
        self.assertEqual(self.device.device_name, name)
        self.assertEqual(self.event_types(), [])

    def test_the_others_of_its_batch_are_not_undone(self) -> None:
        before, bad, after = self.store(), self.store("SecurityInfo", {}), self.store("RestartDevice", {})
        with self.broken(), self.assertLogs("pomona.results", "ERROR"):
            self.assertEqual(apply_results(), 3)
        states = [Command.objects.get(pk=command.pk).apply_state for command in (before, bad, after)]
        self.assertEqual(states, [ApplyState.APPLIED, ApplyState.PENDING, ApplyState.APPLIED])
        self.device.refresh_from_db()
        self.assertEqual(self.device.os_version, "18.5")
        self.assertEqual(self.event_types(), ["command.acknowledged"] * 2)

    def test_what_the_failed_one_had_set_is_not_saved_by_the_next_one(self) -> None:
        self.store("SecurityInfo", {})
        self.store(answer={"QueryResponses": {"BatteryLevel": 1.0}})
        name = self.device.device_name
        with self.broken(), self.assertLogs("pomona.results", "ERROR"):
            apply_results()
        self.device.refresh_from_db()
        self.assertEqual(self.device.device_name, name)
        self.assertEqual(self.device.information, {"BatteryLevel": 1.0})

    def test_it_is_tried_again_after_pauses_that_grow(self) -> None:
        command = self.store("SecurityInfo", {})
        pauses = []
        with self.broken(), self.assertLogs("pomona.results", "ERROR"):
            apply_results()
            for _ in range(3):
                command.refresh_from_db()
                pauses.append(round((command.apply_due_at - timezone.now()).total_seconds()))
                self.assertEqual(apply_results(), 0)
                self.apply_later(command)
        self.assertEqual(pauses, [30, 120, 480])

    def test_when_the_fault_is_mended_the_answer_is_read_after_all(self) -> None:
        command = self.store("SecurityInfo", {"SecurityInfo": {"PasscodePresent": True}})
        with self.broken(), self.assertLogs("pomona.results", "ERROR"):
            apply_results()
        self.apply_later(command)
        self.device.refresh_from_db()
        self.assertEqual(self.device.security, {"PasscodePresent": True})
        self.assertEqual((command.apply_state, command.apply_error), (ApplyState.APPLIED, ""))

    def test_it_gives_up_in_the_end_and_says_so_once(self) -> None:
        command = self.store("SecurityInfo", {})
        with self.broken(), self.assertLogs("pomona.results", "ERROR"):
            apply_results()
            for _ in range(answers.ATTEMPTS + 2):
                self.apply_later(command)
        self.assertEqual((command.apply_state, command.apply_attempts), (ApplyState.FAILED, answers.ATTEMPTS))
        self.assertTrue(command.result)
        event = Event.objects.get()
        self.assertEqual((event.event_type, event.level), ("result.failed", Level.ERROR))
        self.assertEqual(event.metadata["why"], "ZeroDivisionError: half way")

    def test_an_error_text_that_cannot_be_stored_does_not_stop_the_batch(self) -> None:
        bad, good = self.store("SecurityInfo", {}), self.store()
        with self.broken(ValueError("nul \x00 and \ud800" + "x" * 5000)), self.assertLogs("pomona.results", "ERROR"):
            apply_results()
        bad.refresh_from_db()
        good.refresh_from_db()
        self.assertEqual(good.apply_state, ApplyState.APPLIED)
        self.assertTrue(bad.apply_error.startswith("ValueError: nul  and ?xxx"))

    def test_hostile_answers_are_marked_and_do_not_stop_the_others(self) -> None:
        rubbish = [
            self.store("SecurityInfo", result=b"not a property list"),
            self.store("SecurityInfo", result=b"<plist><array/></plist>"),
            self.store("SecurityInfo", result=b""),
            self.store("RestartDevice", {"ErrorChain": "none"}, state=State.FAILED, status="Error"),
            self.store("RestartDevice", {"ErrorChain": [{"ErrorCode": "1"}]}, state=State.FAILED, status="Error"),
        ]
        good = self.store()
        with self.assertLogs("pomona.results", "ERROR"):
            apply_results()
        self.assertEqual({Command.objects.get(pk=one.pk).apply_attempts for one in rubbish}, {1})
        good.refresh_from_db()
        self.assertEqual(good.apply_state, ApplyState.APPLIED)


class TwoWorkersTest(TransactionTestCase):
    def test_an_answer_that_another_worker_has_is_skipped(self) -> None:
        """Where rows can be locked; SQLite lets one writer in at a time."""
        device = make_device(make_account())
        for number in range(4):
            apps = [{"Identifier": f"com.example.{number}", "Version": "1"}]
            store_answer(device.device_channel, "InstalledApplicationList", {"InstalledApplicationList": apps})
        start, faults = threading.Barrier(4), []

        def work() -> None:
            try:
                start.wait(10)
                apply_results()
            except BaseException as fault:
                faults.append(fault)
            finally:
                connection.close()

        threads = [threading.Thread(target=work) for _ in range(4)]
        claim = answers.claim
        with patch.object(answers, "claim", lambda: claim(1)):
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(30)
        self.assertEqual(faults, [])
        self.assertEqual(set(Command.objects.values_list("apply_state", "apply_attempts")), {(ApplyState.APPLIED, 0)})
        self.assertEqual(InstalledApp.objects.count(), 1)
        self.assertEqual(Event.objects.filter(event_type="command.acknowledged").count(), 4)
