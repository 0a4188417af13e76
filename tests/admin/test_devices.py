"""The device list, the device page, and what can be done there."""

from datetime import timedelta

from django.utils import timezone

from devices.models import Device, DeviceGroup, DeviceState
from enrollment.models import Enrollment
from mdm.accounts.models import Role
from mdm.channels.models import Channel, ChannelState
from mdm.commands.models import Command
from tests.admin.base import AdminTestCase
from tests.factories import (
    make_channel,
    make_command,
    make_default_group,
    make_device,
    make_device_user,
    make_event,
    make_group,
    make_installed_app,
    make_installed_profile,
)


class DeviceListTest(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.list_url = self.url(Device, "changelist")
        self.client = self.people[Role.OPERATOR]

    def names(self, query: str = "") -> set[str]:
        response = self.client.get(f"{self.list_url}{query}")
        self.assertEqual(response.status_code, 200)
        return {str(device) for device in response.context["cl"].result_list}

    def test_an_empty_account_is_told_the_next_step(self) -> None:
        response = self.client.get(self.list_url)
        self.assertContains(response, "Enroll the first device")
        self.assertContains(response, self.url(Device, "add"))

    def test_a_read_only_person_is_not_offered_that_step(self) -> None:
        response = self.people[Role.READ_ONLY].get(self.list_url)
        self.assertContains(response, "Enroll the first device")
        self.assertNotContains(response, self.url(Device, "add"))

    def test_search_finds_a_device_by_everything_that_people_know_of_it(self) -> None:
        make_device(self.account, name="Kiosk", serial_number="C02ABC", imei="35 123", wifi_mac="aa:bb:cc")
        make_device(self.account, name="Other")
        for words in ("kiosk", "c02abc", "35 123", "AA:BB", ""):
            self.assertIn("Kiosk", self.names(f"?q={words}"), words)
        self.assertEqual(self.names("?q=nothing-like-it"), set())

    def test_a_search_without_a_hit_says_so_and_leads_back(self) -> None:
        make_device(self.account)
        self.assertContains(self.client.get(f"{self.list_url}?q=zzz"), "Nothing matches")

    def test_every_filter_narrows_the_list(self) -> None:
        group = make_group(self.account, "Teachers")
        mac = make_device(
            self.account, platform="macOS", name="Mac", group=group, os_version="14.5", is_supervised=False
        )
        phone = make_device(self.account, platform="iOS", name="Phone", os_version="17.5")
        make_device(self.account, enrolled=False, name="Awaited")
        Channel.objects.filter(device=mac).update(last_seen_at=timezone.now(), push_token_dead_at=timezone.now())
        Channel.objects.filter(device=phone).update(last_seen_at=timezone.now() - timedelta(days=40))
        for query, expected in (
            ("?state=awaiting_enrollment", {"Awaited"}),
            ("?platform=macOS", {"Mac"}),
            (f"?group={group.pk}", {"Mac"}),
            ("?supervised=yes", {"Phone"}),
            ("?supervised=no", {"Mac"}),
            ("?os=iOS 17.5", {"Phone"}),
            ("?seen=day", {"Mac"}),
            ("?seen=not-month", {"Phone"}),
            ("?push=dead", {"Mac"}),
            ("?state=enrolled&platform=iOS", {"Phone"}),
        ):
            self.assertEqual(self.names(query), expected, query)

    def test_sorting_by_last_seen_shows_a_device_with_users_once(self) -> None:
        mac = make_device(self.account, platform="macOS", name="Mac")
        make_channel(mac, user_key="KEY", fingerprint="")
        make_device(self.account, name="Phone")
        response = self.client.get(f"{self.list_url}?o=-7")
        self.assertEqual(sorted(str(device) for device in response.context["cl"].result_list), ["Mac", "Phone"])

    def test_a_filter_with_a_senseless_value_breaks_nothing(self) -> None:
        make_device(self.account, name="Here")
        for query in ("?group=x", "?group=²", "?group=99999999999999999999", "?state=", "?seen=whenever", "?os="):
            self.assertEqual(self.client.get(f"{self.list_url}{query}").status_code, 200, query)

    def test_groups_and_versions_of_other_accounts_are_no_choices(self) -> None:
        make_device(self.account)
        make_device(self.other_account, os_version="99.9", group=make_group(self.other_account, "Their secret project"))
        response = self.client.get(self.list_url)
        self.assertNotContains(response, "99.9")
        self.assertNotContains(response, "Their secret project")

    def test_a_removed_device_is_gone(self) -> None:
        make_device(self.account, name="Gone", removed_at=timezone.now())
        self.assertEqual(self.names(), set())

    def test_last_seen_is_said_in_words(self) -> None:
        device = make_device(self.account)
        Channel.objects.filter(device=device).update(last_seen_at=timezone.now() - timedelta(hours=3))
        self.assertContains(self.client.get(self.list_url), "3 hours ago")

    def test_chosen_devices_are_asked_for_inventory(self) -> None:
        enrolled, awaited = make_device(self.account), make_device(self.account, enrolled=False)
        data = {"action": "refresh_chosen", "_selected_action": [enrolled.pk, awaited.pk]}
        response = self.client.post(self.list_url, data, follow=True)
        self.assertContains(response, "1 device asked for inventory")
        self.assertContains(response, "1 device not enrolled")
        self.assertTrue(Command.objects.filter(channel__device=enrolled).exists())

    def test_chosen_devices_move_to_another_group(self) -> None:
        first, second = make_device(self.account), make_device(self.account)
        group = make_group(self.account, "Library")
        data = {"action": "move_chosen", "_selected_action": [first.pk, second.pk]}
        self.assertContains(self.client.post(self.list_url, data), "2 devices will belong to the group")
        self.client.post(self.list_url, data | {"group": group.pk})
        self.assertEqual(set(Device.objects.filter(group=group)), {first, second})
        self.assertEqual(len(self.events("device.changed_group")), 2)

    def test_devices_never_move_to_another_accounts_group(self) -> None:
        device, theirs = make_device(self.account), make_group(self.other_account)
        data = {"action": "move_chosen", "_selected_action": [device.pk], "group": theirs.pk}
        self.client.post(self.list_url, data)
        device.refresh_from_db()
        self.assertNotEqual(device.group_id, theirs.pk)

    def test_another_accounts_device_cannot_be_chosen(self) -> None:
        theirs = make_device(self.other_account)
        make_device(self.account)
        self.client.post(self.list_url, {"action": "refresh_chosen", "_selected_action": [theirs.pk]})
        self.assertFalse(Command.objects.exists())

    def test_a_read_only_person_cannot_act_on_chosen_devices(self) -> None:
        device = make_device(self.account)
        reader = self.people[Role.READ_ONLY]
        self.assertNotContains(reader.get(self.list_url), "refresh_chosen")
        for action in ("refresh_chosen", "move_chosen"):
            group = make_group(self.account)
            reader.post(self.list_url, {"action": action, "_selected_action": [device.pk], "group": group.pk})
        device.refresh_from_db()
        self.assertEqual(device.group, self.group)
        self.assertFalse(Command.objects.exists())


class AddDeviceTest(AdminTestCase):
    def test_adding_a_device_shows_its_link_and_code(self) -> None:
        group = make_group(self.account, "Library")
        client = self.people[Role.OPERATOR]
        response = client.post(self.url(Device, "add"), {"name": "Kiosk", "group": group.pk}, follow=True)
        device = Device.objects.get()
        enrollment = Enrollment.objects.get(device=device)
        self.assertEqual((device.name, device.group, device.account), ("Kiosk", group, self.account))
        self.assertEqual(enrollment.created_by, self.users[Role.OPERATOR])
        self.assertContains(response, enrollment.url)
        self.assertContains(response, "<svg")
        event = self.events("device.created")[0]
        self.assertEqual((event.source, event.actor_label), ("admin ui", "operator@acme.example"))

    def test_a_device_needs_a_name_and_a_group_of_the_account(self) -> None:
        theirs = make_group(self.other_account)
        for data in ({"name": "", "group": self.group.pk}, {"name": "X", "group": theirs.pk}, {"name": "X"}):
            response = self.people[Role.OPERATOR].post(self.url(Device, "add"), data)
            self.assertTrue(response.context["form"].errors, data)
        self.assertFalse(Device.objects.exists())

    def test_the_default_group_is_offered_first(self) -> None:
        response = self.people[Role.OPERATOR].get(self.url(Device, "add"))
        self.assertEqual(response.context["form"].initial["group"], make_default_group(self.account).pk)


class DevicePageTest(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.device = make_device(self.account, platform="macOS", name="Ann's Mac")
        self.page = self.url(Device, "change", self.device.pk)

    def test_facts_are_grouped_and_in_human_units(self) -> None:
        self.device.information = {
            "DeviceCapacity": 494.38,
            "BatteryLevel": 0.83,
            "WiFiMAC": "a4:83",
            "IsAppleSilicon": True,
            "SomethingNew": {"Deep": [1]},
        }
        self.device.security = {"FDE_Enabled": True, "FirewallSettings": {"FirewallEnabled": False}}
        self.device.save()
        response = self.people[Role.READ_ONLY].get(self.page)
        for words in ("494.4 GB", "83 %", "Wi-Fi address", "Apple silicon", "FileVault", "Firewall enabled: No"):
            self.assertContains(response, words)
        self.assertContains(response, "Everything else")

    def test_senseless_answers_of_a_device_break_nothing_and_are_escaped(self) -> None:
        self.device.information = {
            "DeviceCapacity": "<script>alert(1)</script>",
            "BatteryLevel": [],
            "HardwareEncryptionCaps": {"a": "b"},
            "IsSupervised": {"x": 1},
            "CellularTechnology": [1, {"y": None}],
        }
        self.device.security = {"HardwareEncryptionCaps": [1], "PasscodePresent": "maybe"}
        self.device.save()
        response = self.people[Role.READ_ONLY].get(self.page)
        self.assertEqual(response.status_code, 200)
        self.assertNotContains(response, "<script>alert(1)")

    def test_each_tab_shows_its_list(self) -> None:
        make_installed_app(self.device, name="Munki")
        make_installed_profile(self.device, name="Wi-Fi settings")
        make_device_user(self.device, "ann")
        make_command(self.device, "SecurityInfo")
        make_event(device=self.device, event_type="device.enrolled")
        for tab, words in (
            ("apps", "Munki"),
            ("profiles", "Wi-Fi settings"),
            ("users", "ann"),
            ("commands", "Security information"),
            ("certificates", "has not listed"),
            ("log", "A device enrolled"),
            ("no-such-tab", "Management"),
        ):
            self.assertContains(self.people[Role.READ_ONLY].get(f"{self.page}?tab={tab}"), words, msg_prefix=tab)

    def test_a_device_in_setup_assistant_is_said_to_wait_there(self) -> None:
        before = self.people[Role.READ_ONLY].get(self.url(Device, "state", self.device.pk)).json()["mark"]
        self.assertNotContains(self.people[Role.READ_ONLY].get(self.page), "waits in Setup Assistant")
        self.device.channels.update(awaiting_configuration=True, awaiting_since=timezone.now())
        self.assertContains(self.people[Role.READ_ONLY].get(self.page), "waits in Setup Assistant since")
        after = self.people[Role.READ_ONLY].get(self.url(Device, "state", self.device.pk)).json()["mark"]
        self.assertNotEqual(before, after)

    def test_a_dead_push_token_is_said_plainly(self) -> None:
        Channel.objects.update(push_token_dead_at=timezone.now())
        self.assertContains(self.people[Role.READ_ONLY].get(self.page), "no longer knows this device")

    def test_users_of_the_device_are_named(self) -> None:
        make_channel(self.device, user_key="KEY", user_short_name="ann", fingerprint="")
        self.assertContains(self.people[Role.READ_ONLY].get(self.page), "User ann")

    def test_the_page_watches_while_commands_wait(self) -> None:
        client = self.people[Role.READ_ONLY]
        self.assertNotContains(client.get(self.page), "data-watch")
        command = make_command(self.device, "SecurityInfo")
        self.assertContains(client.get(self.page), "1 command waiting")
        before = client.get(self.url(Device, "state", self.device.pk)).json()
        self.assertFalse(before["is_over"])
        Command.objects.filter(pk=command.pk).update(state="acknowledged")
        after = client.get(self.url(Device, "state", self.device.pk)).json()
        self.assertTrue(after["is_over"])
        self.assertNotEqual(before["mark"], after["mark"])

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


class DeviceGroupTest(AdminTestCase):
    def test_a_group_is_added_renamed_and_deleted(self) -> None:
        client = self.people[Role.OPERATOR]
        client.post(self.url(DeviceGroup, "add"), {"name": "Library"})
        group = DeviceGroup.objects.get(name="Library")
        self.assertEqual(group.account, self.account)
        client.post(self.url(DeviceGroup, "change", group.pk), {"name": "Reading room"})
        group.refresh_from_db()
        self.assertEqual(group.name, "Reading room")
        device = make_device(self.account, group=group)
        client.post(self.url(DeviceGroup, "remove", group.pk))
        self.assertFalse(DeviceGroup.objects.filter(pk=group.pk).exists())
        device.refresh_from_db()
        self.assertEqual(device.group, self.group)
        for kind in ("device_group.created", "device_group.updated", "device_group.removed"):
            self.assertEqual(len(self.events(kind)), 1, kind)

    def test_the_default_group_stays(self) -> None:
        response = self.people[Role.OWNER].post(self.url(DeviceGroup, "remove", self.group.pk), follow=True)
        self.assertContains(response, "default device group cannot be deleted")
        self.assertTrue(DeviceGroup.objects.filter(pk=self.group.pk).exists())

    def test_the_list_counts_devices_that_are_there(self) -> None:
        make_device(self.account)
        make_device(self.account, removed_at=timezone.now())
        self.assertContains(self.people[Role.READ_ONLY].get(self.url(DeviceGroup, "changelist")), "1 device<")
