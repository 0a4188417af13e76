from devices.models import DeviceSecrets, EscrowKey
from devices.services.escrow import escrow_key
from mdm.common import certs
from mdm.events.models import Event, Level
from mdm.protocol.envelope import seal_envelope
from tests.devices.results.base import ResultTestCase
from tests.factories import make_device
from tests.factories.secrets import make_secrets

IPHONE = {
    "HardwareEncryptionCaps": 3,
    "PasscodePresent": True,
    "PasscodeCompliant": True,
    "PasscodeCompliantWithProfiles": True,
    "ManagementStatus": {"EnrolledViaDEP": False, "UserApprovedEnrollment": True, "IsUserEnrollment": False},
}
MAC = {
    "FDE_Enabled": True,
    "FDE_HasPersonalRecoveryKey": True,
    "FDE_PersonalRecoveryKeyCMS": b"the escrowed secret",
    "FDE_PersonalRecoveryKeyDeviceKey": "the secret's number",
    "FirewallSettings": {"FirewallEnabled": True, "BlockAllIncoming": False, "StealthMode": False, "Applications": []},
    "ManagementStatus": {"EnrolledViaDEP": True},
    "SystemIntegrityProtectionEnabled": True,
}

ESCROWED = "FDE_PersonalRecoveryKeyCMS"


class SecurityInfoTest(ResultTestCase):
    def inform(self, device, facts, **options):
        return self.tell(device, "SecurityInfo", {"SecurityInfo": facts}, **options)

    def test_an_iphones_facts_are_kept(self):
        self.assert_read(self.inform(self.phone, IPHONE))
        self.assertEqual(self.phone.security, IPHONE)
        self.assertIs(self.phone.is_dep_enrollment, False)
        self.assertIsNotNone(self.phone.security_at)

    def test_a_macs_facts_are_kept_without_its_recovery_key(self):
        self.inform(self.mac, MAC)
        self.assertTrue(self.mac.security["FDE_Enabled"])
        self.assertTrue(self.mac.security["FirewallSettings"]["FirewallEnabled"])
        self.assertIs(self.mac.is_dep_enrollment, True)
        self.assertNotIn("secret", str(self.mac.security))

    def test_each_answer_replaces_the_one_before(self):
        self.inform(self.phone, IPHONE)
        self.inform(self.phone, {"PasscodePresent": False})
        self.assertEqual(self.phone.security, {"PasscodePresent": False})
        self.assertIs(self.phone.is_dep_enrollment, False)

    def test_hostile_values_are_survived(self):
        self.assert_read(self.inform(self.phone, {"ManagementStatus": "none", "Big": -(2**63), "B": b"\x00"}))
        self.assertIsNone(self.phone.is_dep_enrollment)
        self.assert_read(self.tell(self.phone, "SecurityInfo", {"SecurityInfo": [1]}))

    def test_a_users_channel_is_passed_over(self):
        self.inform(self.mac, {"PasscodePresent": True}, user_key="USER")
        self.assertEqual(self.mac.security, {})


class EscrowTest(ResultTestCase):
    KEY = "ABCD-EFGH-JKLM-NPQR-STUV-WXYZ"

    def sealed(self, text: str, key: EscrowKey | None = None) -> bytes:
        certificate = certs.load_certificate(bytes((key or escrow_key(self.account)).certificate_der))
        return seal_envelope(text.encode(), recipient=certificate, content_encryption="aes256")

    def escrow(self, value: object, device=None):
        command = self.tell(device or self.mac, "SecurityInfo", {"SecurityInfo": MAC | {ESCROWED: value}})
        self.assert_read(command)
        return command

    def known(self) -> str:
        return DeviceSecrets.objects.get(device=self.mac).filevault_recovery_key

    def test_an_escrowed_key_is_kept_encrypted_and_told_without_its_value(self):
        self.escrow(self.sealed(self.KEY))
        self.assertEqual(self.known(), self.KEY)
        event = Event.objects.get(event_type="device.secret_stored")
        self.assertEqual((event.device, event.metadata), (self.mac, {"secret": "filevault_recovery_key"}))
        self.assertNotIn(self.KEY, str(self.mac.security))
        self.assertTrue(self.mac.security["FDE_Enabled"])

    def test_the_same_key_again_is_no_news(self):
        self.escrow(self.sealed(self.KEY))
        self.escrow(self.sealed(self.KEY))
        self.assertEqual(Event.objects.filter(event_type="device.secret_stored").count(), 1)

    def test_a_new_key_takes_the_place_of_the_old_one(self):
        self.escrow(self.sealed(self.KEY))
        self.escrow(self.sealed(self.KEY[::-1]))
        self.assertEqual(self.known(), self.KEY[::-1])

    def test_what_was_seen_already_does_not_bring_back_an_old_key(self):
        """Its key was changed by command, and the Mac still has the file from before."""
        escrowed = self.sealed(self.KEY)
        self.escrow(escrowed)
        row = DeviceSecrets.objects.get()
        row.filevault_recovery_key = "the newer one"
        row.save()
        self.escrow(escrowed)
        self.assertEqual(self.known(), "the newer one")

    def test_a_key_for_somebody_else_is_told_once_and_the_rest_counts(self):
        make_secrets(self.mac, filevault_recovery_key="from before")
        escrow_key(self.account)
        foreign = self.sealed(self.KEY, escrow_key(self.other_account))
        for _ in range(2):
            self.escrow(foreign)
        self.assertTrue(self.mac.security["FDE_Enabled"])
        self.assertEqual(self.known(), "from before")
        event = Event.objects.get(event_type="result.failed")
        self.assertEqual((event.level, event.metadata["request_type"]), (Level.WARNING, "SecurityInfo"))
        self.assertIn("not encrypted to this account", event.metadata["why"])

    def test_hostile_values_are_survived(self):
        for value in ("text", 5, True, [b"x"], {"a": b"x"}, b"", b"\x30\x80" * 2000, b"\x00" * 100_000):
            self.escrow(value)
        self.assertFalse(DeviceSecrets.objects.exclude(filevault_recovery_key=None).exists())

    def test_a_user_of_the_mac_escrows_nothing(self):
        self.tell(self.mac, "SecurityInfo", {"SecurityInfo": {ESCROWED: self.sealed(self.KEY)}}, user_key="USER")
        self.assertFalse(DeviceSecrets.objects.exists())

    def test_each_mac_has_its_own(self):
        other = make_device(self.account, platform="macOS")
        self.escrow(self.sealed(self.KEY))
        self.escrow(self.sealed(self.KEY[::-1]), other)
        self.assertEqual(self.known(), self.KEY)
