from devices.models import DeviceSecrets
from devices.services import passwords
from devices.services.escrow import escrow_key
from mdm.accounts.actors import SYSTEM
from mdm.commands.models import Command
from mdm.commands.states import State
from mdm.common import certs
from mdm.events.models import Event, Level
from mdm.protocol.envelope import seal_envelope
from tests.data.device_facts import MAC_INFORMATION
from tests.devices.results.base import ResultTestCase
from tests.factories.secrets import make_secrets

CHANGED, UNCHANGED = ({"SetFirmwarePassword": {"PasswordChanged": value}} for value in (True, False))
REFUSED = {"ErrorChain": [{"ErrorCode": 96, "ErrorDomain": "MDMClientError", "LocalizedDescription": "Wrong."}]}
NEW_KEY = "WXYZ-ABCD-EFGH-JKLM-NPQR-STUV"


class PasswordResultTestCase(ResultTestCase):
    def answer(self, command: Command, answer: dict, *, fails: bool = False) -> Command:
        """The Mac answers a command that waits."""
        state, status = (State.FAILED, "Error") if fails else (State.ACKNOWLEDGED, "Acknowledged")
        request_type, parameters, secrets = command.request_type, command.parameters, command.secrets
        uuid = command.command_uuid
        Command.objects.filter(pk=command.pk).delete()
        return self.tell(
            self.mac,
            request_type,
            {"Status": status, **answer},
            parameters=parameters,
            secrets=secrets,
            command_uuid=uuid,
            state=state,
            status=status,
        )

    def row(self) -> DeviceSecrets:
        return DeviceSecrets.objects.get(device=self.mac)

    def stored(self) -> list[str]:
        events = Event.objects.filter(event_type="device.secret_stored", device=self.mac).order_by("pk")
        return [event.metadata["secret"] for event in events]

    def assert_nothing_pending(self) -> None:
        row = self.row()
        for name in ("firmware", "recovery_lock", "admin"):
            pending = getattr(row, f"pending_{name}_password"), getattr(row, f"pending_{name}_command")
            self.assertEqual(pending, ("", ""), name)


class FirmwarePasswordTest(PasswordResultTestCase):
    def test_the_new_one_counts_from_the_answer_on(self):
        command = passwords.rotate_firmware_password(self.mac, actor=SYSTEM)
        new = self.row().pending_firmware_password
        self.assert_read(self.answer(command, CHANGED))
        self.assertEqual(self.row().firmware_password, new)
        self.assert_nothing_pending()
        self.assertEqual(self.stored(), ["firmware_password"])
        self.assertFalse([event for event in Event.objects.all() if new in str(event.metadata)])

    def test_a_mac_that_changed_nothing_keeps_the_old_one(self):
        make_secrets(self.mac, firmware_password="old")
        for said in (UNCHANGED, {}, {"SetFirmwarePassword": {"PasswordChanged": "true"}}, {"SetFirmwarePassword": 1}):
            command = passwords.rotate_firmware_password(self.mac, actor=SYSTEM)
            self.assert_read(self.answer(command, said))
            self.assertEqual(self.row().firmware_password, "old")
            self.assert_nothing_pending()
        self.assertEqual(self.stored(), [])

    def test_a_refusal_drops_the_new_one(self):
        make_secrets(self.mac, firmware_password="old")
        command = passwords.rotate_firmware_password(self.mac, actor=SYSTEM)
        self.answer(command, REFUSED | UNCHANGED, fails=True)
        self.assertEqual(self.row().firmware_password, "old")
        self.assert_nothing_pending()

    def test_cleared_it_is_forgotten(self):
        make_secrets(self.mac, firmware_password="old")
        self.answer(passwords.clear_firmware_password(self.mac, actor=SYSTEM), CHANGED)
        self.assertEqual(self.row().firmware_password, "")
        self.assert_nothing_pending()
        event = Event.objects.get(event_type="device.secret_removed")
        self.assertEqual(event.metadata, {"secret": "firmware_password"})

    def test_an_operators_own_command_is_taken_notice_of(self):
        secrets = {"/NewPassword": "their own"}
        self.tell(self.mac, "SetFirmwarePassword", CHANGED, secrets=secrets)
        self.assertEqual(self.row().firmware_password, "their own")


class RecoveryLockTest(PasswordResultTestCase):
    def test_the_new_one_counts_from_the_answer_on(self):
        make_secrets(self.mac, recovery_lock_password="old", firmware_password="stays")
        command = passwords.rotate_recovery_lock_password(self.mac, actor=SYSTEM)
        new = self.row().pending_recovery_lock_password
        self.assert_read(self.answer(command, {}))
        self.assertEqual((self.row().recovery_lock_password, self.row().firmware_password), (new, "stays"))
        self.assert_nothing_pending()
        self.assertEqual(self.stored(), ["recovery_lock_password"])

    def test_a_refusal_drops_the_new_one(self):
        make_secrets(self.mac, recovery_lock_password="old")
        command = passwords.clear_recovery_lock_password(self.mac, actor=SYSTEM)
        self.answer(command, REFUSED, fails=True)
        self.assertEqual(self.row().recovery_lock_password, "old")
        self.assert_nothing_pending()

    def test_cleared_it_is_forgotten(self):
        make_secrets(self.mac, recovery_lock_password="old")
        self.answer(passwords.clear_recovery_lock_password(self.mac, actor=SYSTEM), {})
        self.assertEqual(self.row().recovery_lock_password, "")
        self.assert_nothing_pending()

    def test_an_answer_belongs_to_its_command(self):
        """An operator's own one is refused, and another one obeyed, while ours waits."""
        command = passwords.rotate_recovery_lock_password(self.mac, actor=SYSTEM)
        new = self.row().pending_recovery_lock_password
        failed = {"state": State.FAILED, "status": "Error"}
        self.tell(self.mac, "SetRecoveryLock", REFUSED, secrets={"/NewPassword": "theirs"}, **failed)
        self.assertEqual(self.row().pending_recovery_lock_password, new)
        self.tell(self.mac, "SetRecoveryLock", {}, secrets={"/NewPassword": "theirs"})
        self.assertEqual(self.row().recovery_lock_password, "theirs")
        self.answer(command, {})
        self.assertEqual(self.row().recovery_lock_password, new)
        self.assert_nothing_pending()

    def test_a_raw_command_tells_nothing(self):
        self.tell(self.mac, "SetRecoveryLock", {}, raw_plist=b"<plist/>")
        self.assertEqual(self.row().recovery_lock_password, "")
        self.assertEqual(self.stored(), [])


class AdminPasswordTest(PasswordResultTestCase):
    def setUp(self):
        super().setUp()
        self.mac.information = MAC_INFORMATION
        self.mac.save()

    def test_the_new_one_counts_from_the_answer_on(self):
        command = passwords.set_admin_password(self.mac, "correct horse", actor=SYSTEM)
        self.assert_read(self.answer(command, {}))
        self.assertEqual(self.row().admin_password, "correct horse")
        self.assert_nothing_pending()
        self.assertEqual(self.stored(), ["admin_password"])

    def test_a_refusal_drops_the_new_one(self):
        command = passwords.set_admin_password(self.mac, "correct horse", actor=SYSTEM)
        self.answer(command, REFUSED, fails=True)
        self.assertEqual(self.row().admin_password, "")
        self.assert_nothing_pending()

    def test_the_same_again_is_no_news(self):
        for _ in range(2):
            command = passwords.set_admin_password(self.mac, "correct horse", actor=SYSTEM)
            self.answer(command, {})
        self.assertEqual(self.stored(), ["admin_password"])


class FileVaultKeyTest(PasswordResultTestCase):
    def setUp(self):
        super().setUp()
        make_secrets(self.mac, filevault_recovery_key="ABCD-EFGH-JKLM-NPQR-STUV-WXYZ")
        self.command = passwords.rotate_filevault_key(self.mac, actor=SYSTEM)

    def sealed(self, text: bytes) -> dict:
        certificate = certs.load_certificate(bytes(escrow_key(self.account).certificate_der))
        encrypted = seal_envelope(text, recipient=certificate, content_encryption="aes256")
        return {"RotateResult": {"EncryptedNewRecoveryKey": encrypted}}

    def test_the_new_one_takes_the_place_of_the_old_one(self):
        self.assert_read(self.answer(self.command, self.sealed(NEW_KEY.encode())))
        self.assertEqual(self.row().filevault_recovery_key, NEW_KEY)
        self.assertEqual(self.stored(), ["filevault_recovery_key"])
        self.assertFalse([event for event in Event.objects.all() if NEW_KEY in str(event.metadata)])

    def test_a_refusal_changes_nothing(self):
        self.answer(self.command, REFUSED, fails=True)
        self.assertEqual(self.row().filevault_recovery_key, "ABCD-EFGH-JKLM-NPQR-STUV-WXYZ")

    def test_an_answer_that_cannot_be_read_stays_with_its_command_and_is_told(self):
        answers = ({}, {"RotateResult": {"EncryptedNewRecoveryKey": b"\x30\x80junk"}}, {"RotateResult": "x"})
        for said in (*answers, self.sealed(b"\xff\xfe\x00\x01" * 8), self.sealed(b"short"), self.sealed(b"x" * 256)):
            command = self.answer(self.command, said)
            self.assert_read(command)
            event = Event.objects.get(event_type="result.failed")
            self.assertEqual((event.level, event.metadata["request_type"]), (Level.WARNING, "RotateFileVaultKey"))
            self.assertIn("recovery key", event.metadata["why"])
            self.assertEqual(self.row().filevault_recovery_key, "ABCD-EFGH-JKLM-NPQR-STUV-WXYZ")
            event.delete()
            command.delete()

    def test_an_institutional_key_is_none_of_ours(self):
        Command.objects.all().delete()
        self.assert_read(self.tell(self.mac, "RotateFileVaultKey", {}, parameters={"KeyType": "institutional"}))
