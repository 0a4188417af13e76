"""What happens between the SELECT and the UPDATE of an exchange loses no answer and hands out nothing cancelled."""

import threading
from unittest.mock import patch

from django.db import connection
from django.test import TransactionTestCase

from mdm.channels.services import request_push
from mdm.commands import queue, services
from mdm.commands.models import Command
from mdm.commands.states import State
from tests.factories import make_account, make_command
from tests.mdm.endpoints.base import DeviceRequests


class RaceTestCase(DeviceRequests, TransactionTestCase):
    def setUp(self) -> None:
        self.account = make_account()
        self.device = self.enrolled_device()

    def meanwhile(self, *actions) -> object:
        """After each of the exchange's first SELECTs one of these happens, as if by another process."""
        waiting = list(actions)
        look = queue._look

        def looked(*arguments: object) -> object:
            found = look(*arguments)
            if waiting:
                waiting.pop(0)()
            return found

        return patch.object(queue, "_look", looked)

    def state(self, command: Command) -> str:
        return Command.objects.get(pk=command.pk).state


class BetweenSelectAndUpdateTest(RaceTestCase):
    def test_a_command_cancelled_meanwhile_is_not_handed_out(self) -> None:
        first, second = make_command(self.device.channel), make_command(self.device.channel)
        with self.meanwhile(lambda: services.cancel(first)):
            self.assertEqual(self.device.idle()["CommandUUID"], second.command_uuid)
        self.assertEqual([self.state(first), self.state(second)], [State.CANCELLED, State.SENT])

    def test_the_answer_is_stored_although_the_next_command_was_cancelled_meanwhile(self) -> None:
        first, second, third = (make_command(self.device.channel) for _ in range(3))
        self.device.idle()
        with self.meanwhile(lambda: services.cancel(second)):
            got = self.device.acknowledge(first.command_uuid)
        self.assertEqual(got["CommandUUID"], third.command_uuid)
        self.assertEqual(
            [self.state(command) for command in (first, second, third)],
            [State.ACKNOWLEDGED, State.CANCELLED, State.SENT],
        )

    def test_the_answer_is_stored_however_often_the_queue_changes(self) -> None:
        first, *others = (make_command(self.device.channel) for _ in range(8))
        self.device.idle()
        cancelling = [lambda command=command: services.cancel(command) for command in others]
        with self.meanwhile(*cancelling), patch("mdm.endpoints.connect.nudge") as nudge:
            self.assertIsNone(self.device.acknowledge(first.command_uuid))
        self.assertEqual(self.state(first), State.ACKNOWLEDGED)
        nudge.assert_called_once()
        self.assertEqual(self.device.idle()["CommandUUID"], others[queue.ATTEMPTS].command_uuid)

    def test_the_same_answer_from_a_second_connection_counts_once(self) -> None:
        command = make_command(self.device.channel)
        self.device.idle()
        with self.meanwhile(lambda: self.device.acknowledge(command.command_uuid)):
            self.assertIsNone(self.device.error(command.command_uuid, []))
        self.assertEqual(self.state(command), State.ACKNOWLEDGED)
        self.assertEqual(len(self.events("command.acknowledged")), 1)
        self.assertEqual(self.events("command.failed"), [])

    def test_a_push_asked_for_meanwhile_stands(self) -> None:
        command = make_command(self.device.channel)
        channel = self.device.channel
        with self.meanwhile(lambda: request_push([channel.pk])):
            self.assertEqual(self.device.idle()["CommandUUID"], command.command_uuid)
        self.assertIsNotNone(self.device.channel.push_due_at)


class TwoConnectionsTest(RaceTestCase):
    def test_two_connects_at_once_lose_no_answer(self) -> None:
        """A device that connects twice (it lost the first connection): every answer of either is kept."""
        commands = [make_command(self.device.channel, "DeviceLock") for _ in range(12)]
        faults: list[BaseException] = []
        start = threading.Barrier(2)
        answered: list[str] = []

        def drain() -> None:
            try:
                start.wait(10)
                device = self.device.with_certificate(self.device.certificate, self.device.key)
                got = device.idle()
                while got is not None:
                    answered.append(got["CommandUUID"])
                    got = device.acknowledge(got["CommandUUID"])
            except BaseException as fault:
                faults.append(fault)
            finally:
                connection.close()

        with patch("mdm.endpoints.connect.nudge"):
            threads = [threading.Thread(target=drain) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
        self.assertEqual(faults, [])
        self.assertEqual(set(answered), {command.command_uuid for command in commands})
        self.assertEqual(set(Command.objects.values_list("state", flat=True)), {State.ACKNOWLEDGED})
        self.assertFalse(Command.objects.filter(result=None).exists())
