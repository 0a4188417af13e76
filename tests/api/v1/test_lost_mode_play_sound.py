from tests.api.v1.action_base import ActionTestCase
from tests.api.v1.lost_device_base import LostDeviceChecks


class LostModePlaySoundTest(LostDeviceChecks, ActionTestCase):
    path = "lost_mode/play_sound"
    request_type = "PlayLostModeSound"
