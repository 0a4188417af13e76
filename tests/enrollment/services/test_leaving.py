from datetime import timedelta
from unittest import mock

from django.utils import timezone

from devices.models import Device
from enrollment.services.leaving import unenroll
from enrollment.services.profile import enrollment_profile, profile_identifier
from mdm.accounts.actors import SYSTEM
from mdm.channels.models import Channel, ChannelState
from mdm.commands.models import Command
from mdm.commands.states import State
from mdm.endpoints.tasks import apply_results
from mdm.events.models import Event
from tests.enrollment.base import EnrollmentTestCase
from tests.factories import make_channel, make_command, make_device, make_installed_profile
from tests.mdm.endpoints.base import DeviceTestCase
from tests.mdm.protocol.profiles import read_profile


class ManagementProfileTest(EnrollmentTestCase):
    def test_it_is_ours_when_the_device_has_not_listed_its_profiles(self):
        device = make_device(self.account)
        ours = read_profile(enrollment_profile(self.group_link()))["PayloadIdentifier"]
        self.assertEqual(profile_identifier(self.authority), ours)
        self.assertEqual(unenroll(device, SYSTEM).parameters, {"Identifier": ours})

    def test_it_is_the_one_that_the_device_lists(self):
        device = make_device(self.account)
        make_installed_profile(device, "com.example.other", payloads=[{"type": "com.apple.mdm"}], user_key="user")
        make_installed_profile(device, "com.example.mdm", payloads=[{}, {"type": "com.apple.mdm"}])
        self.assertEqual(unenroll(device, SYSTEM).parameters, {"Identifier": "com.example.mdm"})


class LeavingTest(DeviceTestCase):
    """Devices that enroll, obey and say goodbye through the server's URLs."""

    def setUp(self):
        super().setUp()
        patched = mock.patch("mdm.endpoints.connect.nudge")  # the worker has time
        patched.start()
        self.addCleanup(patched.stop)
        self.device = self.enrolled_device()
        self.identifier = "com.example.mdm"
        make_installed_profile(self.device.row, self.identifier, payloads=[{"type": "com.apple.mdm"}])

    def state(self) -> tuple[str, str]:
        device = Device.objects.get(pk=self.device.row.pk)
        return device.state, self.device.channel.state

    def why_left(self) -> list[str]:
        return [event.metadata["why"] for event in self.events("device.unenrolled")]

    def assert_left(self, why: str):
        self.assertEqual(self.state(), ("unenrolled", "closed"))
        self.assertEqual(self.why_left(), [why])
        device = Device.objects.get(pk=self.device.row.pk)
        self.assertIsNotNone(device.unenrolled_at)
        self.assertIsNone(device.removed_at)

    def assert_stays(self):
        apply_results()
        self.assertEqual((self.state(), self.why_left()), (("enrolled", "open"), []))

    def test_a_device_that_checks_out_has_left(self):
        unenroll(self.device.row, SYSTEM)
        command = self.device.idle()
        self.assertEqual(command["Command"], {"RequestType": "RemoveProfile", "Identifier": self.identifier})
        self.assertEqual(self.state(), ("enrolled", "open"))
        self.device.check_out()
        self.assertEqual(self.state(), ("unenrolled", "closed"))
        self.assertEqual(len(self.why_left()), 1)
        self.assertEqual(Command.objects.get().state, State.CANCELLED)

    def test_one_that_only_answers_has_left_too(self):
        waiting = make_command(make_channel(self.device.row, user_key="user"), "ProfileList")
        unenroll(self.device.row, SYSTEM)
        self.device.acknowledge(self.device.idle()["CommandUUID"])
        apply_results()
        self.assert_left("its management profile was removed")
        waiting.refresh_from_db()
        self.assertEqual(waiting.state, State.CANCELLED)
        self.assertFalse(Channel.objects.exclude(state=ChannelState.CLOSED).exists())
        event = Event.objects.get(event_type="device.unenrolled")
        self.assertEqual(event.metadata["device_group_id"], self.device.row.group_id)
        self.assertEqual(event.namespace, "device")

    def test_answer_and_goodbye_are_one_departure(self):
        unenroll(self.device.row, SYSTEM)
        self.device.acknowledge(self.device.idle()["CommandUUID"])
        self.device.check_out()
        apply_results()
        self.assertEqual((self.state(), len(self.why_left())), (("unenrolled", "closed"), 1))

    def test_a_refusal_leaves_it_managed(self):
        unenroll(self.device.row, SYSTEM)
        self.device.error(self.device.idle()["CommandUUID"])
        self.assert_stays()

    def test_another_profile_that_is_removed_leaves_it_managed(self):
        make_command(self.device.channel, "RemoveProfile", parameters={"Identifier": "com.example.wifi"})
        self.device.acknowledge(self.device.idle()["CommandUUID"])
        self.assert_stays()

    def test_an_erased_device_has_left(self):
        make_command(self.device.channel, "EraseDevice")
        self.device.acknowledge(self.device.idle()["CommandUUID"])
        apply_results()
        self.assert_left("erased")

    def test_a_mac_that_may_have_failed_to_erase_itself_stays(self):
        make_command(self.device.channel, "EraseDevice", parameters={"ObliterationBehavior": "DoNotObliterate"})
        self.device.acknowledge(self.device.idle()["CommandUUID"])
        self.assert_stays()

    def test_one_that_enrolled_again_before_its_answer_was_read_stays(self):
        make_command(self.device.channel, "EraseDevice")
        self.device.acknowledge(self.device.idle()["CommandUUID"])
        Command.objects.update(finished_at=timezone.now() - timedelta(minutes=1))
        again = self.device.with_certificate(*self.issue(device=self.device.row))
        again.enroll()
        self.assert_stays()

    def test_one_that_is_about_to_enroll_again_is_not_disturbed(self):
        make_command(self.device.channel, "EraseDevice")
        self.device.acknowledge(self.device.idle()["CommandUUID"])
        again = self.device.with_certificate(*self.issue(device=self.device.row))
        again.authenticate()
        apply_results()
        self.assertEqual((again.token_update().status_code, self.state()), (200, ("enrolled", "open")))
