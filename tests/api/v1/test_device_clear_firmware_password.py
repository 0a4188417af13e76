from tests.api.v1.password_base import INTEL, SILICON, PasswordChecks, PasswordTestCase


class DeviceClearFirmwarePasswordTest(PasswordChecks, PasswordTestCase):
    path = "clear_firmware_password"
    request_type = "SetFirmwarePassword"
    on = {"platform": "macOS", "information": INTEL}
    known = {"firmware_password": "the-present-one"}

    def test_it_is_queued_with_the_present_password(self):
        response = self.send(self.make())
        self.assert_queued(response, "SetFirmwarePassword", {"CurrentPassword": "the-present-one", "NewPassword": ""})
        self.assert_nowhere("the-present-one")

    def test_the_present_one_stays_until_the_mac_has_answered(self):
        command = self.assert_queued(
            self.send(self.make()), "SetFirmwarePassword", {"CurrentPassword": "the-present-one", "NewPassword": ""}
        )
        self.assertEqual(self.row().firmware_password, "the-present-one")
        self.assertEqual(self.row().pending_firmware_command, command.command_uuid)

    def test_a_password_that_is_not_known_cannot_be_cleared(self):
        title = "must have been set by Pomona"
        self.assert_refused(self.send(self.make(known={})), title)
        self.assert_refused(self.send(self.make(known={"recovery_lock_password": "another"})), title)

    def test_apple_silicon_has_none(self):
        self.assert_refused(self.send(self.make(information=SILICON)), "Apple silicon")

    def test_a_mac_of_unknown_kind_is_asked(self):
        self.assertEqual(self.send(self.make(information={})).status_code, 202)

    def test_an_older_mac_refuses(self):
        self.assert_refused(self.send(self.make(os_version="10.12.6")), "needs macOS 10.13 or later")
