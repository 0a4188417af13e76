from base64 import b64decode

from devices.models import EscrowKey
from devices.services.escrow import escrow_key
from mdm.commands.models import Command
from mdm.protocol.request_types import join_secrets
from tests.api.v1.password_base import PasswordChecks, PasswordTestCase

KEY = "ABCD-EFGH-JKLM-NPQR-STUV-WXYZ"


class DeviceRotateFileVaultKeyTest(PasswordChecks, PasswordTestCase):
    path = "rotate_filevault_key"
    request_type = "RotateFileVaultKey"
    on = {"platform": "macOS"}
    known = {"filevault_recovery_key": KEY}

    def test_it_is_queued_with_the_present_key_and_our_certificate(self):
        device = self.make()
        certificate = bytes(escrow_key(self.account).certificate_der)
        response = self.send(device)
        self.assertEqual((response.status_code, response.content), (202, b""))
        command = Command.objects.get()
        asked = join_secrets(command.parameters, command.secrets)
        self.assertEqual((command.request_type, asked["KeyType"]), ("RotateFileVaultKey", "personal"))
        self.assertEqual(asked["FileVaultUnlock"], {"Password": KEY})
        self.assertEqual(b64decode(asked["ReplyEncryptionCertificate"]), certificate)
        self.assertEqual(self.row().filevault_recovery_key, KEY)
        self.assert_nowhere(KEY)

    def test_without_the_present_key_it_is_refused(self):
        title = "is not known"
        self.assert_refused(self.send(self.make(known={})), title)
        self.assert_refused(self.send(self.make(known={"firmware_password": "another"})), title)
        self.assertFalse(EscrowKey.objects.exists())

    def test_a_user_enrollment_has_no_right_to_it(self):
        self.assert_refused(self.send(self.make(is_user_enrollment=True)), "User Enrollment")


class DeviceRotateFileVaultRecoveryKeyTest(DeviceRotateFileVaultKeyTest):
    """The same by its other name."""

    path = "rotate_filevault_recovery_key"
