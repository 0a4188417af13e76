import time

from django.core.cache import cache

from mdm.commands.models import Command
from tests.base import AccountTestCase
from tests.factories import make_device


class DeviceRefreshTest(AccountTestCase):
    def setUp(self):
        super().setUp()
        cache.clear()
        self.addCleanup(cache.clear)

    def refresh(self, device):
        return self.api.post(f"/api/v1/devices/{device.pk}/refresh")

    def test_it_queues_the_inventory(self):
        response = self.refresh(make_device(self.account, platform="macOS"))
        self.assertEqual((response.status_code, response.content), (202, b""))
        self.assertEqual(response["Content-Length"], "0")
        types = set(Command.objects.values_list("request_type", flat=True))
        self.assertLessEqual({"DeviceInformation", "SecurityInfo", "InstalledApplicationList", "UserList"}, types)

    def test_too_often_is_429_and_queues_nothing(self):
        device = make_device(self.account)
        self.refresh(device)
        count = Command.objects.count()
        response = self.refresh(device)
        self.assertEqual((response.status_code, Command.objects.count()), (429, count))
        self.assertTrue(1 <= int(response["Retry-After"]) <= 30)
        self.assertGreater(int(response["X-RateLimit-Reset"]), time.time())

    def test_other_devices_do_not_wait_for_it(self):
        self.refresh(make_device(self.account))
        self.assertEqual(self.refresh(make_device(self.account)).status_code, 202)

    def test_a_device_that_is_not_enrolled_is_422_each_time(self):
        device = make_device(self.account, enrolled=False)
        for _ in range(2):
            self.assertEqual(self.refresh(device).status_code, 422)
