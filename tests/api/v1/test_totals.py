"""GET /api/v1/apps/{id}/totals, /api/v1/apps/{id}/devices and /api/v1/assignment_groups/{id}/totals."""

from django.utils import timezone

from apps_catalog.models import App, AppAssignment, AppInstall
from devices.models import AssignmentGroup, Device, DeviceState, ItemState
from mdm.accounts.models import ApiKey
from mdm.commands.models import Command
from mdm.commands.states import State
from tests.apps_catalog.base import ReconcileTestCase
from tests.base import ApiClient
from tests.factories import make_api_key, make_app, make_device, make_group
from tests.factories.wanted import assign_profile, make_group_with, make_store_app, make_stored_profile

NONE = dict.fromkeys(ItemState.values, 0)


class TotalsTestCase(ReconcileTestCase):
    def setUp(self):
        super().setUp()
        self.sales = make_group(self.account, "Sales")
        self.devices = [make_device(self.account, group=self.sales) for _ in range(4)]
        self.app = make_store_app(self.account, name="Pages")

    def data(self, path: str, query: dict | None = None):
        response = self.api.get(path, query)
        self.assertEqual(response.status_code, 200, response.content)
        return response.json()["data"]

    def mixed(self, app: App | None = None) -> AssignmentGroup:
        """On the first device the app has failed, on the second one it is on its way; the others wait for their turn."""
        group = make_group_with(self.account, self.sales, apps=(app or self.app,))
        self.reconcile(*self.devices[:2])
        self.refuse(self.command(self.devices[0]), "No space.")
        return group

    def command(self, device: Device) -> Command:
        return Command.objects.get(channel__device=device, state=State.QUEUED)


class AppTotalsTest(TotalsTestCase):
    def totals(self) -> dict:
        data = self.data(f"/api/v1/apps/{self.app.pk}/totals")
        self.assertEqual((data["type"], data["id"]), ("app_totals", self.app.pk))
        self.assertEqual(data["relationships"], {"app": {"data": {"type": "app", "id": self.app.pk}}})
        self.assertEqual(data["attributes"].pop("name"), "Pages")
        return data["attributes"]

    def test_an_app_that_nobody_should_have(self):
        self.assertEqual(self.totals(), NONE)

    def test_every_device_that_should_have_it_is_counted_in_its_state(self):
        self.mixed()
        self.assertEqual(self.totals(), NONE | {"failed": 1, "pushed": 1, "pending": 2})

    def test_devices_that_are_not_enrolled_and_those_of_munki_do_not_count(self):
        self.mixed()
        Device.objects.filter(pk=self.devices[0].pk).update(state=DeviceState.UNENROLLED)
        Device.objects.filter(pk=self.devices[3].pk).update(removed_at=timezone.now())
        self.assertEqual(self.totals(), NONE | {"pushed": 1, "pending": 1})
        AppAssignment.objects.update(deployment_type="munki")
        self.assertEqual(self.totals(), NONE | {"pushed": 1})

    def test_it_takes_four_statements(self):
        self.mixed()
        self.totals()
        with self.assertNumQueries(4):
            self.totals()


class AppDevicesTest(TotalsTestCase):
    def setUp(self):
        super().setUp()
        self.url = f"/api/v1/apps/{self.app.pk}/devices"

    def ids(self, **query: object) -> list[int]:
        return [one["id"] for one in self.data(self.url, query)]

    def test_each_state_lists_the_devices_that_the_totals_count(self):
        self.mixed()
        keys = [device.pk for device in self.devices]
        self.assertEqual(self.ids(), keys)
        self.assertEqual(self.ids(state=""), keys)
        found = {state: self.ids(state=state) for state in ItemState.values}
        expected = {"failed": keys[:1], "pushed": keys[1:2], "pending": keys[2:]}
        self.assertEqual(found, {state: [] for state in ItemState.values} | expected)

    def test_a_failed_one_shows_the_devices_words_and_the_next_attempt(self):
        self.mixed()
        AppInstall.objects.filter(state="failed").update(feedback={"step": 2}, feedback_at=timezone.now())
        (item,) = self.data(f"{self.url}/", {"state": "failed"})
        self.assertEqual((item["type"], item["id"]), ("assigned_device", self.devices[0].pk))
        self.assertEqual(item["relationships"], {"device": {"data": {"type": "device", "id": self.devices[0].pk}}})
        attributes = item["attributes"]
        for key in ("retry_at", "feedback_at", "updated_at"):
            self.assertRegex(attributes.pop(key), r"^\d{4}-\d\d-\d\dT")
        expected = {"name": self.devices[0].name, "state": "failed", "error": "No space.", "attempts": 1}
        self.assertEqual(attributes, expected | {"version": None, "stopped": False, "feedback": {"step": 2}})
        (item,) = self.read_only_api.get(f"{self.url}?state=failed").json()["data"]
        self.assertIsNone(item["attributes"]["feedback"])

    def test_one_of_which_nothing_is_known_yet_is_pending(self):
        self.mixed()
        attributes = self.data(self.url, {"state": "pending"})[0]["attributes"]
        self.assertEqual((attributes["state"], attributes["updated_at"], attributes["attempts"]), ("pending", None, 0))

    def test_the_version_is_that_of_the_upload_that_was_sent(self):
        self.app = make_app(self.account)
        self.mixed(self.app)
        (item,) = self.data(f"/api/v1/apps/{self.app.pk}/devices", {"state": "pushed"})
        self.assertEqual(item["attributes"]["version"], "1.0")

    def test_it_comes_in_pages(self):
        self.mixed()
        keys = [device.pk for device in self.devices]
        page = self.api.get(self.url, {"limit": 3}).json()
        self.assertEqual(([one["id"] for one in page["data"]], page["has_more"]), (keys[:3], True))
        page = self.api.get(self.url, {"limit": 3, "starting_after": keys[2]}).json()
        self.assertEqual(([one["id"] for one in page["data"]], page["has_more"]), (keys[3:], False))

    def test_an_unknown_state_is_422(self):
        response = self.api.get(self.url, {"state": "lost"})
        title = f"state: Must be one of {', '.join(ItemState.values)}."
        self.assertEqual((response.status_code, response.json()["errors"]), (422, [{"title": title}]))

    def test_a_page_takes_four_statements_whatever_is_on_it(self):
        self.mixed()
        self.ids(limit=1)
        for limit in (1, 4):
            with self.assertNumQueries(4):
                self.assertEqual(len(self.ids(limit=limit)), limit)


class GroupTotalsTest(TotalsTestCase):
    def test_each_profile_and_app_of_the_group_on_its_devices(self):
        group = self.mixed()
        profile = make_stored_profile(self.account, name="Wi-Fi")
        assign_profile(profile, group)
        elsewhere = make_device(self.account)
        make_group_with(self.account, elsewhere, apps=(self.app,))
        self.reconcile(elsewhere, self.devices[3])
        profiles, apps = self.data(f"/api/v1/assignment_groups/{group.pk}/totals")
        self.assertEqual((profiles["type"], profiles["id"]), ("profile_totals", profile.pk))
        self.assertEqual(profiles["relationships"], {"profile": {"data": {"type": "profile", "id": profile.pk}}})
        self.assertEqual(profiles["attributes"], NONE | {"name": "Wi-Fi", "pending": 3, "pushed": 1})
        self.assertEqual((apps["type"], apps["id"]), ("app_totals", self.app.pk))
        self.assertEqual(apps["attributes"], NONE | {"name": "Pages", "pending": 1, "pushed": 2, "failed": 1})

    def test_it_is_the_same_under_the_older_name(self):
        group = self.mixed()
        answers = {
            self.api.get(f"/api/v1/{name}/{group.pk}/totals/").content for name in ("assignment_groups", "app_groups")
        }
        self.assertEqual(len(answers), 1)
        self.assertIn(b"Pages", answers.pop())

    def test_an_empty_group_has_none(self):
        group = make_group_with(self.account)
        response = self.api.get(f"/api/v1/assignment_groups/{group.pk}/totals")
        self.assertEqual(response.json(), {"data": [], "has_more": False})

    def test_what_munki_installs_and_what_was_deleted_is_not_counted(self):
        group = self.mixed()
        AppAssignment.objects.update(deployment_type="munki")
        gone = make_stored_profile(self.account, removed_at=timezone.now())
        assign_profile(gone, group)
        self.assertEqual(self.data(f"/api/v1/assignment_groups/{group.pk}/totals"), [])

    def test_the_number_of_statements_does_not_grow_with_the_items(self):
        group = self.mixed()
        url = f"/api/v1/assignment_groups/{group.pk}/totals"
        assign_profile(make_stored_profile(self.account), group)
        self.data(url)
        with self.assertNumQueries(8):
            self.data(url)
        for _ in range(4):
            assign_profile(make_stored_profile(self.account), group)
            AppAssignment.objects.create(account=self.account, group=group, app=make_store_app(self.account))
        with self.assertNumQueries(8):
            self.assertEqual(len(self.data(url)), 10)


class WhoMayTest(TotalsTestCase):
    def setUp(self):
        super().setUp()
        group = self.mixed()
        self.paths = {
            f"/api/v1/apps/{self.app.pk}/totals": "apps",
            f"/api/v1/apps/{self.app.pk}/devices": "apps",
            f"/api/v1/assignment_groups/{group.pk}/totals": "assignment_groups",
            f"/api/v1/app_groups/{group.pk}/totals": "assignment_groups",
        }

    def test_readers_may_look_with_the_section(self):
        for path, section in self.paths.items():
            self.assertEqual(self.read_only_api.get(path).status_code, 200, path)
            for scope, status in ((section, 200), ("devices", 403)):
                _, key = make_api_key(self.account, access=ApiKey.Access.LIMITED, scopes={scope: "read"})
                self.assertEqual(ApiClient(key).get(path).status_code, status, path)

    def test_strangers_get_404(self):
        for path in self.paths:
            self.assertEqual(self.outsider_api.get(path).status_code, 404, path)
            self.assertEqual(self.anonymous_api.get(path).status_code, 401, path)
            self.assertEqual(self.api.post(path).status_code, 405, path)
