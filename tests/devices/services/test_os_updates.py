import plistlib
from datetime import timedelta

from django.utils import timezone

from devices.services.os_updates import update_os
from mdm.accounts.actors import SYSTEM
from mdm.commands.states import ApplyState, State
from tests.base import AccountTestCase
from tests.factories import make_command, make_device

MAC_LIST = [
    {"ProductKey": "MSU_14.6", "Version": "14.6", "HumanReadableName": "macOS Sonoma 14.6"},
    {"ProductKey": "MSU_14.6.10", "Version": "14.6.10", "HumanReadableName": "macOS Sonoma 14.6.10"},
    {"ProductKey": "MSU_14.6.9", "Version": "14.6.9", "HumanReadableName": "macOS Sonoma 14.6.9"},
    {"ProductKey": "MSU_15.1", "Version": "15.1", "HumanReadableName": "macOS Sequoia 15.1"},
    {"ProductKey": "Safari", "Version": "18.2", "HumanReadableName": "Safari"},
]


class VersionTypeTest(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.mac = make_device(self.account, platform="macOS", os_version="14.5")

    def listed(self, device, updates, **fields):
        values = {"state": State.ACKNOWLEDGED, "apply_state": ApplyState.APPLIED, "finished_at": timezone.now()}
        answer = plistlib.dumps({"Status": "Acknowledged", "AvailableOSUpdates": updates})
        make_command(device, "AvailableOSUpdates", result=answer, **(values | fields))

    def chosen(self, device, version_type: str) -> str | None:
        command = update_os(device, version_type=version_type, actor=SYSTEM)
        (update,) = command.parameters["Updates"]
        self.assertEqual(update["InstallAction"], "Default")
        return update.get("ProductKey")

    def test_the_newest_of_the_present_major_version(self):
        self.listed(self.mac, MAC_LIST)
        self.assertEqual(self.chosen(self.mac, "latest_minor_version"), "MSU_14.6.10")

    def test_the_newest_of_all(self):
        self.listed(self.mac, MAC_LIST)
        self.assertEqual(self.chosen(self.mac, "latest_major_version"), "MSU_15.1")

    def test_an_iphones_list_has_other_names(self):
        phone = make_device(self.account, os_version="17.5")
        self.listed(phone, [{"ProductKey": "iOSUpdate22A", "ProductName": "iOS", "Version": "18.0"}])
        self.assertEqual(self.chosen(phone, "latest_major_version"), "iOSUpdate22A")
        self.assertIsNone(self.chosen(phone, "latest_minor_version"))

    def test_without_a_version_type_the_list_is_not_looked_at(self):
        self.listed(self.mac, MAC_LIST)
        self.assertIsNone(self.chosen(self.mac, ""))

    def test_an_update_that_is_older_than_the_device_is_none(self):
        self.listed(self.mac, MAC_LIST)
        self.mac.os_version = "15.2"
        self.assertIsNone(self.chosen(self.mac, "latest_major_version"))

    def test_an_old_list_and_an_unanswered_question_do_not_count(self):
        self.listed(self.mac, MAC_LIST, finished_at=timezone.now() - timedelta(days=8))
        self.listed(self.mac, MAC_LIST, state=State.FAILED)
        self.listed(self.mac, MAC_LIST, apply_state=ApplyState.FAILED)
        self.assertIsNone(self.chosen(self.mac, "latest_minor_version"))

    def test_of_two_lists_the_latest_counts(self):
        self.listed(self.mac, MAC_LIST)
        self.listed(self.mac, MAC_LIST[:1])
        self.assertEqual(self.chosen(self.mac, "latest_major_version"), "MSU_14.6")

    def test_hostile_lists_are_survived(self):
        macos = {"HumanReadableName": "macOS"}
        for updates in (
            "all",
            [1, "14.6", []],
            [{**macos, "Version": 15, "ProductKey": "a"}, {**macos, "Version": "15", "ProductKey": 7}],
            [{**macos, "Version": "15", "ProductKey": key} for key in ("", "x" * 256, "a\nb")],
            [{**macos, "Version": "newest", "ProductKey": "a"}],
        ):
            with self.subTest(updates):
                self.listed(self.mac, updates)
                self.assertIsNone(self.chosen(self.mac, "latest_major_version"))
