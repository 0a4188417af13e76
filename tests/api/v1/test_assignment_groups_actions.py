"""Pushing and updating the apps of assignment groups, syncing their profiles, copying them."""

from datetime import timedelta
from unittest import mock

from django.utils import timezone

from devices.models import AssignmentGroup
from mdm.commands.models import Command
from mdm.events.models import Event
from tests.base import AccountTestCase
from tests.factories import make_assignment_group, make_device, make_installed_app, make_profile
from tests.factories.due import marked
from tests.factories.wanted import make_store_app


class ActionTestCase(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.device = make_device(self.account)
        self.app = make_store_app(self.account)
        self.profile = make_profile(self.account)
        self.row = make_assignment_group(
            self.account, "Apps", members=[self.device], apps=[self.app], profiles=[self.profile], auto_deploy=False
        )
        self.url = f"/api/v1/assignment_groups/{self.row.pk}"

    def assert_accepted(self, response, status: int = 202):
        self.assertEqual((response.status_code, response.content, response["Content-Length"]), (status, b"", "0"))


class PushAppsTest(ActionTestCase):
    def test_devices_without_the_apps_get_them(self):
        make_device(self.account)
        self.assert_accepted(self.api.post(f"{self.url}/push_apps"))
        command = Command.objects.get()
        self.assertEqual((command.request_type, command.channel.device), ("InstallApplication", self.device))
        event = Event.objects.get(event_type="apps.pushed")
        self.assertEqual((event.api_key, event.metadata["assignment_group_id"]), (self.api_key, self.row.pk))

    def test_devices_that_have_them_do_not(self):
        make_installed_app(self.device, self.app.bundle_identifier)
        self.assert_accepted(self.api.post(f"{self.url}/push_apps"))
        self.assertFalse(Command.objects.exists())

    def test_a_group_without_devices_is_no_mistake(self):
        empty = make_assignment_group(self.account)
        self.assert_accepted(self.api.post(f"/api/v1/assignment_groups/{empty.pk}/push_apps"))

    def test_strangers_get_404(self):
        self.assertEqual(self.outsider_api.post(f"{self.url}/push_apps").status_code, 404)
        self.assertFalse(Command.objects.exists())


class UpdateAppsTest(ActionTestCase):
    def test_devices_with_another_version_get_the_newest(self):
        make_installed_app(self.device, self.app.bundle_identifier, short_version="1.0", is_managed=True)
        self.assert_accepted(self.api.post(f"{self.url}/update_apps"))
        self.assertEqual(Command.objects.get().request_type, "InstallApplication")
        event = Event.objects.get(event_type="apps.updated")
        self.assertEqual((event.api_key, event.metadata["assignment_group_id"]), (self.api_key, self.row.pk))

    def test_devices_that_are_up_to_date_do_not(self):
        make_installed_app(self.device, self.app.bundle_identifier, short_version=self.app.version, is_managed=True)
        self.assert_accepted(self.api.post(f"{self.url}/update_apps"))
        self.assertFalse(Command.objects.exists())

    def test_strangers_get_404(self):
        self.assertEqual(self.outsider_api.post(f"{self.url}/update_apps").status_code, 404)


class SyncProfilesTest(ActionTestCase):
    def test_the_devices_are_due(self):
        self.assert_accepted(self.api.post(f"{self.url}/sync_profiles"), 204)
        self.assertEqual(len(marked()), 1)
        self.row.refresh_from_db()
        self.assertIsNotNone(self.row.profiles_synced_at)
        event = Event.objects.get()
        self.assertEqual((event.event_type, event.api_key), ("profiles.synced", self.api_key))

    def test_again_within_30_seconds_is_429(self):
        self.api.post(f"{self.url}/sync_profiles")
        response = self.api.post(f"{self.url}/sync_profiles")
        self.assertEqual(response.status_code, 429)
        self.assertIn("a moment ago", response.json()["errors"][0]["title"])
        self.assertIn(int(response["Retry-After"]), range(1, 31))
        self.assertGreater(int(response["X-RateLimit-Reset"]), timezone.now().timestamp())
        self.assertEqual(Event.objects.count(), 1)

    def test_after_30_seconds_it_is_done_again(self):
        AssignmentGroup.objects.update(profiles_synced_at=timezone.now() - timedelta(seconds=31))
        self.assert_accepted(self.api.post(f"{self.url}/sync_profiles"), 204)

    def test_a_sync_that_failed_may_be_repeated_at_once(self):
        with mock.patch("apps_catalog.services.installs.mark_due", side_effect=RuntimeError):
            self.assertEqual(self.api.post(f"{self.url}/sync_profiles").status_code, 500)
        self.assert_accepted(self.api.post(f"{self.url}/sync_profiles"), 204)

    def test_strangers_get_404(self):
        self.assertEqual(self.outsider_api.post(f"{self.url}/sync_profiles").status_code, 404)
        self.row.refresh_from_db()
        self.assertIsNone(self.row.profiles_synced_at)


class CloneTest(ActionTestCase):
    def test_the_copy_has_the_same_apps_and_profiles_but_no_devices(self):
        self.row.app_assignments.update(deployment_type="munki", install_type="self_serve")
        response = self.api.post(f"{self.url}/clone")
        self.assertEqual(response.status_code, 200, response.content)
        copy = AssignmentGroup.objects.exclude(pk=self.row.pk).get()
        body = response.json()["data"]
        self.assertEqual((body["id"], body["attributes"]["name"]), (copy.pk, "Apps (1)"))
        self.assertIs(body["attributes"]["auto_deploy"], False)
        related = {name: one["data"] for name, one in body["relationships"].items()}
        self.assertEqual(
            related,
            {
                "apps": [{"type": "app", "id": self.app.pk, "deployment_type": "munki", "install_type": "self_serve"}],
                "device_groups": [],
                "devices": [],
                "profiles": [{"type": "custom_configuration_profile", "id": self.profile.pk}],
            },
        )
        event = Event.objects.get()
        self.assertEqual((event.event_type, event.api_key), ("assignment_group.created", self.api_key))

    def test_strangers_get_404(self):
        self.assertEqual(self.outsider_api.post(f"{self.url}/clone").status_code, 404)
        self.assertEqual(AssignmentGroup.objects.count(), 1)
