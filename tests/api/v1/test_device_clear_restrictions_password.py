from tests.api.v1.action_base import ActionChecks, ActionTestCase


class DeviceClearRestrictionsPasswordTest(ActionChecks, ActionTestCase):
    path = "clear_restrictions_password"

    def test_it_is_queued(self):
        self.assert_queued(self.send(self.make()), "ClearRestrictionsPassword", {})

    def test_an_unsupervised_iphone_refuses(self):
        self.assert_refused(self.send(self.make(is_supervised=False)), "needs a supervised device")

    def test_a_mac_has_it_not(self):
        self.assert_refused(self.send(self.make(platform="macOS")), "not available on macOS")
