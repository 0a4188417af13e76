from mdm.commands.models import Command
from tests.base import AccountTestCase
from tests.factories import make_device


class DeviceUpdateTest(AccountTestCase):
    def patch(self, device, **parameters):
        return self.api.patch(f"/api/v1/devices/{device.pk}", parameters)

    def test_the_name_changes_at_once(self):
        device = make_device(self.account)
        response = self.patch(device, name="Ashley's iPad")
        self.assertEqual(response.status_code, 200, response.content)
        self.assertEqual(response.json()["data"]["attributes"]["name"], "Ashley's iPad")
        device.refresh_from_db()
        self.assertEqual(device.name, "Ashley's iPad")
        self.assertEqual(Command.objects.count(), 0)

    def test_the_name_on_the_device_is_a_queued_command(self):
        device = make_device(self.account)
        response = self.patch(device, device_name="sales-07")
        self.assertEqual(response.status_code, 200, response.content)
        command = Command.objects.get()
        self.assertEqual(command.request_type, "Settings")
        self.assertEqual(command.parameters, {"Settings": [{"Item": "DeviceName", "DeviceName": "sales-07"}]})
        self.assertEqual(response.json()["data"]["attributes"]["device_name"], device.device_name)

    def test_an_unsupervised_iphone_refuses_its_name_and_nothing_is_changed(self):
        device = make_device(self.account, is_supervised=False)
        response = self.patch(device, name="Other", device_name="sales-07")
        self.assertEqual(response.status_code, 422)
        self.assertIn("supervised", response.json()["errors"][0]["title"])
        name = device.name
        device.refresh_from_db()
        self.assertEqual((device.name, Command.objects.count()), (name, 0))

    def test_a_device_that_is_not_enrolled_refuses_it_too(self):
        response = self.patch(make_device(self.account, enrolled=False), device_name="sales-07")
        self.assertEqual(response.status_code, 422)

    def test_an_empty_name_is_refused(self):
        self.assertEqual(self.patch(make_device(self.account), name="").status_code, 422)

    def test_an_empty_name_on_the_device_is_none(self):
        """Clients that rename a device here send both names, whatever the device is."""
        for device in (make_device(self.account), make_device(self.account, enrolled=False)):
            for nothing in ("", None):
                response = self.patch(device, name="New", device_name=nothing)
                self.assertEqual(response.status_code, 200, response.content)
                self.assertEqual(response.json()["data"]["attributes"]["name"], "New")
        self.assertEqual(Command.objects.count(), 0)
