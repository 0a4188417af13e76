"""What the actions on a Mac's passwords have in common: the new one waits for the answer, and only one waits."""

from devices.models import Device, DeviceSecrets
from mdm.commands.models import Command
from mdm.commands.states import ApplyState, State
from mdm.events.models import Event
from tests.api.v1.action_base import ActionChecks, ActionTestCase
from tests.factories import make_command
from tests.factories.secrets import make_secrets

INTEL = {"IsAppleSilicon": False}
SILICON = {"IsAppleSilicon": True}


class PasswordTestCase(ActionTestCase):
    """known: the secrets of the device that is made."""

    known: dict[str, str] = {}

    def make(self, *, known: dict[str, str] | None = None, **fields: object) -> Device:
        device = super().make(**fields)
        known = self.known if known is None else known
        if known:
            make_secrets(device, **known)
        return device

    def row(self) -> DeviceSecrets:
        return DeviceSecrets.objects.get()


class PasswordChecks(ActionChecks):
    """request_type: what is queued."""

    request_type = ""

    def test_while_one_waits_there_is_no_second(self):
        device = self.make()
        for state in (State.QUEUED, State.SENT, State.ACKNOWLEDGED):
            make_command(device, self.request_type, state=state, apply_state=ApplyState.PENDING)
            response = self.send(device, **self.good)
            self.assertEqual((response.status_code, Command.objects.count()), (422, 1))
            self.assertIn("under way already", response.json()["errors"][0]["title"])
            self.assertFalse(Event.objects.filter(event_type="command.queued").exists())
            Command.objects.all().delete()

    def test_after_the_answer_it_may_be_asked_again(self):
        device = self.make()
        make_command(device, self.request_type, state=State.FAILED, apply_state=ApplyState.APPLIED)
        make_command(device, self.request_type, state=State.CANCELLED)
        make_command(self.make(), self.request_type)
        self.assertEqual(self.send(device, **self.good).status_code, 202)

    def test_other_devices_have_no_such_thing(self):
        for platform in ("iOS", "tvOS"):
            refused = self.send(self.make(platform=platform, information={}), **self.good)
            self.assert_refused(refused, "not available on")
