from tests.api.v1.action_base import ActionChecks, ActionTestCase


class DeviceRestartTest(ActionChecks, ActionTestCase):
    path = "restart"

    def test_an_iphone_restarts(self):
        self.assert_queued(self.send(self.make()), "RestartDevice", {})

    def test_the_options_are_for_macs(self):
        response = self.send(self.make(platform="macOS"), rebuild_kernel_cache=True, notify_user="1")
        self.assert_queued(response, "RestartDevice", {"RebuildKernelCache": True, "NotifyUser": True})

    def test_the_other_name_of_notify_user_is_known(self):
        self.assert_queued(
            self.send(self.make(platform="macOS"), notify_users="true"), "RestartDevice", {"NotifyUser": True}
        )

    def test_what_is_false_or_empty_is_left_out_and_so_fits_every_device(self):
        response = self.send(self.make(), rebuild_kernel_cache="false", notify_user=False, notify_users="")
        self.assert_queued(response, "RestartDevice", {})

    def test_an_iphone_refuses_the_options(self):
        self.assert_refused(self.send(self.make(), notify_user=True), "NotifyUser is not available on iOS")

    def test_a_mac_that_is_too_old_refuses_them(self):
        device = self.make(platform="macOS", os_version="10.15.7")
        self.assert_refused(self.send(device, rebuild_kernel_cache=True), "needs macOS 11.0 or later", "10.15.7")
        device = self.make(platform="macOS", os_version="11.3")
        self.assert_refused(self.send(device, notify_user=True), "needs macOS 11.4 or later")

    def test_an_unsupervised_iphone_refuses(self):
        self.assert_refused(self.send(self.make(is_supervised=False)), "needs a supervised device")

    def test_a_flag_that_is_none_is_refused(self):
        self.assert_refused(self.send(self.make(), notify_user="perhaps"), "notify_user")
