"""Connect: answers are stored once, commands go out in order, at least once, one at a time."""

import base64
import plistlib
from datetime import timedelta

from django.utils import timezone

from mdm.accounts.actors import SYSTEM
from mdm.channels.models import Channel
from mdm.commands import services
from mdm.commands.models import Command
from mdm.commands.states import State
from mdm.commands.tasks import expire_commands
from mdm.protocol.request_types import Request
from tests.factories import make_command
from tests.mdm.endpoints.base import DeviceTestCase
from tests.mdm.endpoints.signed_device import CHECKIN, CONNECT

CHAIN = [
    {"ErrorCode": 12021, "ErrorDomain": "MCMDMErrorDomain", "USEnglishDescription": "No."},
    {"ErrorCode": -1, "ErrorDomain": "Inner", "LocalizedDescription": "Warum: \N{PILE OF POO}"},
]


class QueueTestCase(DeviceTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.device = self.enrolled_device()

    def queue(self, *request_types: str, channel: Channel | None = None) -> list[Command]:
        return [make_command(channel or self.device.channel, name) for name in request_types]

    def state(self, command: Command) -> str:
        return Command.objects.get(pk=command.pk).state


class OrderTest(QueueTestCase):
    def test_commands_go_out_oldest_first_and_an_empty_body_ends_the_session(self) -> None:
        first, second, third = self.queue("DeviceLock", "SecurityInfo", "RestartDevice")
        got = self.device.idle()
        self.assertEqual(got, {"Command": {"RequestType": "DeviceLock"}, "CommandUUID": first.command_uuid})
        self.assertEqual(self.device.acknowledge(first.command_uuid)["CommandUUID"], second.command_uuid)
        self.assertEqual(self.device.acknowledge(second.command_uuid)["CommandUUID"], third.command_uuid)
        response = self.device.connect("Acknowledged", third.command_uuid)
        self.assertEqual((response.status_code, response.content), (200, b""))
        self.assertEqual({self.state(command) for command in (first, second, third)}, {State.ACKNOWLEDGED})

    def test_only_one_is_in_flight(self) -> None:
        first, second = self.queue("DeviceLock", "SecurityInfo")
        self.device.idle()
        self.assertEqual([self.state(first), self.state(second)], [State.SENT, State.QUEUED])

    def test_a_command_without_answer_is_handed_out_again(self) -> None:
        first, second = self.queue("DeviceLock", "SecurityInfo")
        sent_at = []
        for _ in range(3):
            self.assertEqual(self.device.idle()["CommandUUID"], first.command_uuid)
            sent_at.append(Command.objects.get(pk=first.pk).sent_at)
        self.assertEqual(len(set(sent_at)), 1)
        self.assertIsNotNone(sent_at[0])
        self.assertEqual(self.state(second), State.QUEUED)

    def test_the_answer_is_kept_as_it_came(self) -> None:
        (command,) = self.queue("Restrictions")
        self.device.idle()
        self.device.acknowledge(command.command_uuid, Restrictions={"allowCamera": True})
        stored = Command.objects.get()
        self.assertEqual(plistlib.loads(stored.result)["Restrictions"], {"allowCamera": True})
        self.assertEqual((stored.status, stored.state), ("Acknowledged", State.ACKNOWLEDGED))
        self.assertIsNotNone(stored.finished_at)

    def test_a_user_channel_has_a_queue_of_its_own(self) -> None:
        user = self.device.user()
        user.token_update()
        (for_device,) = self.queue("DeviceLock")
        (for_user,) = self.queue("ProfileList", channel=user.channel)
        self.assertEqual(user.idle()["CommandUUID"], for_user.command_uuid)
        self.assertEqual(self.device.idle()["CommandUUID"], for_device.command_uuid)
        self.assertIsNone(user.acknowledge(for_user.command_uuid))
        # Somebody else's command is unknown on this channel.
        self.assertIsNone(user.acknowledge(for_device.command_uuid))
        self.assertEqual(self.state(for_device), State.SENT)

    def test_a_device_of_a_user_enrollment_is_served_alike(self) -> None:
        device = self.enrolled_device(enrollment_id="ENROLLMENT-1")
        (command,) = self.queue("DeviceLock", channel=device.channel)
        self.assertEqual(device.idle()["CommandUUID"], command.command_uuid)
        self.assertIsNone(device.acknowledge(command.command_uuid))
        self.assertEqual(self.state(command), State.ACKNOWLEDGED)

    def test_nothing_is_handed_out_before_the_first_token_update(self) -> None:
        device = self.new_device()
        device.authenticate()
        self.queue("DeviceLock", channel=device.channel)
        self.assertIsNone(device.idle())

    def test_last_seen_and_address_are_kept(self) -> None:
        Channel.objects.update(last_seen_at=None, last_seen_ip=None)
        self.device.idle()
        channel = self.device.channel
        self.assertLess(timezone.now() - channel.last_seen_at, timedelta(minutes=1))
        self.assertEqual(channel.last_seen_ip, "127.0.0.1")


class NotNowTest(QueueTestCase):
    def test_others_are_offered_and_the_postponed_one_returns_at_the_next_idle(self) -> None:
        first, second, third = self.queue("InstallProfile", "SecurityInfo", "ProfileList")
        Command.objects.filter(pk=first.pk).update(parameters={"Payload": "AAAA"})
        self.device.idle()
        self.assertEqual(self.device.not_now(first.command_uuid)["CommandUUID"], second.command_uuid)
        self.assertEqual(self.device.acknowledge(second.command_uuid)["CommandUUID"], third.command_uuid)
        self.assertIsNone(self.device.not_now(third.command_uuid))
        self.assertEqual([self.state(first), self.state(third)], [State.QUEUED, State.QUEUED])
        self.assertEqual(self.device.idle()["CommandUUID"], first.command_uuid)
        # Both were postponed before: within one session only what was not is offered after an answer.
        self.assertIsNone(self.device.acknowledge(first.command_uuid))
        self.assertEqual(self.device.idle()["CommandUUID"], third.command_uuid)

    def test_it_may_be_said_again_and_again(self) -> None:
        (command,) = self.queue("DeviceLock")
        for _ in range(4):
            self.assertEqual(self.device.idle()["CommandUUID"], command.command_uuid)
            self.assertIsNone(self.device.not_now(command.command_uuid))
        stored = Command.objects.get()
        self.assertEqual((stored.state, stored.status, stored.result), (State.QUEUED, "NotNow", b""))
        self.assertIsNone(stored.finished_at)
        self.device.idle()
        self.device.acknowledge(command.command_uuid)
        self.assertEqual(self.state(command), State.ACKNOWLEDGED)

    def test_a_postponed_command_can_be_cancelled(self) -> None:
        (command,) = self.queue("DeviceLock")
        self.device.idle()
        self.device.not_now(command.command_uuid)
        self.assertTrue(services.cancel(Command.objects.get()))
        self.assertIsNone(self.device.idle())

    def test_the_same_after_a_final_answer_changes_nothing(self) -> None:
        (command,) = self.queue("DeviceLock")
        self.device.idle()
        self.device.acknowledge(command.command_uuid)
        self.device.not_now(command.command_uuid)
        self.assertEqual(self.state(command), State.ACKNOWLEDGED)


class FailureTest(QueueTestCase):
    def test_the_whole_error_chain_is_kept(self) -> None:
        first, second = self.queue("DeviceLock", "SecurityInfo")
        self.device.idle()
        self.assertEqual(self.device.error(first.command_uuid, CHAIN)["CommandUUID"], second.command_uuid)
        stored = Command.objects.get(pk=first.pk)
        self.assertEqual((stored.state, stored.status), (State.FAILED, "Error"))
        self.assertEqual(stored.error_chain, CHAIN)

    def test_command_format_error_is_a_failure_too(self) -> None:
        (command,) = self.queue("DeviceLock")
        self.device.idle()
        self.assertIsNone(self.device.next_of(self.device.connect("CommandFormatError", command.command_uuid)))
        stored = Command.objects.get()
        self.assertEqual((stored.state, stored.status, stored.error_chain), (State.FAILED, "CommandFormatError", []))

    def test_a_repeated_answer_gets_200_and_changes_nothing(self) -> None:
        (command,) = self.queue("DeviceLock")
        self.device.idle()
        self.device.error(command.command_uuid, CHAIN)
        before = Command.objects.values().get()
        events = self.event_types()
        self.assertIsNone(self.device.acknowledge(command.command_uuid))
        self.assertIsNone(self.device.error(command.command_uuid, []))
        self.assertEqual(Command.objects.values().get(), before)
        self.assertEqual(self.event_types(), events)

    def test_an_unknown_command_gets_200_and_a_line_in_the_log(self) -> None:
        (command,) = self.queue("DeviceLock")
        got = self.device.acknowledge("NEVER-SENT-BY-US")
        self.assertEqual(got["CommandUUID"], command.command_uuid)
        (event,) = self.events("command.unknown_answer")
        self.assertEqual(event.metadata, {"command_uuid": "NEVER-SENT-BY-US", "status": "Acknowledged"})
        self.assertEqual(event.device, self.device.row)

    def test_an_answer_to_another_devices_command_is_unknown(self) -> None:
        other = self.enrolled_device()
        (command,) = self.queue("DeviceLock", channel=other.channel)
        other.idle()
        self.assertIsNone(self.device.acknowledge(command.command_uuid))
        self.assertEqual(self.state(command), State.SENT)
        self.assertEqual(len(self.events("command.unknown_answer")), 1)


class TakenBackTest(QueueTestCase):
    def test_a_command_is_cancelled_before_it_is_delivered_and_not_after(self) -> None:
        first, second = self.queue("DeviceLock", "SecurityInfo")
        self.assertTrue(services.cancel(first, actor=SYSTEM))
        self.assertEqual(self.device.idle()["CommandUUID"], second.command_uuid)
        self.assertFalse(services.cancel(second, actor=SYSTEM))
        self.assertEqual([self.state(first), self.state(second)], [State.CANCELLED, State.SENT])
        self.assertEqual(len(self.events("command.cancelled")), 1)

    def test_the_answer_to_a_cancelled_command_changes_nothing(self) -> None:
        (command,) = self.queue("DeviceLock")
        services.cancel(command)
        self.assertIsNone(self.device.acknowledge(command.command_uuid))
        self.assertEqual(self.state(command), State.CANCELLED)

    def test_a_command_whose_time_ran_out_is_not_handed_out(self) -> None:
        past, future = timezone.now() - timedelta(seconds=1), timezone.now() + timedelta(hours=1)
        late = make_command(self.device.channel, expires_at=past)
        good = make_command(self.device.channel, expires_at=future)
        self.assertEqual(self.device.idle()["CommandUUID"], good.command_uuid)
        self.assertEqual(expire_commands(), 1)
        self.assertEqual([self.state(late), self.state(good)], [State.EXPIRED, State.SENT])

    def test_a_command_that_was_delivered_in_time_may_be_answered_later(self) -> None:
        (command,) = self.queue("DeviceLock")
        self.device.idle()
        Command.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        self.assertEqual(expire_commands(), 0)
        self.assertEqual(self.device.idle()["CommandUUID"], command.command_uuid)
        self.device.acknowledge(command.command_uuid)
        self.assertEqual(self.state(command), State.ACKNOWLEDGED)


class UndeliverableTest(QueueTestCase):
    def test_it_fails_with_the_reason_and_the_next_one_goes_out(self) -> None:
        broken = make_command(self.device.channel, "InstallProfile", parameters={"Recipe": "no such recipe"})
        also_broken = make_command(self.device.channel, "NoSuchType")
        good = make_command(self.device.channel)
        self.assertEqual(self.device.idle()["CommandUUID"], good.command_uuid)
        self.assertEqual([self.state(broken), self.state(also_broken)], [State.FAILED, State.FAILED])
        self.assertIn("no such recipe", Command.objects.get(pk=broken.pk).apply_error)
        events = self.events("command.undeliverable")
        self.assertEqual([event.metadata["request_type"] for event in events], ["InstallProfile", "NoSuchType"])
        self.assertEqual({event.level for event in events}, {2})

    def test_an_answer_that_came_with_it_is_stored_all_the_same(self) -> None:
        first = make_command(self.device.channel)
        self.device.idle()
        make_command(self.device.channel, "InstallProfile", parameters={"Recipe": "no such recipe"})
        good = make_command(self.device.channel)
        self.assertEqual(self.device.acknowledge(first.command_uuid)["CommandUUID"], good.command_uuid)
        self.assertEqual(self.state(first), State.ACKNOWLEDGED)

    def test_secrets_of_a_lost_key_do_not_block_the_queue(self) -> None:
        broken = make_command(self.device.channel, "DeviceLock", secrets={"/PIN": "123456"})
        with self.settings(FIELD_ENCRYPTION_KEYS=["other:" + "A" * 43]):
            self.assertIsNone(self.device.idle())
        self.assertEqual(self.state(broken), State.FAILED)

    def test_what_was_postponed_before_still_comes_at_idle(self) -> None:
        make_command(self.device.channel, "InstallProfile", parameters={"Recipe": "no such recipe"})
        postponed = make_command(self.device.channel, not_now_at=timezone.now())
        self.assertEqual(self.device.idle()["CommandUUID"], postponed.command_uuid)

    def test_a_recipe_is_completed_when_it_is_delivered(self) -> None:
        services.enqueue_recipe(self.device.channel, "InstallProfile", {"Recipe": "enrollment_profile"})
        command = self.device.idle()
        self.assertEqual(command["Command"]["RequestType"], "InstallProfile")
        self.assertIn(b"com.apple.security.scep", command["Command"]["Payload"])
        self.assertEqual(Command.objects.get().parameters, {"Recipe": "enrollment_profile"})

    def test_a_raw_command_goes_out_as_it_is(self) -> None:
        raw = plistlib.dumps({"Command": {"RequestType": "FutureThing", "Key": b"\x00\x01"}, "CommandUUID": "MY-OWN"})
        services.enqueue_raw(self.device.channel, raw)
        self.assertEqual(
            self.device.idle(), {"Command": {"RequestType": "FutureThing", "Key": b"\x00\x01"}, "CommandUUID": "MY-OWN"}
        )


class WayInTest(QueueTestCase):
    def test_a_report_may_come_to_the_check_in_url(self) -> None:
        (command,) = self.queue("DeviceLock")
        response = self.device.send(CHECKIN, {"Status": "Idle", **self.device.ids})
        self.assertEqual(plistlib.loads(response.content)["CommandUUID"], command.command_uuid)

    def test_a_check_in_may_come_to_the_connect_url(self) -> None:
        keys = {"Topic": "com.apple.mgmt.x", "Token": b"rotated", "PushMagic": "m"}
        response = self.device.send(CONNECT, {"MessageType": "TokenUpdate", **self.device.ids, **keys})
        self.assertEqual(response.status_code, 200)
        self.assertEqual(bytes(self.device.channel.push_token), b"rotated")

    def test_the_content_type_may_be_missing_or_strange(self) -> None:
        body = plistlib.dumps({"Status": "Idle", **self.device.ids})
        for content_type in ("", "application/x-www-form-urlencoded", "text/plain"):
            self.assertEqual(self.device.put(CONNECT, body, content_type=content_type).status_code, 200)

    def test_a_token_behind_the_url_is_accepted(self) -> None:
        self.device.token = "whatever-was-in-the-profile"
        self.assertIsNone(self.device.idle())

    def test_a_binary_property_list_is_read_as_well(self) -> None:
        (command,) = self.queue("DeviceLock")
        body = plistlib.dumps({"Status": "Idle", **self.device.ids}, fmt=plistlib.FMT_BINARY)
        self.assertEqual(plistlib.loads(self.device.put(CONNECT, body).content)["CommandUUID"], command.command_uuid)

    def test_a_command_with_data_reaches_the_device_byte_for_byte(self) -> None:
        payload = bytes(range(256))
        request = Request("InstallProfile", {"Payload": base64.b64encode(payload).decode()})
        services.enqueue(self.device.channel, request)
        self.assertEqual(self.device.idle()["Command"]["Payload"], payload)
