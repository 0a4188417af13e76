"""Putting devices, device groups, profiles and apps into an assignment group, and taking them out."""

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps_catalog.models import App, AppAssignment
from devices.models import AssignmentGroup, Device, Profile
from mdm.accounts.models import Role
from tests.admin.base import AdminTestCase
from tests.factories import (
    make_app,
    make_assignment_group,
    make_device,
    make_group,
    make_mobileconfig,
    make_payload,
    make_profile,
)
from tests.factories.due import take_marks


class ContentTestCase(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.device = make_device(self.account, name="Reception iPad")
        self.group = make_assignment_group(self.account, "Everyone", members=[self.device])
        self.client = self.people[Role.OPERATOR]

    def of(self, view: str) -> str:
        return self.url(AssignmentGroup, view, self.group.pk)


class AppsTest(ContentTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.app = make_app(self.account, "Numbers", store=True)

    def assignment(self) -> AppAssignment:
        return AppAssignment.objects.get(group=self.group, app=self.app)

    def test_an_app_is_put_in_as_the_group_says(self) -> None:
        AssignmentGroup.objects.update(group_type="munki", install_type="self_serve")
        response = self.client.post(self.of("add_app"), {"app": self.app.pk}, follow=True)
        self.assertContains(response, "Numbers is in the group.")
        found = self.assignment()
        self.assertEqual((found.deployment_type, found.install_type), ("munki", "self_serve"))
        self.assertEqual(self.events("assignment_group.assigned")[0].actor_label, "operator@acme.example")
        self.assertEqual(take_marks(), {self.device})

    def test_its_types_are_changed_later(self) -> None:
        self.client.post(self.of("add_app"), {"app": self.app.pk, "deployment_type": "munki"})
        page = self.client.get(self.of("add_app") + f"?app={self.app.pk}")
        self.assertContains(page, "How Numbers is installed")
        self.assertEqual(page.context["form"]["deployment_type"].value(), "munki")
        self.client.post(self.of("add_app"), {"app": self.app.pk, "deployment_type": "standard"})
        self.assertEqual(self.assignment().deployment_type, "standard")

    def test_how_it_comes_depends_on_the_group(self) -> None:
        self.assertContains(self.client.get(self.of("add_app")), "by itself.")
        AssignmentGroup.objects.update(auto_deploy=False)
        self.assertContains(self.client.get(self.of("add_app")), "“Push apps”")

    def test_bad_input_is_refused_at_its_field(self) -> None:
        theirs = make_app(self.other_account)
        deleted = make_app(self.account, removed_at=timezone.now())
        for data, field in (
            ({}, "app"),
            ({"app": theirs.pk}, "app"),
            ({"app": deleted.pk}, "app"),
            ({"app": "x"}, "app"),
            ({"app": self.app.pk, "deployment_type": "window"}, "deployment_type"),
            ({"app": self.app.pk, "install_type": "window"}, "install_type"),
        ):
            self.assertIn(field, self.client.post(self.of("add_app"), data).context["form"].errors, data)
        self.assertFalse(AppAssignment.objects.exists())
        page = self.client.get(self.of("add_app") + f"?app={theirs.pk}")
        self.assertNotContains(page, theirs.name)

    def test_it_is_taken_out_after_a_question(self) -> None:
        self.client.post(self.of("add_app"), {"app": self.app.pk})
        data = {"what": "app", "id": self.app.pk}
        page = self.client.post(self.of("take_out"), data)
        self.assertContains(page, "Take Numbers out of Everyone")
        self.assertContains(page, "1 device of the group")
        self.assertTrue(AppAssignment.objects.exists())
        answer = dict(page.context["hidden"])
        response = self.client.post(self.of("take_out"), answer, follow=True)
        self.assertContains(response, "1 app taken out of the group.")
        self.assertFalse(AppAssignment.objects.exists())
        self.assertContains(self.client.post(self.of("take_out"), answer, follow=True), "not in the group any more")
        self.assertEqual(len(self.events("assignment_group.unassigned")), 1)


class ProfilesTest(ContentTestCase):
    def test_several_are_put_in_at_once_and_then_not_offered_again(self) -> None:
        wifi, vpn, mail = (make_profile(self.account, name) for name in ("Wi-Fi", "VPN", "Mail"))
        response = self.client.post(self.of("add_profiles"), {"chosen": [wifi.pk, vpn.pk]}, follow=True)
        self.assertContains(response, "2 profiles put into the group.")
        form = self.client.get(self.of("add_profiles")).context["form"]
        self.assertEqual(list(form.fields["chosen"].queryset), [mail])
        self.assertEqual(len(self.events("profile.assigned")), 2)
        self.client.post(self.of("add_profiles"), {"chosen": [mail.pk]})
        self.assertContains(self.client.get(self.of("add_profiles")), "is in this group already")

    def test_unknown_variables_are_named_beforehand_whatever_the_number_of_profiles(self) -> None:
        content = make_mobileconfig("", make_payload(Here="{{serial_number}} {{attic}}"))
        make_profile(self.account, "Filled", content=content, attribute_support=True)
        make_profile(self.account, "Not filled", content=content)
        self.client.get(self.of("add_profiles"))  # the names in a file are looked for once
        with CaptureQueriesContext(connection) as before:
            page = self.client.get(self.of("add_profiles"))
        self.assertContains(page, "Filled (unknown: {{attic}}; it would be sent as it stands there)")
        self.assertContains(page, "(unknown:", 1)
        for _ in range(3):
            make_profile(self.account, content=content, attribute_support=True)
        self.client.get(self.of("add_profiles"))
        with CaptureQueriesContext(connection) as after:
            self.assertContains(self.client.get(self.of("add_profiles")), "(unknown:", 4)
        self.assertEqual(len(after), len(before))

    def test_none_or_a_strangers_is_refused(self) -> None:
        make_profile(self.account)
        deleted = make_profile(self.account, removed_at=timezone.now())
        for chosen in ([], [make_profile(self.other_account).pk], [deleted.pk], ["x"]):
            form = self.client.post(self.of("add_profiles"), {"chosen": chosen}).context["form"]
            self.assertIn("chosen", form.errors, chosen)
        self.assertFalse(self.group.profile_assignments.exists())

    def test_it_is_taken_out(self) -> None:
        profile = make_profile(self.account, "Wi-Fi")
        self.client.post(self.of("add_profiles"), {"chosen": [profile.pk]})
        data = {"what": "profile", "id": profile.pk}
        self.assertContains(
            self.client.post(self.of("take_out"), data), "Where nothing else assigns it, it is removed."
        )
        response = self.client.post(self.of("take_out"), data | {"confirmed": "1"}, follow=True)
        self.assertContains(response, "1 profile taken out of the group.")
        self.assertFalse(self.group.profile_assignments.exists())
        self.assertEqual(len(self.events("profile.unassigned")), 1)


class MembersTest(ContentTestCase):
    def test_device_groups_are_put_in_and_taken_out(self) -> None:
        sales = make_group(self.account, "Sales")
        for _ in range(2):
            make_device(group=sales)
        response = self.client.post(self.of("add_device_groups"), {"chosen": [sales.pk, self.group_of_all()]})
        self.assertRedirects(response, self.of("change"))
        data = {"what": "device_group", "id": sales.pk}
        self.assertContains(self.client.post(self.of("take_out"), data), "2 devices of yours may lose")
        self.client.post(self.of("take_out"), data | {"confirmed": "1"})
        self.assertFalse(self.group.members.filter(device_group=sales).exists())
        self.assertEqual(self.group.members.filter(device_group__isnull=False).count(), 1)

    def group_of_all(self) -> int:
        return self.device.group_id

    def test_devices_are_found_put_in_and_taken_out(self) -> None:
        kiosks = [make_device(self.account, name=f"Kiosk {n}") for n in range(3)]
        page = self.client.get(self.of("devices"))
        self.assertEqual([row[0] for row in page.context["rows"]], [self.device])
        page = self.client.get(self.of("devices") + "?q=kiosk")
        self.assertEqual([row[0] for row in page.context["rows"]], kiosks)
        chosen = {"what": "device", "id": [kiosks[0].pk, kiosks[2].pk]}
        response = self.client.post(self.of("add_devices"), chosen, follow=True)
        self.assertContains(response, "2 devices put into the group.")
        self.assertEqual(take_marks(), {kiosks[0], kiosks[2]})
        self.assertContains(self.client.post(self.of("add_devices"), chosen, follow=True), "already")
        self.assertContains(self.client.post(self.of("take_out"), chosen), "Take 2 devices out of Everyone")
        response = self.client.post(self.of("take_out"), chosen | {"confirmed": "1"}, follow=True)
        self.assertContains(response, "2 devices taken out of the group.")
        self.assertEqual([member.device for member in self.group.members.all()], [self.device])

    def test_it_is_told_apart_who_belongs_through_a_device_group(self) -> None:
        sales = make_group(self.account, "Sales")
        make_device(group=sales, name="Kiosk")
        self.group.members.create(account=self.account, device_group=sales)
        page = self.client.get(self.of("devices") + "?q=kiosk")
        self.assertEqual([row[1:] for row in page.context["rows"]], [(False, True)])
        self.assertContains(page, "Through its device group")

    def test_a_long_list_is_cut_and_says_so(self) -> None:
        Device.objects.bulk_create(
            Device(account=self.account, group=self.device.group, name=f"Kiosk {n:03}") for n in range(101)
        )
        page = self.client.get(self.of("devices") + "?q=kiosk")
        self.assertEqual(len(page.context["rows"]), 100)
        self.assertContains(page, "These are the first 100")
        everything = {"what": "device", "id": list(Device.objects.values_list("pk", flat=True))}
        for url in (self.of("add_devices"), self.of("take_out")):
            self.assertContains(self.client.post(url, everything, follow=True), "Choose between one and 100")
            self.assertContains(self.client.post(url, {"what": "device"}, follow=True), "Choose between one and 100")
        self.assertEqual(self.group.members.count(), 1)

    def test_searches_break_nothing(self) -> None:
        for words in ("%00", "%25", "'", "x" * 500, "<script>alert(1)</script>"):
            response = self.client.get(self.of("devices") + f"?q={words}")
            self.assertEqual(response.status_code, 200, words)
            self.assertNotContains(response, "<script>alert")


class StrangersTest(ContentTestCase):
    VIEWS = ("add_app", "add_profiles", "add_device_groups", "add_devices", "take_out")

    def test_another_accounts_things_are_not_found(self) -> None:
        theirs = {
            "app": make_app(self.other_account),
            "profile": make_profile(self.other_account),
            "device_group": make_group(self.other_account),
            "device": make_device(self.other_account),
        }
        for what, row in theirs.items():
            data = {"what": what, "id": row.pk, "confirmed": "1"}
            self.assertEqual(self.client.post(self.of("take_out"), data).status_code, 404, what)
        mixed = {"what": "device", "id": [self.device.pk, theirs["device"].pk]}
        self.assertEqual(self.client.post(self.of("add_devices"), mixed).status_code, 404)
        page = self.client.get(self.of("devices") + f"?q={theirs['device'].serial_number}")
        self.assertEqual(page.context["rows"], [])
        self.assertEqual(self.group.members.count(), 1)

    def test_senseless_forms_are_not_found(self) -> None:
        for data in (
            {},
            {"what": "window", "id": "1"},
            {"what": "device", "id": "x"},
            {"what": "device", "id": "9" * 40},
        ):
            self.assertEqual(self.client.post(self.of("take_out"), data).status_code, 404, data)

    def test_readers_look_and_change_nothing(self) -> None:
        reader = self.people[Role.READ_ONLY]
        page = reader.get(self.of("devices"))
        self.assertContains(page, "Reception iPad")
        self.assertNotContains(page, 'type="checkbox"')
        for view in self.VIEWS:
            self.assertEqual(reader.post(self.of(view), {"what": "device", "id": self.device.pk}).status_code, 403)
        self.assertEqual(self.group.members.count(), 1)

    def test_outsiders_find_no_page(self) -> None:
        for view in (*self.VIEWS, "devices"):
            for method in (self.outside.get, self.outside.post):
                self.assertEqual(method(self.of(view)).status_code, 404, view)

    def test_every_kind_can_be_looked_at_before_it_is_added(self) -> None:
        for model, make in ((App, make_app), (Profile, make_profile)):
            make(self.account, f"Some {model.__name__}")
        make_group(self.account, "Some DeviceGroup")
        for view, words in (
            ("add_app", "Some App"),
            ("add_profiles", "Some Profile"),
            ("add_device_groups", "Some DeviceGroup"),
        ):
            self.assertContains(self.client.get(self.of(view)), words)
