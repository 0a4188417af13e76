import plistlib

from devices.models import ProfileVersion
from devices.services.erasing import wipe
from devices.services.profiles import delete_profile
from enrollment.models import IdentityCertificate, ScepChallenge
from mdm.accounts.actors import SYSTEM
from mdm.commands.models import Command
from mdm.endpoints.renderers import CannotRender, complete
from tests.enrollment.base import EnrollmentTestCase
from tests.factories import make_device, make_mobileconfig, make_profile
from tests.mdm.protocol.profiles import read_profile


class ReturnToServiceTest(EnrollmentTestCase):
    def setUp(self):
        super().setUp()
        self.device = make_device(self.account)
        self.wifi = make_profile(
            self.account, content=make_mobileconfig("com.example.wifi"), identifier="com.example.wifi"
        )
        ProfileVersion.objects.update(payload_types=["com.apple.wifi.managed"])

    def delivered(self, **options) -> dict:
        command = wipe(self.device, return_to_service=True, actor=SYSTEM, **options)
        return plistlib.loads(complete(command))["Command"]

    def test_the_device_gets_an_enrollment_profile_to_come_back_with(self):
        keys = self.delivered(preserve_data_plan=True)
        service = keys.pop("ReturnToService")
        self.assertEqual(keys, {"RequestType": "EraseDevice", "PreserveDataPlan": True})
        self.assertIs(service["Enabled"], True)
        self.assertNotIn("WiFiProfileData", service)
        payloads = read_profile(service["MDMProfileData"])["PayloadContent"]
        scep = next(one["PayloadContent"] for one in payloads if one["PayloadType"] == "com.apple.security.scep")
        answer = self.scep().request(scep["Challenge"])
        self.assert_success(answer)
        self.assertEqual(IdentityCertificate.objects.get().device, self.device)

    def test_and_the_network_to_come_back_by(self):
        service = self.delivered(wifi_profile=self.wifi)["ReturnToService"]
        self.assertEqual(read_profile(service["WiFiProfileData"])["PayloadIdentifier"], "com.example.wifi")

    def test_a_device_that_enrolls_automatically_fetches_its_profile(self):
        self.device.is_dep_enrollment = True
        self.device.save()
        self.assertEqual(self.delivered(), {"RequestType": "EraseDevice", "ReturnToService": {"Enabled": True}})
        self.assertFalse(ScepChallenge.objects.exists())

    def test_nothing_of_it_is_stored_with_the_command(self):
        command = wipe(self.device, return_to_service=True, wifi_profile=self.wifi, actor=SYSTEM)
        self.assertEqual((command.secrets, command.raw_plist), (None, b""))
        self.assertNotIn("Data", str(command.parameters))

    def test_a_network_that_was_deleted_meanwhile_keeps_the_device_as_it_is(self):
        wipe(self.device, return_to_service=True, wifi_profile=self.wifi, actor=SYSTEM)
        delete_profile(self.wifi, actor=SYSTEM)
        with self.assertRaisesMessage(CannotRender, "The Wi-Fi profile for the return to service was deleted."):
            complete(Command.objects.get())
