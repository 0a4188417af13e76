"""What a device tells of itself, in people's words."""

from django.test import SimpleTestCase

from devices.admin.facts import label_of, management


class FactsTest(SimpleTestCase):
    def test_how_a_mac_came_under_management(self) -> None:
        dep = {"EnrolledViaDEP": True, "IsUserEnrollment": False, "UserApprovedEnrollment": True}
        for value, words in (
            (dep, "Automated Device Enrollment, approved by the user"),
            ({"EnrolledViaDEP": False, "UserApprovedEnrollment": True}, "approved by the user"),
            ({"IsUserEnrollment": True}, "User Enrollment"),
            ({"EnrolledViaDEP": "yes"}, "a profile, not approved by the user"),
            ("nonsense", "nonsense"),
        ):
            self.assertEqual(management(value), words)

    def test_names_are_those_of_the_settings_app(self) -> None:
        self.assertEqual(label_of("IsDoNotDisturbInEffect"), "Do Not Disturb")
        self.assertEqual(label_of("IsCloudBackupEnabled"), "iCloud Backup")
