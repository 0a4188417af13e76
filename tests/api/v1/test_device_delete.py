from enrollment.models import Enrollment
from mdm.channels.models import Channel, ChannelState
from tests.base import AccountTestCase
from tests.factories import make_device, make_enrollment


class DeviceDeleteTest(AccountTestCase):
    def test_it_is_told_to_leave_and_is_gone_from_the_account(self):
        device = make_device(self.account)
        url = f"/api/v1/devices/{device.pk}"
        response = self.api.delete(url)
        self.assertEqual((response.status_code, response.content), (204, b""))
        self.assertEqual(response["Content-Length"], "0")
        self.assertEqual(Channel.objects.get().state, ChannelState.LEAVING)
        self.assertEqual(self.api.get(url).status_code, 404)

    def test_once_more_is_404(self):
        device = make_device(self.account)
        self.api.delete(f"/api/v1/devices/{device.pk}")
        self.assertEqual(self.api.delete(f"/api/v1/devices/{device.pk}").status_code, 404)

    def test_its_open_link_is_revoked(self):
        device = make_device(self.account, enrolled=False)
        make_enrollment(device=device)
        self.api.delete(f"/api/v1/devices/{device.pk}")
        self.assertIsNotNone(Enrollment.objects.get().revoked_at)

    def test_a_post_that_says_so_deletes_as_well(self):
        device = make_device(self.account)
        response = self.api.post(f"/api/v1/devices/{device.pk}/", {"_method": "DELETE"})
        self.assertEqual(response.status_code, 204)
