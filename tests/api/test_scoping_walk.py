"""Walks every route of the API as somebody without a key, and as the owner of another account."""

from apps_catalog.models import App, ManagedConfig
from devices.models import (
    AssignmentGroup,
    AssignmentMember,
    AttributeValue,
    BulkOperation,
    CustomAttribute,
    Device,
    DeviceGroup,
    Profile,
    ProfileAssignment,
    Script,
    ScriptRun,
)
from enrollment.models import DepServer, Enrollment
from mdm.accounts.models import Account
from mdm.commands.models import Command
from mdm.events.models import Webhook, WebhookDelivery
from tests.api.routes import Route, api_routes
from tests.base import AccountTestCase, ApiClient
from tests.factories import (
    make_assignment_group,
    make_attribute,
    make_command,
    make_delivery,
    make_dep_device,
    make_dep_server,
    make_device,
    make_device_user,
    make_enrollment,
    make_event,
    make_group,
    make_installed_app,
    make_managed_config,
    make_operation,
    make_profile,
    make_profile_assignment,
    make_script,
    make_script_job,
    make_webhook,
)
from tests.factories.wanted import make_store_app
from tests.mdm.push.certificates import make_push_certificate

# What stands at {pk}, by the collection in the path.
OWNERS = {
    "app_groups": "assignment_group",
    "apps": "app",
    "assignment_groups": "assignment_group",
    "custom_configuration_profiles": "profile",
    "dep_servers": "dep_server",
    "devices": "device",
    "device_groups": "own_group",
    "enrollments": "enrollment",
    "installed_apps": "installed_app",
    "operations": "operation",
    "profiles": "profile",
    "scripts": "script",
    "script_jobs": "script_job",
    "webhooks": "webhook",
}
# What has to be asked for, where a path alone is not enough.
QUERIES = {"/api/v1/custom_configuration_profiles/{pk}/preview": "?device_id={device_id}"}


class ScopingWalkTest(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.own_group = make_group(self.account)
        self.device = make_device(self.account, platform="macOS")
        self.enrollment = make_enrollment(self.account)
        self.installed_app = make_installed_app(self.device)
        self.device_user = make_device_user(self.device)
        self.app = make_store_app(self.account)
        self.managed_config = make_managed_config(self.app)
        self.assignment_group = make_assignment_group(self.account, members=[self.device])
        make_command(self.device)
        self.event = make_event(device=self.device)
        self.dep_server = make_dep_server(self.account)
        self.dep_device = make_dep_device(self.dep_server)
        self.attribute = make_attribute(self.account, default="ours")
        self.webhook = make_webhook(self.account)
        self.delivery = make_delivery(self.webhook, state="failed", due_at=None)
        self.profile = make_profile(self.account)
        make_profile_assignment(self.profile, self.device)
        make_push_certificate(self.account, apple_id="ours@example.com")
        self.operation = make_operation(self.account, title="Assign ours to all")
        self.script = make_script(self.account)
        self.script_job = make_script_job(script=self.script, devices=[self.device])

    def values(self, route: Route) -> dict[str, object]:
        collection = next((part for part in route.template.split("/") if part in OWNERS), None)
        values = {"udid": self.device.udid, "log_id": self.event.log_id, "device_id": self.device.pk}
        values["device_group_id"] = self.own_group.pk
        values["profile_id"] = self.profile.pk
        values["app_id"] = self.app.pk
        values["config_id"] = self.managed_config.pk
        values["user_id"] = self.device_user.pk
        values["delivery_id"] = self.delivery.pk
        values["dep_device_id"] = self.dep_device.pk
        values["name"] = self.attribute.name
        if collection:
            values["pk"] = getattr(self, OWNERS[collection]).pk
        unknown = [name for name in route.names if name not in values]
        self.assertEqual(unknown, [], f"{route.template}: say here what stands at {unknown}")
        return values

    def walk(self, client: ApiClient):
        for route in api_routes():
            for method in route.methods:
                path = route.path(**self.values(route))
                query = QUERIES.get(route.template, "").format(device_id=self.device.pk)
                for form in (f"{path}{query}", f"{path}/{query}"):
                    yield route, f"{method} {form}", client.request(method.upper(), form, b"{}", "application/json")

    def rows(self) -> dict[str, list]:
        return {
            model.__name__: list(model.objects.filter(**account).order_by("pk").values())
            for model, account in (
                (Account, {"pk": self.account.pk}),
                (Device, {"account": self.account}),
                (DeviceGroup, {"account": self.account}),
                (Enrollment, {"account": self.account}),
                (DepServer, {"account": self.account}),
                (Command, {"account": self.account}),
                (CustomAttribute, {"account": self.account}),
                (AttributeValue, {"account": self.account}),
                (Webhook, {"account": self.account}),
                (WebhookDelivery, {"account": self.account}),
                (Profile, {"account": self.account}),
                (App, {"account": self.account}),
                (ManagedConfig, {"account": self.account}),
                (AssignmentGroup, {"account": self.account}),
                (AssignmentMember, {"account": self.account}),
                (ProfileAssignment, {"account": self.account}),
                (Script, {"account": self.account}),
                (ScriptRun, {"account": self.account}),
                (BulkOperation, {"account": self.account}),
            )
        }

    def test_there_is_something_to_walk(self):
        self.assertGreater(len(api_routes()), 15)

    def test_without_a_key_everything_is_401(self):
        before = self.rows()
        for _, name, response in self.walk(self.anonymous_api):
            self.assertEqual(response.status_code, 401, name)
            self.assertEqual(response.json()["errors"], [{"title": "Unauthorized"}], name)
        self.assertEqual(self.rows(), before)

    def test_with_the_key_of_another_account_every_object_is_404(self):
        before = self.rows()
        for route, name, response in self.walk(self.outsider_api):
            if route.names:
                self.assertEqual(response.status_code, 404, name)
                self.assertEqual(response.json()["errors"], [{"title": "object not found"}], name)
        self.assertEqual(self.rows(), before)

    def test_with_the_key_of_another_account_lists_hold_nothing_of_ours(self):
        for route, name, response in self.walk(self.outsider_api):
            if not route.names and name.startswith("get"):
                # The push certificate and its request are one row, or none.
                self.assertIn(response.status_code, (404, 422) if "push_certificate" in name else (200,), name)
                text = response.getvalue().decode()
                for ours in (
                    self.device.udid,
                    "ours@example.com",
                    self.own_group.name,
                    self.enrollment.code,
                    self.event.log_id,
                    self.operation.title,
                ):
                    self.assertNotIn(ours, text, name)

    def test_with_a_read_only_key_every_write_is_403(self):
        before = self.rows()
        for _, name, response in self.walk(self.read_only_api):
            if not name.startswith("get") or "/push/" in name or "/scsr" in name:
                self.assertEqual(response.status_code, 403, name)
            else:
                self.assertEqual(response.status_code, 200, name)
        self.assertEqual(self.rows(), before)
