import hashlib
import plistlib
from base64 import b64decode

from mdm.commands.models import Command
from tests.api.v1.password_base import PasswordChecks, PasswordTestCase
from tests.data.device_facts import MAC_INFORMATION

GUID = MAC_INFORMATION["AutoSetupAdminAccounts"][0]["GUID"]


class DeviceSetAdminPasswordTest(PasswordChecks, PasswordTestCase):
    path = "set_admin_password"
    request_type = "SetAutoAdminPassword"
    on = {"platform": "macOS", "information": MAC_INFORMATION, "is_dep_enrollment": True}
    good = {"new_password": "correct horse battery"}

    def test_its_hash_is_queued_and_the_password_waits(self):
        response = self.send(self.make(), **self.good)
        self.assertEqual((response.status_code, response.content), (202, b""))
        command = Command.objects.get()
        self.assertEqual((command.request_type, command.parameters["GUID"]), ("SetAutoAdminPassword", GUID))
        self.assertTrue(_fits(command, "correct horse battery"))
        self.assertNotIn("correct horse battery", str(command.secrets))
        row = self.row()
        self.assertEqual(row.pending_admin_password, "correct horse battery")
        self.assertEqual((row.pending_admin_command, row.admin_password), (command.command_uuid, ""))
        self.assert_nowhere("correct horse battery")

    def test_spaces_and_letters_of_any_language_are_kept_as_they_are(self):
        self.send(self.make(), new_password=" Grüße ")
        self.assertEqual(self.row().pending_admin_password, " Grüße ")

    def test_too_short_too_long_or_unprintable_is_refused(self):
        device = self.make()
        for password in ("", "abc", "x" * 129):
            self.assert_refused(self.send(device, new_password=password), "new_password")
        for password in ("line\nbreak", "tab\tstop", "bell\x07"):
            self.assert_refused(self.send(device, new_password=password), "printable characters")
        self.assert_refused(self.send(device), "new_password")

    def test_a_mac_without_such_an_administrator_is_refused(self):
        for accounts in (None, [], "x", ["x"], [{}], [{"GUID": 5}], [{"GUID": ""}], [{"GUID": "x" * 65}]):
            device = self.make(information={"AutoSetupAdminAccounts": accounts})
            self.assert_refused(self.send(device, **self.good), "no administrator")

    def test_a_mac_that_did_not_come_by_automated_enrollment_is_refused(self):
        refused = self.send(self.make(is_dep_enrollment=False), **self.good)
        self.assert_refused(refused, "needs a device from Automated Device Enrollment")


def _fits(command: Command, password: str) -> bool:
    """Whether it is the hash of the password as macOS would check it."""
    (hashed,) = command.secrets.values()
    value = plistlib.loads(b64decode(hashed), fmt=plistlib.FMT_BINARY)["SALTED-SHA512-PBKDF2"]
    entropy = hashlib.pbkdf2_hmac("sha512", password.encode(), value["salt"], value["iterations"], 128)
    return entropy == value["entropy"] and len(value["salt"]) == 32
