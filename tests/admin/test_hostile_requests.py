"""Requests that no page of ours sends: other accounts' keys in forms, and nonsense in addresses."""

from apps_catalog.models import App, AppAssignment, ManagedConfig
from devices.models import AssignmentGroup, BulkOperation, Device, Profile, ProfileAssignment
from mdm.accounts.models import Role
from mdm.commands.models import Command
from tests.admin.base import AdminTestCase
from tests.factories import (
    make_app,
    make_assignment_group,
    make_device,
    make_group,
    make_installed_app,
    make_operation,
    make_profile,
    make_profile_assignment,
)
from tests.factories.apps import make_managed_config
from tests.factories.wanted import make_group_with

# No number, none that a column holds, none at all, text that no database takes.
NONSENSE = ("", "x", "-1", "0", "9" * 18, "\x00", "٣", "1'", "<script>alert(1)</script>", "x" * 2000)
MORE_NONSENSE = (*NONSENSE, "9" * 40)


class OtherAccountsKeysTest(AdminTestCase):
    """The owner posts what belongs to another account, or to another row than the page is about."""

    def setUp(self) -> None:
        super().setUp()
        self.client = self.people[Role.OWNER]
        self.app, self.profile = make_app(self.account), make_profile(self.account)
        self.device = make_device(self.account, enrolled=True, platform="iOS")

    def test_groups_of_others_get_no_app_and_lose_none(self) -> None:
        theirs = make_group_with(self.other_account, apps=(make_app(self.other_account),))
        make_group_with(self.account)  # so that there is something to choose
        make_group_with(self.account, apps=(self.app,))
        before = set(AppAssignment.objects.values_list("group", "app"))
        for view in ("assign", "unassign"):
            response = self.client.post(self.url(App, view, self.app.pk), {"group": theirs.pk})
            self.assertTrue(response.context["form"].errors, view)
            self.assertNotContains(
                self.client.get(f"{self.url(App, view, self.app.pk)}?group={theirs.pk}"), theirs.name
            )
        self.assertEqual(set(AppAssignment.objects.values_list("group", "app")), before)

    def test_a_key_of_another_apps_configuration_is_not_found(self) -> None:
        theirs = make_managed_config(make_app(self.other_account), value="their secret")
        of_another = make_managed_config(make_app(self.account))
        for config in (theirs, of_another):
            form = f"{self.url(App, 'configuration_key', self.app.pk)}?key={config.pk}"
            data = {"value_type": "string", "value": "mine"}
            self.assertEqual(self.client.get(form).status_code, 404)
            self.assertEqual(self.client.post(form, data).status_code, 404)
            deleting = self.client.post(self.url(App, "configuration_remove", self.app.pk), {"key": config.pk})
            self.assertEqual(deleting.status_code, 404)
        self.assertEqual({one.value for one in ManagedConfig.objects.all()}, {theirs.value, of_another.value})

    def test_an_app_on_another_device_is_not_found(self) -> None:
        for other in (make_device(self.account, enrolled=True), make_device(self.other_account, enrolled=True)):
            row = make_installed_app(other, is_managed=True)
            for view in ("manage_app", "update_app", "uninstall_app"):
                data = {"app": row.pk, "confirmed": "1"}
                response = self.client.post(self.url(Device, view, self.device.pk), data)
                self.assertEqual(response.status_code, 404, view)
        self.assertFalse(Command.objects.exists())

    def test_an_assignment_of_another_profile_is_not_taken_back(self) -> None:
        theirs = make_profile_assignment(make_profile(self.other_account), make_device(self.other_account))
        of_another = make_profile_assignment(make_profile(self.account), self.device)
        for assignment in (theirs, of_another):
            data = {"assignment": assignment.pk, "confirmed": "yes"}
            response = self.client.post(self.url(Profile, "unassign", self.profile.pk), data)
            self.assertEqual(response.status_code, 404)
        self.assertEqual(ProfileAssignment.objects.count(), 2)

    def test_profiles_are_not_assigned_to_groups_and_devices_of_others(self) -> None:
        make_group(self.account)
        make_assignment_group(self.account)
        for data in (
            {"device_groups": make_group(self.other_account).pk},
            {"assignment_groups": make_assignment_group(self.other_account).pk},
            {"devices": make_device(self.other_account, serial_number="THEIRS").serial_number},
        ):
            response = self.client.post(self.url(Profile, "assign", self.profile.pk), data)
            self.assertTrue(response.context["form"].errors, data)
        self.assertFalse(ProfileAssignment.objects.exists())


class NonsenseTest(AdminTestCase):
    """Whatever stands in an address or a form is an answer, and never an error of the server."""

    def setUp(self) -> None:
        super().setUp()
        self.client = self.people[Role.OWNER]
        device = make_device(self.account, enrolled=True, platform="macOS")
        self.rows = {
            App: make_app(self.account),
            Profile: make_profile(self.account),
            AssignmentGroup: make_assignment_group(self.account, members=[device]),
            BulkOperation: make_operation(self.account),
            Device: device,
        }

    def test_in_the_addresses_of_lists(self) -> None:
        for model in self.rows:
            for key in ("q", "state", "kind", "status", "assigned", "o", "p", "e", "unknown__in"):
                for value in MORE_NONSENSE:
                    response = self.client.get(self.url(model, "changelist"), {key: value})
                    self.assertIn(response.status_code, (200, 302, 400), (model, key, value[:20]))
                    self.assertNotContains(response, "<script>alert(1)", response.status_code)

    def test_in_the_addresses_of_pages(self) -> None:
        for model, view, key in (
            (App, "devices", "state"),
            (App, "devices", "page"),
            (App, "unassign", "group"),
            (App, "configuration_key", "key"),
            (Profile, "devices", "state"),
            (Profile, "devices", "after"),
            (Profile, "preview", "device"),
            (Profile, "preview", "q"),
            (Profile, "assign", "group"),
            (AssignmentGroup, "add_app", "app"),
            (AssignmentGroup, "devices", "q"),
            (Device, "change", "tab"),
        ):
            for value in MORE_NONSENSE:
                response = self.client.get(self.url(model, view, self.rows[model].pk), {key: value})
                self.assertIn(response.status_code, (200, 404), (view, key, value[:20]))
                self.assertNotContains(response, "<script>alert(1)", response.status_code)

    def test_in_forms(self) -> None:
        before = Command.objects.count()
        for model, view, *keys in (
            (App, "assign", "group"),
            (App, "unassign", "group"),
            (App, "install", "device"),
            (App, "deploy", "deploy_to"),
            (App, "version", "deploy_to"),
            (App, "configuration_remove", "key"),
            (Profile, "unassign", "assignment"),
            (Profile, "assign", "device_groups", "assignment_groups", "devices"),
            (AssignmentGroup, "add_app", "app", "deployment_type"),
            (AssignmentGroup, "add_profiles", "chosen"),
            (AssignmentGroup, "add_device_groups", "chosen"),
            (AssignmentGroup, "add_devices", "id"),
            (AssignmentGroup, "take_out", "id", "what"),
            (Device, "retry_item", "id", "kind"),
            (Device, "stop_item", "id", "kind"),
            (Device, "manage_app", "app"),
        ):
            for value in NONSENSE:
                response = self.client.post(self.url(model, view, self.rows[model].pk), dict.fromkeys(keys, value))
                self.assertIn(response.status_code, (200, 302, 404), (view, value[:20]))
                if response.status_code == 200:
                    self.assertNotContains(response, "<script>alert(1)")
        self.assertEqual(Command.objects.count(), before)
