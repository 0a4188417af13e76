"""What every action on a device has in common: it is queued and no more, for enrolled devices of one's own account."""

from typing import Any

from django.http import HttpResponse

from devices.models import Device
from mdm.commands.models import Command
from mdm.events.models import Event
from mdm.protocol.request_types import join_secrets
from tests.base import AccountTestCase
from tests.factories import make_device


class ActionTestCase(AccountTestCase):
    """path: behind the device's id. good: parameters with which it works; on: what kind of device (`make_device`)."""

    path = ""
    method = "post"
    status = 202
    good: dict[str, Any] = {}
    on: dict[str, Any] = {}

    def make(self, **fields: Any) -> Device:
        return make_device(self.account, **(self.on | fields))

    def send(self, device: Device, api: Any = None, **parameters: Any) -> HttpResponse:
        send = getattr(api or self.api, self.method)
        return send(f"/api/v1/devices/{device.pk}/{self.path}", json=parameters)

    def assert_queued(self, response: HttpResponse, request_type: str, parameters: dict[str, Any]) -> Command:
        """That one command waits and nothing else, its secrets back at their places."""
        self.assertEqual((response.status_code, response.content), (self.status, b""), response.content)
        self.assertEqual(response["Content-Length"], "0")
        command = Command.objects.get()
        self.assertEqual(command.request_type, request_type)
        self.assertEqual(join_secrets(command.parameters, command.secrets or {}), parameters)
        return command

    def assert_refused(self, response: HttpResponse, *words: str) -> None:
        """422 with a sentence that holds the words; nothing was queued and nothing logged."""
        self.assertEqual(response.status_code, 422, response.content)
        (error,) = response.json()["errors"]
        for word in words:
            self.assertIn(word, error["title"])
        self.assertTrue(error["title"].endswith("."), error["title"])
        self.assertEqual((Command.objects.count(), Event.objects.count()), (0, 0))

    def assert_nowhere(self, text: str) -> None:
        """A secret stands neither in the log nor in what people see of a command."""
        for event in Event.objects.all():
            self.assertNotIn(text, f"{event.metadata}")
        self.assertNotIn(text, f"{Command.objects.get().parameters}")


class ActionChecks:
    """Mixed into the test case of each action."""

    def test_a_device_that_is_not_enrolled_is_422(self):
        for device in (self.make(enrolled=False), self.make(state="unenrolled")):
            device.channels.update(state="closed")
            self.assert_refused(self.send(device, **self.good), "The device is not enrolled.")

    def test_a_device_of_another_account_is_404(self):
        response = self.send(self.make(), api=self.outsider_api, **self.good)
        self.assertEqual((response.status_code, Command.objects.count()), (404, 0))
        self.assertEqual(response.json(), {"errors": [{"title": "object not found"}]})

    def test_a_read_only_key_may_not(self):
        response = self.send(self.make(), api=self.read_only_api, **self.good)
        self.assertEqual((response.status_code, Command.objects.count()), (403, 0))

    def test_the_log_says_which_key_queued_it(self):
        device = self.make()
        self.send(device, **self.good)
        event = Event.objects.get(event_type="command.queued")
        self.assertEqual((event.actor_label, event.api_key, event.device), ("Test key", self.api_key, device))
