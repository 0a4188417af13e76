from mdm.commands.models import Command
from mdm.protocol.request_types import join_secrets
from tests.api.v1.password_base import INTEL, SILICON, PasswordChecks, PasswordTestCase


class DeviceRotateFirmwarePasswordTest(PasswordChecks, PasswordTestCase):
    path = "rotate_firmware_password"
    request_type = "SetFirmwarePassword"
    on = {"platform": "macOS", "information": INTEL}
    known = {"firmware_password": "the-present-one"}

    def test_a_new_one_is_queued_and_waits(self):
        self.send(self.make())
        command, row = Command.objects.get(), self.row()
        new = join_secrets(command.parameters, command.secrets)["NewPassword"]
        self.assertRegex(new, r"^[A-HJ-NP-Za-km-z2-9]{16}$")
        self.assertEqual((row.pending_firmware_password, row.pending_firmware_command), (new, command.command_uuid))
        self.assertEqual(row.firmware_password, "the-present-one")
        self.assert_nowhere(new)

    def test_the_present_one_goes_along_where_it_is_known(self):
        self.send(self.make())
        command = Command.objects.get()
        self.assertEqual(command.secrets["/CurrentPassword"], "the-present-one")
        self.assert_nowhere("the-present-one")

    def test_a_mac_gets_its_first_one(self):
        self.send(self.make(known={}))
        self.assertEqual(list(Command.objects.get().secrets), ["/NewPassword"])
        self.assertEqual(self.row().firmware_password, "")

    def test_apple_silicon_has_none(self):
        self.assert_refused(self.send(self.make(information=SILICON)), "Apple silicon")
