from tests.api.v1.action_base import ActionChecks, ActionTestCase


class RemoteDesktopOnTest(ActionChecks, ActionTestCase):
    path = "remote_desktop"
    on = {"platform": "macOS"}
    request_type = "EnableRemoteDesktop"

    def test_it_is_queued(self):
        self.assert_queued(self.send(self.make()), self.request_type, {})

    def test_an_older_mac_refuses(self):
        device = self.make(os_version="10.14.3")
        self.assert_refused(self.send(device), "needs macOS 10.14.4 or later")

    def test_an_iphone_has_it_not(self):
        self.assert_refused(self.send(self.make(platform="iOS")), "not available on iOS")

    def test_an_unsupervised_mac_refuses(self):
        self.assert_refused(self.send(self.make(is_supervised=False)), "needs a supervised device")


class RemoteDesktopOffTest(RemoteDesktopOnTest):
    method = "delete"
    request_type = "DisableRemoteDesktop"


class EnableRemoteDesktopTest(RemoteDesktopOnTest):
    path = "enable_remote_desktop"


class DisableRemoteDesktopTest(RemoteDesktopOnTest):
    path = "disable_remote_desktop"
    request_type = "DisableRemoteDesktop"
