"""What the tests of enrolling start from."""

from devices.models import Device
from enrollment.models import Enrollment
from mdm.channels.models import Channel
from tests.mdm.endpoints.base import DeviceTestCase
from tests.mdm.endpoints.signed_device import SignedDevice


class LifecycleTestCase(DeviceTestCase):
    def refused_because(self, device: SignedDevice, **keys: str) -> str:
        """Authenticate is answered with 403; what the log says of it."""
        before = (Channel.objects.count(), Device.objects.count(), Enrollment.objects.filter(spent_at=None).count())
        self.assertEqual(device.authenticate(**keys).status_code, 403)
        after = (Channel.objects.count(), Device.objects.count(), Enrollment.objects.filter(spent_at=None).count())
        self.assertEqual(after, before)
        return self.events("enrollment.refused")[-1].metadata["why"]
