"""Enrollment settings reach Apple and every listed device, whatever happens on the way."""

from datetime import timedelta
from unittest.mock import patch

from django.db import connection
from django.test import TransactionTestCase, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from enrollment.dep_client import DepClient
from enrollment.models import AssignState, DepDevice, DepServer, DepSettings
from enrollment.services import dep_assign
from enrollment.services.dep_assign import assign_due, claim, work
from enrollment.services.dep_settings import assign_again, remove_settings, update_settings
from enrollment.tasks import assign_dep_profiles
from mdm.accounts.actors import SYSTEM
from mdm.common.leases import LEASE, TakenOver
from tests.enrollment.dep_base import TOKEN, DepCase, facts
from tests.factories import make_dep_device, make_dep_server, make_dep_settings
from tests.fakes.dep import FakeDep


class AssignTest(DepCase):
    def test_2500_devices_in_batches_of_a_thousand(self) -> None:
        names = self.dep.assign(2500)
        self.sync()
        make_dep_settings(self.server)
        settings = self.assign()
        self.assert_everywhere(settings, names)
        self.assertEqual([len(batch) for batch in self.dep.assigned], [1000, 1000, 500])
        self.assertEqual([one["devices"] for one in facts("dep_settings.assigned")], [1000, 1000, 500])
        self.assertIsNone(settings.due_at)

    def test_what_stands_at_apple(self) -> None:
        make_dep_settings(self.server, options={"profile_name": "Office", "skip_setup_items": ["Siri", "AppleID"]})
        with override_settings(BASE_URL="https://mdm.example.com"):
            settings = self.assign()
        stored = self.dep.profiles[settings.profile_uuid]
        self.assertEqual(stored["url"], f"https://mdm.example.com/e/ade/{settings.token}")
        self.assertNotIn("configuration_web_url", stored)
        self.assertEqual(stored["skip_setup_items"], ["AppleID", "Siri"])
        self.assertEqual((stored["profile_name"], stored["is_supervised"]), ("Office", True))
        self.assertEqual(facts("dep_settings.defined")[0]["profile_uuid"], settings.profile_uuid)

    def test_a_sign_in_page_is_named_only_if_it_is_wanted(self) -> None:
        make_dep_settings(self.server, requires_sign_in=True)
        settings = self.assign()
        stored = self.dep.profiles[settings.profile_uuid]
        self.assertEqual(stored["configuration_web_url"], f"{settings.url}/sign-in")

    def test_doing_it_again_changes_nothing(self) -> None:
        names = self.dep.assign(3)
        self.sync()
        make_dep_settings(self.server)
        first = self.assign()
        second = self.assign()
        self.assertEqual((first.profile_uuid, len(self.dep.assigned)), (second.profile_uuid, 1))
        self.assert_everywhere(second, names)
        self.assertEqual(assign_due(), 0)

    def test_new_devices_get_them_by_a_sync(self) -> None:
        make_dep_settings(self.server)
        self.assign()
        names = self.dep.assign(2)
        with self.captureOnCommitCallbacks(execute=True):
            self.sync()
        self.assert_everywhere(DepSettings.objects.get(), names)

    def test_a_change_is_another_profile_for_all(self) -> None:
        names = self.dep.assign(3)
        self.sync()
        make_dep_settings(self.server)
        before = self.assign().profile_uuid
        update_settings(self.server, actor=SYSTEM, options={"department": "Sales"})
        settings = self.assign(now=False)
        self.assertNotEqual(settings.profile_uuid, before)
        self.assert_everywhere(settings, names)

    def test_another_address_of_this_server_is_a_change_too(self) -> None:
        names = self.dep.assign(1)
        self.sync()
        make_dep_settings(self.server)
        before = self.assign().profile_uuid
        with override_settings(BASE_URL="https://new.example.com"):
            settings = self.assign()
            self.assertNotEqual(settings.profile_uuid, before)
            self.assert_everywhere(settings, names)

    def test_a_group_or_a_minimum_os_is_none_for_apple(self) -> None:
        make_dep_settings(self.server)
        before = self.assign().profile_uuid
        update_settings(self.server, actor=SYSTEM, minimum_os={"iOS": "17.5"})
        self.assertEqual(self.assign(now=False).profile_uuid, before)

    def test_drift_is_repaired(self) -> None:
        names = self.dep.assign(3)
        self.sync()
        make_dep_settings(self.server)
        self.assign()
        self.dep.modify(names[1], profile_uuid="SOMEBODY-ELSES")
        self.dep.modify(names[2], profile_uuid="", profile_status="removed")
        self.sync()
        settings = self.assign(now=False)
        self.assert_everywhere(settings, names)
        self.assertEqual(sorted(self.dep.assigned[-1]), names[1:])

    def test_a_profile_that_apple_forgot_is_defined_again(self) -> None:
        names = self.dep.assign(2)
        self.sync()
        make_dep_settings(self.server)
        before = self.assign().profile_uuid
        self.dep.forget_profiles()
        self.sync()
        settings = self.assign(now=False)
        self.assertNotEqual(settings.profile_uuid, before)
        self.assert_everywhere(settings, names)

    def test_also_if_it_is_forgotten_between_two_questions(self) -> None:
        names = self.dep.assign(2)
        make_dep_settings(self.server)
        self.assign()
        self.sync()
        knows = DepClient.knows_profile

        def then_forget(client: DepClient, uuid: str) -> bool:
            try:
                return knows(client, uuid)
            finally:
                self.dep.forget_profiles()

        with patch.object(DepClient, "knows_profile", then_forget):
            settings = self.assign()
        self.assert_everywhere(settings, names)

    def test_statements_do_not_grow_with_the_devices_of_a_batch(self) -> None:
        make_dep_settings(self.server)
        self.assign()
        counts = []
        for number in (2, 20):
            self.dep.assign(number)
            self.sync()
            with CaptureQueriesContext(connection) as captured:
                self.assign()
            counts.append(len(captured))
        self.assertEqual(*counts)

    def test_a_stand_in_that_knows_only_put(self) -> None:
        names = self.dep.assign(1)
        self.dep.assign_methods = ("PUT",)
        self.sync()
        make_dep_settings(self.server)
        self.assert_everywhere(self.assign(), names)

    def test_other_servers_and_accounts_are_left_alone(self) -> None:
        other = make_dep_device(make_dep_server(self.account))
        foreign = make_dep_device()
        make_dep_settings(self.server)
        self.assertEqual(assign_dep_profiles(), 1)
        rows = DepDevice.objects.filter(pk__in=[other.pk, foreign.pk])
        self.assertEqual(set(rows.values_list("assign_state", flat=True)), {AssignState.NONE})


class RefusedTest(DepCase):
    def setUp(self) -> None:
        super().setUp()
        self.names = self.dep.assign(4)
        self.sync()
        self.settings = make_dep_settings(self.server)

    def row(self, number: int) -> DepDevice:
        return DepDevice.objects.get(serial_number=self.names[number])

    def test_each_device_has_its_own_answer(self) -> None:
        self.dep.refuses = {self.names[0]: "NOT_ACCESSIBLE", self.names[1]: "FAILED", self.names[2]: "STRANGE"}
        settings = self.assign()
        states = [self.row(n).assign_state for n in range(4)]
        self.assertEqual(states, ["refused", "refused", "refused", "assigned"])
        self.assertIn("released", self.row(0).assign_error)
        self.assertIn("could not assign", self.row(1).assign_error)
        self.assertIn("STRANGE", self.row(2).assign_error)
        self.assertEqual(facts("dep_settings.assigned")[0]["refused"], {"NOT_ACCESSIBLE": 1, "FAILED": 1, "STRANGE": 1})
        self.assertEqual((settings.error, settings.attempts), ("", 0))
        wait = (settings.due_at - timezone.now()).total_seconds()
        self.assertTrue(530 < wait < 670, wait)

    def test_refused_ones_are_tried_again_ever_later(self) -> None:
        self.dep.refuses = {self.names[0]: "FAILED"}
        self.assign()
        self.assign()
        self.assertEqual(len(self.dep.assigned), 1)  # its time has not come
        for attempts in (2, 3):
            DepDevice.objects.filter(serial_number=self.names[0]).update(assign_due_at=timezone.now())
            self.assign()
            self.assertEqual(self.row(0).assign_attempts, attempts)
        wait = (self.row(0).assign_due_at - timezone.now()).total_seconds()
        self.assertTrue(2100 < wait < 2700, wait)
        self.dep.refuses = {}
        DepDevice.objects.filter(serial_number=self.names[0]).update(assign_due_at=timezone.now())
        self.assert_everywhere(self.assign(), self.names)

    def test_a_change_of_the_settings_tries_them_at_once(self) -> None:
        self.dep.refuses = {self.names[0]: "FAILED"}
        self.assign()
        self.dep.refuses = {}
        update_settings(self.server, actor=SYSTEM, options={"department": "Sales"})
        self.assert_everywhere(self.assign(now=False), self.names)

    def test_a_person_may_have_them_tried_at_once(self) -> None:
        self.dep.refuses = {self.names[0]: "FAILED", self.names[1]: "FAILED"}
        self.assign()
        self.dep.refuses = {}
        self.assertEqual(assign_again(self.settings, SYSTEM, devices=[self.row(0)]), 1)
        self.assign(now=False)
        self.assertEqual((self.row(0).assign_state, self.row(1).assign_state), ("assigned", "refused"))
        self.assertEqual(assign_again(self.settings, SYSTEM), 1)
        self.assert_everywhere(self.assign(now=False), self.names)
        self.assertEqual([one["devices"] for one in facts("dep_settings.assign_requested")], [1, 1])

    def test_throttled_devices_wait_as_long_as_apple_says(self) -> None:
        self.dep.refuses = {self.names[0]: "THROTTLED"}
        self.dep.retry_after_seconds = 4000
        settings = self.assign()
        self.assertEqual(self.row(0).assign_state, AssignState.WAITING)
        wait = (settings.due_at - timezone.now()).total_seconds()
        self.assertTrue(3990 < wait <= 4400, wait)
        self.dep.refuses = {}
        DepDevice.objects.update(assign_due_at=timezone.now())
        self.assert_everywhere(self.assign(), self.names)

    def test_a_device_that_apple_does_not_name(self) -> None:
        self.dep.fail("/profile/devices", 200, b'{"devices": {}}')
        self.assign()
        self.assertEqual(set(self.states().values()), {AssignState.REFUSED})
        self.assertIn("did not say", self.row(0).assign_error)


class FaultTest(DepCase):
    """Each in a step of its own; all end in the same state."""

    def setUp(self) -> None:
        super().setUp()
        self.names = self.dep.assign(3)
        self.sync()
        make_dep_settings(self.server)

    def test_faults_at_every_step(self) -> None:
        faults = {
            "busy": {"status": 429, "headers": {"Retry-After": "60"}},
            "unavailable": {"status": 503},
            "broken": {"status": 500},
            "terms": {"status": 403, "body": b"T_C_NOT_SIGNED"},
            "half an answer": {"status": 200, "body": b'{"profile_uuid": "AB"}', "is_cut": True},
            "nonsense": {"status": 200, "body": b"[]"},
            "lost after it was done": {"status": 500, "is_late": True},
        }
        for name, fault in faults.items():
            for path in ("/session", "/profile", "/profile/devices"):
                with self.subTest(fault=name, path=path):
                    update_settings(self.server, actor=SYSTEM, options={"department": f"{name} {path}"[:100]})
                    self.dep.fail(path, **fault)
                    settings = self.assign(now=False)
                    self.assertEqual((settings.attempts, settings.started_at), (1, None))
                    self.assertTrue(settings.error)
                    self.assertGreater(settings.due_at, timezone.now())
                    self.assert_everywhere(self.assign(), self.names)

    def test_a_session_that_ends_is_opened_again(self) -> None:
        for after in (1, 2, 3):
            update_settings(self.server, actor=SYSTEM, options={"department": str(after)})
            self.dep.end_sessions(after=after)
            self.assert_everywhere(self.assign(now=False), self.names)

    def test_apple_being_busy_is_obeyed(self) -> None:
        self.dep.fail("/profile/devices", 429, headers={"Retry-After": "5000"})
        wait = (self.assign().due_at - timezone.now()).total_seconds()
        self.assertTrue(4990 < wait <= 5500, wait)
        self.sync()  # does not come before that time
        self.assertGreater(DepSettings.objects.get().due_at, timezone.now())

    def test_a_token_that_ran_out_is_told_and_a_renewed_one_goes_on(self) -> None:
        DepServer.objects.update(token_expires_at=timezone.now() - timedelta(days=1))
        settings = self.assign()
        self.assertIn("expired on", settings.error)
        self.assertEqual(self.dep.count("/profile"), 0)
        DepServer.objects.update(token_expires_at=timezone.now() + timedelta(days=1))
        self.assert_everywhere(self.assign(), self.names)

    def test_a_series_of_failures_is_logged_once(self) -> None:
        for _ in range(3):
            self.dep.fail("/profile", 500)
            settings = self.assign()
        self.assertEqual(settings.attempts, 3)
        self.assertEqual([one["reason"] for one in facts("dep_settings.failed")], [settings.error])

    def test_what_apple_refuses_is_said_with_its_code(self) -> None:
        self.dep.fail("/profile", 400, b"CONFIG_NAME_INVALID")
        self.assertIn("CONFIG_NAME_INVALID", self.assign().error)

    def test_trouble_of_our_own_holds_up_no_other_server(self) -> None:
        other = make_dep_settings(make_dep_server(**TOKEN))
        with (
            patch.object(dep_assign, "store_answer", side_effect=RuntimeError("AS_fake")),
            self.assertLogs("pomona.dep", "ERROR"),
        ):
            settings = self.assign()
        self.assertIn("could not do its part", settings.error)
        other.refresh_from_db()
        self.assertTrue(other.profile_uuid)
        self.assert_everywhere(self.assign(), self.names)


class ClaimTest(DepCase):
    def setUp(self) -> None:
        super().setUp()
        self.names = self.dep.assign(2)
        self.sync()
        self.settings = make_dep_settings(self.server)

    def test_settings_that_a_worker_has_are_not_taken_again(self) -> None:
        self.assertEqual(claim().pk, self.settings.pk)
        self.assertIsNone(claim())
        update_settings(self.server, actor=SYSTEM, options={"department": "A"})
        self.assertIsNone(claim())

    def test_a_change_meanwhile_is_not_lost(self) -> None:
        claimed = claim()
        update_settings(self.server, actor=SYSTEM, options={"department": "Sales"})
        work(claimed, until=float("inf"))
        settings = self.assign(now=False)
        self.assertEqual(self.dep.profiles[settings.profile_uuid]["department"], "Sales")
        self.assert_everywhere(settings, self.names)

    def test_a_killed_worker_is_followed_by_another(self) -> None:
        slow = claim()
        DepSettings.objects.update(started_at=timezone.now() - LEASE - timedelta(seconds=1))
        self.assert_everywhere(self.assign(now=False), self.names)
        with self.assertRaises(TakenOver):
            work(slow, until=float("inf"))

    def test_much_is_done_in_turns(self) -> None:
        with patch.object(dep_assign, "ASSIGN_LIMIT", 1):
            work(claim(), until=0)
            self.assertEqual(sorted(self.states().values()), ["assigned", "waiting"])
            self.assertEqual(assign_due(), 1)
        self.assert_everywhere(DepSettings.objects.get(), self.names)

    def test_what_a_sync_learned_meanwhile_is_not_overwritten(self) -> None:
        assign = DepClient.assign_profile

        def then_learn(client: DepClient, uuid: str, serials: list[str]) -> object:
            answer = assign(client, uuid, serials)
            if len(self.dep.assigned) == 1:
                self.dep.modify(self.names[0], profile_uuid="OTHER")
                DepDevice.objects.filter(serial_number=self.names[0]).update(profile_uuid="OTHER")
            return answer

        with patch.object(DepClient, "assign_profile", then_learn):
            settings = self.assign()
        self.assert_everywhere(settings, self.names)
        self.assertEqual(self.dep.assigned[1], [self.names[0]])


class TakeBackTest(DepCase):
    def setUp(self) -> None:
        super().setUp()
        self.names = self.dep.assign(3)
        self.sync()
        make_dep_settings(self.server)
        self.settings = self.assign()

    def test_deleted_settings_are_taken_from_the_devices(self) -> None:
        self.dep.modify(self.names[2], profile_uuid="SOMEBODY-ELSES")
        self.sync()
        DepSettings.objects.update(due_at=None)
        remove_settings(self.settings, SYSTEM)
        assign_due()
        self.assertFalse(DepSettings.objects.exists())
        uuids = [self.dep.devices[name]["profile_uuid"] for name in self.names]
        self.assertEqual(uuids, ["", "", "SOMEBODY-ELSES"])
        self.assertEqual(set(self.states().values()), {AssignState.NONE})
        self.assertEqual(facts("dep_settings.taken_back")[0]["devices"], 2)
        self.sync()
        self.assertEqual(set(self.states().values()), {AssignState.NONE})

    def test_a_fault_is_tried_again(self) -> None:
        remove_settings(self.settings, SYSTEM)
        self.dep.fail("/profile/devices", 503)
        assign_due()
        settings = DepSettings.objects.get()
        self.assertTrue(settings.error and settings.removed_at)
        DepSettings.objects.update(due_at=timezone.now())
        assign_due()
        self.assertFalse(DepSettings.objects.exists())

    def test_settings_made_anew_meanwhile_stay(self) -> None:
        remove_settings(self.settings, SYSTEM)
        update_settings(self.server, actor=SYSTEM, options={"department": "Again"})
        self.assert_everywhere(self.assign(now=False), self.names)

    def test_those_that_apple_never_heard_of_go_at_once(self) -> None:
        DepSettings.objects.update(profile_uuid="")
        DepServer.objects.update(token_expires_at=timezone.now() - timedelta(days=1))
        remove_settings(self.settings, SYSTEM)
        assign_due()
        self.assertFalse(DepSettings.objects.exists())

    def test_deleting_twice_is_deleting_once(self) -> None:
        remove_settings(self.settings, SYSTEM)
        remove_settings(self.settings, SYSTEM)
        self.assertEqual(len(facts("dep_settings.removed")), 1)


class NetworkTest(TransactionTestCase):
    def test_apple_is_asked_outside_of_transactions(self) -> None:
        states = []
        send = DepClient._send

        def spy(client: DepClient, *arguments: object) -> object:
            states.append(connection.in_atomic_block)
            return send(client, *arguments)

        with FakeDep() as dep, override_settings(DEP_URL=dep.url), patch.object(DepClient, "_send", spy):
            server = make_dep_server(**TOKEN)
            for name in dep.assign(2):
                make_dep_device(server, name)
            make_dep_settings(server)
            assign_due()
            remove_settings(DepSettings.objects.get(), SYSTEM)
            assign_due()
        self.assertEqual(states, [False] * 5)
        self.assertFalse(DepSettings.objects.exists())
