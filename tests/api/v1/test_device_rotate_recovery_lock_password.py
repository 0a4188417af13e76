from mdm.commands.models import Command
from tests.api.v1.password_base import INTEL, SILICON, PasswordChecks, PasswordTestCase


class DeviceRotateRecoveryLockPasswordTest(PasswordChecks, PasswordTestCase):
    path = "rotate_recovery_lock_password"
    request_type = "SetRecoveryLock"
    on = {"platform": "macOS", "information": SILICON}

    def test_a_first_one_is_queued_and_waits(self):
        self.send(self.make())
        command, row = Command.objects.get(), self.row()
        self.assertEqual(command.secrets, {"/NewPassword": row.pending_recovery_lock_password})
        self.assertRegex(row.pending_recovery_lock_password, r"^\w{16}$")
        self.assertEqual(row.pending_recovery_lock_command, command.command_uuid)
        self.assertEqual(row.recovery_lock_password, "")
        self.assert_nowhere(row.pending_recovery_lock_password)

    def test_the_present_one_goes_along_where_it_is_known(self):
        self.send(self.make(known={"recovery_lock_password": "the-present-one"}))
        self.assertEqual(Command.objects.get().secrets["/CurrentPassword"], "the-present-one")

    def test_an_intel_mac_has_none(self):
        self.assert_refused(self.send(self.make(information=INTEL)), "Intel")

    def test_an_older_mac_refuses(self):
        self.assert_refused(self.send(self.make(os_version="11.4")), "needs macOS 11.5 or later")
