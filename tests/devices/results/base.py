"""Answers as devices give them, stored as connect stores them and read by the worker's task."""

import plistlib
from typing import Any

from django.utils import timezone

from devices.models import Device
from mdm.channels.models import Channel
from mdm.commands.models import Command
from mdm.commands.states import ApplyState, State
from mdm.endpoints.tasks import apply_results
from tests.base import AccountTestCase
from tests.factories import make_channel, make_command, make_device


def store_answer(
    channel: Channel,
    request_type: str,
    answer: dict[str, Any],
    *,
    parameters: dict[str, Any] | None = None,
    **fields: Any,
) -> Command:
    """A command that the device acknowledged; its answer waits for the worker."""
    message = {"Status": "Acknowledged", "CommandUUID": "x", "UDID": channel.device_key, **answer}
    values = {
        "state": State.ACKNOWLEDGED,
        "status": "Acknowledged",
        "result": plistlib.dumps(message),
        "apply_state": ApplyState.PENDING,
        "finished_at": timezone.now(),
    }
    return make_command(channel, request_type, parameters=parameters or {}, **(values | fields))


class ResultTestCase(AccountTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.phone = make_device(self.account, is_supervised=None)
        self.mac = make_device(self.account, platform="macOS", is_supervised=None)

    def tell(
        self, device: Device, request_type: str, answer: dict[str, Any], *, user_key: str = "", **options: Any
    ) -> Command:
        """The device answers, the worker reads it; the command as it is then."""
        channel = Channel.objects.filter(device=device, user_key=user_key).first()
        channel = channel or make_channel(device, user_key=user_key)
        command = store_answer(channel, request_type, answer, **options)
        apply_results()
        command.refresh_from_db()
        device.refresh_from_db()
        return command

    def assert_read(self, command: Command) -> None:
        self.assertEqual((command.apply_state, command.apply_error), (ApplyState.APPLIED, ""))
