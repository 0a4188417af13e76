from tests.api.v1.password_base import INTEL, SILICON, PasswordChecks, PasswordTestCase


class DeviceClearRecoveryLockPasswordTest(PasswordChecks, PasswordTestCase):
    path = "clear_recovery_lock_password"
    request_type = "SetRecoveryLock"
    on = {"platform": "macOS", "information": SILICON}
    known = {"recovery_lock_password": "the-present-one"}

    def test_it_is_queued_with_the_present_password(self):
        parameters = {"CurrentPassword": "the-present-one", "NewPassword": ""}
        command = self.assert_queued(self.send(self.make()), "SetRecoveryLock", parameters)
        self.assertEqual(self.row().pending_recovery_lock_command, command.command_uuid)
        self.assertEqual(self.row().recovery_lock_password, "the-present-one")
        self.assert_nowhere("the-present-one")

    def test_a_password_that_is_not_known_cannot_be_cleared(self):
        title = "must have been set by Pomona"
        self.assert_refused(self.send(self.make(known={})), title)
        self.assert_refused(self.send(self.make(known={"firmware_password": "another"})), title)

    def test_an_intel_mac_has_none(self):
        self.assert_refused(self.send(self.make(information=INTEL)), "Intel")

    def test_a_mac_of_unknown_kind_is_asked(self):
        self.assertEqual(self.send(self.make(information={})).status_code, 202)

    def test_an_older_mac_refuses(self):
        self.assert_refused(self.send(self.make(os_version="11.4")), "needs macOS 11.5 or later")
