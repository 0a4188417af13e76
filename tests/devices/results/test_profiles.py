from devices.models import InstalledProfile
from tests.devices.results.base import ResultTestCase

MDM = {
    "PayloadIdentifier": "com.example.mdm",
    "PayloadUUID": "6E0D3B6C-1111-4222-8333-444455556666",
    "PayloadDisplayName": "Device Management",
    "PayloadOrganization": "Acme",
    "IsManaged": False,
    "IsEncrypted": False,
    "PayloadRemovalDisallowed": True,
    "PayloadContent": [
        {"PayloadType": "com.apple.mdm", "PayloadIdentifier": "com.example.mdm.1", "PayloadDisplayName": "MDM"}
    ],
    "SignerCertificates": [b"x" * 1000],
}
WIFI = {"PayloadIdentifier": "com.example.wifi", "PayloadDisplayName": "Wi-Fi", "IsManaged": True}


class ProfileListTest(ResultTestCase):
    def list_profiles(self, device, *profiles, **options):
        return self.tell(device, "ProfileList", {"ProfileList": list(profiles)}, **options)

    def stored(self, device, user_key=""):
        rows = InstalledProfile.objects.filter(device=device, user_key=user_key)
        return {profile.identifier: profile for profile in rows}

    def test_the_list_becomes_rows(self):
        self.assert_read(self.list_profiles(self.phone, MDM, WIFI))
        mdm = self.stored(self.phone)["com.example.mdm"]
        self.assertEqual((mdm.name, mdm.organization, mdm.is_managed), ("Device Management", "Acme", False))
        self.assertEqual(mdm.payloads, [{"type": "com.apple.mdm", "identifier": "com.example.mdm.1", "name": "MDM"}])
        self.assertTrue(mdm.details["PayloadRemovalDisallowed"])
        self.assertNotIn("SignerCertificates", mdm.details)

    def test_repeats_and_changes_keep_the_rows(self):
        self.list_profiles(self.phone, MDM, WIFI)
        kept = self.stored(self.phone)["com.example.wifi"].pk
        self.list_profiles(self.phone, {**WIFI, "PayloadDisplayName": "Office Wi-Fi"}, WIFI | {"PayloadUUID": "U"})
        self.assertEqual([(row.pk, row.uuid) for row in self.stored(self.phone).values()], [(kept, "U")])

    def test_users_of_a_mac_have_lists_of_their_own(self):
        self.list_profiles(self.mac, MDM)
        self.list_profiles(self.mac, WIFI, user_key="JANE")
        self.list_profiles(self.mac, user_key="JOHN")
        self.assertEqual(set(self.stored(self.mac)), {"com.example.mdm"})
        self.assertEqual(set(self.stored(self.mac, "JANE")), {"com.example.wifi"})
        self.list_profiles(self.mac)
        self.assertEqual(set(self.stored(self.mac, "JANE")), {"com.example.wifi"})

    def test_a_list_of_managed_ones_leaves_the_others(self):
        self.list_profiles(self.phone, MDM, {**WIFI, "IsManaged": False})
        only = {"ManagedOnly": True}
        self.assert_read(self.list_profiles(self.phone, WIFI, parameters=only))
        self.assertEqual(
            {name: row.is_managed for name, row in self.stored(self.phone).items()},
            {"com.example.mdm": False, "com.example.wifi": True},
        )
        self.assert_read(self.list_profiles(self.phone, parameters=only))
        self.assertEqual(set(self.stored(self.phone)), {"com.example.mdm"})

    def test_hostile_entries_are_cut_or_passed_over(self):
        hostile = {
            "PayloadIdentifier": "p" * 2000,
            "PayloadUUID": "u" * 2000,
            "IsManaged": 1,
            "PayloadContent": ["x", {}],
        }
        command = self.list_profiles(self.phone, 7, {}, {"PayloadIdentifier": b"bytes"}, hostile)
        self.assert_read(command)
        (row,) = self.stored(self.phone).values()
        self.assertEqual((len(row.identifier), len(row.uuid), row.is_managed), (255, 64, None))
        self.assertEqual(row.payloads, [{"type": "", "identifier": "", "name": ""}])

    def test_an_answer_without_the_list_changes_nothing(self):
        self.list_profiles(self.phone, MDM)
        for answer in ({}, {"ProfileList": "none"}):
            self.assert_read(self.tell(self.phone, "ProfileList", answer))
        self.assertEqual(len(self.stored(self.phone)), 1)
