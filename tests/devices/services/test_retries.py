"""What a device refused: when it is tried again, and what retrying now and stopping do."""

from datetime import datetime, timedelta
from unittest import mock

from django.utils import timezone

from devices.models import DueDevice, ItemState, ProfileAssignment, ProfileInstall
from devices.services import retries
from devices.services.errors import NotPossible
from devices.services.retries import (
    ERROR_LIMIT,
    MOST_ATTEMPTS,
    mark_retries,
    may_go,
    note_failure,
    note_loss,
    note_success,
    retry_now,
    stop,
)
from mdm.accounts.actors import SYSTEM, Actor, Source
from mdm.commands.models import Command
from mdm.commands.states import State
from tests.apps_catalog.base import ReconcileTestCase
from tests.base import AccountTestCase
from tests.factories import make_command, make_device, make_installed_profile, make_operation, make_profile
from tests.factories.due import is_marked, mark
from tests.factories.profiles import make_profile_install
from tests.factories.wanted import add_version, assign_profile, make_stored_profile

ACTOR = Actor(Source.ADMIN, label="owner@example.com")
MINUTES = [5, 30, 120, 480, 1440, 1440, 1440, 1440, 1440]


class RowTestCase(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.device = make_device(self.account)
        self.now = timezone.now() + timedelta(hours=1)
        self.enterContext(mock.patch.object(retries.timezone, "now", return_value=self.now))

    def row(self, state: str = ItemState.PUSHED, **fields: object) -> ProfileInstall:
        return make_profile_install(make_profile(self.account), self.device, state, **fields)

    def due_at(self) -> datetime | None:
        """When the device is due by itself."""
        return self.device.due_marks.filter(operation=None).values_list("due_at", flat=True).first()

    def facts(self, row: ProfileInstall) -> tuple:
        row.refresh_from_db()
        return row.state, row.error, row.attempts, row.retry_at, row.is_stopped


class FailureTest(RowTestCase):
    def test_it_is_tried_again_after_longer_and_longer_pauses_and_at_last_not_by_itself(self):
        row = self.row()
        found = []
        for _ in range(MOST_ATTEMPTS):
            note_failure(row, "No space.", at=self.now)
            row.refresh_from_db()
            found.append(row.retry_at and (row.retry_at - self.now) / timedelta(minutes=1))
        self.assertEqual(found, [*MINUTES, None])
        self.assertEqual(self.facts(row), ("failed", "No space.", MOST_ATTEMPTS, None, False))

    def test_the_device_is_marked_for_the_next_attempt(self):
        row = self.row()
        note_failure(row, "No space.", at=self.now)
        self.assertEqual((row.retry_at, row.answered_at), (self.due_at(), self.now))

    def test_its_mark_never_delays_an_earlier_one(self):
        mark(self.device)
        operation = make_operation(self.account, left=(self.device,))
        before = self.due_at(), operation.due_devices.get().due_at
        note_failure(self.row(), "No space.", at=self.now)
        self.assertEqual((self.due_at(), operation.due_devices.get().due_at), before)

    def test_one_that_was_stopped_is_only_noted(self):
        row = self.row(is_stopped=True)
        note_failure(row, "No space.", at=self.now)
        self.assertEqual(self.facts(row), ("failed", "No space.", 1, None, True))
        self.assertFalse(is_marked(self.device))

    def test_what_the_device_does_not_let_go_is_still_removing(self):
        row = self.row(ItemState.REMOVING)
        note_failure(row, "Locked.", at=self.now, state=ItemState.REMOVING)
        self.assertEqual(self.facts(row)[:3], ("removing", "Locked.", 1))

    def test_a_device_may_say_no_more_than_is_shown(self):
        row = self.row(attempts=1000)
        note_failure(row, "x" * 10_000, at=None)
        self.assertEqual((len(row.error), row.attempts), (ERROR_LIMIT, 1000))


class OutcomeTest(RowTestCase):
    def test_success_forgets_all_failures(self):
        row = self.row(ItemState.FAILED, error="No.", attempts=4, retry_at=self.now, is_stopped=True)
        row.installed_version = 7
        note_success(row, at=self.now, more=["installed_version"])
        self.assertEqual(self.facts(row), ("installed", "", 0, None, False))
        self.assertEqual((row.installed_version, row.answered_at), (7, self.now))

    def test_what_was_lost_is_wanted_at_once(self):
        row = self.row(ItemState.INSTALLED)
        note_loss(row, at=self.now)
        self.assertEqual(self.facts(row)[:2], ("pending", ""))
        self.assertTrue(is_marked(self.device))

    def test_when_it_may_go_again(self):
        for fields, expected in (
            ({"retry_at": self.now}, True),
            ({"retry_at": self.now - timedelta(days=1)}, True),
            ({"retry_at": self.now + timedelta(seconds=1)}, False),
            ({"retry_at": None}, False),
            ({"retry_at": self.now, "is_stopped": True}, False),
        ):
            self.assertEqual(may_go(ProfileInstall(**fields), self.now), expected, fields)

    def test_the_soonest_retry_to_come_is_marked_again(self):
        other = make_device(self.account)
        hour = timedelta(hours=1)
        rows = [
            self.row(ItemState.FAILED, retry_at=self.now + 2 * hour),
            self.row(ItemState.FAILED, retry_at=self.now + hour),
            self.row(ItemState.FAILED, retry_at=self.now - hour),
            make_profile_install(make_profile(self.account), other, retry_at=None),
        ]
        mark_retries(rows, self.now)
        self.assertEqual(self.due_at(), self.now + hour)
        self.assertFalse(is_marked(other))


class RetryNowTest(RowTestCase):
    def test_it_counts_from_the_beginning_and_goes_at_once(self):
        operation = make_operation(self.account, left=(self.device,), state="cancelled")
        row = self.row(ItemState.FAILED, error="No.", attempts=MOST_ATTEMPTS, is_stopped=True)
        self.assertEqual(retry_now(self.device, [row]), 1)
        self.assertEqual(self.facts(row), ("failed", "No.", 0, self.now, False))
        self.assertEqual(self.due_at(), self.now)
        self.assertEqual(operation.due_devices.get().device, self.device)

    def test_only_what_failed_or_was_stopped_is_sent_again(self):
        failed, stays = self.row(ItemState.FAILED), self.row(ItemState.REMOVING, attempts=1)
        stopped = self.row(ItemState.PUSHED, is_stopped=True)
        fine = [self.row(state) for state in (ItemState.INSTALLED, ItemState.PUSHED, ItemState.NOT_APPLICABLE)]
        self.assertEqual(retry_now(self.device, [failed, stays, stopped, *fine]), 3)
        self.assertEqual([self.facts(row)[3] for row in fine], [None] * 3)

    def test_there_must_be_something_to_retry(self):
        for rows in ([], [self.row(ItemState.PENDING)], [self.row(ItemState.REMOVING)]):
            with self.assertRaisesRegex(NotPossible, "nothing to retry"):
                retry_now(self.device, rows)
        self.assertFalse(is_marked(self.device))


class StopTest(RowTestCase):
    def waiting(self, command_state: State, state: str = ItemState.PUSHED) -> ProfileInstall:
        command = make_command(self.device.device_channel, state=command_state)
        return self.row(state, command_uuid=command.command_uuid)

    def test_a_command_that_waits_is_taken_back(self):
        row = self.waiting(State.QUEUED)
        self.assertEqual(stop(self.device, [row], ACTOR), 1)
        self.assertEqual(self.facts(row), ("failed", "Stopped by owner@example.com.", 0, None, True))
        self.assertEqual(Command.objects.get().state, State.CANCELLED)

    def test_one_that_the_device_has_received_goes_on(self):
        row = self.waiting(State.SENT)
        stop(self.device, [row], ACTOR)
        self.assertEqual(self.facts(row), ("pushed", "", 0, None, True))
        self.assertEqual(Command.objects.get().state, State.SENT)

    def test_the_devices_own_words_stay(self):
        row = self.row(ItemState.FAILED, error="No space.", attempts=2, retry_at=self.now)
        stop(self.device, [row], SYSTEM)
        self.assertEqual(self.facts(row), ("failed", "No space.", 2, None, True))

    def test_a_removal_stays_one(self):
        row = self.waiting(State.QUEUED, ItemState.REMOVING)
        stop(self.device, [row], SYSTEM)
        self.assertEqual(self.facts(row)[:2], ("removing", "Stopped by system."))

    def test_commands_of_other_devices_are_not_touched(self):
        command = make_command(make_device(self.account).device_channel)
        stop(self.device, [self.row(command_uuid=command.command_uuid)], ACTOR)
        command.refresh_from_db()
        self.assertEqual(command.state, State.QUEUED)

    def test_something_must_be_under_way(self):
        for rows in ([], [self.row(ItemState.INSTALLED), self.row(ItemState.NOT_APPLICABLE)]):
            with self.assertRaisesRegex(NotPossible, "Nothing is under way"):
                stop(self.device, rows, ACTOR)
        self.assertFalse(ProfileInstall.objects.filter(is_stopped=True).exists())


class OnTheDeviceTest(ReconcileTestCase):
    """The same with the reconciler and a device that answers."""

    def setUp(self):
        super().setUp()
        self.device, self.profile = make_device(self.account), make_stored_profile(self.account)
        assign_profile(self.profile, self.device)
        self.reconcile(self.device)

    def queued(self) -> list[str]:
        return list(Command.objects.filter(state=State.QUEUED).values_list("request_type", flat=True))

    def newest(self) -> Command:
        return Command.objects.order_by("pk").last()

    def install(self) -> ProfileInstall:
        return ProfileInstall.objects.get()

    def let_time_pass(self) -> None:
        """Until everything that waits for its time is due."""
        now = timezone.now()
        ProfileInstall.objects.exclude(retry_at=None).update(retry_at=now)
        DueDevice.objects.update(due_at=now)
        self.reconcile_marked()

    def test_a_refused_one_goes_again_at_its_time_and_not_before(self):
        self.refuse(self.newest(), "No space.")
        self.reconcile(self.device)
        self.assertEqual(self.queued(), [])
        self.assertEqual(DueDevice.objects.get().due_at, self.install().retry_at)
        self.let_time_pass()
        self.assertEqual(self.queued(), ["InstallProfile"])
        self.refuse(self.newest(), "No space.")
        self.assertEqual(self.install().attempts, 2)

    def test_it_is_given_up_after_so_many_and_goes_again_when_somebody_retries(self):
        for _ in range(MOST_ATTEMPTS):
            self.refuse(self.newest(), "No space.")
            self.let_time_pass()
        self.assertEqual((Command.objects.count(), self.queued()), (MOST_ATTEMPTS, []))
        self.assertFalse(is_marked(self.device))
        retry_now(self.device, [self.install()])
        self.reconcile_marked()
        self.assertEqual(self.queued(), ["InstallProfile"])

    def test_a_stopped_one_goes_again_with_a_new_version(self):
        self.refuse(self.newest(), "No space.")
        stop(self.device, [self.install()], ACTOR)
        self.let_time_pass()
        self.assertEqual(self.queued(), [])
        add_version(self.profile, 2)
        self.reconcile(self.device)
        self.assertEqual(self.queued(), ["InstallProfile"])
        self.assertEqual((self.install().is_stopped, self.install().attempts), (False, 0))

    def test_the_answer_that_comes_after_a_stop_still_counts(self):
        Command.objects.update(state=State.SENT)
        stop(self.device, [self.install()], ACTOR)
        self.acknowledge(self.newest())
        self.assertEqual((self.install().state, self.install().is_stopped), (ItemState.INSTALLED, False))

    def test_a_removal_that_was_refused_waits_for_its_time_too(self):
        self.acknowledge(self.newest())
        make_installed_profile(self.device, self.profile.profile_identifier)
        ProfileAssignment.objects.all().delete()
        self.reconcile(self.device)
        self.refuse(self.newest(), "Locked.")
        self.reconcile(self.device)
        self.assertEqual(self.queued(), [])
        self.let_time_pass()
        self.assertEqual(self.queued(), ["RemoveProfile"])
        stop(self.device, [self.install()], ACTOR)
        self.reconcile(self.device)
        self.assertEqual(self.queued(), [])

    def test_a_retry_that_comes_while_an_operation_is_held_back_is_not_lost(self):
        operation = make_operation(self.account, left=(self.device,), state="cancelled")
        self.refuse(self.newest(), "No space.")
        self.assertEqual(self.device.due_marks.get(operation=None).due_at, self.install().retry_at)
        self.let_time_pass()
        self.assertEqual(self.queued(), ["InstallProfile"])
        self.refuse(self.newest(), "No space.")
        retry_now(self.device, [self.install()])
        self.reconcile_marked()
        self.assertEqual(self.queued(), ["InstallProfile"])
        self.assertEqual(operation.due_devices.get().device, self.device)
