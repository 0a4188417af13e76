from tests.api.v1.action_base import ActionChecks, ActionTestCase

MODES = {
    "smart_update": "Default",
    "download_only": "DownloadOnly",
    "notify_only": "NotifyOnly",
    "install_asap": "InstallASAP",
    "force_update": "InstallForceRestart",
}


class DeviceUpdateOSTest(ActionChecks, ActionTestCase):
    path = "update_os"

    def test_without_a_word_the_device_takes_what_it_finds(self):
        response = self.send(self.make(), os_update_mode="", version_type=None)
        self.assert_queued(response, "ScheduleOSUpdate", {"Updates": [{"InstallAction": "Default"}]})

    def test_each_mode_is_an_action_of_apples(self):
        for mode, action in MODES.items():
            with self.subTest(mode):
                device = self.make(platform="macOS")
                self.assertEqual(self.send(device, os_update_mode=mode).status_code, 202)
                command = device.device_channel.commands.get()
                self.assertEqual(command.request_type, "ScheduleOSUpdate")
                self.assertEqual(command.parameters, {"Updates": [{"InstallAction": action}]})

    def test_unknown_modes_and_versions_are_refused(self):
        device = self.make(platform="macOS")
        self.assert_refused(self.send(device, os_update_mode="soon"), "os_update_mode")
        self.assert_refused(self.send(device, version_type="latest"), "version_type")
        self.assert_refused(self.send(device, os_update_version_type="latest"), "version_type")

    def test_a_version_type_without_a_list_of_updates_is_left_to_the_device(self):
        response = self.send(self.make(platform="macOS"), os_update_version_type="latest_minor_version")
        self.assert_queued(response, "ScheduleOSUpdate", {"Updates": [{"InstallAction": "Default"}]})

    def test_what_is_for_macs_is_refused_for_iphones(self):
        for mode in ("notify_only", "force_update"):
            self.assert_refused(self.send(self.make(), os_update_mode=mode), f"{mode} is for Macs only.")

    def test_macs_before_11_have_fewer_modes(self):
        device = self.make(platform="macOS", os_version="10.15.7")
        for mode in ("download_only", "force_update"):
            self.assert_refused(self.send(device, os_update_mode=mode), f"{mode} needs macOS 11 or later", "10.15.7")

    def test_unsupervised_devices_refuse(self):
        for platform in ("iOS", "macOS"):
            device = self.make(platform=platform, is_supervised=False)
            self.assert_refused(self.send(device), "needs a supervised device")

    def test_from_version_27_on_there_is_no_such_command(self):
        for platform, version in (("iOS", "27.0"), ("macOS", "27"), ("tvOS", "28.1.1")):
            device = self.make(platform=platform, os_version=version)
            self.assert_refused(self.send(device), f"Apple removed the command for updates in {platform} 27", "declar")

    def test_versions_that_are_none_are_no_reason_to_refuse(self):
        self.assert_queued(
            self.send(self.make(os_version="٩٩")), "ScheduleOSUpdate", {"Updates": [{"InstallAction": "Default"}]}
        )
