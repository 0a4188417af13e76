"""Sending again what came to nothing, and the count of how often a device put a command off."""

from mdm.accounts.actors import Actor, Source
from mdm.channels.models import Channel
from mdm.commands.again import NotAgain, queue_again
from mdm.commands.models import Command
from mdm.commands.states import State
from mdm.events.models import Event
from tests.base import AccountTestCase
from tests.factories import make_command, make_device

PERSON = Actor(Source.ADMIN, "ann@example.com")


class QueueAgainTest(AccountTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.device = make_device(self.account)

    def test_it_is_a_new_command_of_the_same_recipe(self) -> None:
        old = make_command(
            self.device,
            "EraseDevice",
            state="failed",
            status="Error",
            parameters={"Recipe": "return_to_service", "Keys": {}},
            not_now_count=3,
        )
        new = queue_again(old, PERSON)
        new.refresh_from_db()
        self.assertEqual((new.state, new.status, new.not_now_count, new.sent_at), (State.QUEUED, "", 0, None))
        self.assertEqual((new.parameters, new.channel, new.actor_label), (old.parameters, old.channel, PERSON.label))
        self.assertEqual(Event.objects.get().event_type, "command.queued")
        self.assertIsNotNone(Channel.objects.get().push_due_at)

    def test_secrets_are_sealed_for_the_new_row(self) -> None:
        old = make_command(self.device, "DeviceLock", state="cancelled", secrets={"/PIN": "123456"})
        new = Command.objects.get(pk=queue_again(Command.objects.get(pk=old.pk), PERSON).pk)
        self.assertNotEqual(new.secret_id, old.secret_id)
        self.assertEqual(new.secrets, {"/PIN": "123456"})

    def test_what_waits_or_was_done_is_not_sent_twice(self) -> None:
        for state in (State.QUEUED, State.SENT, State.ACKNOWLEDGED):
            with self.assertRaises(NotAgain):
                queue_again(make_command(self.device, "SecurityInfo", state=state), PERSON)
        self.assertFalse(Event.objects.exists())
