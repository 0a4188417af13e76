"""Requesting management of an app on a device, updating and removing it; pushing a device's assigned apps."""

from devices.services.devices import remove_device
from mdm.accounts.actors import SYSTEM
from mdm.commands.models import Command
from mdm.events.models import Event
from tests.base import AccountTestCase
from tests.factories import make_assignment_group, make_device, make_installed_app
from tests.factories.wanted import make_store_app

URL = "/api/v1/installed_apps"


class InstalledAppActionsTest(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.device = make_device(self.account)
        self.managed = make_installed_app(self.device, "com.example.managed", is_managed=True)
        self.unmanaged = make_installed_app(self.device, "com.example.unmanaged")

    def assert_queued(self, response, request_type: str, **parameters):
        self.assertEqual((response.status_code, response.content, response["Content-Length"]), (202, b"", "0"))
        command = Command.objects.get()
        self.assertEqual((command.request_type, command.parameters), (request_type, parameters))
        event = Event.objects.get(event_type="command.queued")
        self.assertEqual((event.api_key, event.device), (self.api_key, self.device))

    def assert_refused(self, response, title: str):
        self.assertEqual(response.status_code, 422)
        self.assertIn(title, response.json()["errors"][0]["title"])
        self.assertFalse(Command.objects.exists())
        self.assertFalse(Event.objects.exists())

    def test_request_management(self):
        response = self.api.post(f"{URL}/{self.unmanaged.pk}/request_management")
        self.assert_queued(
            response, "InstallApplication", Identifier="com.example.unmanaged", ChangeManagementState="Managed"
        )

    def test_request_management_of_a_managed_app_is_refused(self):
        self.assert_refused(self.api.post(f"{URL}/{self.managed.pk}/request_management"), "managed already")

    def test_request_management_needs_macos_11(self):
        app = make_installed_app(make_device(self.account, platform="macOS", os_version="10.15.7"))
        self.assert_refused(self.api.post(f"{URL}/{app.pk}/request_management"), "macOS 11.0 or later")

    def test_update(self):
        response = self.api.post(f"{URL}/{self.managed.pk}/update")
        self.assert_queued(response, "InstallApplication", Identifier="com.example.managed")

    def test_update_of_an_app_of_the_catalogue(self):
        app = make_store_app(self.account, bundle_identifier="com.example.managed")
        self.assertEqual(self.api.post(f"{URL}/{self.managed.pk}/update").status_code, 202)
        self.assertEqual(Command.objects.get().parameters["app"], app.pk)
        self.assertEqual(Event.objects.get(event_type="apps.pushed").api_key, self.api_key)

    def test_uninstall(self):
        response = self.api.delete(f"{URL}/{self.managed.pk}")
        self.assert_queued(response, "RemoveApplication", Identifier="com.example.managed")

    def test_update_and_uninstall_need_a_managed_app(self):
        self.assert_refused(self.api.post(f"{URL}/{self.unmanaged.pk}/update"), "Only a managed app can be updated")
        self.assert_refused(self.api.delete(f"{URL}/{self.unmanaged.pk}"), "Only a managed app can be removed")

    def test_the_device_must_be_enrolled(self):
        device = make_device(self.account, enrolled=False)
        managed, unmanaged = make_installed_app(device, is_managed=True), make_installed_app(device)
        self.assert_refused(self.api.post(f"{URL}/{unmanaged.pk}/request_management"), "not enrolled")
        self.assert_refused(self.api.post(f"{URL}/{managed.pk}/update"), "not enrolled")
        self.assert_refused(self.api.delete(f"{URL}/{managed.pk}"), "not enrolled")

    def test_strangers_and_removed_devices_are_404(self):
        def statuses(api) -> set[int]:
            return {
                api.post(f"{URL}/{self.unmanaged.pk}/request_management").status_code,
                api.post(f"{URL}/{self.managed.pk}/update").status_code,
                api.delete(f"{URL}/{self.managed.pk}").status_code,
            }

        self.assertEqual(statuses(self.outsider_api), {404})
        remove_device(self.device, SYSTEM)
        self.assertEqual(statuses(self.api), {404})
        self.assertFalse(Command.objects.exists())


class DevicePushAppsTest(AccountTestCase):
    def url(self, device) -> str:
        return f"/api/v1/devices/{device.pk}/push_apps"

    def test_assigned_apps_that_are_missing_are_sent(self):
        device = make_device(self.account)
        make_assignment_group(
            self.account, members=[self.group], apps=[make_store_app(self.account)], auto_deploy=False
        )
        response = self.api.post(self.url(device))
        self.assertEqual((response.status_code, response.content, response["Content-Length"]), (202, b"", "0"))
        self.assertEqual(Command.objects.get().request_type, "InstallApplication")
        self.assertEqual(Event.objects.get(event_type="apps.pushed").api_key, self.api_key)
        self.assertEqual(self.api.post(self.url(device)).status_code, 202)
        self.assertEqual(Command.objects.count(), 1)

    def test_a_device_that_is_not_enrolled_is_refused(self):
        response = self.api.post(self.url(make_device(self.account, enrolled=False)))
        self.assertEqual(response.status_code, 422)
        self.assertEqual(response.json()["errors"], [{"title": "The device is not enrolled."}])
        self.assertFalse(Event.objects.exists())

    def test_strangers_get_404(self):
        self.assertEqual(self.outsider_api.post(self.url(make_device(self.account))).status_code, 404)
