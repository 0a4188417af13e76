"""POST /api/v1/devices/{id}/assigned/profiles/{id}/retry and …/stop, and the same for apps."""

from datetime import timedelta

from django.utils import timezone

from apps_catalog.models import App, AppAssignment, AppInstall
from devices.models import ItemState, Profile, ProfileAssignment, ProfileInstall
from devices.services.profiles import delete_profile
from mdm.accounts.actors import SYSTEM
from mdm.accounts.models import ApiKey
from mdm.commands.models import Command
from mdm.commands.states import State
from mdm.events.models import Event
from tests.api.v1.test_assigned import AssignedTestCase
from tests.base import ApiClient
from tests.factories import make_api_key, make_device
from tests.factories.due import is_marked
from tests.factories.wanted import assign_profile, make_group_with, make_store_app, make_stored_profile


class ActionTestCase(AssignedTestCase):
    def setUp(self):
        super().setUp()
        self.profile = make_stored_profile(self.account, name="Wi-Fi")
        self.app = make_store_app(self.account, name="Pages")
        self.profile_url, self.app_url = f"{self.url}/profiles/{self.profile.pk}", f"{self.url}/apps/{self.app.pk}"

    def queued(self) -> list[str]:
        return list(Command.objects.filter(state=State.QUEUED).values_list("request_type", flat=True))

    def failed(self, item: Profile | App) -> None:
        """It is assigned, was sent, and the device has refused it."""
        if isinstance(item, App):
            make_group_with(self.account, self.device, apps=(item,))
        else:
            assign_profile(item, self.device)
        self.reconcile(self.device)
        self.refuse(Command.objects.get(state=State.QUEUED), "No space.")

    def assert_done(self, response, status: int):
        self.assertEqual((response.status_code, response.content, response["Content-Length"]), (status, b"", "0"))


class RetryTest(ActionTestCase):
    def test_a_failed_profile_is_sent_again(self):
        self.failed(self.profile)
        self.reconcile(self.device)
        self.assertEqual(self.queued(), [])
        self.assert_done(self.api.post(f"{self.profile_url}/retry"), 202)
        self.reconcile_marked()
        self.assertEqual(self.queued(), ["InstallProfile"])
        self.assertEqual(ProfileInstall.objects.get().state, ItemState.PUSHED)

    def test_a_failed_app_is_sent_again(self):
        self.failed(self.app)
        self.assert_done(self.api.post(f"{self.app_url}/retry/"), 202)
        self.reconcile_marked()
        self.assertEqual(self.queued(), ["InstallApplication"])
        self.assertEqual(AppInstall.objects.get().attempts, 0)

    def test_the_log_names_the_key_the_device_and_the_item(self):
        self.failed(self.profile)
        self.failed(self.app)
        self.api.post(f"{self.profile_url}/retry")
        self.api.post(f"{self.app_url}/retry")
        for kind, facts in (
            ("profile.retried", {"profile_id": self.profile.pk, "name": "Wi-Fi"}),
            ("app.retried", {"app_id": self.app.pk, "name": "Pages"}),
        ):
            event = self.logged(kind)
            self.assertEqual((event.api_key, event.device, event.metadata), (self.api_key, self.device, facts))

    def test_a_stopped_one_goes_on(self):
        self.failed(self.profile)
        self.api.post(f"{self.profile_url}/stop")
        self.assert_done(self.api.post(f"{self.profile_url}/retry"), 202)
        self.reconcile_marked()
        self.assertEqual(self.queued(), ["InstallProfile"])

    def test_the_repetition_is_accepted_while_it_is_failed_and_sends_it_once(self):
        self.failed(self.profile)
        for _ in range(2):
            self.assert_done(self.api.post(f"{self.profile_url}/retry"), 202)
        self.reconcile_marked()
        self.assertEqual(self.queued(), ["InstallProfile"])
        self.assertEqual(self.api.post(f"{self.profile_url}/retry").status_code, 422)

    def test_what_has_not_failed_is_422(self):
        title = "It has not failed on this device and was not stopped there: there is nothing to retry."
        for url in (self.profile_url, self.app_url):
            self.assert_title(self.api.post(f"{url}/retry"), 422, title)
        assign_profile(self.profile, self.device)
        self.reconcile(self.device)
        self.assert_title(self.api.post(f"{self.profile_url}/retry"), 422, title)
        self.acknowledge(Command.objects.get())
        self.assert_title(self.api.post(f"{self.profile_url}/retry"), 422, title)
        self.assertFalse(Event.objects.filter(event_type__endswith=".retried").exists())
        self.assertFalse(is_marked(self.device))

    def test_a_removal_that_goes_well_so_far_is_422(self):
        assign_profile(self.profile, self.device)
        self.reconcile(self.device)
        self.acknowledge(Command.objects.get())
        ProfileAssignment.objects.all().delete()
        self.reconcile(self.device)
        self.assertEqual(self.queued(), ["RemoveProfile"])
        self.assertEqual(self.api.post(f"{self.profile_url}/retry").status_code, 422)

    def test_what_was_deleted_and_does_not_leave_can_be_retried_too(self):
        assign_profile(self.profile, self.device)
        self.reconcile(self.device)
        self.acknowledge(Command.objects.get())
        self.acknowledge_list()
        delete_profile(self.profile, actor=SYSTEM)
        self.reconcile_marked()
        self.refuse(Command.objects.get(request_type="RemoveProfile"), "Not now.")
        self.assertEqual(self.item()["state"], "removing")
        self.assert_done(self.api.post(f"{self.profile_url}/retry"), 202)
        self.reconcile_marked()
        self.assertEqual(self.queued(), ["RemoveProfile"])

    def acknowledge_list(self) -> None:
        self.device.installed_profiles.create(account=self.account, identifier=self.profile.profile_identifier)


class StopTest(ActionTestCase):
    def test_a_failed_one_is_tried_no_more(self):
        for item, url in ((self.profile, self.profile_url), (self.app, self.app_url)):
            self.failed(item)
            self.assert_done(self.api.post(f"{url}/stop"), 204)
        states = [(item["attributes"]["stopped"], item["attributes"]["retry_at"]) for item in self.items()]
        self.assertEqual(states, [(True, None)] * 2)
        for install in (ProfileInstall, AppInstall):
            install.objects.update(updated_at=timezone.now() - timedelta(days=2))
        self.reconcile(self.device)
        self.assertEqual(self.queued(), [])
        self.assertEqual(self.logged("profile.stopped").metadata["profile_id"], self.profile.pk)
        self.assertEqual(self.logged("app.stopped").metadata["app_id"], self.app.pk)

    def test_a_command_that_waits_is_taken_back(self):
        assign_profile(self.profile, self.device)
        make_group_with(self.account, self.device, apps=(self.app,))
        self.reconcile(self.device)
        for url in (self.profile_url, self.app_url):
            self.assert_done(self.api.post(f"{url}/stop/"), 204)
        self.reconcile(self.device)
        self.assertEqual(self.queued(), [])
        notes = {(item["attributes"]["state"], item["attributes"]["note"]) for item in self.items()}
        self.assertEqual(notes, {("failed", "Stopped by Test key.")})

    def test_the_removal_of_an_app_is_held_back_too(self):
        make_group_with(self.account, self.device, apps=(self.app,))
        self.reconcile(self.device)
        AppInstall.objects.update(state=ItemState.INSTALLED, is_on_device=True)
        Command.objects.update(state=State.ACKNOWLEDGED)
        AppAssignment.objects.all().delete()
        self.reconcile(self.device)
        self.assertEqual(self.queued(), ["RemoveApplication"])
        self.assert_done(self.api.post(f"{self.app_url}/stop"), 204)
        self.reconcile(self.device)
        self.assertEqual(self.queued(), [])
        self.assert_done(self.api.post(f"{self.app_url}/retry"), 202)
        self.reconcile_marked()
        self.assertEqual(self.queued(), ["RemoveApplication"])

    def test_the_repetition_changes_nothing(self):
        self.failed(self.profile)
        for _ in range(2):
            self.assert_done(self.api.post(f"{self.profile_url}/stop"), 204)
        self.assertTrue(self.item()["stopped"])

    def test_nothing_under_way_is_422(self):
        title = "Nothing is under way on this device that could be stopped."
        for url in (self.profile_url, self.app_url):
            self.assert_title(self.api.post(f"{url}/stop"), 422, title)
        assign_profile(self.profile, self.device)
        self.reconcile(self.device)
        self.acknowledge(Command.objects.get())
        self.assert_title(self.api.post(f"{self.profile_url}/stop"), 422, title)
        self.assertFalse(Event.objects.filter(event_type__endswith=".stopped").exists())


class WhoMayTest(ActionTestCase):
    def setUp(self):
        super().setUp()
        self.failed(self.profile)
        self.failed(self.app)
        self.urls = [f"{url}/{way}" for url in (self.profile_url, self.app_url) for way in ("retry", "stop")]

    def rows(self) -> list:
        return [*ProfileInstall.objects.values(), *AppInstall.objects.values()]

    def test_readers_and_keys_without_the_section_get_403(self):
        before = self.rows()
        _, key = make_api_key(self.account, access=ApiKey.Access.LIMITED, scopes={"devices": "read", "apps": "write"})
        for url in self.urls:
            for client in (self.read_only_api, ApiClient(key)):
                self.assertEqual(client.post(url).status_code, 403, url)
        self.assertEqual(self.rows(), before)

    def test_another_account_gets_404_even_with_a_device_of_its_own(self):
        before = self.rows()
        theirs = make_device(self.other_account)
        for url in self.urls:
            for path in (url, url.replace(self.url, f"/api/v1/devices/{theirs.pk}/assigned")):
                self.assert_title(self.outsider_api.post(path), 404, "object not found")
        self.assertEqual(self.rows(), before)

    def test_what_is_not_there_is_404(self):
        for path in ("profiles/999999/retry", "profiles/x/stop", "apps/999999/stop", "apps/0/retry"):
            self.assert_title(self.api.post(f"{self.url}/{path}"), 404, "object not found")
        self.assertEqual(self.api.get(f"{self.profile_url}/retry").status_code, 405)
