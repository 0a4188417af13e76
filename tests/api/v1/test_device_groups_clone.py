from devices.models import DeviceGroup
from mdm.events.models import Event
from tests.base import AccountTestCase
from tests.factories import make_device, make_group, make_profile, make_profile_assignment


class CloneDeviceGroupTest(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.source = make_group(self.account, "Remote Employees")
        self.url = f"/api/v1/device_groups/{self.source.pk}/clone"

    def test_the_copy_has_the_same_profiles_but_no_devices(self):
        make_device(self.account, group=self.source)
        profile = make_profile(self.account)
        make_profile_assignment(profile, self.source)
        response = self.api.post(self.url)
        self.assertEqual(response.status_code, 200, response.content)
        copy = DeviceGroup.objects.get(name="Remote Employees (1)")
        self.assertEqual(
            response.json()["data"],
            {
                "type": "device_group",
                "id": copy.pk,
                "attributes": {"name": "Remote Employees (1)"},
                "relationships": {"devices": {"data": []}},
            },
        )
        self.assertEqual(copy.profile_assignments.get().profile, profile)

    def test_the_second_copy_has_the_next_number(self):
        names = [self.api.post(self.url).json()["data"]["attributes"]["name"] for _ in range(2)]
        self.assertEqual(names, ["Remote Employees (1)", "Remote Employees (2)"])

    def test_the_log_names_the_key(self):
        self.api.post(self.url)
        event = Event.objects.get()
        self.assertEqual((event.event_type, event.api_key), ("device_group.created", self.api_key))

    def test_strangers_get_404(self):
        self.assertEqual(self.outsider_api.post(self.url).status_code, 404)
        self.assertFalse(DeviceGroup.objects.filter(name__endswith="(1)").exists())
