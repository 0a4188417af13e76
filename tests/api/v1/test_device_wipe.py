from devices.models import AttributeValue, ProfileAssignment, ProfileVersion
from mdm.commands.models import Command
from mdm.events.models import Event
from tests.api.v1.action_base import ActionChecks, ActionTestCase
from tests.factories import (
    make_attribute,
    make_attribute_value,
    make_device,
    make_profile,
    make_profile_assignment,
)
from tests.factories.due import is_marked

WITHOUT_CHIP = {"platform": "macOS", "product_name": "MacBookPro14,1"}


class DeviceWipeTest(ActionChecks, ActionTestCase):
    path = "wipe"

    def test_an_iphone_is_wiped(self):
        self.assert_queued(self.send(self.make(is_supervised=False), pin=""), "EraseDevice", {})

    def test_its_options_are_passed_on(self):
        response = self.send(self.make(), preserve_data_plan=True, disallow_proximity_setup="true")
        self.assert_queued(response, "EraseDevice", {"PreserveDataPlan": True, "DisallowProximitySetup": True})

    def test_a_mac_with_a_chip_needs_no_pin(self):
        response = self.send(self.make(platform="macOS"), obliteration_behavior="DoNotObliterate")
        self.assert_queued(response, "EraseDevice", {"ObliterationBehavior": "DoNotObliterate"})

    def test_other_spellings_of_the_behavior_are_understood_and_nonsense_is_not(self):
        device = self.make(platform="macOS")
        self.assert_refused(self.send(device, obliteration_behavior="never"), "obliteration_behavior", "Always")
        response = self.send(device, obliteration_behavior="obliterate_with_warning")
        self.assert_queued(response, "EraseDevice", {"ObliterationBehavior": "ObliterateWithWarning"})

    def test_a_mac_without_a_chip_needs_a_pin(self):
        self.assert_refused(self.send(self.make(**WITHOUT_CHIP)), "neither a T2 chip nor Apple silicon", "six digits")

    def test_it_gets_its_pin_which_nobody_else_sees(self):
        command = self.assert_queued(
            self.send(self.make(**WITHOUT_CHIP), pin="123456"), "EraseDevice", {"PIN": "123456"}
        )
        self.assertEqual(command.parameters, {})
        self.assert_nowhere("123456")

    def test_a_mac_of_which_little_is_known_is_wiped_without_a_pin(self):
        self.assert_queued(self.send(self.make(platform="macOS", product_name="VMware7,1")), "EraseDevice", {})

    def test_a_pin_has_six_digits(self):
        self.assert_refused(self.send(self.make(**WITHOUT_CHIP), pin="1234"), "PIN: must be six digits")

    def test_an_iphone_refuses_a_pin(self):
        self.assert_refused(self.send(self.make(), pin="123456"), "A PIN is for Macs only")

    def test_a_mac_refuses_what_is_for_iphones(self):
        device = self.make(platform="macOS")
        self.assert_refused(self.send(device, preserve_data_plan=True), "PreserveDataPlan is not available on macOS")
        self.assert_refused(self.send(device, return_to_service=True), "ReturnToService is not available on macOS")

    def test_with_user_enrollment_it_is_refused(self):
        self.assert_refused(self.send(self.make(is_user_enrollment=True)), "not available with User Enrollment")

    def test_the_lock_of_an_apple_account_cannot_be_taken_off(self):
        self.assert_refused(self.send(self.make(), disable_activation_lock=True), "bypass code", "not known")
        self.assert_queued(self.send(self.make(), disable_activation_lock="false"), "EraseDevice", {})


class DeviceWipeAndForgetTest(ActionTestCase):
    path = "wipe"

    def setUp(self):
        super().setUp()
        self.device, self.other = self.make(), make_device(self.account)
        self.profile = make_profile(self.account)
        self.attribute = make_attribute(self.account, "seat")
        for device in (self.device, self.other):
            make_profile_assignment(self.profile, device)
            make_attribute_value(device, self.attribute, "12A")

    def left(self) -> list[tuple[list[int], list[int]]]:
        return [
            [model.objects.filter(device=device).count() for model in (AttributeValue, ProfileAssignment)]
            for device in (self.device, self.other)
        ]

    def test_unasked_it_forgets_nothing(self):
        self.send(self.device)
        self.assertEqual(self.left(), [[1, 1], [1, 1]])

    def test_the_values_of_the_device_go(self):
        self.assert_queued(self.send(self.device, clear_custom_attributes=True), "EraseDevice", {})
        self.assertEqual(self.left(), [[0, 1], [1, 1]])
        event = Event.objects.get(event_type="custom_attribute.value_set")
        self.assertEqual((event.actor_label, event.device), ("Test key", self.device))
        self.assertEqual((event.metadata["name"], event.metadata["cleared"]), ("seat", True))

    def test_the_profiles_of_the_device_are_unassigned(self):
        make_profile_assignment(self.profile, self.group)
        self.send(self.device, unassign_direct_profiles=True)
        self.assertEqual(self.left(), [[1, 0], [1, 1]])
        self.assertEqual(ProfileAssignment.objects.filter(device_group=self.group).count(), 1)
        event = Event.objects.get(event_type="profile.unassigned")
        self.assertEqual((event.actor_label, event.metadata["profile_id"]), ("Test key", self.profile.pk))
        self.device.refresh_from_db()
        self.assertTrue(is_marked(self.device))

    def test_a_refusal_forgets_nothing(self):
        response = self.send(self.device, clear_custom_attributes=1, unassign_direct_profiles=1, pin="123456")
        self.assert_refused(response, "PIN")
        self.assertEqual(self.left(), [[1, 1], [1, 1]])


class DeviceReturnToServiceTest(ActionTestCase):
    path = "wipe"

    def wifi(self, *types: str, **fields):
        profile = make_profile(fields.pop("account", self.account), **fields)
        ProfileVersion.objects.filter(profile=profile).update(payload_types=list(types or ["com.apple.wifi.managed"]))
        return profile

    def test_it_is_completed_at_delivery(self):
        profile = self.wifi()
        device = self.make()
        response = self.send(device, return_to_service=True, wifi_profile_id=profile.pk, preserve_data_plan=True)
        keys = {"PreserveDataPlan": True, "ReturnToService": {"Enabled": True}}
        recipe = {"Recipe": "return_to_service", "Keys": keys, "WiFiProfile": profile.pk}
        self.assert_queued(response, "EraseDevice", recipe)

    def test_an_apple_tv_on_a_cable_needs_no_network(self):
        response = self.send(self.make(platform="tvOS", os_version="18.1"), return_to_service="1")
        recipe = {"Recipe": "return_to_service", "Keys": {"ReturnToService": {"Enabled": True}}, "WiFiProfile": None}
        self.assert_queued(response, "EraseDevice", recipe)

    def test_an_older_iphone_refuses(self):
        device = self.make(os_version="16.7.8")
        self.assert_refused(self.send(device, return_to_service=True), "ReturnToService needs iOS 17.0 or later")

    def test_a_device_of_which_nothing_is_known_is_not_sent_a_pin(self):
        device = self.make(platform="", os_version="")
        self.assert_refused(self.send(device, return_to_service=True, pin="123456"), "A PIN is for Macs")

    def test_a_profile_without_a_network_is_refused(self):
        profile = self.wifi("com.apple.mail.managed")
        response = self.send(self.make(), return_to_service=True, wifi_profile_id=profile.pk)
        self.assert_refused(response, "no Wi-Fi network")

    def test_a_network_without_the_return_is_refused(self):
        response = self.send(self.make(), wifi_profile_id=self.wifi().pk)
        self.assert_refused(response, "return to service only")

    def test_a_profile_of_another_account_is_404(self):
        foreign = self.wifi(account=self.other_account)
        response = self.send(self.make(), return_to_service=True, wifi_profile_id=foreign.pk)
        self.assertEqual((response.status_code, Command.objects.count()), (404, 0))
