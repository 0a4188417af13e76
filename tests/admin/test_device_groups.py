"""Device groups in the admin: the list with its numbers, one group, and what renaming, cloning and deleting do."""

from unittest import mock

from django.db import connection
from django.http import HttpResponse
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from devices.models import Device, DeviceGroup
from devices.services.groups import default_group
from mdm.accounts.models import Role
from tests.admin.base import AdminTestCase
from tests.factories import (
    make_assignment_group,
    make_attribute,
    make_attribute_value,
    make_default_group,
    make_device,
    make_enrollment,
    make_group,
    make_profile,
    make_profile_assignment,
)


class DeviceGroupTestCase(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.client_, self.reader = self.people[Role.OPERATOR], self.people[Role.READ_ONLY]
        self.default = make_default_group(self.account)
        self.sales = make_group(self.account, "Sales")
        self.list_url = self.url(DeviceGroup, "changelist")
        self.reader.get(self.list_url)  # the first page of a session notes it

    def of(self, view: str, group: DeviceGroup | None = None) -> str:
        return self.url(DeviceGroup, view, (group or self.sales).pk)

    def statements(self, url: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            self.assertEqual(self.reader.get(url).status_code, 200)
        return len(captured)


class ListTest(DeviceGroupTestCase):
    def test_each_group_has_its_number_of_devices_and_leads_to_them(self) -> None:
        make_device(self.account, group=self.sales)
        make_device(self.account, group=self.sales, removed_at=timezone.now())
        make_group(self.account, "Empty")
        response = self.reader.get(self.list_url)
        self.assertContains(response, f'?group={self.sales.pk}">1 device</a>')
        self.assertContains(response, "0 devices")

    def test_the_number_of_statements_does_not_grow(self) -> None:
        few = self.statements(self.list_url)
        for _ in range(20):
            make_device(self.account, group=make_group(self.account))
        self.assertEqual(self.statements(self.list_url), few)


class PageTest(DeviceGroupTestCase):
    def page(self, role: str = Role.READ_ONLY) -> HttpResponse:
        return self.people[role].get(self.of("change"))

    def test_it_says_what_its_devices_get_and_which_values_count(self) -> None:
        make_device(self.account, group=self.sales)
        make_device(self.account, group=self.sales, enrolled=False)
        everyone = make_assignment_group(self.account, "Everyone", members=[self.sales])
        profile = make_profile(self.account, "Wi-Fi")
        make_profile_assignment(profile, self.sales)
        make_attribute_value(self.sales, make_attribute(self.account, "room"), "Ground floor")
        make_attribute_value(self.sales, make_attribute(self.account, "pin", secret=True), "hunter2")
        response = self.page()
        self.assertContains(response, self.url(type(everyone), "change", everyone.pk))
        self.assertContains(response, self.url(type(profile), "change", profile.pk))
        self.assertContains(response, "Ground floor")
        self.assertContains(response, "•••••")
        self.assertNotContains(response, "hunter2")
        self.assertContains(response, f"?group={self.sales.pk}&amp;state=enrolled")

    def test_its_open_enrollment_links_are_listed(self) -> None:
        make_enrollment(self.account, group=self.sales, name="Front desk")
        make_enrollment(self.account, group=self.sales, name="Old desk", revoked_at=timezone.now())
        response = self.page()
        self.assertContains(response, "Front desk")
        self.assertNotContains(response, "Old desk")

    def test_the_number_of_statements_does_not_grow(self) -> None:
        few = self.statements(self.of("change"))
        for _ in range(10):
            make_device(self.account, group=self.sales)
            make_attribute_value(self.sales, make_attribute(self.account))
            make_assignment_group(self.account, members=[self.sales])
            make_enrollment(self.account, group=self.sales)
        self.assertEqual(self.statements(self.of("change")), few)


class ChangeTest(DeviceGroupTestCase):
    def test_a_group_is_renamed(self) -> None:
        response = self.client_.post(self.of("rename"), {"name": "Reading room"}, follow=True)
        self.assertContains(response, "The group is called “Reading room” now.")
        self.assertEqual(len(self.events("device_group.updated")), 1)

    def test_a_clone_has_no_devices(self) -> None:
        make_device(self.account, group=self.sales)
        make_attribute_value(self.sales, make_attribute(self.account, "room"), "4")
        self.assertContains(self.client_.get(self.of("clone")), "It begins without devices")
        self.client_.post(self.of("clone"))
        copy = DeviceGroup.objects.get(name="Sales (1)")
        self.assertEqual((copy.devices.count(), copy.attribute_values.count()), (0, 1))

    def test_another_group_becomes_the_default_one(self) -> None:
        self.assertContains(self.client_.get(self.of("make_default")), "No device moves now.")
        self.client_.post(self.of("make_default"))
        self.assertEqual(default_group(self.account), self.sales)
        self.assertEqual(DeviceGroup.objects.filter(account=self.account, is_default=True).count(), 1)
        self.assertIs(self.events("device_group.updated")[-1].metadata["is_default"], True)
        self.client_.post(self.of("make_default"))
        self.assertEqual(len(self.events("device_group.updated")), 1)

    def test_deleting_says_where_its_devices_go_and_which_links_end(self) -> None:
        device = make_device(self.account, group=self.sales)
        make_enrollment(self.account, group=self.sales)
        question = self.client_.get(self.of("remove"))
        self.assertContains(question, f"Its device moves to the group “{self.default.name}”")
        self.assertContains(question, "1 enrollment link of it no longer works.")
        self.client_.post(self.of("remove"))
        self.assertEqual(Device.objects.get(pk=device.pk).group, self.default)

    def test_with_very_many_devices_it_leads_to_where_they_are_moved(self) -> None:
        make_device(self.account, group=self.sales)
        with mock.patch("devices.services.groups.MOST_AT_ONCE", 0):
            for ask in (self.client_.get, self.client_.post):
                response = ask(self.of("remove"), follow=True)
                self.assertContains(response, "have to be moved first")
                self.assertIn(f"?group={self.sales.pk}", response.redirect_chain[-1][0])
        self.assertTrue(DeviceGroup.objects.filter(pk=self.sales.pk).exists())

    def test_no_two_have_the_same_name(self) -> None:
        for name in ("Sales", " sALES "):
            response = self.client_.post(self.url(DeviceGroup, "add"), {"name": name})
            self.assertContains(response, "There is a group of this name already.")
        self.assertEqual(self.client_.post(self.of("rename"), {"name": "SALES"}).status_code, 302)
        response = self.client_.post(self.of("rename"), {"name": self.default.name.upper()})
        self.assertContains(response, "There is a group of this name already.")
        make_group(self.other_account, "Theirs")
        self.assertEqual(self.client_.post(self.url(DeviceGroup, "add"), {"name": "Theirs"}).status_code, 302)

    def test_the_default_group_stays(self) -> None:
        response = self.people[Role.OWNER].post(self.of("remove", self.default), follow=True)
        self.assertContains(response, "every device needs a group")
        self.assertNotContains(self.client_.get(self.of("change", self.default)), "Delete the group")

    def test_readers_see_it_without_buttons(self) -> None:
        text = self.reader.get(self.of("change")).content.decode()
        for word in ("rename/", "clone/", "default/", "remove/", "New enrollment link"):
            self.assertNotIn(word, text)
        for view in ("rename", "clone", "make_default", "remove"):
            self.assertEqual(self.reader.post(self.of(view)).status_code, 403)
            self.assertEqual(self.outside.post(self.of(view)).status_code, 404)
