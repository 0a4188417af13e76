import base64

from devices.models import Device
from tests.api.v1.action_base import ActionChecks, ActionTestCase

TOKEN = b"the token of this device" * 20


class DeviceClearPasscodeTest(ActionChecks, ActionTestCase):
    path = "clear_passcode"

    def make(self, token: bytes = TOKEN, **fields) -> Device:
        device = super().make(**fields)
        if channel := device.channels.first():
            channel.unlock_token = token
            channel.save()
        return device

    def test_it_is_sent_with_the_token_of_the_device(self):
        token = base64.b64encode(TOKEN).decode()
        command = self.assert_queued(self.send(self.make()), "ClearPasscode", {"UnlockToken": token})
        self.assertEqual(command.parameters, {})
        self.assert_nowhere(token)

    def test_without_a_token_it_is_refused(self):
        self.assert_refused(self.send(self.make(token=b"")), "no unlock token")

    def test_a_mac_has_it_not(self):
        for token in (TOKEN, b""):
            self.assert_refused(self.send(self.make(token, platform="macOS")), "not available on macOS")

    def test_with_user_enrollment_it_is_refused(self):
        device = self.make(is_user_enrollment=True)
        self.assert_refused(self.send(device), "not available with User Enrollment")
