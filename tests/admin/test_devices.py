"""The device list, the device page, and what can be done there."""

from datetime import timedelta

from django.utils import timezone

from devices.models import Device, DeviceGroup
from enrollment.models import Enrollment
from mdm.accounts.models import Role
from mdm.channels.models import Channel
from tests.admin.base import AdminTestCase
from tests.factories import (
    make_channel,
    make_default_group,
    make_device,
    make_group,
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
        response = self.client.get(f"{self.list_url}?o=-seen")
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


class DeviceGroupTest(AdminTestCase):
    def test_a_group_is_added_renamed_and_deleted(self) -> None:
        client = self.people[Role.OPERATOR]
        client.post(self.url(DeviceGroup, "add"), {"name": "Library"})
        group = DeviceGroup.objects.get(name="Library")
        self.assertEqual(group.account, self.account)
        client.post(self.url(DeviceGroup, "rename", group.pk), {"name": "Reading room"})
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
