"""Walks every route of the API as somebody without a key, and as the owner of another account."""

from devices.models import Device, DeviceGroup
from enrollment.models import Enrollment
from mdm.accounts.models import Account
from mdm.commands.models import Command
from tests.api.routes import Route, api_routes
from tests.base import AccountTestCase, ApiClient
from tests.factories import (
    make_command,
    make_device,
    make_device_user,
    make_enrollment,
    make_event,
    make_group,
    make_installed_app,
)

# What stands at {pk}, by the collection in the path.
OWNERS = {"devices": "device", "device_groups": "own_group", "enrollments": "enrollment"}


class ScopingWalkTest(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.own_group = make_group(self.account)
        self.device = make_device(self.account, platform="macOS")
        self.enrollment = make_enrollment(self.account)
        make_installed_app(self.device)
        make_device_user(self.device)
        make_command(self.device)
        self.event = make_event(device=self.device)

    def values(self, route: Route) -> dict[str, object]:
        collection = next((part for part in route.template.split("/") if part in OWNERS), None)
        values = {"udid": self.device.udid, "log_id": self.event.log_id, "device_pk": self.device.pk}
        if collection:
            values["pk"] = getattr(self, OWNERS[collection]).pk
        unknown = [name for name in route.names if name not in values]
        self.assertEqual(unknown, [], f"{route.template}: say here what stands at {unknown}")
        return values

    def walk(self, client: ApiClient):
        for route in api_routes():
            for method in route.methods:
                path = route.path(**self.values(route))
                for form in (path, f"{path}/"):
                    yield route, f"{method} {form}", client.request(method.upper(), form, b"{}", "application/json")

    def rows(self) -> dict[str, list]:
        return {
            model.__name__: list(model.objects.filter(**account).order_by("pk").values())
            for model, account in (
                (Account, {"pk": self.account.pk}),
                (Device, {"account": self.account}),
                (DeviceGroup, {"account": self.account}),
                (Enrollment, {"account": self.account}),
                (Command, {"account": self.account}),
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
                self.assertEqual(response.status_code, 200, name)
                text = response.content.decode()
                for ours in (self.device.udid, self.own_group.name, self.enrollment.code, self.event.log_id):
                    self.assertNotIn(ours, text, name)

    def test_with_a_read_only_key_every_write_is_403(self):
        before = self.rows()
        for _, name, response in self.walk(self.read_only_api):
            if not name.startswith("get") or "/push/" in name:
                self.assertEqual(response.status_code, 403, name)
            else:
                self.assertEqual(response.status_code, 200, name)
        self.assertEqual(self.rows(), before)
