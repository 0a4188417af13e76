from devices.models import Device
from mdm.commands.models import Command
from tests.api.v1.action_base import ActionChecks, ActionTestCase
from tests.factories import make_installed_profile

MDM = [{"type": "com.apple.security.scep"}, {"type": "com.apple.mdm"}]


class DeviceUnenrollTest(ActionChecks, ActionTestCase):
    path = "unenroll"

    def make(self, **fields) -> Device:
        device = super().make(**fields)
        make_installed_profile(device, "com.example.wifi", payloads=[{"type": "com.apple.wifi.managed"}])
        make_installed_profile(device, "com.example.enrollment", payloads=MDM)
        return device

    def test_the_profile_that_manages_it_is_removed(self):
        device = self.make()
        self.assert_queued(self.send(device), "RemoveProfile", {"Identifier": "com.example.enrollment"})
        device.refresh_from_db()
        self.assertEqual((device.state, device.removed_at), ("enrolled", None))

    def test_it_works_on_every_kind_of_device(self):
        for fields in ({"platform": "macOS"}, {"platform": "tvOS"}, {"is_supervised": False}):
            self.assertEqual(self.send(self.make(**fields)).status_code, 202)

    def test_asking_again_queues_nothing_more(self):
        device = self.make()
        self.send(device)
        self.assertEqual(self.send(device).status_code, 202)
        self.assertEqual(Command.objects.count(), 1)

    def test_another_profile_that_is_being_removed_does_not_count(self):
        device = self.make()
        Command.objects.create(
            account=self.account,
            channel=device.device_channel,
            request_type="RemoveProfile",
            parameters={"Identifier": "com.example.wifi"},
        )
        self.send(device)
        self.assertEqual(Command.objects.count(), 2)

    def test_a_device_whose_profile_nobody_knows_is_422(self):
        device = super().make()
        self.assert_refused(self.send(device), "not known which profile manages this device")
