"""GET /api/v1/devices/{id}/assigned."""

from devices.models import ProfileAssignment
from mdm.accounts.models import ApiKey
from mdm.commands.models import Command
from tests.apps_catalog.base import ReconcileTestCase
from tests.base import ApiClient
from tests.factories import make_api_key, make_channel, make_device, make_group
from tests.factories.wanted import assign_profile, make_group_with, make_store_app, make_stored_profile


class AssignedTestCase(ReconcileTestCase):
    def setUp(self):
        super().setUp()
        self.device = make_device(self.account)
        self.url = f"/api/v1/devices/{self.device.pk}/assigned"

    def items(self, url: str = "") -> list[dict]:
        response = self.api.get(url or self.url)
        self.assertEqual(response.status_code, 200, response.content)
        self.assertFalse(response.json()["has_more"])
        return response.json()["data"]

    def item(self) -> dict:
        (item,) = self.items()
        return item["attributes"]

    def assert_title(self, response, status: int, title: str):
        self.assertEqual((response.status_code, response.json()["errors"]), (status, [{"title": title}]))


class ListTest(AssignedTestCase):
    def test_a_device_without_assignments_has_none(self):
        self.assertEqual(self.items(), [])
        self.assertEqual(self.items(f"{self.url}/"), [])

    def test_a_profile_is_shown_with_all_its_sources_before_anything_has_happened(self):
        sales = make_group(self.account, "Sales")
        device = make_device(self.account, group=sales, name="Reception")
        profile = make_stored_profile(self.account, name="Wi-Fi")
        for owner in (device, sales, make_group_with(self.account, sales, name="Everywhere")):
            assign_profile(profile, owner)
        (item,) = self.items(f"/api/v1/devices/{device.pk}/assigned")
        self.assertEqual((item["type"], item["id"]), ("assigned_profile", profile.pk))
        self.assertEqual(
            item["attributes"],
            {
                "name": "Wi-Fi",
                "state": "pending",
                "note": None,
                "version": None,
                "present": None,
                "user": None,
                "attempts": 0,
                "retry_at": None,
                "stopped": False,
                "updated_at": None,
            },
        )
        self.assertEqual(item["relationships"]["profile"], {"data": {"type": "profile", "id": profile.pk}})
        sources = [(one["type"], one["name"], one["via"]) for one in item["relationships"]["sources"]["data"]]
        expected = [("device", "Reception", None), ("device_group", "Sales", None)]
        self.assertEqual(sources, [*expected, ("assignment_group", "Everywhere", "Sales")])

    def test_it_is_followed_from_queued_to_installed(self):
        profile = make_stored_profile(self.account)
        assign_profile(profile, self.device)
        self.reconcile(self.device)
        found = self.item()
        self.assertEqual((found["state"], found["version"], found["present"]), ("pushed", "1", None))
        self.acknowledge(Command.objects.get())
        found = self.item()
        self.assertEqual((found["state"], found["version"], found["present"]), ("installed", "1", "1"))
        self.assertRegex(found["updated_at"], r"^\d{4}-\d\d-\d\dT")

    def test_a_refused_one_shows_the_devices_words_and_the_next_attempt(self):
        assign_profile(make_stored_profile(self.account), self.device)
        self.reconcile(self.device)
        self.refuse(Command.objects.get(), "The profile is not compatible.")
        found = self.item()
        self.assertEqual(
            (found["state"], found["note"], found["attempts"], found["stopped"]),
            ("failed", "The profile is not compatible.", 1, False),
        )
        self.assertRegex(found["retry_at"], r"^\d{4}-\d\d-\d\dT")

    def test_what_is_to_leave_has_no_sources(self):
        assign_profile(make_stored_profile(self.account), self.device)
        self.reconcile(self.device)
        self.acknowledge(Command.objects.get())
        ProfileAssignment.objects.all().delete()
        self.reconcile(self.device)
        (item,) = self.items()
        self.assertEqual(item["attributes"]["state"], "removing")
        self.assertEqual(item["relationships"]["sources"], {"data": []})

    def test_an_app_says_why_it_does_not_come(self):
        mac_app = make_store_app(self.account, platform_support="macOS")
        by_hand = make_store_app(self.account)
        make_group_with(self.account, self.device, apps=(mac_app,))
        make_group_with(self.account, self.device, apps=(by_hand,), auto_deploy=False)
        found = {item["id"]: item for item in self.items()}
        self.assertEqual({item["type"] for item in found.values()}, {"assigned_app"})
        states = {pk: (item["attributes"]["state"], item["attributes"]["note"]) for pk, item in found.items()}
        self.assertEqual(states[mac_app.pk], ("not_applicable", "This app is for Mac."))
        self.assertEqual(states[by_hand.pk][0], "pending")
        self.assertIn("does not deploy by itself", states[by_hand.pk][1])
        self.assertEqual(found[by_hand.pk]["relationships"]["app"], {"data": {"type": "app", "id": by_hand.pk}})

    def test_a_profile_for_users_stands_there_once_for_each(self):
        mac = make_device(self.account, platform="macOS")
        for key, name in (("U1", "ann"), ("U2", "bob")):
            make_channel(mac, user_key=key, user_short_name=name)
        profile = make_stored_profile(self.account, user_scope=True)
        assign_profile(profile, mac)
        self.reconcile(mac)
        items = self.items(f"/api/v1/devices/{mac.pk}/assigned")
        self.assertEqual(
            {(one["id"], one["attributes"]["user"]) for one in items}, {(profile.pk, "ann"), (profile.pk, "bob")}
        )

    def test_the_number_of_statements_does_not_grow_with_the_items(self):
        def add(count: int) -> None:
            for _ in range(count):
                assign_profile(make_stored_profile(self.account), make_group_with(self.account, self.device.group))
                make_group_with(self.account, self.device, apps=(make_store_app(self.account),))

        add(1)
        self.reconcile(self.device)
        add(1)  # of either kind one with a row and one without
        self.items()  # the key's last use is noted once
        with self.assertNumQueries(13):
            self.items()
        add(4)
        self.reconcile(self.device)
        add(4)
        with self.assertNumQueries(13):
            self.assertEqual(len(self.items()), 20)

    def test_a_reader_may_look(self):
        self.assertEqual(self.read_only_api.get(self.url).status_code, 200)
        _, key = make_api_key(self.account, access=ApiKey.Access.LIMITED, scopes={"devices": "read"})
        self.assertEqual(ApiClient(key).get(self.url).status_code, 200)

    def test_strangers_get_404(self):
        self.assertEqual(self.outsider_api.get(self.url).status_code, 404)
        self.assertEqual(self.anonymous_api.get(self.url).status_code, 401)
