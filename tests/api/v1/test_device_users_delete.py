from devices.models import DeviceUser
from mdm.commands.models import Command
from mdm.events.models import Event
from tests.base import AccountTestCase
from tests.factories import make_device, make_device_user


class DeleteDeviceUserTest(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.mac = make_device(self.account, platform="macOS")
        self.user = make_device_user(self.mac, "userone")
        self.url = f"/api/v1/devices/{self.mac.pk}/users/{self.user.pk}"

    def assert_refused(self, response, title: str):
        self.assertEqual(response.status_code, 422)
        self.assertIn(title, response.json()["errors"][0]["title"])
        self.assertFalse(Command.objects.exists())

    def test_the_mac_is_told_and_the_row_stays_until_it_reports(self):
        response = self.api.delete(self.url)
        self.assertEqual((response.status_code, response.content, response["Content-Length"]), (202, b"", "0"))
        command = Command.objects.get()
        self.assertEqual((command.request_type, command.parameters), ("DeleteUser", {"UserName": "userone"}))
        self.assertTrue(DeviceUser.objects.exists())
        event = Event.objects.get()
        self.assertEqual((event.event_type, event.api_key, event.device), ("command.queued", self.api_key, self.mac))

    def test_other_devices_are_refused_whatever_the_user(self):
        phone = make_device(self.account)
        user = make_device_user(phone)
        for pk in (user.pk, 0):
            self.assert_refused(
                self.api.delete(f"/api/v1/devices/{phone.pk}/users/{pk}"), "supervised Macs and Shared iPads only"
            )

    def test_an_unsupervised_mac_is_refused(self):
        mac = make_device(self.account, platform="macOS", is_supervised=False)
        user = make_device_user(mac)
        self.assert_refused(self.api.delete(f"/api/v1/devices/{mac.pk}/users/{user.pk}"), "not supervised")

    def test_a_mac_that_is_not_enrolled_is_refused(self):
        self.mac.channels.all().delete()
        self.assert_refused(self.api.delete(self.url), "not enrolled")

    def test_users_of_other_devices_and_strangers_are_404(self):
        other = make_device_user(make_device(self.account, platform="macOS"))
        for api, path in (
            (self.api, f"{self.mac.pk}/users/{other.pk}"),
            (self.api, f"{self.mac.pk}/users/0"),
            (self.outsider_api, f"{self.mac.pk}/users/{self.user.pk}"),
        ):
            self.assertEqual(api.delete(f"/api/v1/devices/{path}").status_code, 404)
        self.assertFalse(Command.objects.exists())
