"""Queueing: one row, one line in the log, one push; refusals queue nothing; secrets stay apart."""

import plistlib
from datetime import timedelta

from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mdm.accounts.actors import Actor, Source
from mdm.channels.models import Channel, ChannelState
from mdm.commands import services
from mdm.commands.models import Command
from mdm.commands.services import CommandExists
from mdm.commands.states import State
from mdm.events.models import Event
from mdm.protocol.errors import ProtocolError
from mdm.protocol.request_types import InvalidCommand, Request
from tests.base import AccountTestCase
from tests.factories import make_command, make_device

PERSON = Actor(Source.ADMIN, "owner@example.com")
LOCK = Request("DeviceLock", {"Message": "Call us", "PIN": "482911"})


class CommandTestCase(AccountTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.device = make_device(self.account)
        self.channel = Channel.objects.select_related("device").get()

    def assert_nothing_queued(self) -> None:
        self.assertEqual((Command.objects.count(), Event.objects.count()), (0, 0))
        self.assertIsNone(Channel.objects.get().push_due_at)


class EnqueueTest(CommandTestCase):
    def test_a_command_is_a_row_a_line_in_the_log_and_a_push(self) -> None:
        with self.captureOnCommitCallbacks() as callbacks:
            command = services.enqueue(self.channel, LOCK, actor=PERSON)
        self.assertEqual(
            (command.state, command.request_type, command.actor_label, command.source),
            (State.QUEUED, "DeviceLock", "owner@example.com", "admin ui"),
        )
        self.assertRegex(command.command_uuid, r"^[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}$")
        event = Event.objects.get()
        self.assertEqual(
            (event.event_type, event.actor_label, event.device), ("command.queued", PERSON.label, self.device)
        )
        self.assertEqual(event.metadata, {"request_type": "DeviceLock", "command_uuid": command.command_uuid})
        self.assertIsNotNone(Channel.objects.get().push_due_at)
        self.assertEqual(len(callbacks), 1)

    def test_secrets_are_kept_apart_and_encrypted(self) -> None:
        command = services.enqueue(self.channel, LOCK)
        command.refresh_from_db()
        self.assertEqual(command.parameters, {"Message": "Call us"})
        self.assertEqual(command.secrets, {"/PIN": "482911"})
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM mdm_commands_command")
            (row,) = cursor.fetchall()
            cursor.execute("SELECT * FROM mdm_events_event")
            (line,) = cursor.fetchall()
        for value in (*row, *line):
            text = bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
            self.assertNotIn(b"482911", text)

    def test_a_command_without_secrets_stores_none(self) -> None:
        services.enqueue(self.channel, Request("SecurityInfo"))
        self.assertTrue(Command.objects.filter(secrets__isnull=True).exists())
        self.assertIsNone(Command.objects.get().secrets)

    def test_what_apple_does_not_know_is_refused(self) -> None:
        for request in (
            Request("NoSuchThing"),
            Request("DeviceLock", {"NoSuchKey": 1}),
            Request("DeviceLock", {"PIN": 5}),
            Request("InstallProfile"),
        ):
            with self.assertRaises(InvalidCommand):
                services.enqueue(self.channel, request)
        self.assert_nothing_queued()

    def test_a_uuid_may_be_given_once_per_channel(self) -> None:
        services.enqueue(self.channel, LOCK, command_uuid="MINE")
        with self.assertRaises(CommandExists):
            services.enqueue(self.channel, LOCK, command_uuid="MINE")
        self.assertEqual((Command.objects.count(), Event.objects.count()), (1, 1))
        other = make_device(self.account).device_channel
        self.assertEqual(services.enqueue(other, LOCK, command_uuid="MINE").command_uuid, "MINE")

    def test_the_callers_transaction_survives_a_taken_uuid(self) -> None:
        with transaction.atomic():
            services.enqueue(self.channel, LOCK, command_uuid="MINE")
            with self.assertRaises(CommandExists):
                services.enqueue(self.channel, LOCK, command_uuid="MINE")
            services.enqueue(self.channel, LOCK)
        self.assertEqual(Command.objects.count(), 2)

    def test_an_expiry_is_kept(self) -> None:
        at = timezone.now() + timedelta(days=1)
        services.enqueue(self.channel, LOCK, expires_at=at)
        self.assertEqual(Command.objects.get().expires_at, at)

    def test_several_commands_are_one_due_push(self) -> None:
        for _ in range(10):
            services.enqueue(self.channel, LOCK)
        self.assertEqual(Channel.objects.exclude(push_due_at=None).count(), 1)

    def test_a_channel_that_cannot_be_pushed_gets_its_command_all_the_same(self) -> None:
        for fields in ({"push_token": b""}, {"push_token_dead_at": timezone.now()}, {"state": ChannelState.CLOSED}):
            channel = make_device(self.account).device_channel
            Channel.objects.filter(pk=channel.pk).update(**fields)
            services.enqueue(channel, LOCK)
            channel.refresh_from_db()
            self.assertIsNone(channel.push_due_at)
        self.assertEqual(Command.objects.count(), 3)


class EnqueueManyTest(CommandTestCase):
    REQUESTS = (Request("DeviceInformation", {"Queries": ["UDID"]}), Request("SecurityInfo"))

    def channels(self, count: int) -> list[Channel]:
        pks = [make_device(self.account).device_channel.pk for _ in range(count)]
        return list(Channel.objects.select_related("device").filter(pk__in=pks).order_by("pk"))

    def test_every_request_goes_to_every_channel_in_order(self) -> None:
        channels = self.channels(3)
        self.assertEqual(services.enqueue_many(channels, iter(self.REQUESTS), actor=PERSON), 6)
        for channel in channels:
            names = channel.commands.order_by("pk").values_list("request_type", flat=True)
            self.assertEqual(list(names), ["DeviceInformation", "SecurityInfo"])
        self.assertEqual(Event.objects.filter(event_type="command.queued", actor_label=PERSON.label).count(), 6)
        self.assertEqual(Channel.objects.exclude(push_due_at=None).count(), 3)

    def test_the_statements_do_not_grow_with_the_devices(self) -> None:
        for count in (2, 40):
            channels = self.channels(count)
            with CaptureQueriesContext(connection) as captured:
                services.enqueue_many(channels, self.REQUESTS)
            # Commands, log and push between the borders of one savepoint; SQLite takes 999 values at a time.
            self.assertLessEqual(len(captured), 5 if count == 2 else 7)

    def test_more_than_a_statement_holds_is_queued_in_pieces(self) -> None:
        channels = self.channels(3)
        with self.captureOnCommitCallbacks() as callbacks:
            many = [Request("SecurityInfo")] * 700
            self.assertEqual(services.enqueue_many(channels, many), 2100)
        self.assertEqual(Command.objects.count(), 2100)
        self.assertEqual(len(callbacks), 1)

    def test_one_bad_request_queues_nothing(self) -> None:
        with self.assertRaises(InvalidCommand):
            services.enqueue_many([self.channel], [Request("SecurityInfo"), Request("NoSuchThing")])
        self.assert_nothing_queued()

    def test_no_channels_or_no_requests_are_no_rows(self) -> None:
        self.assertEqual(services.enqueue_many([], self.REQUESTS), 0)
        self.assertEqual(services.enqueue_many([self.channel], []), 0)
        self.assertEqual(Command.objects.count(), 0)


class RawAndRecipeTest(CommandTestCase):
    def test_a_raw_command_is_stored_encrypted_with_its_own_uuid(self) -> None:
        plist = plistlib.dumps({"Command": {"RequestType": "FutureThing", "Pin": "482911"}, "CommandUUID": "MINE"})
        command = services.enqueue_raw(self.channel, plist, actor=PERSON)
        command.refresh_from_db()
        self.assertEqual((command.request_type, command.command_uuid, command.parameters), ("FutureThing", "MINE", {}))
        self.assertEqual(plistlib.loads(command.raw_plist), {"RequestType": "FutureThing", "Pin": "482911"})
        with connection.cursor() as cursor:
            cursor.execute("SELECT raw_plist FROM mdm_commands_command")
            self.assertNotIn(b"482911", bytes(cursor.fetchone()[0]))
        with self.assertRaises(CommandExists):
            services.enqueue_raw(self.channel, plist)

    def test_a_raw_command_may_leave_out_what_stands_around_it(self) -> None:
        command = services.enqueue_raw(self.channel, plistlib.dumps({"RequestType": "FutureThing"}))
        self.assertEqual(len(command.command_uuid), 36)

    def test_what_is_no_command_is_refused(self) -> None:
        for plist in (
            b"",
            b"rubbish",
            plistlib.dumps([1]),
            plistlib.dumps({"Command": {}}),
            plistlib.dumps({"Command": {"RequestType": "a b"}}),
            plistlib.dumps({"Command": {"RequestType": "X" * 65}}),
            plistlib.dumps({"Command": {"RequestType": "X"}, "CommandUUID": "u" * 65}),
        ):
            with self.assertRaises(ProtocolError):
                services.enqueue_raw(self.channel, plist)
        self.assert_nothing_queued()

    def test_a_recipe_is_a_small_row(self) -> None:
        command = services.enqueue_recipe(
            self.channel, "InstallProfile", {"Recipe": "enrollment_profile"}, actor=PERSON
        )
        command.refresh_from_db()
        self.assertEqual(command.parameters, {"Recipe": "enrollment_profile"})
        self.assertEqual((command.secrets, command.raw_plist), (None, b""))
        self.assertEqual(Event.objects.get().metadata["request_type"], "InstallProfile")


class TakingBackTest(CommandTestCase):
    def states(self) -> list[str]:
        return list(Command.objects.order_by("pk").values_list("state", flat=True))

    def test_only_what_no_device_has_is_cancelled(self) -> None:
        for state in State.values:
            command = make_command(self.channel, state=state)
            self.assertEqual(services.cancel(command, actor=PERSON), state == State.QUEUED)
        self.assertEqual(self.states(), [State.CANCELLED, *State.values[1:]])
        self.assertEqual(Event.objects.get().event_type, "command.cancelled")
        self.assertEqual(Event.objects.get().actor_label, PERSON.label)

    def test_cancelling_twice_is_one_line_in_the_log(self) -> None:
        command = make_command(self.channel)
        self.assertEqual([services.cancel(command), services.cancel(command)], [True, False])
        self.assertEqual(Event.objects.count(), 1)
        self.assertIsNotNone(Command.objects.get().finished_at)

    def test_clearing_takes_back_what_is_queued(self) -> None:
        for state in State.values:
            make_command(self.channel, state=state)
        elsewhere = make_command(make_device(self.account))
        self.assertEqual(services.clear(self.channel, actor=PERSON), 1)
        self.assertEqual(services.clear(self.channel, also_sent=True, why="it enrolls anew"), 1)
        self.assertEqual(services.clear(self.channel, also_sent=True), 0)
        elsewhere.refresh_from_db()
        self.assertEqual(elsewhere.state, State.QUEUED)
        lines = Event.objects.order_by("pk")
        self.assertEqual(
            [line.event_type for line in lines],
            ["queue.cleared", "command.cancelled", "queue.cleared", "command.cancelled"],
        )
        first, second = lines[0], lines[2]
        queued = Command.objects.filter(channel=self.channel).order_by("pk").first()
        self.assertEqual(lines[1].metadata, {"request_type": queued.request_type, "command_uuid": queued.command_uuid})
        self.assertEqual((first.event_type, first.metadata), ("queue.cleared", {"count": 1, "why": ""}))
        self.assertEqual(second.metadata["why"], "it enrolls anew")
