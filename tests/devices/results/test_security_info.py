from tests.devices.results.base import ResultTestCase

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
