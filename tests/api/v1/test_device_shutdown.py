from tests.api.v1.action_base import ActionChecks, ActionTestCase


class DeviceShutdownTest(ActionChecks, ActionTestCase):
    path = "shutdown"

    def test_it_is_queued_for_iphones_and_macs(self):
        self.assert_queued(self.send(self.make(platform="macOS", is_supervised=False)), "ShutDownDevice", {})

    def test_an_unsupervised_iphone_refuses(self):
        self.assert_refused(self.send(self.make(is_supervised=False)), "needs a supervised device")

    def test_an_apple_tv_has_it_not(self):
        self.assert_refused(self.send(self.make(platform="tvOS")), "not available on tvOS")
