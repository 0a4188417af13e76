from tests.api.v1.action_base import ActionTestCase
from tests.api.v1.lost_device_base import LostDeviceChecks


class LostModeUpdateLocationTest(LostDeviceChecks, ActionTestCase):
    path = "lost_mode/update_location"
    request_type = "DeviceLocation"
