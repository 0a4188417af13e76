"""What the actions on a lost device have in common."""

from django.utils import timezone

from devices.models import Device
from tests.api.v1.action_base import ActionChecks


class LostDeviceChecks(ActionChecks):
    """request_type: of the command that is queued."""

    request_type = ""

    def told(self, is_lost: bool) -> Device:
        return self.make(information={"IsMDMLostModeEnabled": is_lost}, information_at=timezone.now())

    def test_it_is_queued_for_a_lost_device(self):
        self.assert_queued(self.send(self.told(True)), self.request_type, {})

    def test_a_device_of_which_it_is_not_known_is_asked(self):
        self.assert_queued(self.send(self.make()), self.request_type, {})

    def test_a_device_that_is_not_lost_is_422(self):
        self.assert_refused(self.send(self.told(False)), "The device is not in Lost Mode.")

    def test_an_unsupervised_iphone_refuses(self):
        self.assert_refused(self.send(self.make(is_supervised=False)), "needs a supervised device")

    def test_a_mac_has_it_not(self):
        self.assert_refused(self.send(self.make(platform="macOS")), "not available on macOS")
