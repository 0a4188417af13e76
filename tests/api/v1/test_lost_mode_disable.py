from tests.api.v1.action_base import ActionChecks, ActionTestCase


class LostModeDisableTest(ActionChecks, ActionTestCase):
    path = "lost_mode"
    method = "delete"

    def test_it_is_queued(self):
        self.assert_queued(self.send(self.make()), "DisableLostMode", {})

    def test_a_form_may_say_delete(self):
        response = self.api.post(f"/api/v1/devices/{self.make().pk}/lost_mode/", {"_method": "DELETE"})
        self.assert_queued(response, "DisableLostMode", {})

    def test_an_unsupervised_iphone_refuses(self):
        self.assert_refused(self.send(self.make(is_supervised=False)), "needs a supervised device")

    def test_a_mac_has_it_not(self):
        self.assert_refused(self.send(self.make(platform="macOS")), "not available on macOS")
