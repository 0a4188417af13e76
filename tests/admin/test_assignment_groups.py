"""Assignment groups: the list, settings, cloning, deleting, and sending what is in them now."""

from unittest.mock import patch

from django.db import connection
from django.http import HttpResponse
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from devices.models import AssignmentGroup, BulkOperation, DeviceGroup, ItemState, ProfileInstall
from mdm.accounts.models import Role
from tests.admin.base import AdminTestCase
from tests.factories import (
    make_app,
    make_app_assignment,
    make_app_install,
    make_assignment_group,
    make_attribute,
    make_attribute_value,
    make_device,
    make_group,
    make_profile,
    make_profile_assignment,
)
from tests.factories.due import take_marks

SETTINGS = {
    "name": "Sales",
    "auto_deploy": "on",
    "group_type": "standard",
    "install_type": "managed",
    "priority": "3",
}


class GroupTestCase(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.device = make_device(self.account, name="Reception iPad")
        self.app = make_app(self.account, "Numbers", store=True)
        self.profile = make_profile(self.account, "Wi-Fi", user_scope=False)
        self.group = make_assignment_group(
            self.account, "Everyone", members=[self.device], apps=[self.app], profiles=[self.profile]
        )
        self.list_url = self.url(AssignmentGroup, "changelist")

    def of(self, view: str, group: AssignmentGroup | None = None) -> str:
        return self.url(AssignmentGroup, view, (group or self.group).pk)

    def statements(self, url: str) -> int:
        self.people[Role.OWNER].get(url)  # the first page of a session notes it
        with CaptureQueriesContext(connection) as captured:
            self.assertEqual(self.people[Role.OWNER].get(url).status_code, 200, url)
        return len(captured)


class GroupListTest(GroupTestCase):
    def test_it_counts_members_apps_and_profiles(self) -> None:
        make_assignment_group(
            self.account,
            "Library",
            members=[make_group(self.account), make_group(self.account), make_device(self.account)],
            apps=[make_app(self.account), make_app(self.account, removed_at=timezone.now())],
            profiles=[make_profile(self.account) for _ in range(3)],
            auto_deploy=False,
            priority=7,
        )
        response = self.people[Role.READ_ONLY].get(self.list_url)
        rows = {group.name: group for group in response.context["cl"].result_list}
        library = rows["Library"]
        self.assertEqual((library.app_total, library.profile_total), (1, 3))
        self.assertContains(response, "2 device groups, 1 device")
        self.assertContains(response, "when pushed")
        self.assertContains(response, "by themselves")

    def test_it_is_searched_by_name(self) -> None:
        make_assignment_group(self.account, "Library")
        response = self.people[Role.READ_ONLY].get(self.list_url + "?q=librar")
        self.assertEqual([group.name for group in response.context["cl"].result_list], ["Library"])

    def test_an_empty_list_says_what_groups_are_for(self) -> None:
        AssignmentGroup.objects.all().delete()
        self.assertContains(self.people[Role.OPERATOR].get(self.list_url), "New assignment group")
        response = self.people[Role.READ_ONLY].get(self.list_url)
        self.assertContains(response, "No assignment group yet")
        self.assertNotContains(response, "add/")

    def test_the_number_of_statements_does_not_grow(self) -> None:
        few = self.statements(self.list_url)
        for _ in range(30):
            make_assignment_group(
                self.account, members=[make_device(self.account)], apps=[self.app], profiles=[self.profile]
            )
        self.assertEqual(self.statements(self.list_url), few)
        self.assertLessEqual(few, 12)


class GroupSettingsTest(GroupTestCase):
    def test_a_group_is_added_by_an_operator(self) -> None:
        client = self.people[Role.OPERATOR]
        self.assertContains(client.get(self.url(AssignmentGroup, "add")), "Install its apps by themselves")
        response = client.post(self.url(AssignmentGroup, "add"), SETTINGS, follow=True)
        group = AssignmentGroup.objects.get(name="Sales")
        self.assertEqual((group.account, group.auto_deploy, group.priority), (self.account, True, 3))
        self.assertContains(response, "No device belongs to this group yet")
        self.assertEqual(self.events("assignment_group.created")[0].actor_label, "operator@acme.example")

    def test_settings_are_changed_and_the_devices_marked(self) -> None:
        take_marks()
        data = SETTINGS | {"auto_deploy": "", "group_type": "munki", "install_type": "self_serve"}
        response = self.people[Role.OPERATOR].post(self.of("edit"), data, follow=True)
        self.assertContains(response, "Saved.")
        self.group.refresh_from_db()
        self.assertEqual((self.group.name, self.group.auto_deploy, self.group.group_type), ("Sales", False, "munki"))
        self.assertEqual(take_marks(), {self.device})
        self.assertEqual(len(self.events("assignment_group.updated")), 1)

    def test_bad_input_is_refused_at_its_field(self) -> None:
        for field, value in (
            ("name", " "),
            ("name", "x" * 201),
            ("name", "a\x00b"),
            ("group_type", "window"),
            ("install_type", ""),
            ("priority", "21"),
            ("priority", "-1"),
            ("priority", "high"),
        ):
            for url in (self.url(AssignmentGroup, "add"), self.of("edit")):
                response = self.people[Role.OPERATOR].post(url, SETTINGS | {field: value})
                self.assertIn(field, response.context["form"].errors, (field, value))
        self.assertEqual(AssignmentGroup.objects.get().name, "Everyone")

    def test_a_clone_has_everything_but_devices(self) -> None:
        make_app_assignment(self.group, make_app(self.account), deployment_type="munki")
        client = self.people[Role.OPERATOR]
        self.assertContains(client.get(self.of("clone")), "It begins without devices")
        response = client.post(self.of("clone"), follow=True)
        copy = AssignmentGroup.objects.exclude(pk=self.group.pk).get()
        self.assertContains(response, "This is the copy")
        self.assertEqual((copy.app_assignments.count(), copy.profile_assignments.count()), (2, 1))
        self.assertFalse(copy.members.exists())
        self.assertNotEqual(copy.name, self.group.name)

    def test_deleting_names_how_many_devices_are_concerned(self) -> None:
        client = self.people[Role.OPERATOR]
        self.assertContains(client.get(self.of("remove")), "1 device will be concerned")
        self.assertTrue(AssignmentGroup.objects.exists())
        response = client.post(self.of("remove"), follow=True)
        self.assertContains(response, "The assignment group “Everyone” was deleted.")
        self.assertFalse(AssignmentGroup.objects.exists())
        self.assertEqual(len(self.events("assignment_group.removed")), 1)
        empty = make_assignment_group(self.account)
        self.assertContains(client.get(self.of("remove", empty)), "no device loses anything")


class GroupPageTest(GroupTestCase):
    def page(self, role: Role = Role.READ_ONLY, group: AssignmentGroup | None = None) -> HttpResponse:
        return self.people[role].get(self.of("change", group))

    def test_it_shows_members_content_and_settings(self) -> None:
        sales = make_group(self.account, "Sales")
        make_device(group=sales)
        group = make_assignment_group(
            self.account, "Both", members=[sales, self.device], apps=[self.app], profiles=[self.profile]
        )
        response = self.page(group=group)
        for words in ("Who gets them: 2 devices", "Device group of 1 device", "Reception iPad", "Numbers", "Wi-Fi"):
            self.assertContains(response, words)

    def test_each_item_has_its_number_of_devices_in_every_state(self) -> None:
        states = [ItemState.INSTALLED, ItemState.INSTALLED, ItemState.FAILED, ItemState.NOT_APPLICABLE]
        devices = [make_device(self.account) for _ in states]
        group = make_assignment_group(self.account, members=devices, apps=[self.app], profiles=[self.profile])
        for device, state in zip(devices, states, strict=True):
            make_app_install(self.app, device, state)
        response = self.page(group=group)
        app, profile = response.context["apps"][0], response.context["profiles"][0]
        self.assertEqual([count.number for count in app.counts], [2, 0, 0, 1, 0, 1])
        self.assertEqual([count.number for count in profile.counts], [0, 0, 4, 0, 0, 0])
        devices = self.url(type(self.app), "devices", self.app.pk)
        self.assertContains(response, f'href="{devices}?state=installed" aria-label="2 Installed: Numbers"')
        for url in (app.url, app.counts[0].url, profile.url, profile.counts[2].url):
            self.assertEqual(self.people[Role.READ_ONLY].get(url).status_code, 200, url)

    def test_what_munki_installs_is_not_counted(self) -> None:
        make_app_assignment(self.group, make_app(self.account, "Firefox"), deployment_type="munki")
        response = self.page()
        self.assertContains(response, "Munki installs it (managed install)")
        self.assertEqual([len(line.counts) for line in response.context["apps"]], [0, 6])

    def test_attributes_are_named_without_their_values(self) -> None:
        attribute = make_attribute(self.account, name="wifi_password")
        make_attribute_value(self.group, attribute, "hunter2")
        response = self.page()
        self.assertContains(response, "The group has values for")
        self.assertNotContains(response, "hunter2")

    def test_names_are_escaped(self) -> None:
        name = "<script>alert(1)</script>"
        for row in (self.group, self.app, self.profile, self.device):
            type(row).objects.filter(pk=row.pk).update(name=name)
        member = make_group(self.account, name)
        group = make_assignment_group(
            self.account, name, members=[member, self.device], apps=[self.app], profiles=[self.profile]
        )
        views = ("change", "edit", "clone", "remove", "push_apps", "add_app", "add_profiles", "devices")
        for url in [self.list_url, *(self.of(view, group) for view in views)]:
            response = self.people[Role.OWNER].get(url)
            self.assertNotContains(response, name, msg_prefix=url)
            self.assertContains(response, "&lt;script&gt;", msg_prefix=url)

    def test_readers_see_it_without_buttons(self) -> None:
        response = self.page()
        for words in ("take_out/", "add_app/", "push_apps/", "remove/"):
            self.assertNotContains(response, words)
            self.assertContains(self.page(Role.OPERATOR), words)

    def test_the_number_of_statements_does_not_grow_with_devices(self) -> None:
        def fill(count: int) -> None:
            for _ in range(count):
                for device in (self.device, make_device(self.account)):
                    group = make_group(self.account)
                    make_assignment_group(self.account, members=[device, group])
                self.group.members.create(account=self.account, device=device)
                self.group.members.create(account=self.account, device_group=group)
                make_app_install(self.app, device)

        fill(1)
        few = self.statements(self.of("change"))
        fill(60)
        self.assertEqual(self.statements(self.of("change")), few)
        self.assertContains(self.page(), "62 devices belong to it by themselves")


class SendingTest(GroupTestCase):
    def test_apps_are_pushed_after_a_look_at_how_many_devices_it_concerns(self) -> None:
        AssignmentGroup.objects.update(auto_deploy=False)
        client = self.people[Role.OPERATOR]
        self.assertContains(client.get(self.of("push_apps")), "1 enrolled device belongs to it.")
        self.assertEqual(self.events("apps.pushed"), [])
        self.assertContains(client.post(self.of("push_apps"), follow=True), "Push apps: 1 app on the way.")
        self.assertEqual(self.events("apps.pushed")[0].actor_label, "operator@acme.example")
        self.assertContains(client.post(self.of("push_apps"), follow=True), "Nothing was sent")

    def test_updates_are_sent(self) -> None:
        response = self.people[Role.OPERATOR].post(self.of("update_apps"), follow=True)
        self.assertContains(response, "Nothing was sent: no device of the group is known to have an older version.")
        self.assertEqual(len(self.events("apps.updated")), 1)

    def test_profiles_are_sent_again_but_not_twice_within_a_moment(self) -> None:
        ProfileInstall.objects.create(
            account=self.account, profile=self.profile, device=self.device, version=1, state=ItemState.INSTALLED
        )
        client = self.people[Role.OPERATOR]
        self.assertContains(client.post(self.of("sync_profiles"), follow=True), "1 device on the way")
        self.assertEqual(ProfileInstall.objects.get().version, 0)
        response = client.post(self.of("sync_profiles"), follow=True)
        self.assertRegex(response.content.decode(), r"sent a moment ago. Try again in \d+ seconds?\.")
        self.assertEqual(len(self.events("profiles.synced")), 1)

    def test_for_many_devices_it_becomes_an_operation(self) -> None:
        with patch("devices.services.due.MANY", 0):
            response = self.people[Role.OPERATOR].post(self.of("push_apps"), follow=True)
        self.assertContains(response, "1 device will be reached one after the other.")
        self.assertRedirects(response, self.url(BulkOperation, "changelist"))
        self.assertContains(response, "Push the apps of Everyone")

    def test_readers_and_strangers_send_nothing(self) -> None:
        for view in ("push_apps", "update_apps", "sync_profiles", "clone", "remove", "edit"):
            for method in ("get", "post"):
                self.assertEqual(getattr(self.people[Role.READ_ONLY], method)(self.of(view)).status_code, 403, view)
                self.assertEqual(getattr(self.outside, method)(self.of(view)).status_code, 404, view)
        self.assertEqual(self.outside.get(self.of("change")).status_code, 404)
        self.assertEqual(self.events("apps.pushed") + self.events("profiles.synced"), [])


class DeviceGroupPageTest(GroupTestCase):
    def test_the_page_of_a_device_group_leads_to_what_its_devices_get(self) -> None:
        sales = make_group(self.account, "Sales")
        url = self.url(DeviceGroup, "change", sales.pk)
        self.assertContains(self.people[Role.READ_ONLY].get(url), "<dd>none</dd>", count=2)
        self.group.members.create(account=self.account, device_group=sales)
        make_profile_assignment(self.profile, sales)
        response = self.people[Role.READ_ONLY].get(url)
        self.assertContains(response, f'<a class="pm-link" href="{self.of("change")}">Everyone</a>', html=True)
        self.assertContains(response, self.url(type(self.profile), "change", self.profile.pk))
        self.assertNotContains(self.people[Role.READ_ONLY].get(self.url(DeviceGroup, "changelist")), "Everyone")


class ManyDevicesTest(GroupTestCase):
    """A group of so many devices that its page does not wait until they are counted."""

    def setUp(self) -> None:
        super().setUp()
        self.enterContext(patch("apps_catalog.services.totals.COUNTED_AT_ONCE", 1))
        self.client = self.people[Role.OWNER]
        make_app_install(self.app, self.device, ItemState.FAILED)

    def later(self) -> dict[str, str]:
        context = self.client.get(self.of("change")).context
        return {line.item.name: line.later for line in (*context["apps"], *context["profiles"])}

    def test_each_line_is_counted_by_itself(self) -> None:
        page = self.client.get(self.of("change"))
        self.assertContains(page, "The devices are being counted…", 2)
        self.assertEqual(set(self.later()), {"Numbers", "Wi-Fi"})
        part = self.client.get(self.later()["Numbers"], headers={"HX-Request": "true"})
        self.assertTrue(part.content.decode().strip().startswith("<tr>"))
        self.assertEqual({count.state: count.number for count in part.context["line"].counts}["failed"], 1)
        self.assertContains(part, 'name="what" value="app"')

    def test_without_scripts_a_link_leads_to_its_numbers(self) -> None:
        page = self.client.get(self.later()["Wi-Fi"])
        self.assertContains(page, "<h1>Wi-Fi</h1>", html=True)
        self.assertEqual({count.state: count.number for count in page.context["line"].counts}["pending"], 1)

    def test_what_is_not_in_the_group_leads_back_to_it(self) -> None:
        elsewhere = make_app(self.account, "Pages", store=True)
        theirs = make_profile(self.other_account, "Theirs")
        for query in (f"?app={elsewhere.pk}", f"?profile={theirs.pk}", "?app=x", "?app=99999999999999999999999"):
            self.assertRedirects(self.client.get(self.of("totals") + query), self.of("change"))

    def test_all_of_them_stand_on_one_page(self) -> None:
        page = self.client.get(self.of("totals"))
        self.assertContains(page, self.later()["Numbers"])
        self.assertContains(page, self.later()["Wi-Fi"])

    def test_each_line_costs_the_same_whatever_else_there_is(self) -> None:
        url = self.later()["Numbers"]
        before = self.statements(url)
        for number in range(3):
            make_app_assignment(self.group, make_app(self.account, f"More {number}", store=True))
        self.assertEqual(self.statements(url), before)

    def test_apps_of_munki_say_so_at_once(self) -> None:
        make_app_assignment(self.group, make_app(self.account, "Firefox"), deployment_type="munki")
        self.assertEqual(self.later()["Firefox"], "")
        self.assertContains(self.client.get(self.of("change")), "Munki installs it")
