"""What the device's page offers to do: by name, with the reason where it is not possible, and only to whom it is allowed."""

from django.urls import reverse
from django.utils import timezone

from devices.models import Device
from mdm.accounts.models import Role
from mdm.channels.models import Channel
from mdm.commands.models import Command
from tests.admin.base import AdminTestCase
from tests.factories import make_device


class ActionsCase(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.mac = make_device(self.account, platform="macOS", name="Lab Mac")
        self.phone = make_device(self.account, platform="iOS", name="Phone")
        channel = self.phone.device_channel
        channel.unlock_token = b"token"
        channel.save()

    def page(self, device: Device, role: Role = Role.OWNER, query: str = "") -> object:
        return self.people[role].get(self.url(Device, "change", device.pk) + query)

    def offered(self, device: Device, role: Role = Role.OWNER) -> set[str]:
        actions = self.page(device, role).context["actions"]
        return {deed.key for deeds in actions.groups.values() for deed in deeds}

    def refused(self, device: Device) -> dict[str, str]:
        return {deed.key: deed.why_not for deed in self.page(device).context["actions"].not_possible}


class OfferedTest(ActionsCase):
    def test_each_kind_of_device_gets_what_it_can_do(self) -> None:
        self.assertEqual(
            self.offered(self.phone),
            {
                *("RestartDevice", "ShutDownDevice", "ScheduleOSUpdate", "Settings"),
                *("EnableLostMode", "DeviceLock", "ClearPasscode", "EraseDevice"),
            },
        )
        self.assertEqual(
            self.offered(self.mac),
            {"RestartDevice", "ShutDownDevice", "ScheduleOSUpdate", "Settings", "DeviceLock", "EraseDevice"},
        )

    def test_what_is_not_possible_says_why(self) -> None:
        self.assertEqual(self.refused(self.mac)["EnableLostMode"], "Not available on macOS.")
        Device.objects.filter(pk=self.phone.pk).update(is_supervised=False)
        refused = self.refused(self.phone)
        self.assertEqual(refused["EnableLostMode"], "Needs a supervised device.")
        self.assertIn("supervised", refused["Settings"])
        Channel.objects.update(unlock_token=None)
        self.assertIn("no unlock token", self.refused(self.phone)["ClearPasscode"])
        self.assertContains(self.page(self.phone), "Not possible here")

    def test_a_system_that_takes_no_command_for_updates_says_so(self) -> None:
        Device.objects.filter(pk=self.phone.pk).update(os_version="27.0")
        self.assertIn("Removed in iOS 27", self.refused(self.phone)["ScheduleOSUpdate"])

    def test_a_lost_device_can_be_found_and_given_back(self) -> None:
        self.phone.information = {"IsMDMLostModeEnabled": True}
        self.phone.save()
        offered = self.offered(self.phone)
        self.assertLessEqual({"DisableLostMode", "DeviceLocation", "PlayLostModeSound"}, offered)
        self.assertNotIn("EnableLostMode", offered)

    def test_what_destroys_is_named_to_operators_and_not_offered(self) -> None:
        response = self.page(self.phone, Role.OPERATOR)
        self.assertFalse(self.offered(self.phone, Role.OPERATOR) & {"EraseDevice", "DeviceLock", "RestartDevice"})
        self.assertContains(response, "For administrators: ")
        self.assertNotContains(response, "send/EraseDevice")
        self.assertNotContains(response, "remove/")

    def test_read_only_people_and_devices_that_are_not_here_have_none(self) -> None:
        self.assertNotContains(self.page(self.phone, Role.READ_ONLY), "deed-menu")
        awaited = make_device(self.account, enrolled=False)
        response = self.page(awaited)
        self.assertContains(response, "Edit name and group")
        self.assertNotContains(response, "All commands")
        self.assertEqual(self.offered(awaited), set())


class DoneTest(ActionsCase):
    def act(self, request_type: str, role: Role = Role.OPERATOR) -> object:
        url = reverse("admin:devices_device_act", args=[self.phone.pk, request_type])
        return self.people[role].post(url, follow=True)

    def test_a_lost_device_is_asked_where_it_is_by_one_button(self) -> None:
        self.phone.information = {"IsMDMLostModeEnabled": False}
        self.phone.save()
        self.assertContains(self.act("DeviceLocation"), "The device is not in Lost Mode.")
        self.phone.information = {"IsMDMLostModeEnabled": True}
        self.phone.save()
        self.assertContains(self.act("DeviceLocation"), "Phone tells where it is.")
        self.assertContains(self.act("PlayLostModeSound"), "Phone plays a sound")
        self.assertEqual(
            list(Command.objects.order_by("pk").values_list("request_type", flat=True)),
            ["DeviceLocation", "PlayLostModeSound"],
        )

    def test_nothing_else_is_done_without_its_form(self) -> None:
        for name in ("EraseDevice", "DeviceInformation", "NoSuchThing"):
            self.assertEqual(self.act(name, Role.OWNER).status_code, 404, name)
        self.assertEqual(self.act("DeviceLocation", Role.READ_ONLY).status_code, 403)
        self.assertFalse(Command.objects.exists())

    def test_each_form_says_what_it_will_do_to_the_device(self) -> None:
        for device, name, words in (
            (self.mac, "DeviceLock", "Lab Mac restarts at once and asks for the PIN"),
            (self.phone, "DeviceLock", "Phone locks its screen at once"),
            (self.phone, "EraseDevice", "Everything on Phone is deleted, for good"),
            (self.phone, "RestartDevice", "Phone restarts as soon as it connects"),
            (self.phone, "CertificateList", "certificates"),
        ):
            url = reverse("admin:devices_device_compose", args=[device.pk, name])
            self.assertContains(self.people[Role.OWNER].get(url), words, msg_prefix=name)

    def test_the_form_for_the_name_shows_the_present_one(self) -> None:
        url = reverse("admin:devices_device_compose", args=[self.phone.pk, "Settings"]) + "?item=DeviceName"
        self.assertContains(
            self.people[Role.OWNER].get(url), f'value="{self.phone.device_name}"'.replace("'", "&#x27;")
        )

    def test_a_mac_is_not_locked_without_a_pin(self) -> None:
        url = reverse("admin:devices_device_compose", args=[self.mac.pk, "DeviceLock"])
        response = self.people[Role.OWNER].post(url, {"confirmation": "Lab Mac"})
        self.assertContains(response, "six digits, which unlocks it again", status_code=422)
        self.assertFalse(Command.objects.exists())

    def test_an_old_mac_is_not_erased_without_a_pin(self) -> None:
        Device.objects.filter(pk=self.mac.pk).update(product_name="MacBook10,1")
        url = reverse("admin:devices_device_compose", args=[self.mac.pk, "EraseDevice"])
        response = self.people[Role.OWNER].post(url, {"confirmation": "Lab Mac"})
        self.assertContains(response, "neither a T2 chip nor Apple silicon", status_code=422)
        self.assertFalse(Command.objects.exists())


class UpdateTest(ActionsCase):
    def setUp(self) -> None:
        super().setUp()
        self.address = self.url(Device, "update_os", self.mac.pk)

    def test_the_system_is_updated_as_chosen(self) -> None:
        data = {"mode": "install_asap", "version_type": "", "confirmation": "Lab Mac"}
        response = self.people[Role.ADMIN].post(self.address, data)
        command = Command.objects.get()
        self.assertRedirects(response, self.url(Command, "change", command.pk), fetch_redirect_response=False)
        self.assertEqual(command.parameters, {"Updates": [{"InstallAction": "InstallASAP"}]})
        self.assertEqual(command.actor_label, "admin@acme.example")

    def test_a_version_is_picked_from_what_the_mac_listed(self) -> None:
        listed = (
            b"<plist><dict><key>AvailableOSUpdates</key><array><dict><key>ProductKey</key><string>KEY</string>"
            b"<key>HumanReadableName</key><string>macOS 15.1</string><key>Version</key><string>15.1</string>"
            b"</dict></array></dict></plist>"
        )
        Command.objects.create(
            account=self.account,
            channel=self.mac.device_channel,
            request_type="AvailableOSUpdates",
            state="acknowledged",
            apply_state="applied",
            finished_at=timezone.now(),
            result=listed,
        )
        data = {"mode": "smart_update", "version_type": "latest_major_version", "confirmation": "Lab Mac"}
        self.people[Role.ADMIN].post(self.address, data)
        sent = Command.objects.get(request_type="ScheduleOSUpdate")
        self.assertEqual(sent.parameters["Updates"], [{"ProductKey": "KEY", "InstallAction": "Default"}])

    def test_without_the_typed_name_or_for_operators_nothing_is_sent(self) -> None:
        response = self.people[Role.ADMIN].post(self.address, {"mode": "install_asap", "confirmation": "Mac"})
        self.assertEqual(response.status_code, 422)
        self.assertEqual(self.people[Role.OPERATOR].get(self.address).status_code, 403)
        self.assertFalse(Command.objects.exists())

    def test_a_phone_is_not_offered_what_only_macs_know(self) -> None:
        page = self.people[Role.ADMIN].get(self.url(Device, "update_os", self.phone.pk))
        self.assertNotContains(page, 'value="force_update"')
        self.assertContains(page, 'value="install_asap"')

    def test_a_refusal_of_the_device_is_said_on_the_form(self) -> None:
        Device.objects.filter(pk=self.mac.pk).update(is_supervised=False)
        data = {"mode": "install_asap", "confirmation": "Lab Mac"}
        self.assertContains(self.people[Role.ADMIN].post(self.address, data), "supervised", status_code=422)
