from django.utils import timezone

from tests.base import AccountTestCase
from tests.factories import make_device, make_profile, make_profile_assignment
from tests.factories.wanted import make_group_with


class DeviceProfilesTest(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.device = make_device(self.account)
        self.url = f"/api/v1/devices/{self.device.pk}/profiles"

    def assigned(self, owner, name: str = "", **fields):
        profile = make_profile(self.account, name, **fields)
        make_profile_assignment(profile, owner)
        return profile

    def test_those_of_the_device_itself(self):
        profile = self.assigned(self.device, "Office")
        for owner in (make_device(self.account), self.device.group, make_group_with(self.account, self.device)):
            self.assigned(owner)
        self.assigned(self.device, removed_at=timezone.now())
        make_profile_assignment(profile, self.device.group)
        (row,) = self.api.get(self.url).json()["data"]
        self.assertEqual((row["type"], row["id"]), ("custom_configuration_profile", profile.pk))
        self.assertEqual(row["attributes"]["name"], "Office")
        self.assertEqual((row["attributes"]["group_count"], row["attributes"]["device_count"]), (1, 1))

    def test_pages(self):
        profiles = [self.assigned(self.device) for _ in range(3)]
        body = self.api.get(self.url, {"limit": 2}).json()
        self.assertEqual(
            ([row["id"] for row in body["data"]], body["has_more"]), ([one.pk for one in profiles[:2]], True)
        )
        body = self.api.get(self.url, {"starting_after": profiles[1].pk}).json()
        self.assertEqual(([row["id"] for row in body["data"]], body["has_more"]), ([profiles[2].pk], False))

    def test_the_number_of_statements_does_not_grow(self):
        self.api.get(self.url)  # notes when the key was used
        for count in (1, 8):
            for _ in range(count):
                make_profile_assignment(self.assigned(self.device), self.device.group)
            with self.assertNumQueries(4):  # the key, the device, the page, the groups of the page's profiles
                self.api.get(self.url, {"limit": 100})

    def test_somebody_elses_and_removed_devices_are_404(self):
        removed = make_device(self.account, removed_at=timezone.now())
        self.assertEqual(self.outsider_api.get(self.url).status_code, 404)
        self.assertEqual(self.api.get(f"/api/v1/devices/{removed.pk}/profiles").status_code, 404)
