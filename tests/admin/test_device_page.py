"""The page of one device: its head, its tabs, how it renews itself, and editing."""

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from devices.models import Device, DeviceState
from enrollment.models import Enrollment
from mdm.accounts.models import Role
from mdm.channels.models import Channel, ChannelState
from mdm.commands.models import Command
from tests.admin.base import AdminTestCase
from tests.factories import (
    make_attribute,
    make_attribute_value,
    make_channel,
    make_command,
    make_device,
    make_device_user,
    make_event,
    make_group,
    make_installed_app,
    make_installed_profile,
)

HTMX = {"HX-Request": "true"}
TABS = (
    *("overview", "hardware", "security", "apps", "profiles", "certificates", "users"),
    *("commands", "scripts", "location", "attributes", "log", "answers"),
)
MOST_STATEMENTS = 24


class DevicePageCase(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.device = make_device(self.account, platform="macOS", name="Ann's Mac")
        self.page = self.url(Device, "change", self.device.pk)

    def tab(self, key: str, role: Role = Role.READ_ONLY, query: str = "") -> object:
        return self.people[role].get(f"{self.page}?tab={key}{query}")


class HeadTest(DevicePageCase):
    def test_it_says_what_people_look_for(self) -> None:
        self.device.information = {
            "BatteryLevel": 0.83,
            "DeviceCapacity": 500.0,
            "AvailableDeviceCapacity": 125.0,
            "IsMDMLostModeEnabled": True,
        }
        self.device.save()
        make_device_user(self.device, "ann", full_name="Ann Apple", logged_in=True)
        response = self.people[Role.READ_ONLY].get(self.page)
        for words in ("MacBook Air", "macOS 14.5", "83 %", "125.0 GB free of 500.0 GB", "Ann Apple", "Lost Mode"):
            self.assertContains(response, words)
        self.assertContains(response, "pm-art-macbook")
        self.assertContains(response, 'value="75" aria-label="Storage in use"')

    def test_every_kind_of_device_has_its_own_drawing(self) -> None:
        for product, model, platform, drawing in (
            ("iPhone14,7", "iPhone", "iOS", "iphone"),
            ("iPad13,1", "iPad Air", "iOS", "ipad"),
            ("Mac14,2", "MacBook Air", "macOS", "macbook"),
            ("iMac21,1", "iMac", "macOS", "imac"),
            ("Mac13,1", "Mac Studio", "macOS", "mac"),
            ("Macmini9,1", "", "macOS", "mac"),
            ("AppleTV14,1", "Apple TV", "tvOS", "appletv"),
            ("RealityDevice14,1", "", "visionOS", "vision"),
            ("Watch6,1", "", "watchOS", "watch"),
            ("", "", "macOS", "macbook"),
            ("", "", "", "unknown"),
        ):
            Device.objects.update(product_name=product, model_name=model, platform=platform)
            self.assertContains(self.people[Role.READ_ONLY].get(self.page), f"pm-art-{drawing}", msg_prefix=product)

    def test_what_runs_low_says_so_in_words(self) -> None:
        self.device.information = {"BatteryLevel": 0.1, "DeviceCapacity": 100, "AvailableDeviceCapacity": 2}
        self.device.save()
        response = self.people[Role.READ_ONLY].get(self.page)
        self.assertContains(response, "nearly full")
        self.assertContains(response, "low")

    def test_numbers_that_cannot_be_are_left_out(self) -> None:
        for capacity, free, level in ((100, 200, -1), ("x", 1, "y"), (0, 0, 2), (True, False, True), ([], {}, None)):
            Device.objects.update(
                information={"DeviceCapacity": capacity, "AvailableDeviceCapacity": free, "BatteryLevel": level}
            )
            self.assertNotContains(self.people[Role.READ_ONLY].get(self.page), "<progress")

    def test_an_update_that_the_device_listed_is_named(self) -> None:
        listed = (
            b"<plist><dict><key>Status</key><string>Acknowledged</string><key>AvailableOSUpdates</key><array><dict>"
            b"<key>ProductKey</key><string>UPDATE</string><key>HumanReadableName</key><string>macOS Sonoma 14.6</string>"
            b"<key>Version</key><string>14.6</string></dict></array></dict></plist>"
        )
        self.assertNotContains(self.people[Role.READ_ONLY].get(self.page), "available")
        make_command(
            self.device,
            "AvailableOSUpdates",
            state="acknowledged",
            apply_state="applied",
            finished_at=timezone.now(),
            result=listed,
        )
        self.assertContains(self.people[Role.READ_ONLY].get(self.page), "14.6 available")
        Command.objects.update(result=None)  # forgotten since
        self.assertEqual(self.people[Role.READ_ONLY].get(self.page).status_code, 200)

    def test_the_user_is_the_managed_one_that_was_seen_last(self) -> None:
        make_channel(self.device, user_key="A", user_short_name="old", fingerprint="")
        make_channel(self.device, user_key="B", user_long_name="Bea Blue", fingerprint="", last_seen_at=timezone.now())
        self.assertContains(self.people[Role.READ_ONLY].get(self.page), "Bea Blue")


class TabsTest(DevicePageCase):
    def test_facts_are_grouped_and_in_human_units(self) -> None:
        self.device.information = {
            "DeviceCapacity": 494.38,
            "BatteryLevel": 0.83,
            "WiFiMAC": "a4:83",
            "IsAppleSilicon": True,
            "SomethingNew": {"Deep": [1]},
        }
        self.device.security = {"FDE_Enabled": True, "FirewallSettings": {"FirewallEnabled": False}}
        self.device.security_at = timezone.now()
        self.device.save()
        hardware = self.tab("hardware")
        for words in ("494.4 GB", "83 %", "Wi-Fi address", "Apple silicon", "Everything else"):
            self.assertContains(hardware, words)
        security = self.tab("security")
        for words in ("FileVault", "Firewall enabled: No"):
            self.assertContains(security, words)

    def test_senseless_answers_of_a_device_break_no_tab_and_are_escaped(self) -> None:
        self.device.information = {
            "DeviceCapacity": "<script>alert(1)</script>",
            "BatteryLevel": [],
            "HardwareEncryptionCaps": {"a": "b"},
            "IsSupervised": {"x": 1},
            "IsActivationLockEnabled": {"x": 1},
            "CellularTechnology": [1, {"y": None}],
        }
        self.device.security = {
            "HardwareEncryptionCaps": [1],
            "PasscodePresent": "maybe",
            "SecureBoot": {"SecureBootLevel": [1]},
            "FirewallSettings": "<script>alert(1)</script>",
        }
        self.device.location = {"latitude": "<script>alert(1)</script>", "longitude": None, "at": 4}
        self.device.save()
        for key in TABS:
            response = self.tab(key, Role.OWNER)
            self.assertEqual(response.status_code, 200, key)
            self.assertNotContains(response, "<script>alert(1)", msg_prefix=key)

    def test_each_tab_shows_its_list(self) -> None:
        make_installed_app(self.device, name="Munki")
        make_installed_profile(self.device, name="Wi-Fi settings")
        make_device_user(self.device, "ann")
        make_command(self.device, "SecurityInfo")
        make_event(device=self.device, event_type="device.enrolled")
        make_attribute(self.account, "asset_tag")
        Device.objects.update(information={"UDID": "x"})
        for tab, words in (
            ("apps", "Munki"),
            ("profiles", "Wi-Fi settings"),
            ("users", "ann"),
            ("commands", "Security information"),
            ("certificates", "has not listed"),
            ("attributes", "asset_tag"),
            ("answers", "DeviceInformation"),
            ("log", "A device enrolled"),
            ("no-such-tab", "Management"),
        ):
            self.assertContains(self.tab(tab), words, msg_prefix=tab)

    def test_a_mac_has_no_location_and_a_phone_no_scripts(self) -> None:
        phone = make_device(self.account, platform="iOS")
        of_mac = {tab.key for tab in self.people[Role.READ_ONLY].get(self.page).context["tabs"]}
        of_phone = {
            tab.key for tab in self.people[Role.READ_ONLY].get(self.url(Device, "change", phone.pk)).context["tabs"]
        }
        self.assertEqual(of_mac - of_phone, {"scripts", "users"})
        self.assertEqual(of_phone - of_mac, {"location"})

    def test_a_device_that_was_never_here_has_what_waits_for_it(self) -> None:
        awaited = make_device(self.account, enrolled=False)
        response = self.people[Role.READ_ONLY].get(self.url(Device, "change", awaited.pk))
        self.assertEqual([tab.key for tab in response.context["tabs"]], ["apps", "profiles", "attributes", "log"])

    def test_the_search_finds_apps_beyond_those_that_are_shown(self) -> None:
        for name in ("Munki", "Safari"):
            make_installed_app(self.device, name=name)
        response = self.tab("apps", query="&q=mun")
        self.assertContains(response, "Munki")
        self.assertNotContains(response, "Safari")
        self.assertContains(self.tab("apps", query="&q=%00nothing"), "No app on the device is called")

    def test_a_profile_says_why_it_is_there(self) -> None:
        make_installed_profile(self.device, name="By hand", is_managed=False)
        make_installed_profile(self.device, name="Of another server", is_managed=True, identifier="com.example.x")
        response = self.tab("profiles", Role.OWNER)
        self.assertContains(response, "installed on the device by hand")
        self.assertContains(response, "came by management")
        self.assertContains(response, "RemoveProfile/?Identifier=com.example.x")

    def test_users_are_let_in_or_deleted_by_their_name(self) -> None:
        make_device_user(self.device, "ann")
        response = self.tab("users", Role.OWNER)
        self.assertContains(response, "UnlockUserAccount/?UserName=ann")
        form = self.people[Role.OWNER].get(self.url(Device, "compose", self.device.pk, "DeleteUser") + "?UserName=ann")
        self.assertContains(form, 'value="ann"')
        self.assertNotContains(self.tab("users", Role.OPERATOR), "DeleteUser")

    def test_the_number_of_statements_does_not_grow(self) -> None:
        def fill(count: int) -> None:
            for _ in range(count):
                make_command(self.device, "SecurityInfo")
                make_command(self.device, "DeviceLock", state="failed", secrets={"/PIN": "123456"})
                make_event(device=self.device)
                make_installed_app(self.device)
                make_installed_profile(self.device)
                make_device_user(self.device)
                make_channel(self.device, user_key=f"KEY{Channel.objects.count()}", fingerprint="")
                attribute = make_attribute(self.account, default="a")
                make_attribute_value(self.device, attribute)
                make_attribute_value(self.device.group, attribute)

        fill(1)
        self.statements("overview")  # the first request of a session notes where it comes from
        few = {key: self.statements(key) for key in TABS}
        fill(20)
        for key in TABS:
            self.assertEqual(self.statements(key), few[key], key)
            self.assertLessEqual(few[key], MOST_STATEMENTS, key)

    def statements(self, key: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            self.assertEqual(self.tab(key, Role.OWNER).status_code, 200, key)
        return len(captured)

    def test_a_device_in_setup_assistant_is_said_to_wait_there(self) -> None:
        self.assertNotContains(self.people[Role.READ_ONLY].get(self.page), "waits in Setup Assistant")
        self.device.channels.update(awaiting_configuration=True, awaiting_since=timezone.now())
        self.assertContains(self.people[Role.READ_ONLY].get(self.page), "waits in Setup Assistant since")

    def test_a_dead_push_token_is_said_plainly(self) -> None:
        Channel.objects.update(push_token_dead_at=timezone.now())
        self.assertContains(self.people[Role.READ_ONLY].get(self.page), "no longer knows this device")

    def test_users_of_the_device_are_named(self) -> None:
        make_channel(self.device, user_key="KEY", user_short_name="ann", fingerprint="")
        self.assertContains(self.people[Role.READ_ONLY].get(self.page), "User ann")


class LiveTest(DevicePageCase):
    """The page renews itself as long as there is something to wait for, and only then."""

    def state_url(self, **query: str) -> str:
        address = "&".join(f"{name}={value}" for name, value in query.items())
        return f"{self.url(Device, 'state', self.device.pk)}?{address}"

    def test_it_asks_while_commands_are_open_and_no_longer(self) -> None:
        client = self.people[Role.READ_ONLY]
        self.assertNotContains(client.get(self.page), "data-live")
        command = make_command(self.device, "SecurityInfo")
        response = client.get(f"{self.page}?tab=commands&state=open")
        self.assertContains(response, "1 command waits for the device")
        url = response.context["watch_url"]
        self.assertIn("tab=commands", url)
        self.assertIn("state=open", url)
        self.assertEqual(client.get(url, headers=HTMX).status_code, 204)
        Command.objects.filter(pk=command.pk).update(state="acknowledged", apply_state="pending")
        answered = client.get(url, headers=HTMX)
        self.assertContains(answered, 'id="device-live"')
        self.assertContains(answered, "data-live")  # the answer is not read into the inventory yet
        self.assertNotContains(answered, "<html")
        Command.objects.filter(pk=command.pk).update(apply_state="applied")
        over = client.get(answered.context["watch_url"], headers=HTMX)
        self.assertContains(over, "The device has answered.")
        self.assertNotContains(over, "data-live")

    def test_it_tells_of_every_step_of_a_command(self) -> None:
        command = make_command(self.device, "SecurityInfo")
        marks = set()
        for change in (
            {"state": "sent"},
            {"state": "queued", "status": "NotNow", "not_now_count": 1},
            {"not_now_count": 2},
            {"state": "failed"},
        ):
            Command.objects.filter(pk=command.pk).update(**change)
            marks.add(self.people[Role.READ_ONLY].get(self.state_url()).json()["mark"])
        self.assertEqual(len(marks), 4)

    def test_programs_get_the_same_as_json(self) -> None:
        make_command(self.device, "SecurityInfo")
        answer = self.people[Role.READ_ONLY].get(self.state_url()).json()
        self.assertEqual((answer["is_over"], answer["waiting"]), (False, 1))
        Command.objects.update(state="acknowledged")
        self.assertTrue(self.people[Role.READ_ONLY].get(self.state_url()).json()["is_over"])

    def test_it_shows_what_the_person_may_do_and_nothing_else(self) -> None:
        make_command(self.device, "SecurityInfo")
        url = self.state_url(tab="commands", mark="old")
        self.assertContains(self.people[Role.OPERATOR].get(url, headers=HTMX), "cancel/")
        self.assertNotContains(self.people[Role.READ_ONLY].get(url, headers=HTMX), "<form method")
        self.assertEqual(self.outside.get(url, headers=HTMX).status_code, 404)

    def test_a_page_that_waits_for_an_enrollment_asks_too(self) -> None:
        awaited = make_device(self.account, enrolled=False)
        self.people[Role.OPERATOR].post(self.url(Device, "link", awaited.pk))
        self.assertContains(self.people[Role.OPERATOR].get(self.url(Device, "change", awaited.pk)), "data-live")


class EditingTest(DevicePageCase):
    def test_refresh_queues_the_inventory_once(self) -> None:
        client = self.people[Role.OPERATOR]
        url = self.url(Device, "refresh", self.device.pk)
        self.assertContains(client.post(url, follow=True), "asked for its whole inventory")
        count = Command.objects.count()
        self.assertGreaterEqual(count, 6)
        self.assertContains(client.post(url, follow=True), "asked already")
        self.assertEqual(Command.objects.count(), count)
        self.assertEqual(Command.objects.first().actor_label, "operator@acme.example")

    def test_refreshing_a_device_that_is_not_enrolled_says_why_not(self) -> None:
        awaited = make_device(self.account, enrolled=False)
        response = self.people[Role.OPERATOR].post(self.url(Device, "refresh", awaited.pk), follow=True)
        self.assertContains(response, "not enrolled")

    def test_name_and_group_are_edited(self) -> None:
        group = make_group(self.account, "Library")
        url = self.url(Device, "edit", self.device.pk)
        self.people[Role.OPERATOR].post(url, {"name": "New name", "group": group.pk})
        self.device.refresh_from_db()
        self.assertEqual((self.device.name, self.device.group), ("New name", group))
        self.assertEqual(len(self.events("device.updated")), 1)
        self.assertEqual(len(self.events("device.changed_group")), 1)

    def test_a_device_is_removed_after_its_name_was_typed(self) -> None:
        url = self.url(Device, "remove", self.device.pk)
        client = self.people[Role.ADMIN]
        self.assertContains(client.post(url, {"confirmation": "wrong"}), "That is not the name")
        self.assertFalse(Device.objects.get().removed_at)
        self.assertContains(client.post(url, {"confirmation": "Ann's Mac"}, follow=True), "was removed")
        self.device.refresh_from_db()
        self.assertEqual(self.device.state, DeviceState.UNENROLLED)
        self.assertEqual(Channel.objects.get().state, ChannelState.LEAVING)
        self.assertEqual(client.get(self.page).status_code, 404)

    def test_an_unenrolled_device_gets_a_new_link(self) -> None:
        self.device.state = DeviceState.UNENROLLED
        self.device.save()
        client = self.people[Role.OPERATOR]
        self.assertContains(client.get(self.page), "New enrollment link")
        client.post(self.url(Device, "link", self.device.pk))
        client.post(self.url(Device, "link", self.device.pk))
        enrollment = Enrollment.objects.get(device=self.device)
        self.assertContains(client.get(self.page), enrollment.url)

    def test_a_read_only_person_does_not_see_the_link(self) -> None:
        awaited = make_device(self.account, enrolled=False)
        self.people[Role.OPERATOR].post(self.url(Device, "link", awaited.pk))
        enrollment = Enrollment.objects.get(device=awaited)
        for model, pk in ((Device, awaited.pk), (Enrollment, enrollment.pk)):
            self.assertNotContains(self.people[Role.READ_ONLY].get(self.url(model, "change", pk)), enrollment.code)
        self.assertNotContains(self.people[Role.READ_ONLY].get(self.url(Enrollment, "changelist")), enrollment.code)
