from tests.api.v1.action_base import ActionChecks, ActionTestCase


class BluetoothOnTest(ActionChecks, ActionTestCase):
    path = "bluetooth"
    enabled = True

    def test_it_is_queued(self):
        wanted = {"Settings": [{"Item": "Bluetooth", "Enabled": self.enabled}]}
        self.assert_queued(self.send(self.make()), "Settings", wanted)

    def test_a_mac_need_not_be_supervised(self):
        self.assertEqual(self.send(self.make(platform="macOS", is_supervised=False)).status_code, 202)

    def test_an_unsupervised_iphone_refuses(self):
        self.assert_refused(self.send(self.make(is_supervised=False)), "Bluetooth", "needs a supervised device")

    def test_older_devices_refuse(self):
        self.assert_refused(self.send(self.make(os_version="11.2.6")), "needs iOS 11.3 or later")
        device = self.make(platform="macOS", os_version="10.13.3")
        self.assert_refused(self.send(device), "needs macOS 10.13.4 or later")

    def test_an_apple_tv_has_it_not(self):
        self.assert_refused(self.send(self.make(platform="tvOS")), "not available on tvOS")


class BluetoothOffTest(BluetoothOnTest):
    method = "delete"
    enabled = False


class EnableBluetoothTest(BluetoothOnTest):
    path = "enable_bluetooth"


class DisableBluetoothTest(BluetoothOnTest):
    path = "disable_bluetooth"
    enabled = False
