from mdm.commands.models import Command
from tests.api.v1.password_base import PasswordChecks, PasswordTestCase
from tests.data.device_facts import MAC_INFORMATION


class DeviceRotateAdminPasswordTest(PasswordChecks, PasswordTestCase):
    path = "rotate_admin_password"
    request_type = "SetAutoAdminPassword"
    on = {"platform": "macOS", "information": MAC_INFORMATION}
    known = {"admin_password": "the-present-one"}

    def test_a_random_one_waits_for_the_answer(self):
        response = self.send(self.make())
        self.assertEqual((response.status_code, response.content), (202, b""))
        row = self.row()
        self.assertEqual(Command.objects.get().request_type, "SetAutoAdminPassword")
        self.assertRegex(row.pending_admin_password, r"^\w{16}$")
        self.assertEqual(row.admin_password, "the-present-one")
        self.assert_nowhere(row.pending_admin_password)

    def test_a_mac_without_such_an_administrator_is_refused(self):
        self.assert_refused(self.send(self.make(information={})), "no administrator")
